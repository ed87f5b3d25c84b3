"""What every environment holds now: its release, and what that release's own configuration says."""

from __future__ import annotations

from pathlib import Path

import msgspec

from penstock.builds.types import Release
from penstock.core.errors import NotFound
from penstock.deployments.types import Deployment
from penstock.lineage.ports import Blobs, Reader
from penstock.revisions.config import EnvironmentConfig, ProjectConfig, parse_config
from penstock.revisions.types import Project


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An environment with the release that is deployed there and the rules that came with it.

    `config` is what that release says of this environment.
    """

    deployment: Deployment
    release: Release
    config: ProjectConfig
    rule: EnvironmentConfig


class Environments:
    """Reads what environments hold. Releases never change, so each is read once."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._releases: dict[str, Release] = {}
        self._configs: dict[str, ProjectConfig] = {}

    def held(self, reader: Reader) -> list[Held]:
        """Every environment that a release has reached, in the order of arrival."""
        return [self._held(reader, d) for d in reader.find(Deployment, active=True)]

    def find(self, reader: Reader, project: str, environment: str) -> Held | None:
        """One environment of a project, None while no release has reached it."""
        found = reader.find(Deployment, project=project, environment=environment, active=True)
        return self._held(reader, found[0]) if found else None

    def order(self, reader: Reader) -> dict[str, int]:
        """How far each environment lies on its project's path of promotion, from 0."""
        found = [(held.rule.name, held.config) for held in self.held(reader)]
        return {
            name: [e.name for e in config.environments].index(config.declared(name)) for name, config in found
        }

    def names(self, reader: Reader, project: str) -> list[str]:
        """The environments that there are: those of the newest release, and the previews of branches."""
        config = self.newest(reader, project)
        active = reader.find(Deployment, project=project, active=True)
        return [e.name for e in config.environments if e.on != "branch"] + sorted(
            d.environment for d in active if d.branch
        )

    def newest(self, reader: Reader, project: str) -> ProjectConfig:
        """The configuration of a project's newest release. Raises NotFound while there is none."""
        found = reader.find(Release, project=project, order="-number", limit=1)
        if not found:
            raise NotFound(
                what=f"{project} has no release yet.",
                fix="A push whose build is green makes one: penstock builds.",
            )
        return self.config(found[0])

    def config(self, release: Release) -> ProjectConfig:
        """The `penstock.toml` that is part of a release."""
        if release.config not in self._configs:
            self._configs[release.config] = parse_config(self._blobs.get(release.config).decode())
        return self._configs[release.config]

    def data_root(self, reader: Reader, held: Held) -> Path:
        """Where sources lie that are read in an environment."""
        return Path(reader.get(Project, held.release.project).data_root, held.rule.data)

    def _held(self, reader: Reader, deployment: Deployment) -> Held:
        release = self._releases.get(deployment.release) or reader.get(Release, deployment.release)
        self._releases[release.id] = release
        config = self.config(release)
        return Held(
            deployment=deployment,
            release=release,
            config=config.inside(deployment.environment),
            rule=config.environment(deployment.environment),
        )
