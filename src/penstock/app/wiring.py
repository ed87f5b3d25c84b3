"""The wiring: every component given what it needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from penstock.adapters.builders.local import LocalBuilder
from penstock.adapters.executors.machine import ended
from penstock.adapters.forges.builtin import BuiltinForge
from penstock.adapters.forges.gitea import Gitea
from penstock.adapters.forges.github import GitHub
from penstock.adapters.forges.gitlab import GitLab
from penstock.adapters.forges.signatures import signed_somehow
from penstock.adapters.notices.apprise import Apprise
from penstock.adapters.notices.webhook import Webhook
from penstock.adapters.online.choice import open_online
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.adapters.pushes.log import JsonLinesPushes
from penstock.adapters.remote.client import RemoteApi
from penstock.adapters.sources.arrivals import Everywhere
from penstock.app.apart import Apart
from penstock.app.features import FeatureRuns
from penstock.app.home import Home
from penstock.app.importing import Importing
from penstock.app.loop import BUSY, IDLE, Loop, Tick, at_rest
from penstock.app.offer import offer
from penstock.app.pushing import Pushing
from penstock.app.reactions import Reactions
from penstock.app.workbench import Workbench
from penstock.app.workspaces import Workspaces
from penstock.builds.service import Builds
from penstock.builds.types import Build, Release
from penstock.core.errors import InvalidValue, NotFound, Unavailable
from penstock.core.events import Event
from penstock.deployments.decide import Facts
from penstock.deployments.holds import Holds
from penstock.deployments.releases import Releases
from penstock.deployments.rollouts import Rollouts
from penstock.deployments.signing import Signing
from penstock.features.service import Features
from penstock.lineage.ports import Reader
from penstock.models.keeping import Keeping
from penstock.models.logged import LoggedModels
from penstock.models.types import Version
from penstock.models.uploads import Uploads
from penstock.monitoring.alarms import Alarms
from penstock.monitoring.archive import Archive
from penstock.monitoring.service import Monitoring
from penstock.monitoring.skews import Skews
from penstock.monitoring.traffic import Watch
from penstock.monitoring.types import Asked
from penstock.revisions.config import RESERVED, parse_config
from penstock.revisions.issues import Issues
from penstock.revisions.merging import MergeRequests
from penstock.revisions.names import check_name
from penstock.revisions.ports import Host
from penstock.revisions.service import Revisions
from penstock.revisions.tokens import AccessTokens
from penstock.revisions.types import Project
from penstock.revisions.upstreams import Upstreams
from penstock.runs.logbook import Logbook
from penstock.runs.room import Room
from penstock.runs.types import Run, Workspace
from penstock.serving.ports import PredictionLog, PredictionService
from penstock.serving.types import Offer
from penstock.triggers.notices import Notices
from penstock.triggers.outbox import Outbox
from penstock.triggers.ports import Channel
from penstock.triggers.service import Triggers
from penstock.triggers.signals import Signals
from penstock.triggers.subscriptions import Subscriptions

Answer = TypeVar("Answer")
PATIENCE = 5.0
"""Seconds to wait for the state of a system that runs."""
HOSTS: dict[str, Host] = {"github": GitHub(), "gitlab": GitLab(), "gitea": Gitea()}
"""The forges outside that are spoken with, by the names of their kinds."""
TRUSTED = 1.0
"""Seconds for which the prediction service is trusted to follow its plan: a process of it that begins anew
takes the plan up by itself, and most ticks come many to a second and change nothing.
"""
COURIERS = 8
"""Targets of actions that are served at a time: a slow one keeps only its own."""
LOOPBACK = "127.0.0.1"
DIGITS = 19
"""Longer numbers name no event that a store could keep."""


class App(Workbench):
    """One system on one home: all components, adapters, and the order of their ticks."""

    def __init__(
        self,
        home: Home,
        *,
        virtual: datetime | None = None,
        on: str = "local",
        room: Room | None = None,
        isolation: str = "none",
        online: str = "",
        service: PredictionService | None = None,
        log: PredictionLog | None = None,
    ) -> None:
        """See `Workbench`; `online` says where online values are (see `open_online`); `service` and `log`
        are in place of those of the home's prediction process.
        """
        self.online = open_online(online, home.online)
        super().__init__(home, virtual=virtual, on=on, room=room, isolation=isolation)
        self.forge = BuiltinForge(home.git)
        self.builder = LocalBuilder(
            home.folder,
            self.forge,
            self.blobs,
            wake=lambda: self.poked(None),
            isolation=self.isolation,
            secrets=partial(self.step_secrets.every, environment="builds"),
        )
        self.service = service or HttpPredictionService(self._predict_url, home.key(), home.blobs, isolation)
        self.log = log or JsonlPredictionLog(home.predictions)
        self.loop: Loop | None = None
        self._tryouts = ThreadPoolExecutor(1, thread_name_prefix="penstock-tryout")
        self.host = LOOPBACK

        requests = MergeRequests(self.store, HOSTS, self.secrets)
        self.revisions = Revisions(self.store, self.forge, self.clock, HOSTS, requests)
        self.upstreams = Upstreams(
            self.store, self.forge, HOSTS, self.secrets, self.clock, address=self._address
        )
        self.tokens = AccessTokens(self.store, self.clock)
        self.logbook = Logbook(self.store, self.clock)
        self.logged = LoggedModels(self.store, self.clock)
        self.importing = Importing(self.store, self.blobs, self.runs, self._workspace)
        self.uploads = Uploads(self.store, self.blobs, self.clock)
        self.signing = Signing(self.store, self.models, self.clock)
        self.keeping = Keeping(self.store, self.models, self.clock)
        self.builds = Builds(self.store, self.blobs, self.builder, each=lru_cache(self.revisions.builds_each))
        self.releases = Releases(self.store, self.blobs, self.clock)
        self.holds = Holds(self.store, self.blobs, self.clock)
        self.monitoring = Monitoring(self.store, self.blobs, self.log, self.clock)
        self.traffic = Watch(self.store, self.service)
        self.archive = Archive(self.store, self.blobs, self.log)
        self._restoring = ThreadPoolExecutor(1, thread_name_prefix="penstock-restoring")
        self.apart = Apart(
            self.store,
            home.folder,
            self.builder.restore,
            submit=self._restoring.submit,
            made=self._load_again,
        )
        self.rollouts = Rollouts(
            self.store,
            self.blobs,
            self.service,
            self.models,
            self.clock,
            labelled=self.monitoring,
            virtual_now=self.clock.virtual_now,
            submit=self._beside,
            prepare=self.apart.ensure,
            trusted=TRUSTED,
            offered=self._offered,
        )
        self.alarms = Alarms(self.store, self.blobs)
        self._workspaces = Workspaces(self._workspace, found=lambda: self.poked(None))
        self.skews = Skews(self.store, self.blobs, self.log, self.runs, workspace_of=self._workspace_soon)
        self._arrivals = Everywhere()
        self.triggers = Triggers(
            self.store,
            self.blobs,
            self.runs,
            self.clock,
            workspace_of=self._workspace_soon,
            arrivals=self._arrivals,
            secrets=self.step_secrets.every,
        )
        channels: dict[str, Channel] = {"webhook": Webhook(), "apprise": Apprise()}
        self.notices = Notices(self.store, channels, self.step_secrets, address=self._address)
        issues = Issues(self.store, HOSTS, self.secrets)
        self.reactions = Reactions(self, self.rollouts, issues, self.notices, self._workspace)
        self._couriers = ThreadPoolExecutor(COURIERS, thread_name_prefix="penstock-courier")
        self.outbox = Outbox(self.store, self.reactions.performs, submit=self._couriers.submit)
        self.subscriptions = Subscriptions(self.store, self.blobs)
        self.signals = Signals(
            self.store, self.blobs, self.step_secrets, self.clock, authentic=signed_somehow
        )
        work = FeatureRuns(self.store, self.blobs, self.runs, self._workspace_soon, self.rollouts.readers)
        self.features = Features(self.store, self.blobs, self.online, work, self.clock)
        self._pushes = JsonLinesPushes(home.pushes)
        self.pushing = Pushing(self.store, self.blobs, self._pushes, self.clock)

    @property
    def exposed(self) -> bool:
        """Whether the system answers on more than the loopback: then everybody needs a token."""
        return self.host != LOOPBACK

    @property
    def ticks(self) -> tuple[tuple[str, Tick], ...]:
        """Every long-running duty, in the order of the loop.

        At rest are those that read nothing but the store: of a virtual moment most passes only make sure.
        """
        rest = partial(at_rest, self.store.written)
        return (
            ("revisions", self.revisions.tick),
            ("builds", self.builds.tick),
            ("releases", rest(self.releases.tick)),
            ("monitoring", self.monitoring.tick),
            ("traffic", self.traffic.tick),
            ("archive", self.archive.tick),
            ("alarms", rest(self.alarms.tick)),
            ("skews", rest(self.skews.tick)),
            ("triggers", rest(self.triggers.tick)),
            ("runs", self.runs.tick),
            ("features", self.features.tick),
            ("models", rest(self.models.tick)),
            ("environments", self.apart.tick),
            ("rollouts", self.rollouts.tick),
        )

    def pace(self) -> float | None:
        """How often to look while builds, runs or tryouts of candidates are under way: builds tell when they
        get on, the others are many or short.
        """
        with self.store.read() as reader:
            if self.rollouts.trying or reader.count(Run, status=("queued", "running")):
                return BUSY
            return IDLE if self.apart.making or reader.count(Build, status=("queued", "running")) else None

    def carry(self, patience: float) -> bool:
        """Wait up to `patience` seconds for a task to end, then carry the runs forward; whether one ended."""
        arrived = self.runs.wait(patience)
        if arrived:
            self.runs.tick(self.clock.now())
        return arrived

    def recover(self) -> None:
        """Put back in the queue what a process that has ended had claimed."""
        self.builds.recover()
        self.runs.recover(ended)

    def close(self) -> None:
        """End every process that was started here."""
        self.builder.close()  # what tryouts wait for may be its work
        self._tryouts.shutdown(cancel_futures=True)
        self._couriers.shutdown(cancel_futures=True)
        self._restoring.shutdown(wait=False, cancel_futures=True)
        self._workspaces.close()
        self.online.close()
        self._pushes.close()
        self._arrivals.close()
        super().close()

    def _beside(self, work: Callable[[], Facts]) -> Future[Facts]:
        """Have a candidate tried in a thread; the loop hears when it is done."""
        tryout = self._tryouts.submit(work)
        tryout.add_done_callback(lambda _: self.loop.poke() if self.loop else None)
        return tryout

    def _offered(self, reader: Reader) -> Offer:
        """What the prediction process may tell of features by their names, and whom."""
        return offer(reader, self.features, self.tokens, exposed=self.exposed)

    # What the faces ask for beyond one component.

    def project(self, name: str) -> str:
        """The project meant: the one named, or the only one. Raises NotFound or InvalidValue."""
        with self.store.read() as reader:
            if name:
                return reader.get(Project, name).id
            known = [project.id for project in reader.find(Project)]
        if not known:
            raise NotFound(
                what="No project is connected.", fix="Run penstock connect in the project's folder."
            )
        if len(known) > 1:
            raise InvalidValue(
                what="Several projects are connected",
                expected=f"one of {', '.join(known)}",
                found="none",
                fix="Name it with --project.",
            )
        return known[0]

    def place(self, project: str, environment: str) -> tuple[str, str]:
        """A project and one of its environments, or what stands in place of one.

        Raises NotFound where the newest release knows no such environment.
        """
        name = project or self.project("")
        config = self.config(name)
        if config and environment not in RESERVED:
            config.environment(environment)
        check_name(environment, "environment")
        return name, environment

    def merge(self, project: str, branch: str, actor: str) -> Any:
        """Merge a branch whose newest commit is approved and green."""
        return self.revisions.merge(
            project, branch, actor, is_green=lambda commit: self._green(project, commit)
        )

    def rollback(self, what: str, environment: str, actor: str, to: str = "") -> Any:
        """Put back the previous version of a model; of a project the previous release, or an earlier one."""
        with self.store.read() as reader:
            is_project = bool(reader.find(Project, id=what))
        if is_project:
            return self.releases.rollback(what, environment, actor, to)
        if to:
            raise InvalidValue(
                what=f"{what} is no project, and a model goes back to its previous version only",
                fix=f"penstock promote {what}@{to} --to {environment} brings any version there.",
            )
        return self.rollouts.rollback(what, environment, actor)

    def why(self, ref: str) -> list[Event]:
        """The events that led to `run:128`, `version:delay@3`, `delay@production` or an event's number."""
        return self.ledger.why(self._event_of(ref))

    def status(self) -> dict[str, Any]:
        """The state of the system as one small table, asked of the running one: it alone knows its loop."""
        server = self.home.server()
        if server and not self.loop:
            asked = RemoteApi(server.url, token=self.home.key(), timeout=PATIENCE)
            with suppress(Unavailable), closing(asked) as running:
                found: dict[str, Any] = running.call("GET", "/status")
                return found
        with self.store.read() as reader:
            counts = {
                "builds": reader.count(Build, status=("queued", "running")),
                "runs": reader.count(Run, status=("queued", "running")),
            }
        return {
            "now": self.clock.now(),
            "virtual": self.clock.virtual_now() is not None,
            "running": server is not None,
            "url": server.url if server else "",
            "predict_url": self.home.predict_url(),
            "settled": self.loop.settled if self.loop else False,
            "active": counts,
            "building": self.builder.stages(),
            "problems": self.loop.problems if self.loop else {},
        }

    def asked(self, model: str, version: int) -> Asked | None:
        """How a version was asked up to now; None where it never was."""
        if self.home.server():
            self.traffic.look(self.clock.now())
        return self.traffic.asked(model, version)

    def poked(self, answer: Answer) -> Answer:
        """Wake the loop, since something was asked for."""
        if self.loop:
            self.loop.poke()
        return answer

    def settle(self, wait: float) -> dict[str, Any]:
        """Wait up to `wait` seconds until everything so far has had its consequences; gives the status.

        Raises Unavailable when the system is told to stop before that.
        """
        if self.loop and wait:
            self.loop.poke()
            if not self.loop.wait_settled(wait) and self.loop.stopping:
                raise Unavailable(what="The system is stopping.", fix="Ask again when it is up.")
        return self.status()

    def advance(self, to: datetime) -> None:
        """Advance the virtual clock, in the prediction service as well."""
        if self.home.server():
            self.traffic.look(self.clock.now())
        self.clock.advance(to)
        if self.home.server():
            self.rollouts.push()
        self.poked(to)

    def predictions_durable(self) -> None:
        """Make every prediction answered so far readable in the log."""
        if self.home.server():
            self.service.flush()

    def _workspace(self, release: Release, environment: str) -> Workspace:
        with self.store.read() as reader:
            root = reader.get(Project, release.project).data_root
        config = parse_config(self.blobs.get(release.config).decode())
        own = config.environment(environment).data
        return self.builder.workspace(release, str(Path(root, own)) if own else root)

    def _workspace_soon(self, release: Release, environment: str) -> Workspace:
        """The same for ticks: in a loop it raises Busy while it is made anew, and is asked for again."""
        return (self._workspaces.of if self.loop else self._workspace)(release, environment)

    def _load_again(self) -> None:
        self.rollouts.again()

    def _green(self, project: str, commit: str) -> bool:
        with self.store.read() as reader:
            return bool(reader.count(Build, project=project, commit=commit, status="passed"))

    def _address(self) -> str:
        server = self.home.server()
        return os.environ.get("PENSTOCK_URL") or (server.url if server else "")

    def _predict_url(self) -> str:
        server = self.home.server()
        if server is None:
            raise Unavailable(what="The prediction service is not running.", fix="Start it with penstock up.")
        return server.predict_url

    def _event_of(self, ref: str) -> int:
        if ref.isdecimal() and len(ref) < DIGITS:
            return int(ref)
        kind, _, key = ref.partition(":")
        with self.store.read() as reader:
            if kind == "run" and key:
                return reader.get(Run, key).event
            model, _, place = (key if kind == "version" else ref).partition("@")
            if place.isdecimal():
                return reader.get(Version, f"{model}@{place}").event
        return self.models.placed(model, place).event


@contextmanager
def open_app(home: Path, *, create: bool = True, virtual: datetime | None = None) -> Iterator[App]:
    """Open a home for a command. Raises NotFound when it must exist and does not."""
    place = Home(home)
    if not create:
        place.require()
    app = App(place, virtual=virtual)
    try:
        yield app
    finally:
        app.close()
