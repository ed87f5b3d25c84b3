"""What the prediction service may tell of features by their names, and whom."""

from __future__ import annotations

from msgspec.structs import replace

from penstock.features.reading import view_online
from penstock.features.service import Features
from penstock.lineage.ports import Reader
from penstock.revisions.tokens import AccessTokens
from penstock.serving.types import Holder, Offer, OfferedView


def offer(reader: Reader, features: Features, tokens: AccessTokens, *, exposed: bool) -> Offer:
    """The views of all environments, and the tokens that are worth something; everybody at this machine may
    ask as long as none was made and the system is not `exposed`, as `app.api.roles.admitted` has it.
    """
    views = [
        OfferedView(
            project=placed.project,
            environment=placed.environment,
            view=view if state.as_of else replace(view, id=""),
            deployed=placed.deployed,
            readers=placed.readers,
        )
        for placed, state in features.standings(reader)
        for view in [view_online(placed, state)]
    ]
    made = tokens.made(reader)
    holders = [
        Holder(
            token=each.id,
            digest=each.digest,
            project=each.project,
            environment=each.environment,
            expires=each.expires,
        )
        for each in made
        if not each.revoked
    ]
    return Offer(views=tuple(views), holders=tuple(holders), open=not made and not exposed)
