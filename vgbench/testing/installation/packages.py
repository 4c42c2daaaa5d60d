"""What vgbench's own metadata ask for: packages that it needs, and extras."""

import importlib
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from vgbench.plugin.entry import HOME
from vgbench.testing.installation.plugins import editable

Record = dict[str, Any]

_MODULES = {"pillow": "PIL", "pyyaml": "yaml"}
"""Modules that are not called as their distribution."""

_TOOLS = ("bench", "dev", "docs")
"""Extras of who works on vgbench itself, which no command imports."""


def requirements() -> list[Record]:
    """Packages without which vgbench does not work: rows with `status` ok, missing, version or broken."""
    rows = []
    for requirement in _requirements(""):
        found = _found(requirement)
        row = {"name": requirement.name, "wanted": str(requirement.specifier), "version": found}
        status, cause = _status(requirement, found)
        if status == "ok":
            cause = _cannot_import(requirement.name)
            status = "broken" if cause else "ok"
        again = "--force-reinstall " if status == "broken" else ""
        fix = "" if status == "ok" else f'pip install {again}"{requirement.name}{requirement.specifier}"'
        rows.append(row | {"status": status, "cause": cause, "fix": fix})
    return rows


def extras() -> list[Record]:
    """Extras of vgbench: whether all that they need is here and can be imported, and the command that installs it."""
    project = editable(distribution(HOME))
    rows = []
    for extra in distribution(HOME).metadata.get_all("Provides-Extra") or []:
        missing, broken = [], []
        for requirement in _requirements(extra):
            if _status(requirement, _found(requirement))[0] != "ok":
                missing.append(requirement.name)
            elif extra not in _TOOLS and (cause := _cannot_import(requirement.name)):
                broken.append(f"{requirement.name} {cause}")
        fix = _install(extra, project) if missing or broken else ""
        row = {"name": extra, "installed": not missing and not broken, "missing": missing, "broken": broken}
        rows.append(row | {"fix": fix})
    return rows


def _install(extra: str, project: Any) -> str:
    """Command that leaves PyTorch as it is: a build with CUDA has gigabytes."""
    if project is None:
        return f'pip install "{HOME}[{extra}]" "torch=={version("torch")}"'
    constraints = Path(project) / "constraints.txt"
    return f'pip install {f"-c {constraints} " if constraints.exists() else ""}-e "{project}[{extra}]"'


def _cannot_import(name: str) -> str:
    """Say that a package cannot be imported, and why; else nothing."""
    try:
        importlib.import_module(_MODULES.get(name.lower(), name.replace("-", "_")))
    except Exception as err:  # a package that is damaged, or was built for another one, raises anything
        return f"cannot be imported: {type(err).__name__}: {err}"
    return ""


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
