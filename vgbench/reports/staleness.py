"""Whether the present code would still make the run that a record holds, and what differs if not."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.config.parameters import SLOTS
from vgbench.errors import VgbenchError
from vgbench.spec import Compute, ResolvedPlugin, RunSpec
from vgbench.stages import STAGES
from vgbench.storage.records import RunRecord
from vgbench.storage.source_changes import changed_sources
from vgbench.text import same

if TYPE_CHECKING:
    from vgbench.config.request import RunRequest

Flat = dict[str, dict[str, Any]]  # "" or the owner of parameters -> name -> value


@dataclass(frozen=True)
class Comparison:
    """A record against the run of the present code.

    Attributes:
        key: of the present run; None where it cannot be made.
        differences: `iql.stride was 1, is now 6` each; empty for a record that still holds.
        asked: `iql.stride=1` each: values that its command asked for, which are not the recipe's. Such a record is not
            stale, and not of the recipe's row either.
        younger: parameters that the record does not have, at their defaults. By the house rule a default leaves results
            as they were, or else the plugin's version is raised, so they do not make a record stale.
        changed_sources: plugins whose source has changed since, and the files; the version is the author's promise, so
            they do not make a record stale either.
    """

    key: str | None
    differences: tuple[str, ...] = ()
    younger: tuple[str, ...] = ()
    changed_sources: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()


def compare(record: RunRecord, variant: str | None, own: Path | None = None) -> Comparison:
    """Compare a record with what its recipe, protocol, scale and seed mean now in a variant, on its own device.

    Recipes, protocols and variants of a user's own are those of the file `own`, or else as the record has them.
    """
    try:
        file = own or _own_file(record, variant)
        spec = _present(record.recipe, record.protocol, record.scale, record.seed, variant, file)
    except VgbenchError as err:
        return Comparison(None, (f"it cannot be made now: {err}",))
    spec = _computed_alike(record, spec)
    sources = tuple(changed_sources(record.plugins))
    if spec.key() == record.key:
        return Comparison(spec.key(), changed_sources=sources)
    differences, younger, asked = _differences(record, spec)
    return Comparison(spec.key(), differences, younger, sources, asked)


def departures(record: RunRecord, request: "RunRequest") -> tuple[str, ...]:
    """Say in what a record departs from what a request makes of its recipe and training seed, as `compare` does."""
    from vgbench.config.resolve import resolve

    file = _own_file(record, record.variant)
    asked_for = request.replaced(recipe=record.recipe, seed=record.seed, loose=True)
    try:
        spec = resolve(asked_for if file is None else asked_for.replaced(recipes=file))
    except VgbenchError as err:
        return (f"it cannot be made now: {err}",)
    spec = _computed_alike(record, spec)
    if spec.key() == record.key:
        return ()
    differences, _, asked = _differences(record, spec)
    return (*differences, *(f"run with {one}" for one in asked))


def _computed_alike(record: RunRecord, spec: RunSpec) -> RunSpec:
    """Return a run with the record's device and precision: where and how it was computed does not make it stale."""
    # Records older than these options were computed without them.
    how = Compute(record.identity.get("precision", "float32"), record.identity.get("compile", False))
    return replace(spec, device=record.identity.get("device", spec.device), compute=how)


def _own_file(record: RunRecord, variant: str | None) -> Path | None:
    """Return the record's own file where it has a recipe, protocol or variant that is not installed; else None."""
    from vgbench.config.catalogue_files import load_catalogue

    catalogue = load_catalogue()
    installed = record.recipe in catalogue.recipes and record.protocol in catalogue.protocols
    if installed and (variant is None or variant in catalogue.variants):
        return None
    return record.path / "config.yaml"


def _present(recipe: str, protocol: str, scale: str, seed: int, variant: str | None, recipes: Path | None) -> RunSpec:
    stamp = None
    if recipes is not None:
        with suppress(OSError):  # who reads it says what is wrong
            about = recipes.stat()
            stamp = (recipes.resolve(), about.st_size, about.st_mtime_ns)
    return _resolved(recipe, protocol, scale, seed, variant, recipes, stamp)


@cache
def _resolved(
    recipe: str, protocol: str, scale: str, seed: int, variant: str | None, recipes: Path | None, stamp: object
) -> RunSpec:
    """Resolve a run of the present code, once as long as the file of recipes has this `stamp`."""
    from vgbench.config.resolve import RunRequest, resolve

    # Seeds of data and tasks are those of `vgbench suite`: the defaults.
    # Any device would do, as `compare` puts the record's own in its place; the CPU is always there.
    request = RunRequest(
        protocol=protocol, recipe=recipe, scale=scale, seed=seed, device="cpu", variant=variant, recipes=recipes
    )
    return resolve(request)


