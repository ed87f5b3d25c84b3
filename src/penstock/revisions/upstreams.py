"""Projects whose repository lies elsewhere: looking there, asking who approved, telling what was built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec.structs import replace

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import (
    Busy,
    Conflict,
    InvalidValue,
    NotAllowed,
    NotFound,
    PenstockError,
    Unavailable,
)
from penstock.core.events import Event
from penstock.core.words import meant
from penstock.lineage.ports import Store, Transaction
from penstock.lineage.secrets import Secrets
from penstock.revisions.looking import check_address, check_repository, due, objection, rest
from penstock.revisions.names import check_folder, check_name
from penstock.revisions.ports import Addresses, Forge, Host, Review
from penstock.revisions.statuses import GIT
from penstock.revisions.types import Branch, CommitStatus, Delivery, Project, Upstream

ENOUGH = 30
"""Times that a status is told before it is given up: more than a day."""
_MACHINE = SystemClock()


class Upstreams:
    """Looks after repositories elsewhere.

    A webhook is only a knock: it says that it is time to look, and nothing in it is believed. What a
    branch holds comes from git, who approved it from the forge's API. A knock that is lost, repeated,
    reordered or made up therefore changes nothing but when the next look is.
    """

    def __init__(
        self,
        store: Store,
        forge: Forge,
        hosts: Mapping[str, Host],
        secrets: Secrets,
        clock: Clock,
        *,
        address: Callable[[], str],
        machine: Clock = _MACHINE,
    ) -> None:
        """`address` is where people reach this system; `machine` the clock of looks, rests and signatures."""
        self._store = store
        self._forge = forge
        self._hosts = hosts
        self._secrets = secrets
        self._clock = clock
        self._address = address
        self._machine = machine

    def connect(
        self,
        name: str,
        data_root: str,
        actor: str,
        *,
        forge: str,
        repository: str,
        url: str = "",
        token: str = "",
        secret: str = "",
        folder: str = "",
    ) -> Project:
        """Look after a project whose repository is at a forge outside, or at any address that git knows.

        `url` is the forge's own address where it is not the public one; `token` lets its API and git be
        used, `secret` signs its webhooks; each that is empty stays as it was. Raises InvalidValue, Conflict
        for a project that has its repository here, and Unavailable when the repository cannot be fetched.
        """
        check_folder(folder)
        addresses = self._addresses(forge, repository, url)
        upstream = Upstream(
            id=check_name(name, "project"),
            forge=forge,
            repository=repository,
            address=addresses.git,
            web=addresses.web,
            api=addresses.api,
        )
        with self._store.read() as reader:
            if reader.count(Project, id=name) > reader.count(Upstream, id=name):
                raise Conflict(
                    what=f"{name} has its repository here already.",
                    fix="Choose another name for the project.",
                )
            known_token = self._secrets.read(reader, token_name(name))
        self._forge.fetch(name, addresses.git, token or known_token)
        project = Project(id=name, created=self._clock.now(), data_root=data_root, folder=folder)
        with self._store.begin() as tx:
            _put(
                tx,
                replace(project, created=tx.get(Project, name).created)
                if tx.find(Project, id=name)
                else project,
            )
            _put(tx, upstream)
            for key, text in ((token_name(name), token), (_secret(name), secret)):
                if text:
                    self._secrets.keep(tx, key, text)
            evidence = {"data_root": data_root, "folder": folder, "forge": forge, "repository": repository}
            tx.publish(
                Event(
                    kind="project.connected",
                    subject=f"project:{name}",
                    time=self._clock.now(),
                    actor=actor,
                    project=name,
                    evidence=evidence,
                )
            )
        return project

    def receive(self, project: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take a webhook with its body as it came; whether it was new. One that was not signed is refused.

        Raises NotFound for a project that does not come from such a forge, NotAllowed for a forged one.
        """
        with self._store.read() as reader:
            upstream = next(iter(reader.find(Upstream, id=project)), None)
            host = self._hosts.get(upstream.forge) if upstream else None
            if not host:
                raise NotFound(what=f"{project} is no project whose forge sends webhooks.")
            secret = self._secrets.read(reader, _secret(project))
        now = self._machine.now()
        if not secret or not host.authentic(headers, body, secret, now.timestamp()):
            raise NotAllowed(
                what="The webhook is not signed with the secret of this project.",
                fix="Give the forge and penstock connect the same PENSTOCK_WEBHOOK_SECRET.",
            )
        number, kind = host.delivery(headers, body)
        delivery = Delivery(id=f"{project}:{number}", project=project, kind=kind, received=now)
        with self._store.begin() as tx:
            if tx.find(Delivery, id=delivery.id):
                return False
            tx.add(delivery)
            tx.put(replace(tx.get(Upstream, project), knocked=now))
        return True

    def tick(self, now: datetime) -> bool:
        """Look, ask and tell what is due; True if something was found. Each failure only delays its own."""
        with self._store.read() as reader:
            upstreams = reader.find(Upstream)
        found = [
            duty(upstream, now) for upstream in upstreams for duty in (self._look, self._ask, self._tell)
        ]
        return any(found)

    def _look(self, upstream: Upstream, _now: datetime) -> bool:
        began = self._machine.now()
        if not due(upstream, began):
            return False
        try:
            self._forge.fetch(upstream.id, upstream.address, self._read(token_name(upstream.id)))
        except PenstockError as error:
            self._delay(upstream, error)
            return False
        with self._store.begin() as tx:
            known = tx.get(Upstream, upstream.id)
            tx.put(replace(known, looked=began, failures=0, not_before=None, waits=""))
        return True

    def _delay(self, upstream: Upstream, error: PenstockError) -> None:
        with self._store.begin() as tx:
            known = tx.get(Upstream, upstream.id)
            failures = known.failures + 1
            until = self._machine.now() + rest(failures, _seconds(error))
            tx.put(replace(known, failures=failures, not_before=until, waits=str(error)))

    def _ask(self, upstream: Upstream, now: datetime) -> bool:
        """Ask the forge who approved what its protected branch holds, until it says that somebody did."""
        host = self._hosts.get(upstream.forge)
        with self._store.read() as reader:
            protected = reader.get(Project, upstream.id).protected
            branch = next(iter(reader.find(Branch, id=f"{upstream.id}:{protected}")), None)
            known = reader.get(Upstream, upstream.id)
        rests = known.ask_after and self._machine.now() < known.ask_after
        if not host or branch is None or not branch.waits or rests:
            return False
        seconds = 0.0
        try:
            review = host.review(upstream, self._read(token_name(upstream.id)), branch.commit, protected)
            waits = objection(review, branch.commit, protected)
        except PenstockError as error:
            review, waits, seconds = (
                None,
                f"{upstream.forge} did not say who approved it: {error}",
                _seconds(error),
            )
        with self._store.begin() as tx:
            current = tx.get(Branch, branch.id)
            if current.event != branch.event:
                return False  # it has moved meanwhile, and will be asked about again
            if review and not waits:
                tx.put(_reviewed(tx, current, upstream, review, now))
                return True
            known = tx.get(Upstream, upstream.id)
            after = self._machine.now() + rest(known.asked + 1, seconds)
            tx.put(replace(known, asked=known.asked + 1, ask_after=after))
            if current.waits != waits:
                tx.put(replace(current, waits=waits, link=review.link if review else ""))
        return False

    def _tell(self, upstream: Upstream, _now: datetime) -> bool:
        host = self._hosts.get(upstream.forge)
        with self._store.read() as reader:
            unsent = reader.find(CommitStatus, sent=False, project=upstream.id)
        machine = self._machine.now()
        for status in unsent:
            rests = status.not_before and machine < status.not_before
            if not host or rests or status.attempts >= ENOUGH:
                continue
            link = f"{self._address().rstrip('/')}{status.path}"
            told, away = replace(status, sent=True, problem=""), False
            try:
                host.tell(upstream, self._read(token_name(upstream.id)), status, link)
            except PenstockError as error:
                attempts = status.attempts + 1
                until = machine + rest(attempts, _seconds(error))
                told = replace(status, attempts=attempts, not_before=until, problem=str(error))
                away = isinstance(error, Unavailable)
            with self._store.begin() as tx:
                if tx.get(CommitStatus, status.id) == status:  # else something newer is to be told
                    tx.put(told)
            if away:
                break
        return False

    def _read(self, name: str) -> str:
        with self._store.read() as reader:
            return self._secrets.read(reader, name)

    def _addresses(self, forge: str, repository: str, url: str) -> Addresses:
        if forge == GIT:
            return Addresses(git=check_address(repository), api="", web="")
        if forge not in self._hosts:
            raise InvalidValue(
                what=f"There is no forge {forge!r}",
                expected=f"one of {', '.join([*self._hosts, GIT])}",
                fix=meant(forge, [*self._hosts, GIT]),
            )
        check_repository(repository, url)
        return self._hosts[forge].addresses(repository, url)


def _reviewed(tx: Transaction, branch: Branch, upstream: Upstream, review: Review, now: datetime) -> Branch:
    said = {"branch": review.branch, "approvals": review.approvals, "link": review.link}
    [event] = tx.publish(
        Event(
            kind="branch.reviewed",
            subject=f"branch:{branch.name}",
            time=now,
            actor=upstream.forge,
            project=branch.project,
            evidence={"commit": branch.commit, **said},
            cause=branch.event,
        )
    )
    return replace(
        branch,
        merged_from=review.branch,
        approvals=review.approvals,
        link=review.link,
        waits="",
        event=event,
    )


def _put(tx: Transaction, noun: Project | Upstream) -> None:
    if tx.find(type(noun), id=noun.id):
        tx.put(noun)
    else:
        tx.add(noun)


def _seconds(error: PenstockError) -> float:
    return error.seconds if isinstance(error, Busy) else 0.0


def token_name(project: str) -> str:
    """The name of the secret that lets a project's forge be used."""
    return f"forge:{project}"


def _secret(project: str) -> str:
    return f"webhook:{project}"
