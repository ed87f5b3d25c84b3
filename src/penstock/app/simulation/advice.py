"""Which policy to take: those that no other beats, and the cheapest that is as good as the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from penstock.checks.measures import Z

Difference = tuple[float, float]
"""How much worse answers of a week are than others to the same questions, and its standard error."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """How much worse a policy is than the best, on average over weeks, and how far chance alone goes."""

    behind: float
    chance: float

    @property
    def equal(self) -> bool:
        """Whether it cannot be told from the best."""
        return self.behind <= self.chance


def front(costs: Mapping[str, float], qualities: Mapping[str, float]) -> set[str]:
    """The policies that no other beats: none is as cheap and as good, and cheaper or better.

    More is better of `qualities`, less of `costs`.
    """
    return {
        name
        for name in qualities
        if not any(
            costs[other] <= costs[name]
            and qualities[other] >= qualities[name]
            and (costs[other], -qualities[other]) != (costs[name], -qualities[name])
            for other in qualities
        )
    }


def gap(weeks: Sequence[Difference]) -> Gap:
    """The mean of weekly differences, with the upper end of a 95 % interval around no difference.

    Weeks differ from each other for real, when the world moves, so chance is only what is left within them.
    """
    count = max(1, len(weeks))
    return Gap(
        behind=sum(behind for behind, _ in weeks) / count,
        chance=Z * sum(error**2 for _, error in weeks) ** 0.5 / count,
    )


def recommended(costs: Mapping[str, float], retrains: Mapping[str, int], gaps: Mapping[str, Gap]) -> str:
    """The cheapest policy whose quality cannot be told from the best's.

    After the rule of one standard error, with 95 %: Breiman, Friedman, Olshen and Stone (1984),
    Classification and Regression Trees.
    """
    return min((name for name, gap in gaps.items() if gap.equal), key=lambda n: (costs[n], retrains[n]))
