"""Describes a plugin, a recipe, a protocol or a group of settings as JSON values, for `vgbench show`."""

from collections.abc import Mapping
from typing import Any

from vgbench.config.catalogue import Catalogue, load_catalogue
from vgbench.config.definitions import Protocol, Suite, Sweep, Variant
from vgbench.config.recipes import Recipe
from vgbench.errors import UsageError
from vgbench.plugin.entry import GROUPS as KINDS
from vgbench.plugin.entry import HOME
from vgbench.plugin.registry import Registry, load_plugin
from vgbench.text import choice, same, suggest

_SECTIONS = ("recipe", "protocol", "variant", "suite", "sweep")  # of registry.yaml
_CLAIMS = (
    "trains",
    "needs",
    "min_length",
    "symmetric",
    "quasimetric",
    "levels",
    "role",
    "baseline",
    "gradient",
    "capabilities",
)


def describe(kind: str, name: str) -> dict[str, Any]:
    """Return what `vgbench show KIND NAME` prints.

    Raises:
        UsageError: there is no such kind or name, or the plugin cannot be imported.
    """
    wanted = choice(kind.lower().removesuffix("s"), (*KINDS, *_SECTIONS, "setting"), "KIND")
    catalogue = load_catalogue()
    if wanted == "recipe":
        return _recipe(catalogue.recipe(name))
    if wanted == "protocol":
        return _protocol(catalogue.protocol(name))
    if wanted == "variant":
        found = catalogue.variant(name)
        assert found is not None
        return _variant(found)
    if wanted == "suite":
        return _suite(catalogue.suite(name))
    if wanted == "sweep":
        return _sweep(catalogue.sweep(name))
    if wanted == "setting":
        return _setting(name)
    return _plugin(wanted, name, catalogue)


def _plugin(kind: str, name: str, catalogue: Catalogue) -> dict[str, Any]:
    entry = Registry().find(kind, name)
    known = catalogue.component(kind, entry.name)
    cls = load_plugin(entry)
    doc = (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    about: dict[str, Any] = {
        "kind": kind,
        "name": entry.address,
        "dist": entry.dist,
        "version": entry.version,
        "entry_point": entry.value,
        "summary": (known.summary if entry.dist == HOME else "") or doc or entry.about,
        "reference": known.reference if entry.dist == HOME else "",
        "tags": list(known.tags) if entry.dist == HOME else [],
    }
    if kind == "logger":
        return about | {"parameters": []}
    from vgbench.config.parameters import describe as parameters

    for claim in _CLAIMS:
        value = getattr(cls, claim, None)
        if value is not None and not isinstance(value, property):
            about[claim] = sorted(value) if isinstance(value, frozenset) else value
    return about | {"behaviour": cls.version, "parameters": parameters(cls.Params)}


def _setting(name: str) -> dict[str, Any]:
    from vgbench.config.parameters import describe as parameters
    from vgbench.settings import GROUPS

    if same(name) not in GROUPS:
        raise UsageError(f"no group of settings named {name!r}. {suggest(name, GROUPS)}")
    group = GROUPS[same(name)]
    summary = (group.__doc__ or "").strip()
    return {"kind": "setting", "name": same(name), "summary": summary, "parameters": parameters(group)}


def _recipe(recipe: Recipe) -> dict[str, Any]:
    return {
        "kind": "recipe",
        "name": recipe.name,
        "summary": recipe.summary,
        "reference": recipe.reference,
        "objectives": list(recipe.objectives),
        "distance": recipe.distance,
        "training": recipe.training,
        "head": recipe.head,
        "head_objectives": list(recipe.head_objectives),
        "values": _values({"recipe": recipe.set}),
    }


def _protocol(protocol: Protocol) -> dict[str, Any]:
    blocks = {"protocol": protocol.set, **{f"scale {name}": scale.set for name, scale in protocol.scales.items()}}
    blocks |= {f"scale {name}, joint training": scale.joint for name, scale in protocol.scales.items() if scale.joint}
    about = {
        "kind": "protocol",
        "name": protocol.name,
        "summary": protocol.summary,
        "reference": protocol.reference,
        "environment": protocol.environment,
        "encoder": protocol.encoder,
        "predictor": protocol.predictor,
        "planner": protocol.planner,
        "baseline": protocol.baseline,
        "predictor_objectives": list(protocol.predictor_objectives),
        "scales": [_scale_words(name, scale.encoder) for name, scale in protocol.scales.items()],
    }
    return about | {"values": _values(blocks)}


def _variant(variant: Variant) -> dict[str, Any]:
    blocks = {"all runs": variant.set}
    blocks |= {f"protocol {name}": values for name, values in variant.protocols.items()}
    blocks |= {f"recipe {name}": values for name, values in variant.recipes.items()}
    return {
        "kind": "variant",
        "name": variant.name,
        "summary": variant.summary,
        "reference": variant.reference,
        "default": variant.default,
        "values": _values(blocks),
    }


def _suite(suite: Suite) -> dict[str, Any]:
    return {
        "kind": "suite",
        "name": suite.name,
        "summary": suite.summary,
        "reference": suite.reference,
        "recipes": list(suite.recipes),
        "protocols": list(suite.protocols),
        "seeds": [str(seed) for seed in suite.seeds],
        "published": [
            {"recipe": recipe, **{name: rates.get(name) for name in suite.protocols}}
            for recipe, rates in suite.published.items()
        ],
    }


def _sweep(sweep: Sweep) -> dict[str, Any]:
    curves = [
        {"recipe": c.recipe, "over": c.over, "values": list(c.values), "set": _pairs(c.set)} for c in sweep.curves
    ]
    return {
        "kind": "sweep",
        "name": sweep.name,
        "summary": sweep.summary,
        "reference": sweep.reference,
        "protocol": sweep.protocol,
        "curves": curves,
        "seeds": [str(seed) for seed in sweep.seeds],
        "data_seed": str(sweep.data_seed),
        "task_seed": str(sweep.task_seed),
    }


def _pairs(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


def _scale_words(name: str, encoder: str | None) -> str:
    return f"{name} (encoder {encoder})" if encoder else name


def _values(blocks: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each value with the type, range, default and meaning of its parameter."""
    rows = []
    for block, values in blocks.items():
        for address, value in values.items():
            name, _, param = address.rpartition(".")
            known = _parameter(name, param)
            rows.append({"name": address, "value": value, "for": block, **known})
    return rows


def _parameter(name: str, param: str) -> dict[str, Any]:
    """Type, range, default and meaning of a parameter by its address."""
    from vgbench.config.parameters import describe as parameters
    from vgbench.settings import GROUPS

    registry = Registry()
    owners = [entry for entry in registry.entries() if entry.kind != "logger" and entry.address == name]
    params = GROUPS[name] if name in GROUPS else load_plugin(owners[0]).Params
    row = next(row for row in parameters(params) if row["name"] == param)
    return {key: row[key] for key in ("type", "range", "default", "meaning")}
