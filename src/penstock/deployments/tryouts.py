"""Candidates are tried beside everything else: asking one for its gate may take minutes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from penstock.deployments.decide import Facts

Submit = Callable[[Callable[[], Facts]], "Future[Facts]"]


def at_once(work: Callable[[], Facts]) -> Future[Facts]:
    """Do the work here and now."""
    done: Future[Facts] = Future()
    try:
        done.set_result(work())
    except Exception as error:  # noqa: BLE001 - raised again by whoever wants the result
        done.set_exception(error)
    return done


class Tryouts:
    """One tryout at a time. Nothing of it is kept: a process that begins anew tries again."""

    def __init__(self, submit: Submit) -> None:
        """`submit` has work done, here or elsewhere."""
        self._submit = submit
        self._key: tuple[str, ...] = ()
        self._future: Future[Facts] | None = None

    def under_way(self) -> bool:
        """Whether a tryout goes on."""
        return self._future is not None and not self._future.done()

    def facts(self, key: tuple[str, ...], ask: Callable[[], Facts]) -> Facts | None:
        """What the tryout of this name found out; None as long as it goes on, or another does.

        Raises what asking raised.
        """
        if self.under_way():
            return None
        if self._future is None or self._key != key:
            self._key, self._future = key, self._submit(ask)
            if self.under_way():
                return None
        done, self._future = self._future, None
        return done.result()
