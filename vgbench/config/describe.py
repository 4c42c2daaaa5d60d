"""Describes a plugin, a recipe, a protocol or a group of settings as JSON values, for `vgbench show`."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from vgbench.config import SECTIONS
from vgbench.config.catalogue import Catalogue
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.definitions import Component
from vgbench.config.protocols import Protocol
from vgbench.config.variants import Choice, Variant
from vgbench.data.recorded import RECORDED
from vgbench.errors import UsageError
from vgbench.plugin.entry import GROUPS as KINDS
from vgbench.plugin.entry import HOME
from vgbench.plugin.logs import log_meanings
from vgbench.plugin.registry import Registry, load_plugin
from vgbench.stages import LATER_STAGES
from vgbench.text import choice_of_kind, same, suggest

_CLAIMS = (
    *("trains", "needs", "min_length", "symmetric", "quasimetric", "levels", "role", "baseline", "gradient"),
    "capabilities",
)
"""Attributes of a plugin's class that say what it does or needs."""


def describe(kind: str, name: str) -> dict[str, Any]:
    """Return what `vgbench show KIND NAME` prints.

    Raises:
        UsageError: there is no such kind or name, or the plugin cannot be imported.
    """
    wanted = choice_of_kind(kind, (*KINDS, *SECTIONS, "setting"), "KIND")
    catalogue = load_catalogue()
    if wanted in SECTIONS:
        return _item(wanted, getattr(catalogue, wanted)(name))
    return _setting(name) if wanted == "setting" else _plugin(wanted, name, catalogue)


def _plugin(kind: str, name: str, catalogue: Catalogue) -> dict[str, Any]:
    # It is not registered, since nothing can be run in it, but data sets name it.
    entry = RECORDED if (kind, same(name)) == (RECORDED.kind, RECORDED.name) else Registry().find(kind, name)
    known = catalogue.component(kind, entry.name) if entry.dist == HOME else Component()
    cls = load_plugin(entry)
    doc = (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    about: dict[str, Any] = {"kind": kind, "name": entry.address, "dist": entry.dist, "version": entry.version}
    about |= {"entry_point": entry.value, "summary": known.summary or doc or entry.about}
    about |= {"reference": known.reference, "tags": list(known.tags)}
    # A logger is any class with hooks: it has neither Params nor a version of its behaviour.
    if kind == "logger":
        return about | {"parameters": []}
    from vgbench.config.parameters import describe as parameters

    for claim in _CLAIMS:
        value = getattr(cls, claim, None)
        # A property depends on an instance's parameters: the class has no value to show.
        if value is not None and not isinstance(value, property):
            about[claim] = sorted(value) if isinstance(value, frozenset) else value
    about |= {"behaviour": cls.version, "parameters": parameters(cls.Params)}
    if kind == "objective":
        # As train.jsonl and the pictures name them.
        about["logs"] = [{"name": f"{entry.name}.{n}", "meaning": words} for n, words in log_meanings(cls).items()]
    return about


def _setting(name: str) -> dict[str, Any]:
    from vgbench.config.parameters import describe as parameters
    from vgbench.settings import GROUPS

    if same(name) not in GROUPS:
        raise UsageError(f"no group of settings named {name!r}. {suggest(name, GROUPS)}")
    group = GROUPS[same(name)]
    summary = (group.__doc__ or "").strip()
    return {"kind": "setting", "name": same(name), "summary": summary, "parameters": parameters(group)}


_HIDDEN = {
    "recipe": {"set", "places", "own"},
    "protocol": {"set", "default_for"},
    "variant": {"base", "choices"},
    "suite": {"published_n", "claims", "only"},
    "sweep": set[str](),
}
"""Fields of an item of registry.yaml that are not shown; those with values by `name.param` are, under `values`."""


def _item(kind: str, item: Any) -> dict[str, Any]:
    """Describe an item of registry.yaml by its fields; some of them in words of their own."""
    about = {field.name: getattr(item, field.name) for field in fields(item) if field.name not in _HIDDEN[kind]}
    about = {name: list(value) if isinstance(value, tuple) else value for name, value in about.items()}
    if (stages := about.pop("stages", None)) is not None:
        # Stages that can be left out are a recipe's choice, the others a protocol's.
        kinds = [stage for stage in LATER_STAGES if stage.optional == (kind == "recipe")]
        about |= {stage.objectives: list(stages.get(stage.objectives, ())) for stage in kinds}
    if kind == "recipe":
        about["values"] = _values({"recipe": item.set})
    elif kind == "protocol":
        about |= _protocol(item)
    elif kind == "variant":
        about |= _variant(item)
    elif kind == "suite":
        rows = item.published.items()
        about["published"] = [{"recipe": name, **{p: rates.get(p) for p in item.protocols}} for name, rates in rows]
    elif kind == "sweep":
        about["curves"] = [
            asdict(c) | {"values": list(c.values), "set": _pairs(c.set), "smoke": _pairs(c.smoke)} for c in item.curves
        ]
        about |= {"data_seed": str(item.data_seed), "task_seed": str(item.task_seed)}
    if "seeds" in about:
        # Text, as `vgbench show` joins the items of a list.
        about["seeds"] = [str(seed) for seed in item.seeds]
    return {"kind": kind} | about


def _protocol(protocol: Protocol) -> dict[str, Any]:
    blocks = {"protocol": protocol.set, **{f"scale {name}": scale.set for name, scale in protocol.scales.items()}}
    scales = [_scale_words(name, scale.encoder) for name, scale in protocol.scales.items()]
    return {"scales": scales, "values": _values(blocks)}


def _variant(variant: Variant) -> dict[str, Any]:
    """Choices with their reasons and worth, and their values beside those of the variant that is extended."""
    choices = [{"choice": each.name, "why": each.why} for each in variant.choices]
    rows = []
    for each in variant.choices:
        worth = "; ".join(found.words() for found in each.worth)
        for block, values in each.blocks().items():
            for row in _values({block: values}):
                before = _before(variant, each, block, row) if variant.base else None
                shown = {key: row[key] for key in ("name", "value", "for")}
                rows.append({"choice": each.name, **shown})
                if variant.base:
                    rows[-1] |= {"instead_of": before, "worth": worth}
    base = variant.base.name if variant.base else None
    return {"extends": base, "choices": choices, "values": rows}


def _before(variant: Variant, each: Choice, block: str, row: Mapping[str, Any]) -> Any:
    """Value of the variant that is extended in the place of a block, which may be of one protocol or recipe alone."""
    kind, _, rest = block.partition(" ")
    name = rest.partition(" on ")[0].partition(",")[0]
    protocol = name if kind == "protocol" else next(iter(each.on), "")
    assert variant.base is not None
    values = variant.base.values((protocol,), name if kind == "recipe" else None, each.training)
    return values.get(row["name"], row["default"])


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
