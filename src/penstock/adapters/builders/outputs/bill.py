"""The software bill of materials of a release: CycloneDX, as uv tells it of the lock, with licences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from penstock.adapters.builders.outputs.dependencies import Package
from penstock.adapters.builders.project_files import normal
from penstock.core.digests import digest_value


def bill_of_materials(exported: dict[str, Any], installed: Sequence[Package], version: str) -> dict[str, Any]:
    """What uv exported from a lock, the same for the same packages wherever it is made.

    Packages that are installed and not locked (Penstock, and what only it needs) are added; licences are what
    the `installed` packages state of themselves. `version` is that of Penstock.
    """
    licences = {normal(package.name): package.licence for package in installed if package.licence}
    components = [_licensed(component, licences) for component in exported.get("components", [])]
    locked = {normal(component["name"]) for component in components}
    components += [
        _licensed(_component(package), licences)
        for package in installed
        if normal(package.name) not in locked
    ]
    components.sort(key=lambda component: (component["name"], component.get("version", "")))
    metadata = {name: value for name, value in exported["metadata"].items() if name != "timestamp"}
    tool = {"vendor": "Penstock", "name": "penstock", "version": version}
    metadata["tools"] = [*metadata.get("tools", []), tool]
    bill = {name: value for name, value in exported.items() if name != "serialNumber"}
    bill |= {"metadata": metadata, "components": components}
    return {**bill, "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, digest_value(bill))}"}


def _component(package: Package) -> dict[str, Any]:
    name = normal(package.name)
    return {
        "type": "library",
        "bom-ref": f"{name}@{package.version}",
        "name": name,
        "version": package.version,
        "purl": f"pkg:pypi/{name}@{package.version}",
    }


def _licensed(component: dict[str, Any], licences: dict[str, str]) -> dict[str, Any]:
    licence = licences.get(normal(component["name"]))
    return component | ({"licenses": [{"license": {"name": licence}}]} if licence else {})
