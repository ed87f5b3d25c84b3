"""The built-in git host, pushed to by path or over HTTP; and copies of repositories that lie elsewhere."""

from __future__ import annotations

import base64
import shlex
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from penstock.adapters.forges.bare import BareRepositories
from penstock.adapters.forges.git import git
from penstock.core.errors import Conflict, NotAllowed, Unavailable

_NOWHERE = "0" * 40
_SETTINGS = {
    "core.hooksPath": "hooks",  # a person who pushes by path may have set another for all repositories
    "gc.autoDetach": "false",
    "http.uploadpack": "true",
    "receive.denyDeleteCurrent": "ignore",  # the hook says it better
}
_HOOK = """\
#!/bin/sh
# Git runs this for every branch that a push would move; merges by Penstock do not come this way.
[ "$1" = "refs/heads/{protected}" ] || exit 0
why=""
case "$2" in
    *[!0]*) git merge-base --is-ancestor "$2" "$3" 2>&- || why=" and its history cannot be rewritten" ;;
esac
case "$3" in *[!0]*) ;; *) why=" and cannot be deleted" ;; esac
echo "{protected} is protected$why; push to dev, then penstock approve and penstock merge dev" >&2
exit 1
"""
_COPY_HOOK = """\
#!/bin/sh
echo {said} >&2
exit 1
"""
_FETCH = (
    ("http.lowSpeedLimit", "1000"),  # bytes a second, for ...
    ("http.lowSpeedTime", "20"),  # ... so many seconds: then the other side is given up
    ("http.followRedirects", "false"),  # a token goes to the address that was named and nowhere else
)


class BuiltinForge(BareRepositories):
    """A `revisions.ports.Forge` on `folder`/<project>.git."""

    def create(self, project: str, *, protected: str, within: str = "") -> str:
        """See `Forge.create`. The repository is complete or not there at all."""
        place = self._place(project)
        if within and not place.exists():
            place.symlink_to(self._repository(within).name)
        if not place.exists():
            self._make(place, protected)
        if self._is_copy(place):
            raise Conflict(
                what=f"{project} is connected to a repository elsewhere.", fix="Choose another name for it."
            )
        if not within:
            _hook(place, "update", _HOOK.format(protected=protected))
            git(place, "config", "http.receivepack", "true")
        return str(place)

    def fetch(self, project: str, address: str, token: str) -> None:
        """See `Forge.fetch`."""
        place = self._place(project)
        if new := not place.exists():
            self._make(place, "main", copy_of=address)
        if not self._is_copy(place):
            raise Conflict(
                what=f"{project} has a repository here already.", fix="Choose another name for the project."
            )
        _hook(
            place, "update", _COPY_HOOK.format(said=shlex.quote(f"this is a copy of {address}; push there"))
        )
        everything = "+refs/heads/*:refs/heads/*"
        options = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        try:
            git(place, "fetch", *options, "--", address, everything, also=_reach(address, token))
        except Unavailable as error:
            if new:
                shutil.rmtree(place)
            raise Unavailable(
                what=f"{address} cannot be fetched", found=error.found or error.what.rstrip(".")
            ) from error

    def merge(self, project: str, *, commit: str, into: str, actor: str, message: str) -> str:
        """See `Forge.merge`."""
        repository = self._repository(project)
        if self._is_copy(repository):
            raise NotAllowed(
                what=f"{project} is merged where it comes from.", fix="Merge its pull request there."
            )
        self._require(repository, commit)
        found, line = git(repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{into}", accept=(0, 1))
        tip = line.decode().strip() if found == 0 else _NOWHERE
        if tip != _NOWHERE and _holds(repository, tip, commit):
            return tip
        new = commit
        if tip != _NOWHERE and not _holds(repository, commit, tip):
            tree = _merged_tree(repository, tip, commit, into)
            who = {"NAME": actor, "EMAIL": ""}
            signed = {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in who.items()}
            _, line = git(
                repository, "commit-tree", tree, "-p", tip, "-p", commit, "-m", message, also=signed
            )
            new = line.decode().strip()
        moved, _ = git(
            repository, "update-ref", f"refs/heads/{into}", new, tip, accept=(0, 128)
        )  # only if it still stands at the tip that was merged
        if moved != 0:
            raise Conflict(what=f"{into} moved while {commit[:10]} was being merged.", fix="Merge again.")
        return new

    def _make(self, place: Path, protected: str, *, copy_of: str = "") -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as scratch:
            new = Path(scratch, "new.git")
            git(new, "init", "--quiet", "--bare", "--template=", f"--initial-branch={protected}", str(new))
            for key, value in _SETTINGS.items():
                git(new, "config", key, value)
            if copy_of:
                git(new, "config", "penstock.copyOf", copy_of)
            new.rename(place)

    def _is_copy(self, repository: Path) -> bool:
        return git(repository, "config", "penstock.copyOf", accept=(0, 1))[0] == 0


def _hook(repository: Path, name: str, text: str) -> None:
    hook = repository / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    if not hook.exists() or hook.read_text() != text:
        new = hook.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o755)
        new.replace(hook)


def _reach(address: str, token: str) -> dict[str, str]:
    """The variables with which git may fetch from an address: a token is in no argument and in no file."""
    parts = urlsplit(address)
    settings = [("safe.directory", "*"), *_FETCH]
    if token and parts.scheme in {"http", "https"}:
        pair = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        settings.append(
            (f"http.{parts.scheme}://{parts.netloc}/.extraHeader", f"Authorization: Basic {pair}")
        )
    counted = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        counted |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return counted | {
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:file",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    }


def _holds(repository: Path, commit: str, ancestor: str) -> bool:
    return git(repository, "merge-base", "--is-ancestor", ancestor, commit, accept=(0, 1))[0] == 0


def _merged_tree(repository: Path, tip: str, commit: str, into: str) -> str:
    if git(repository, "merge-base", tip, commit, accept=(0, 1))[0] != 0:
        raise Conflict(
            what=f"{commit[:10]} and {into} have no common history.", fix=f"Start the branch from {into}."
        )
    status, said = git(
        repository,
        "merge-tree",
        "--write-tree",
        "-z",
        "--name-only",
        "--no-messages",
        tip,
        commit,
        accept=(0, 1),
    )
    tree, *files = said.decode(errors="replace").rstrip("\0").split("\0")
    if status != 0:
        raise Conflict(
            what=f"{commit[:10]} does not merge into {into}",
            found=f"changes on both sides in {', '.join(files)}",
            fix=f"Merge {into} into your branch, settle them, and push again.",
        )
    return tree
