"""Where a run takes place: environment, protocol, scale and variant, and the planner and networks that they bring."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vgbench.api.network import ROLES
from vgbench.config.catalogue import Catalogue
from vgbench.config.method import Method, PluginSlot
from vgbench.config.parameters import Assignment
from vgbench.config.protocols import SCALES, Protocol, Scale
from vgbench.config.request import Option, OptionReader
from vgbench.config.variants import Variant
from vgbench.data import files
from vgbench.data.recorded import RECORDED
from vgbench.errors import UsageError, prefix_error
from vgbench.plugin.entry import Entry
from vgbench.plugin.registry import Registry
from vgbench.spec import SourcedValue
from vgbench.text import choice, same, suggest


@dataclass
class ResolvedProtocol:
    """Where a run takes place."""

    environment: Entry
    protocol: Protocol
    scale: str
    variant: Variant | None = None
    selections: dict[str, SourcedValue] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    own: dict[str, Option] = field(default_factory=dict)  # plugins that the data ask for, above the protocol's

    @property
    def block(self) -> Scale:
        """What the scale changes."""
        return self.protocol.scales.get(self.scale, Scale())

    def assignments(self, recipe: str | None = None, training: str | None = None) -> list[Assignment]:
        """Values of the protocol, then of its block for the scale, then of the variant and those that it extends.

        What a user's own protocol says comes last. `recipe` and `training` are None where only data are collected.
        """
        below, above = self.protocol.layers(self.scale)
        variant = self.variant.layers(self.protocol.lineage, recipe, training) if self.variant else {}
        layers = below | {f"variant {name}": layer for name, layer in variant.items()}
        values = [assignment for source, layer in layers.items() for assignment in registered(source, layer)]
        return values + [assignment for source, layer in above.items() for assignment in registered(source, layer)]

    def plugin(self, slot: str) -> Option | None:
        """Name of the plugin in a slot: the scale's, or the protocol's."""
        if slot in self.own:
            return self.own[slot]
        label = f"protocol {self.protocol.name}"
        for block, source in ((self.block, f"{label}, scale {self.scale}"), (self.protocol, label)):
            name = getattr(block, slot, None)
            if name is not None:
                return Option(name, source, source)
        return None


def registered(source: str, values: Mapping[str, Any]) -> Iterable[Assignment]:
    """Yield values from registry.yaml: without effect where their plugin was not chosen."""
    for address, value in values.items():
        written = f"registry.yaml, {source}: {address}={value}"
        yield Assignment(address, value, source, written, binding=False, home=True)


def choose_protocol(options: OptionReader, registry: Registry, catalogue: Catalogue) -> ResolvedProtocol:
    """Decide on environment, protocol, scale and variant.

    Raises:
        UsageError: nothing is said, something does not exist, or environment and protocol contradict each other.
    """
    env, named = options.get("environment"), options.get("protocol")
    if env is None and named is None:
        env = _of_data(options)
    first, second = named or env, env or named  # what says the protocol, and what says the environment
    if first is None or second is None:
        raise UsageError(
            "missing --env NAME or --protocol NAME. Environments: "
            f"{', '.join(e.address for e in registry.entries('environment'))}; "
            f"protocols: {', '.join(catalogue.protocols)}"
        )
    scale = options.get("scale") or Option("quick", "default", "")
    level = choice(scale.value, SCALES, scale.written.removesuffix(f" {scale.value}"))
    if named is None:
        environment = _environment(second, registry, catalogue)
        protocol = _usual_protocol(environment, catalogue)
    else:
        named_environment = _environment(env, registry, catalogue) if env else None
        with prefix_error(named.written):
            protocol = catalogue.protocol(named.value)
        environment = _environment_of(protocol, named, env, named_environment, registry)
    wish = options.get("variant")
    with prefix_error(wish.written if wish else ""):
        variant = catalogue.variant(wish.value if wish else None)
    resolved = ResolvedProtocol(environment, protocol, level, variant)
    resolved.selections = {
        "environment": SourcedValue(environment.address, second.source),
        "protocol": SourcedValue(protocol.name, first.source),
        "scale": SourcedValue(level, scale.source),
    }
    if variant:
        resolved.selections["variant"] = SourcedValue(variant.name, wish.source if wish else "default")
    if named is None:
        resolved.notes += _meant(environment, protocol)
    return resolved


def _of_data(options: OptionReader) -> Option | None:
    """Environment of the data set that was named, where nothing else says where to plan."""
    asked = options.get("data")
    if asked is None:
        return None
    with prefix_error(asked.written):
        name = files.read_header(Path(asked.value))[0]["environment"]
    return Option(name, asked.written, asked.written)


def _environment(wanted: Option, registry: Registry, catalogue: Catalogue) -> Entry:
    """Environment that was asked for by name."""
    if same(wanted.value) == RECORDED.name:
        return RECORDED
    try:
        with prefix_error(wanted.written):
            return registry.find("environment", wanted.value)
    except UsageError as err:
        if wanted.value.replace("-", "_") in catalogue.protocols:
            raise UsageError(f"{err} There is a protocol of that name: --protocol {wanted.value}") from err
        raise


def _usual_protocol(environment: Entry, catalogue: Catalogue) -> Protocol:
    """Protocol that an environment means when it is named alone."""
    protocol = catalogue.usual_protocol(environment.address)
    if protocol is None:
        raise UsageError(f"{environment} has no protocol; name one with --protocol: {', '.join(catalogue.protocols)}")
    return protocol


def _environment_of(
    protocol: Protocol, named: Option, env: Option | None, asked: Entry | None, registry: Registry
) -> Entry:
    """Environment of a protocol that was named: its own, or the one that was asked for beside it."""
    if protocol.environment is None:
        if asked is None:
            raise UsageError(f"{named.written}: this protocol is for any environment: add --env NAME")
        return asked
    own = registry.find("environment", protocol.environment)
    if env and asked != own:
        raise UsageError(
            f"{env.written} contradicts {named.written}: that protocol is on environment {protocol.environment!r}; "
            "leave out one of them"
        )
    return own


def _meant(environment: Entry, protocol: Protocol) -> list[str]:
    """Say which protocol an environment meant, where the names do not tell."""
    if environment == RECORDED:
        return []
    if protocol.environment is None:
        return [f"environment {environment.address!r} has no protocol of its own: values of {protocol.name}"]
    if protocol.name != environment.name:
        return [f"using protocol {protocol.name} for --env {environment.address}"]
    return []


def choose_plugins(
    options: OptionReader, registry: Registry, catalogue: Catalogue, resolved: ResolvedProtocol, method: Method
) -> list[PluginSlot]:
    """Choose planner, baseline and networks; what was chosen is noted in `resolved.selections`.

    Raises:
        UsageError: a plugin does not exist, is a network of another role, or no baseline.
    """
    slots: list[PluginSlot] = []
    # The planner first: the baseline is left out where it is the planner itself.
    for name in ("planner", "baseline", *ROLES):
        # Precedence: the user, the recipe (for a network that its own stage trains), the scale, the protocol.
        chosen = options.get(name) or _of_recipe(name, method) or resolved.plugin(name)
        if chosen is None:
            continue
        with prefix_error(chosen.written):
            slot = PluginSlot(name, registry.find("network" if name in ROLES else "planner", chosen.value))
        if name == "baseline":
            if slot.entry == slots[0].entry:
                continue  # the planner is the baseline itself
            if not slot.cls.baseline:
                raise UsageError(f"{chosen.written}: {slot.entry} uses the cost, so it is no baseline")
        elif name in ROLES and slot.cls.role != name:
            about = {e.address: catalogue.component("network", e.name) for e in registry.entries("network")}
            fit = suggest(chosen.value, (address for address, component in about.items() if name in component.tags))
            raise UsageError(f"{chosen.written}: {slot.entry} is for the {slot.cls.role}. {fit}")
        resolved.selections[name] = SourcedValue(slot.entry.address, chosen.source)
        slots.append(slot)
    return slots


def _of_recipe(slot: str, method: Method) -> Option | None:
    """Network that a recipe brings for one of its stages."""
    recipe = method.recipe
    if recipe is None or not method.brings(slot) or getattr(recipe, slot, None) is None:
        return None
    return Option(getattr(recipe, slot), f"recipe {recipe.name}", recipe.written(slot))