def _differences(record: RunRecord, spec: RunSpec) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Values that differ, parameters younger than the record, and values that its command asked for."""
    recorded, asked, wanted = record.identity, [], asked_for(record)
    old, new, defaults = flat(recorded), flat(spec.identity()), flat(_at_defaults(spec).identity())
    elsewhere = "trained" in recorded
    groups = {f"{group}." for group in (*spec.settings, *recorded.get("settings", {}))}
    differences, younger = [], []
    for owner in dict.fromkeys([*new, *old]):
        if owner not in groups and not (owner in old and owner in new):
            continue  # another plugin: its slot, under "", says so
        values, before = new.get(owner, {}), old.get(owner, {})
        for name in dict.fromkeys([*values, *before]):
            where = f"{owner}{name}"
            if name not in values:
                now = f"is now {spec.values[where].value!r}" if where in spec.values else "is no longer there"
                differences.append(f"{where} was {before[name]!r} and {now}")
            elif name not in before:
                # `...`: None may be a parameter's own default.
                if values[name] in (None, [], {}) or values[name] == defaults.get(owner, {}).get(name, ...):
                    younger.append(where)
                else:
                    differences.append(f"{where} was not there, is now {values[name]!r}")
            elif values[name] != before[name]:
                if where in wanted:
                    asked.append(f"{where}={before[name]}")
                else:
                    differences.append(f"{where} was {before[name]!r}, is now {values[name]!r}")
    if elsewhere:
        # What another protocol's training had is no difference of this one's.
        return (), tuple(younger), ("trained elsewhere", *asked)
    if not differences and not younger and not asked:
        differences.append("its key does not fit its own run.json")
    return tuple(differences), tuple(younger), tuple(asked)


def asked_for(record: RunRecord) -> set[str]:
    """Return what a run's command asked for, by the names of `flat`: `iql.tau`, `planner`, `task seed`."""
    owners, found = _owners(record.identity), set()
    for address in [*_addresses(record.argv), *record.asked]:
        key, _, param = same(address).lower().rpartition(".")
        found |= {f"{owner}{param}" for owner in owners.get(SLOTS.get(key, key), [f"{key}."])}
    command = " ".join(record.argv)
    for name in flat(record.identity)[""]:
        option = "env" if name == "environment" else name.replace(" ", "-")
        # As a flag, or as an argument of `vgbench.run`.
        if any(form in command for form in (f"--{option} ", f"--{option}=", f"{option.replace('-', '_')}=")):
            found.add(name)
    return found


def _addresses(argv: Sequence[str]) -> Iterator[str]:
    """Addresses to which a command gave values: by --set, by a sweep's --grid, or in the mapping of `vgbench.run`."""
    for before, word in zip(("", *argv), argv, strict=False):
        for option in ("--set", "--grid"):
            if before == option or word.startswith(f"{option}="):
                yield word.removeprefix(f"{option}=").partition("=")[0]
        if word.startswith("vgbench."):
            yield from re.findall(r"'([^'\s]+\.[^'\s]+)'", word)


def _owners(identity: Mapping[str, Any]) -> dict[str, list[str]]:
    """Owners of parameters in `flat(identity)` by each name that addresses may call them: as `Addresses` does."""
    found = {group: [f"{group}."] for group in identity.get("settings", {})}
    plugins = [(slot, "", [plugin]) for slot, plugin in identity.items() if _is_plugin(plugin)]
    plugins += [(role, "", [plugin]) for role, plugin in identity.get("networks", {}).items()]
    for key, slot in {kind.objectives: kind.slot for kind in STAGES}.items():
        plugins.append((slot, "" if key == "objectives" else f"{key}:", identity.get(key) or []))
    for slot, prefix, several in plugins:
        for plugin in several:
            for name in {plugin["name"], f"{slot}:{plugin['name']}", slot}:
                found.setdefault(name, []).append(_owner(prefix, plugin))
    return found


def flat(identity: Mapping[str, Any]) -> Flat:
    """Lay out an identity by who owns the values: parameters under their plugin, all else (slots, seeds) under ""."""
    found: Flat = {"": {}}
    for slot, value in identity.items():
        if slot == "settings":
            for group, params in value.items():
                found[f"{group}."] = dict(params)
        elif slot == "seeds":
            found[""] |= {f"{name} seed": seed for name, seed in value.items()}
        elif slot == "networks":
            for role, plugin in value.items():
                found[""][role] = _plugin(found, "", plugin)
        elif isinstance(value, list) and value and all(map(_is_plugin, value)):
            prefix = "" if slot == "objectives" else f"{slot}:"
            found[""][slot] = [_plugin(found, prefix, plugin) for plugin in value]
        else:
            found[""][slot] = _plugin(found, "", value) if _is_plugin(value) else value
    return found


def _is_plugin(value: Any) -> bool:
    return isinstance(value, dict) and {"name", "params"} <= set(value)


def _plugin(found: Flat, prefix: str, plugin: Mapping[str, Any]) -> str:
    """Note a plugin's parameters, version and weight under its name, and return the name for its slot."""
    owner = _owner(prefix, plugin)
    found[owner] = dict(plugin["params"])
    found[f"{owner[:-1]} "] = {key: plugin[key] for key in ("version", "weight") if key in plugin}
    return owner.removeprefix(prefix)[:-1]


def _owner(prefix: str, plugin: Mapping[str, Any]) -> str:
    """Owner of a plugin's parameters: `iql.`, or `other-package:iql.`."""
    name = plugin["name"] if plugin.get("dist") == "vgbench" else f"{plugin.get('dist')}:{plugin['name']}"
    return f"{prefix}{name}."


def _at_defaults(spec: RunSpec) -> RunSpec:
    """Return the same plugins and groups with every parameter at its default."""
    skipped = ("values", "unused", "selections")
    return replace(spec, **{f.name: _defaulted(getattr(spec, f.name)) for f in fields(spec) if f.name not in skipped})


def _defaulted(value: Any) -> Any:
    if hasattr(value, "model_construct"):
        # Not validated: a parameter without a default is simply not there.
        return type(value).model_construct()
    if isinstance(value, ResolvedPlugin):
        return replace(value, params=_defaulted(value.params))
    if isinstance(value, dict):
        return {key: _defaulted(item) for key, item in value.items()}
    return tuple(map(_defaulted, value)) if isinstance(value, tuple) else value
