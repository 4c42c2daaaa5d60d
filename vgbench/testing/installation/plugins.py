"""Loads every plugin in turn, and compares entry points with the projects that they were installed from."""

import contextlib
import json
import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from vgbench.errors import OtherApi, VgbenchError
from vgbench.plugin.contract import check_use
from vgbench.plugin.entry import GROUPS, HOME, Entry
from vgbench.plugin.registry import Registry, canonical, load_plugin

Record = dict[str, Any]


def plugins(registry: Registry) -> list[Record]:
    """Load each plugin; rows with `status` ok, broken or other_api, and `cause` and `fix` where it is not ok."""
    rows = []
    for entry in registry.entries():
        about = {"kind": entry.kind, "name": entry.address, "dist": entry.dist, "version": entry.version}
        # What a third party's module prints must not come between the lines of --format json.
        with contextlib.redirect_stdout(sys.stderr):
            status, cause, fix = _load(entry)
        rows.append(about | {"status": status, "cause": cause, "fix": fix})
    return rows


def _load(entry: Entry) -> tuple[str, str, str]:
    """Status, cause and command that fixes it."""
    try:
        made = load_plugin(entry)
        check_use(entry, made)
        if entry.kind == "logger" and not getattr(made, "on_request", False):
            made()  # as every run does
    except OtherApi as err:
        newer = str(err).endswith(f"upgrade {HOME}")
        return "other_api", str(err), _pip(f"install --upgrade {HOME if newer else entry.dist}")
    except VgbenchError as err:
        return "broken", str(err), _mend(entry, err.__cause__)
    except (Exception, SystemExit) as err:  # whatever a third party's code raises
        return "broken", f"{entry}: {type(err).__name__}: {err}", _mend(entry, err)
    return "ok", "", ""


def _mend(entry: Entry, cause: BaseException | None) -> str:
    """Command that is likely to help with a plugin that cannot be loaded."""
    missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
    if missing and missing.partition(".")[0] != entry.module.partition(".")[0]:
        return _pip(f"install {missing.partition('.')[0]}")
    for dist in distributions():
        if canonical(dist.metadata["Name"] or "") == canonical(entry.dist):
            project = editable(dist)
            if project is not None:
                again = _pip(f'install -e "{project}"')
                return f"fix {entry.module} in {project}, then {again}"
    return f"{_pip(f'install --upgrade --force-reinstall {entry.dist}')}, or {_pip(f'uninstall {entry.dist}')}"


def duplicates(registry: Registry) -> list[Record]:
    """Names that several plugins of a kind claim: which one wins, and how the others are reached."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in registry.entries():
        groups.setdefault((entry.kind, entry.name), []).append(entry)
    return [
        {
            "kind": kind,
            "name": name,
            "claimed_by": [entry.source for entry in claimants],
            "winner": next((entry.source for entry in claimants if not entry.shadowed), None),
            "others": [entry.address for entry in claimants if entry.shadowed],
        }
        for (kind, name), claimants in groups.items()
        if len(claimants) > 1
    ]


def editable(dist: Distribution) -> Path | None:
    """Folder of the project that a distribution was installed from with `pip install -e`, else None."""
    try:
        about = json.loads(dist.read_text("direct_url.json") or "{}")
        url = urlparse(about.get("url", ""))
        is_editable = about.get("dir_info", {}).get("editable", False)
    except (ValueError, AttributeError, OSError):
        return None
    return Path(unquote(url.path)) if is_editable and url.scheme == "file" else None


def stale() -> list[Record]:
    """Editable installs whose entry points are no longer those of their pyproject.toml."""
    rows: list[Record] = []
    seen: set[str] = set()
    for dist in distributions():
        project = editable(dist)
        name = dist.metadata["Name"] or ""
        if project is None or canonical(name) in seen:
            continue
        seen.add(canonical(name))
        installed = {(p.group, p.name): p.value for p in dist.entry_points if p.group in GROUPS.values()}
        declared = _declared(project)
        if declared is None and installed:
            rows.append(_stale(name, project, ["there is no pyproject.toml any more"]))
        elif isinstance(declared, dict) and declared != installed:
            rows.append(_stale(name, project, _differences(installed, declared)))
    return rows


def _stale(name: str, project: Path, differences: list[str]) -> Record:
    return {
        "dist": name,
        "project": str(project),
        "differences": differences,
        "fix": _pip(f'install -e "{project}"') if project.is_dir() else _pip(f"uninstall {name}"),
    }


def _declared(project: Path) -> dict[tuple[str, str], str] | str | None:
    """Entry points of a project's pyproject.toml; a word if they stand elsewhere; None if there is no such file."""
    try:
        about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except OSError:
        return "elsewhere" if any((project / name).exists() for name in ("setup.py", "setup.cfg")) else None
    except ValueError:
        return None
    groups = about.get("entry-points")
    if groups is None and (
        not about
        or "entry-points" in about.get("dynamic", [])
        or any((project / name).exists() for name in ("setup.py", "setup.cfg"))
    ):
        return "elsewhere"
    return {
        (group, name): value
        for group, names in (groups or {}).items()
        if group in GROUPS.values()
        for name, value in names.items()
    }


def _differences(installed: dict[tuple[str, str], str], declared: dict[tuple[str, str], str]) -> list[str]:
    """Say for each entry point that differs what is in pyproject.toml and what is installed."""
    kinds = {group: kind for kind, group in GROUPS.items()}
    words = []
    for group, name in sorted({*installed, *declared}):
        old, new = installed.get((group, name)), declared.get((group, name))
        if old == new:
            continue
        what = f"{kinds[group]} {name!r}"
        if old is None:
            words.append(f"{what} is in pyproject.toml and not installed")
        elif new is None:
            words.append(f"{what} is installed and no longer in pyproject.toml")
        else:
            words.append(f"{what} is {new} in pyproject.toml and installed as {old}")
    return words


def _pip(arguments: str) -> str:
    return f"pip {arguments}"
