"""Both git hosts keep the contract."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.adapters.forges.builtin import BuiltinForge
from penstock.testing.contracts.forge import ForgeContract, Push
from penstock.testing.forges import FakeForge
from penstock.testing.git import Clone


class TestFakeForge(ForgeContract):
    @pytest.fixture
    def forge(self) -> FakeForge:
        return FakeForge()

    @pytest.fixture
    def push(self, forge: FakeForge) -> Push:
        forge.create("flights", protected="main")

        def push(branch: str, files: dict[str, bytes], **who: Any) -> str:
            return forge.push("flights", branch, files, **who)

        return push


class TestBuiltinForge(ForgeContract):
    @pytest.fixture
    def forge(self, tmp_path_factory: pytest.TempPathFactory) -> BuiltinForge:
        return BuiltinForge(tmp_path_factory.mktemp("home") / "git")

    @pytest.fixture
    def push(self, forge: BuiltinForge, tmp_path_factory: pytest.TempPathFactory) -> Push:
        remote = forge.create("flights", protected="main")
        return Clone(tmp_path_factory.mktemp("person"), remote).push
