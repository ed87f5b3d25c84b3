"""E-mail, Slack and a hundred other services by the Apprise library, which knows them by their addresses."""

from __future__ import annotations

import logging

from penstock.core.errors import InvalidValue, NotFound, Unavailable
from penstock.triggers.ports import Message


class Apprise:
    """A `triggers.ports.Channel`. Nothing is signed: the services know whoever knows the address."""

    def send(self, address: str, key: str, message: Message) -> None:  # noqa: ARG002 a channel's
        """See `Channel.send`. Raises NotFound where the library is not installed."""
        try:
            import apprise
        except ImportError:
            raise NotFound(
                what="Apprise is not installed.", fix="Install it: pip install 'penstock[notify]'."
            ) from None
        logging.getLogger("apprise").disabled = True  # it tells addresses
        asset = apprise.AppriseAsset(http_redirects=False)  # what is told goes where the secret says
        service = apprise.Apprise(asset=asset)
        if not service.add(address):
            raise InvalidValue(
                what="The secret of this channel holds no address that Apprise knows",
                expected="such as mailto://user:password@example.org or slack://TOKEN",
                fix="https://github.com/caronc/apprise lists them; penstock secrets set keeps another.",
            )
        if not service.notify(title=message.title, body=message.text):
            raise Unavailable(what="The service does not take the message, or cannot be reached.")
