"""Runs of plugins whose source has changed since: what differs, and a place for what was made before.

The version of a plugin is its author's promise, and part of a run's identity. The source is not, so that comments, or a
new message, do not make all records stale; but the old result is not passed on as that of the changed code.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.errors import UsageError
from vgbench.plugin.registry import Registry, load_plugin
from vgbench.plugin.source import file_of, source
from vgbench.stages import baseline_stage
from vgbench.storage.lock import locked
from vgbench.storage.provenance import chosen_plugins

if TYPE_CHECKING:
    from vgbench.spec import ResolvedPlugin, RunSpec
    from vgbench.storage.record_types import PluginOrigin
    from vgbench.storage.run_folder import RunFolder

REPLACED = ".replaced"
"""Folder for run folders that were moved aside, beside them; reports do not look into it."""


@dataclass(frozen=True)
class SourceChange:
    """A plugin whose source differs from that of a record.

    Attributes:
        plugin: kind, name and distribution with version, in words.
        files: those that differ, came or went, as their package has them.
    """

    plugin: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        """Words for messages: objective 'mine' (my-plugins 0.1) in my_plugins/loss.py."""
        return f"{self.plugin} in {', '.join(self.files)}"


def source_changes(recorded: Sequence["PluginOrigin"], now: Iterable["ResolvedPlugin"]) -> list[SourceChange]:
    """Compare the source that a record has of plugins with theirs now; nothing is said where it has none."""
    known = {(about["kind"], about["name"], about["dist"]): about.get("source") for about in recorded}
    found = []
    for chosen in now:
        entry = chosen.entry
        found.append(_change(str(entry), known.get((entry.kind, entry.name, entry.dist)), chosen.cls))
    return list(dict.fromkeys(filter(None, found)))


def changed_sources(recorded: Sequence["PluginOrigin"]) -> list[str]:
    """Say which plugins of a record have changed since, as they are installed; see `SourceChange`.

    One that is not installed, or cannot be imported, is left out, as is one of whose source the record says nothing.
    """
    registry, found = Registry(), []
    for about in recorded:
        if not about.get("source"):
            continue
        try:
            entry = registry.find(about["kind"], f"{about['dist']}:{about['name']}")
            found.append(_change(str(entry), about["source"], load_plugin(entry)))
        except (UsageError, KeyError):
            continue
    return list(dict.fromkeys(str(change) for change in found if change))


def _change(plugin: str, before: Mapping[str, str] | None, cls: type[Any]) -> SourceChange | None:
    """Compare what a record has of a plugin's source with its class; None where they agree, or there is nothing."""
    now = source(cls) if before else {}
    if not before or not now or before == now:
        return None
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    return SourceChange(plugin, tuple(map(file_of, names)))


def changes_in(folder: "RunFolder", spec: "RunSpec") -> list[SourceChange]:
    """Say which plugins have changed since the content of a run folder was made.

    Of an incomplete run only those count that it has used: one that failed in its planner continues once that is fixed,
    but not with an objective that differs from that of its checkpoints.
    """
    run = folder.recorded()
    if run is None or run["key"] != spec.key():
        return []
    recorded = run.get("plugins", [])
    if (folder.path / "result.json").exists():
        return source_changes(recorded, chosen_plugins(spec))
    used: list[ResolvedPlugin] = [spec.environment] if (folder.path / "tasks.json").exists() else []
    for stage in spec.stages:
        if folder.checkpoint(stage.name).exists():
            used += [spec.environment, spec.distance, *spec.networks.values(), *stage.objectives]
    if folder.checkpoint("episodes").exists():
        used.append(spec.planner)
    if spec.baseline is not None and folder.checkpoint(baseline_stage(spec.baseline.name)).exists():
        used.append(spec.baseline)
    return source_changes(recorded, used)


def must_be_replaced(folder: "RunFolder", spec: "RunSpec", again: bool) -> bool:
    """Tell whether a folder holds a run from before its plugins changed, which the user wants to repeat (`again`).

    A record without hashes counts as changed with `again`, and as unchanged without.

    Raises:
        UsageError: its plugins have changed, and the user does not ask for `again`.
    """
    run, changes = folder.recorded(), changes_in(folder, spec)
    if changes and not again:
        complete = (folder.path / "result.json").exists()
        raise UsageError(
            f"--out {folder.path} holds this run, {'complete' if complete else 'incomplete'}, but made before a change "
            f"of {'; '.join(map(str, changes))}. Use --again to repeat it (the folder is kept as "
            f"{_place(folder.path)}), or choose another --out"
        )
    says_so = run is not None and all("source" in about for about in run.get("plugins", []))
    return again and run is not None and (bool(changes) or not says_so)


def set_aside(folder: Path) -> Path:
    """Move a run folder to a name of its own in `.replaced` beside it, and return that; nothing is deleted.

    Raises:
        UsageError: it cannot be moved.
    """
    here = folder.absolute()  # not `resolve`: a link is moved itself
    if Path.cwd().is_relative_to(here):
        raise UsageError(f"--again: {folder} is the working folder, which cannot be moved; go to another one first")
    place = _place(folder)
    with locked(folder):
        try:
            place.parent.mkdir(exist_ok=True)
            here.rename(place)
        except OSError as err:
            raise UsageError(f"--again: cannot move {folder} to {place}: {err.strerror or err}") from err
    return place


def _place(folder: Path) -> Path:
    """Return the name that a folder would be moved to: with the first number that is free."""
    beside = folder.parent / REPLACED
    return next(path for number in count(1) if not (path := beside / f"{folder.name}-{number}").exists())
