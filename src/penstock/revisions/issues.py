"""Issues at the forges that projects come from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from penstock.core.errors import Conflict
from penstock.lineage.ports import Store
from penstock.lineage.secrets import Secrets
from penstock.revisions.ports import Issuing
from penstock.revisions.types import Upstream
from penstock.revisions.upstreams import token_name


class Issues:
    """Opens issues, each once however often it is asked for."""

    def __init__(self, store: Store, hosts: Mapping[str, Issuing], secrets: Secrets) -> None:
        self._store = store
        self._hosts = hosts
        self._secrets = secrets

    def open(self, project: str, title: str, text: str, *, mark: str, since: datetime) -> str:
        """Open an issue, or find the one with this mark that was opened `since`; gives its address.

        Raises Conflict for a project whose repository keeps no issues, and as `Issuing`.
        """
        with self._store.read() as reader:
            upstream = next(iter(reader.find(Upstream, id=project)), None)
            token = self._secrets.read(reader, token_name(project))
        host = self._hosts.get(upstream.forge) if upstream else None
        if upstream is None or host is None:
            raise Conflict(
                what=f"The repository of {project} keeps no issues.",
                fix="Connect the project to a forge that does, or notify a channel instead.",
            )
        hidden = f"<!-- penstock {mark} -->"
        found = next((each for each in host.issues(upstream, token, since) if hidden in each.text), None)
        return found.link if found else host.open_issue(upstream, token, title, f"{text}\n\n{hidden}\n")
