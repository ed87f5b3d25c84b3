"""Merging at a forge outside: the open request of a branch, and the word that merges it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import Conflict, NotAllowed
from penstock.lineage.ports import Store
from penstock.lineage.secrets import Secrets
from penstock.revisions.decide import SHOWN
from penstock.revisions.ports import Host, MergeRequest
from penstock.revisions.types import Branch, Upstream
from penstock.revisions.upstreams import token_name

_MACHINE = SystemClock()


class MergeRequests:
    """Speaks with forges about requests to merge. What was merged is seen like any other move of a branch."""

    def __init__(
        self, store: Store, hosts: Mapping[str, Host], secrets: Secrets, *, machine: Clock = _MACHINE
    ) -> None:
        """`machine` is the clock of looks at repositories outside."""
        self._store = store
        self._hosts = hosts
        self._secrets = secrets
        self._machine = machine

    def find(self, upstream: Upstream, source: Branch, into: str) -> MergeRequest:
        """The open request of a branch, with who approved its newest commit.

        Raises NotAllowed where the host only speaks git, NotFound without a request, and Conflict where the
        branch stands elsewhere at the forge than it was seen here.
        """
        host = self._hosts.get(upstream.forge)
        if host is None:
            raise NotAllowed(
                what=f"{upstream.id} is merged where it comes from, at {upstream.address}.",
                fix="Merge it there.",
            )
        request = host.request(upstream, self._token(upstream), source.name, into)
        if request.head != source.commit:
            self._look_again(upstream)
            raise Conflict(
                what=f"{source.name} has moved on at {upstream.forge}",
                expected=source.commit[:SHOWN],
                found=request.head[:SHOWN],
                fix="Merge it once that is built: penstock builds.",
            )
        return request

    def merge(self, upstream: Upstream, request: MergeRequest) -> None:
        """Have a request merged. Raises Conflict with the forge's reason."""
        self._hosts[upstream.forge].merge(upstream, self._token(upstream), request)
        self._look_again(upstream)

    def _look_again(self, upstream: Upstream) -> None:
        with self._store.begin() as tx:
            tx.put(replace(tx.get(Upstream, upstream.id), knocked=self._machine.now()))

    def _token(self, upstream: Upstream) -> str:
        with self._store.read() as reader:
            return self._secrets.read(reader, token_name(upstream.id))
