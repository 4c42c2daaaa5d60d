"""What vgbench's own metadata ask for: packages that it needs, and extras."""

import importlib
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import Any

from vgbench.plugin.entry import HOME
from vgbench.testing.installation.plugins import editable

Record = dict[str, Any]

_MODULES = {"pillow": "PIL", "pyyaml": "yaml"}
"""Modules that are not called as their distribution."""


def requirements() -> list[Record]:
    """Packages without which vgbench does not work: rows with `status` ok, missing, version or broken."""
    rows = []
    for requirement in _requirements(""):
        found = _found(requirement)
        row = {"name": requirement.name, "wanted": str(requirement.specifier), "version": found}
        status, cause = _status(requirement, found)
        if status == "ok":
            try:
                importlib.import_module(_MODULES.get(requirement.name.lower(), requirement.name.replace("-", "_")))
            except Exception as err:  # a package that is damaged raises anything
                status, cause = "broken", f"cannot be imported: {type(err).__name__}: {err}"
        again = "--force-reinstall " if status == "broken" else ""
        fix = "" if status == "ok" else f'pip install {again}"{requirement.name}{requirement.specifier}"'
        rows.append(row | {"status": status, "cause": cause, "fix": fix})
    return rows


def extras() -> list[Record]:
    """Extras of vgbench: whether all that they need is here, and the command that installs it."""
    project = editable(distribution(HOME))
    rows = []
    for extra in distribution(HOME).metadata.get_all("Provides-Extra") or []:
        missing = []
        for requirement in _requirements(extra):
            if _status(requirement, _found(requirement))[0] != "ok":
                missing.append(requirement.name)
        where = f'"{HOME}[{extra}]"' if project is None else f'-e "{project}[{extra}]"'
        fix = f"pip install {where}"
        rows.append({"name": extra, "installed": not missing, "missing": missing, "fix": fix if missing else ""})
    return rows


def _requirements(extra: str) -> list[Any]:
    """Requirements of vgbench that hold here: those without an extra, or those of one alone."""
    from packaging.requirements import Requirement

    every = [Requirement(text) for text in distribution(HOME).requires or []]
    always = [r for r in every if r.marker is None or r.marker.evaluate({"extra": ""})]
    if not extra:
        return always
    return [r for r in every if r not in always and r.marker is not None and r.marker.evaluate({"extra": extra})]


def _found(requirement: Any) -> str | None:
    try:
        return version(requirement.name)
    except PackageNotFoundError:
        return None


def _status(requirement: Any, found: str | None) -> tuple[str, str]:
    if found is None:
        return "missing", "is not installed"
    if not requirement.specifier.contains(found, prereleases=True):
        return "version", f"is {found}, expected {requirement.specifier}"
    return "ok", ""
