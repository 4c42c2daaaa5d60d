"""Index of installed plugins by kind and name, from entry points alone: it never opens registry.yaml.

That file describes plugins and holds recipes and protocols; `vgbench.config.catalogue` reads it. Listing imports no
plugin; choosing one imports that one. The built-ins are found the same way as any third party's plugins.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError
from vgbench.imports import quick_imports
from vgbench.plugin import guard
from vgbench.plugin.contract import check_class
from vgbench.plugin.entry import CATALOGUES, EXECUTORS, GROUPS, HOME, Entry
from vgbench.plugin.process_state import State
from vgbench.text import RENAMED, same, suggest

_OTHERS = (CATALOGUES, EXECUTORS)
"""Groups of entry points that are no plugins of a run."""


class Registry:
    """All plugins that are installed. Making one is cheap: a `sys.path` is scanned once.

    Attributes:
        problems: what was wrong on the way; a broken package takes nobody else down.
        remedies: the command that fixes it, for each of them.
    """

    problems: tuple[str, ...]
    remedies: dict[str, str]

    def __init__(self) -> None:
        """Scan the installed distributions, as far as VGBENCH_PLUGINS (`none`, or a list of them) allows.

        Raises:
            UsageError: vgbench itself is not installed, so that not even its own plugins can be found.
        """
        found, remedies = _scan(tuple(sys.path), os.environ.get("VGBENCH_PLUGINS"))
        self._entries = tuple(entry for entry in found if entry.kind in GROUPS)
        self._others = tuple(entry for entry in found if entry.kind not in GROUPS)
        self.problems, self.remedies = tuple(remedies), dict(remedies)

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """All plugins, or those of one kind, sorted by kind and name."""
        return tuple(entry for entry in self._entries if kind in (None, entry.kind))

    def others(self, group: str) -> tuple[Entry, ...]:
        """Return entry points of vgbench that are no plugins, such as those of `CATALOGUES`."""
        return tuple(entry for entry in self._others if entry.kind == group)

    def find(self, kind: str, name: str) -> Entry:
        """Look up a plugin by `name` or `dist:name`; `-` and `_` are the same.

        Raises:
            UsageError: there is none of that name, or there are several and none of them is built in.
        """
        dist, _, bare = name.rpartition(":")
        wanted = same(bare)
        ours = [entry for entry in self.entries(kind) if entry.name == wanted]
        if dist:
            ours = [entry for entry in ours if canonical(entry.dist) == canonical(dist)]
        else:
            ours = [entry for entry in ours if not entry.shadowed] or ours
        if len(ours) == 1:
            return ours[0]
        if ours:
            sources = " and ".join(entry.source for entry in ours)
            names = " or ".join(entry.address for entry in ours)
            raise UsageError(f"{kind} {wanted!r} comes from {sources}: say which one, {names}")
        others = [entry.kind for entry in self.entries() if entry.name == wanted and entry.kind != kind]
        elsewhere = f"There is {_article(others[0])} of that name. " if others and not dist else ""
        known = suggest(name, (entry.address for entry in self.entries(kind)))
        # Without a near match it may be of a package that is not here.
        install = "" if elsewhere or "Did you mean" in known else " If a package brings it, `pip install` that first."
        raise UsageError(f"no {kind} named {name!r}. {elsewhere}{known}{install}")

    def rivals(self, entry: Entry) -> tuple[Entry, ...]:
        """Return other plugins of the same kind and name: worth a note when the built-in one is taken."""
        return tuple(e for e in self.entries(entry.kind) if e.name == entry.name and e.dist != entry.dist)


def load_plugin(entry: Entry) -> type[Any]:
    """Import a plugin and return its class.

    Raises:
        UsageError: it cannot be imported, is no plugin of its kind, or was made for another plugin interface.
    """
    point = EntryPoint(entry.name, entry.value, GROUPS[entry.kind])
    # `load` takes the match for granted: its error would not name the plugin.
    if not EntryPoint.pattern.match(entry.value):
        raise UsageError(f"{entry.kind} {entry.name!r} from {entry.source}: {entry.value!r} is not `module:Class`")
    before = State()
    try:
        with quick_imports(), guard.importing():
            loaded = _imported(point)
    except KeyboardInterrupt:
        raise
    except BaseException as err:  # whatever importing a third party's module raises
        raise UsageError(
            f"{entry.kind} {entry.name!r} from {entry.source} failed to import ({entry.value}): "
            f"{type(err).__name__}: {err}"
        ) from err
    finally:
        before.restored()
    check_class(entry, loaded, HOME)
    cls: type[Any] = loaded
    return cls


def _imported(point: EntryPoint) -> Any:
    """Import what an entry point names; where MuJoCo cannot draw as MUJOCO_GL says, without drawing."""
    try:
        return point.load()
    except Exception as err:
        if "MUJOCO_GL" not in os.environ:
            raise
        from vgbench.hardware import without_drawing

        if not (why := without_drawing(err)):
            raise
    wanted = os.environ["MUJOCO_GL"]
    # Simulating needs none of it, and the built-in environments draw by themselves.
    os.environ["MUJOCO_GL"] = "disabled"
    try:
        loaded = point.load()
    finally:
        os.environ["MUJOCO_GL"] = wanted
    print(f"note: {why}. Here MuJoCo simulates without drawing", file=sys.stderr)
    return loaded


# Keyed by what decides the result, so that another sys.path is scanned again.
@lru_cache(maxsize=8)
def _scan(path: tuple[str, ...], only: str | None) -> tuple[tuple[Entry, ...], dict[str, str]]:
    """Plugins on a path, and problems with their remedies; `only` is the value of VGBENCH_PLUGINS."""
    found: dict[str, list[Entry]] = {}
    problems: dict[str, str] = {}
    for dist in distributions(path=list(path)):
        # The text is looked at before anything is parsed: most distributions have nothing to do with vgbench.
        try:
            if "vgbench." not in (dist.read_text("entry_points.txt") or ""):
                continue
            entries = list(_entries(dist))
            problems |= _unknown_groups(dist)
        except Exception as err:  # one broken package must not hide all others
            words = f"the entry points of {_name(dist)} cannot be read: {type(err).__name__}: {err}"
            problems[words] = f"pip install --force-reinstall {_name(dist)}"
            continue
        if entries:
            # The first on the path is the one that an import would find.
            found.setdefault(canonical(entries[0].dist), entries)
    if HOME not in found:
        raise UsageError(_not_installed())
    if only is not None:
        wanted = {canonical(name) for name in only.split(",") if name.strip()} - {"none"}
        for name in sorted(wanted - set(found)):
            problems[f"VGBENCH_PLUGINS names {name}, which has no plugins here"] = f"pip install {name}"
        # The built-in plugins stay in any case: registry.yaml is about them.
        found = {name: entries for name, entries in found.items() if name in wanted | {HOME}}
    return tuple(_shadow([entry for entries in found.values() for entry in entries])), problems


def _not_installed() -> str:
    root = Path(__file__).resolve().parents[2]
    what = f"-e {root}" if (root / "pyproject.toml").is_file() else HOME
    return (
        f"vgbench is not installed in this Python ({sys.executable}), so its plugins cannot be found. "
        f"Install it: {sys.executable} -m pip install {what}"
    )


def _entries(dist: Distribution) -> Iterator[Entry]:
    """Plugins of one distribution."""
    kinds = {group: kind for kind, group in GROUPS.items()} | {group: group for group in _OTHERS}
    points = [point for point in dist.entry_points if point.group in kinds]
    if points:
        # Once for all of them: the metadata are parsed again each time that they are asked for.
        name, version, about = _name(dist), dist.version or "?", dist.metadata["Summary"] or ""
        for point in points:
            yield Entry(kinds[point.group], same(point.name), point.value, name, version, about)


def _unknown_groups(dist: Distribution) -> dict[str, str]:
    """Entry points that nothing would ever look for, such as those of `vgbench.planner`, and what to do about them."""
    known = (*GROUPS.values(), *_OTHERS)
    lost: dict[str, list[str]] = {}
    for point in dist.entry_points:
        if point.group.startswith(f"{HOME}.") and point.group not in known:
            lost.setdefault(point.group, []).append(point.name)
    found = {}
    for group, names in lost.items():
        what = f"{_name(dist)} {dist.version} registers {', '.join(names)} in {group}, which is no group of plugins. "
        line = f'change [project.entry-points."{group}"] to "{RENAMED[group]}"' if group in RENAMED else ""
        line = line or "correct [project.entry-points]"
        remedy = f"{line} in the pyproject.toml of {_name(dist)}, then pip install it again"
        found[what + suggest(group, known)] = remedy
    return found


def _name(dist: Distribution) -> str:
    """Name of a distribution, or of its folder where the metadata has none."""
    try:
        return dist.metadata["Name"] or str(dist.locate_file(""))
    except Exception:  # metadata that cannot be parsed
        return str(getattr(dist, "_path", "an unnamed distribution"))


def canonical(name: str) -> str:
    """Return the name of a distribution as packaging compares it."""
    # The normal form of PEP 503.
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _shadow(entries: list[Entry]) -> list[Entry]:
    """Mark the plugins that another one's name hides, and sort all."""
    owners: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        owners.setdefault((entry.kind, entry.name), []).append(entry.dist)
    marked = [
        # The built-in one keeps its plain name: installing a package must not change what a name means.
        replace(entry, shadowed=entry.dist != HOME) if len(owners[entry.kind, entry.name]) > 1 else entry
        for entry in entries
    ]
    kinds = [*GROUPS, *_OTHERS]
    return sorted(marked, key=lambda entry: (kinds.index(entry.kind), entry.name, entry.shadowed, entry.dist))


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"
