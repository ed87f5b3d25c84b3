"""Access tokens: made once, shown once, kept only as a digest."""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import get_args

from msgspec.structs import replace

from penstock.core.clock import Clock, SystemClock
from penstock.core.digests import digest_bytes
from penstock.core.durations import duration
from penstock.core.errors import InvalidValue, NotAllowed, NotAuthenticated
from penstock.core.events import Event
from penstock.lineage.ports import Reader, Store
from penstock.revisions.types import AccessToken, Project, Role

PREFIX = "penstock"
ROLES: tuple[str, ...] = get_args(Role)
READERS = frozenset({"viewer", "ml_expert", "operator", "admin"})
WRITERS = frozenset({"ml_expert", "operator", "admin"})
LONGEST = timedelta(days=3660)
_MACHINE = SystemClock()


class AccessTokens:
    """Who may use the git host, the API and the protocols of clients over HTTP, once that is asked."""

    def __init__(self, store: Store, clock: Clock, *, machine: Clock = _MACHINE) -> None:
        """`machine` is the clock by which tokens expire, also where the home's clock is virtual."""
        self._store = store
        self._clock = clock
        self._machine = machine

    def create(
        self,
        owner: str,
        role: str,
        actor: str,
        *,
        project: str = "",
        environment: str = "",
        expires: str = "",
    ) -> tuple[AccessToken, str]:
        """Make a token for `owner`; gives what is kept of it, and the token itself, which is kept nowhere.

        It is for one project or for all, and its verbs for one environment or for all; it expires after a
        span such as "90d", or never.
        Raises InvalidValue and NotFound.
        """
        if role not in ROLES:
            raise InvalidValue(
                what="There is no such role", expected=f"one of {', '.join(ROLES)}", found=repr(role)
            )
        if not owner.strip():
            raise InvalidValue(what="A token belongs to someone", fix="Say to whom with --for.")
        span = duration(expires) if expires else None
        if span is not None and not timedelta() < span <= LONGEST:
            raise InvalidValue(expected="a span such as 90d, of ten years at most", found=expires)
        machine = self._machine.now()
        secret = secrets.token_urlsafe(32)
        with self._store.begin() as tx:
            if project:
                tx.get(Project, project)
            key = tx.mint(AccessToken)
            text = f"{PREFIX}_{key}_{secret}"
            event = Event(
                kind="token.created",
                subject=f"token:{key}",
                time=self._clock.now(),
                actor=actor,
                project=project,
                evidence={"for": owner, "role": role, "environment": environment, "expires": expires},
            )
            [number] = tx.publish(event)
            token = AccessToken(
                id=key,
                actor=owner,
                role=role,  # type: ignore[arg-type]  # it is one of ROLES
                project=project,
                environment=environment,
                digest=digest_bytes(text.encode()),
                created=machine,
                expires=machine + span if span else None,
                event=number,
            )
            tx.add(token)
        return token, text

    def revoke(self, key: str, actor: str) -> AccessToken:
        """Let a token be worth nothing from now on; again changes nothing. Raises NotFound."""
        with self._store.begin() as tx:
            token = tx.get(AccessToken, key)
            if token.revoked:
                return token
            event = Event(
                kind="token.revoked",
                subject=f"token:{key}",
                time=self._clock.now(),
                actor=actor,
                project=token.project,
                cause=token.event,
            )
            [number] = tx.publish(event)
            token = replace(token, revoked=self._machine.now(), event=number)
            tx.put(token)
        return token

    def admit(self, text: str, project: str, *, write: bool, near: bool) -> str:
        """Let a git program or a client in; gives whom it belongs to, empty for nobody in particular.

        Someone who is `near`, at this machine, needs no token as long as none was ever made. Raises
        NotAuthenticated without a valid token, and NotAllowed when it is not for this.
        """
        if near and not text and not self.any():
            return ""
        token = self.holder(text)
        if token.project not in {"", project}:
            raise NotAllowed(what=f"The access token {token.id} is for the project {token.project} only.")
        if write and token.environment:
            raise NotAllowed(
                what=f"The access token {token.id} is for the environment {token.environment} only."
            )
        if token.role not in (WRITERS if write else READERS):
            raise NotAllowed(
                what=f"The access token {token.id} does not allow {'changes' if write else 'reading'}",
                expected=f"one of the roles {', '.join(sorted(WRITERS if write else READERS))}",
                found=token.role,
            )
        return token.actor

    def any(self) -> bool:
        """Whether a token was ever made."""
        with self._store.read() as reader:
            return bool(reader.count(AccessToken))

    def made(self, reader: Reader) -> list[AccessToken]:
        """Every token that was ever made."""
        return reader.find(AccessToken)

    def holder(self, text: str) -> AccessToken:
        """The token that this text is. Raises NotAuthenticated for none that is worth anything."""
        with self._store.read() as reader:
            found = reader.find(AccessToken, id=text.split("_")[1]) if text.count("_") > 1 else []
        token = next(iter(found), None)
        if token is None or not hmac.compare_digest(token.digest, digest_bytes(text.encode())):
            raise NotAuthenticated(
                what="This system asks for an access token: in PENSTOCK_TOKEN, or as the password.",
                fix="Make one with: penstock tokens create --for NAME --role ml_expert.",
            )
        now = self._machine.now()
        if token.revoked or (token.expires and token.expires <= now):
            raise NotAuthenticated(
                what=f"The access token {token.id} was revoked or has expired.",
                fix="Make another with: penstock tokens create.",
            )
        return token
