"""Makes a `RunSpec` of flags, recipe, protocol, file and `--set`; all is validated before anything is computed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vgbench.api import Params
from vgbench.config import compute
from vgbench.config.catalogue import Catalogue, load_catalogue
from vgbench.config.data_file import DataFile
from vgbench.config.definitions import SCALES, Protocol, Scale, Variant
from vgbench.config.method import Method, PluginSlot, choose_method
from vgbench.config.parameters import Addresses, Assignment, Target
from vgbench.config.recipes import Recipe
from vgbench.config.request import Option, OptionReader, RunRequest
from vgbench.config.task_file import TaskFile
from vgbench.errors import UsageError, prefix_error
from vgbench.plugin.attribution import attribute_errors
from vgbench.plugin.entry import Entry
from vgbench.plugin.registry import Registry
from vgbench.settings import GROUPS, DataSettings
from vgbench.spec import DataSpec, ResolvedPlugin, RunSpec, SourcedValue
from vgbench.text import choice, suggest

__all__ = ["DataSpec", "RunRequest", "resolve", "resolve_data"]

ROLES = ("encoder", "predictor", "action_encoder", "head")


@dataclass
class ResolvedProtocol:
    """Where a run takes place."""

    environment: Entry
    protocol: Protocol
    scale: str
    variant: Variant | None = None
    selections: dict[str, SourcedValue] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def block(self) -> Scale:
        """What the scale changes."""
        return self.protocol.scales.get(self.scale, Scale())

    def assignments(self, recipe: str | None = None, joint: bool = False) -> list[Assignment]:
        """Values of the protocol, then of its block for the scale, then of the variant."""
        label = f"protocol {self.protocol.name}"
        scale = f"{label}, scale {self.scale}"
        values = [*registered(label, self.protocol.set), *registered(scale, self.block.set)]
        values += registered(f"{scale}, joint training", self.block.joint) if joint else []
        if self.variant:
            chosen = self.variant.values(self.protocol.name, recipe)
            values += registered(f"variant {self.variant.name}", chosen)
        return values


def resolve(request: RunRequest) -> RunSpec:
    """Resolve a request.

    Precedence: plugin default < recipe < protocol < its block for the scale < variant < --config < flags < --set.

    Raises:
        UsageError: something does not exist, does not fit or contradicts itself; the message names the option.
    """
    registry, choices = Registry(), OptionReader(request)
    catalogue = choices.catalogue()
    place = _place(choices, registry, catalogue)
    method = choose_method(choices, registry, catalogue, place.protocol)
    pieces = [PluginSlot("environment", place.environment), *method.pieces(), *_parts(choices, registry, place, method)]
    data = _data_file(choices, place.environment)
    tasks = _task_file(choices, place)
    if data:
        data.agree(place.protocol.name, place.protocol.set)
    recipe = [*_of_recipe(method.recipe)] if method.recipe else []
    name = method.recipe.name if method.recipe else None
    below, notes = choices.without_younger([*recipe, *place.assignments(name, method.training == "joint")])
    place.notes += notes
    below += data.assignments() if data else []
    below += tasks.assignments() if tasks else []
    groups = {name: group for name, group in GROUPS.items() if method.head or name != "train_head"}
    addresses, unused = _assign(pieces, groups, below, choices.assignments(), registry)
    spec = _spec(choices, place, method, pieces, addresses, unused, registry, data)
    return tasks.settle(spec) if tasks else spec


def resolve_data(request: RunRequest, tasks: bool = False) -> DataSpec:
    """Resolve what concerns the training set alone, or the tasks, too.

    Raises:
        UsageError: as for `resolve`.
    """
    registry, catalogue, choices = Registry(), load_catalogue(), OptionReader(request)
    place = _place(choices, registry, catalogue)
    piece = PluginSlot("environment", place.environment)
    data = _data_file(choices, place.environment)
    if data:
        data.agree(place.protocol.name, place.protocol.set)
    groups = {name: GROUPS[name] for name in (("data", "evaluation") if tasks else ("data",))}
    below = place.assignments() + (data.assignments() if data else [])
    addresses, _ = _assign([piece], groups, below, choices.assignments(), registry)
    environment, settings, *evaluation = (target.make() for target in addresses.targets)
    assert isinstance(settings, DataSettings)
    return DataSpec(
        ResolvedPlugin(piece.entry, piece.cls, environment),
        settings,
        choices.number("data_seed").value,
        (*place.notes, *(data.differences(environment) if data else ())),
        place.protocol.name,
        evaluation[0].model_dump()["tasks"] if evaluation else 0,
        choices.number("task_seed").value,
        data.path if data else None,
    )


def registered(source: str, values: Mapping[str, Any]) -> Iterable[Assignment]:
    """Values from registry.yaml: without effect where their plugin was not chosen."""
    for address, value in values.items():
        yield Assignment(address, value, source, f"registry.yaml, {source}: {address}={value}", binding=False)


def _of_recipe(recipe: Recipe) -> Iterable[Assignment]:
    """Values of a recipe, with file and line for messages."""
    for given in registered(f"recipe {recipe.name}", recipe.set):
        written = f"{recipe.places[given.address]}={given.value}" if given.address in recipe.places else given.written
        yield replace(given, written=written)


def _place(choices: OptionReader, registry: Registry, catalogue: Catalogue) -> ResolvedProtocol:
    """Environment, protocol and scale."""
    wanted, named = choices.get("environment"), choices.get("protocol")
    if wanted is None and named is None:
        raise UsageError(
            "say where to plan: --env NAME or --protocol NAME. Environments: "
            f"{', '.join(e.address for e in registry.entries('environment'))}; "
            f"protocols: {', '.join(catalogue.protocols)}"
        )
    scale = choices.get("scale") or Option("quick", "default", "")
    level = choice(scale.value, SCALES, scale.written.removesuffix(f" {scale.value}"))
    environment = _environment(wanted, registry, catalogue) if wanted else None
    if named:
        with prefix_error(named.written):
            protocol = catalogue.protocol(named.value)
    else:
        assert environment is not None
        protocol = _protocol_of(environment, registry, catalogue)
    if environment is None:
        if protocol.environment is None:
            raise UsageError(f"{named.written if named else ''}: this protocol is for any environment: add --env NAME")
        environment = registry.find("environment", protocol.environment)
    elif named and protocol.environment and registry.find("environment", protocol.environment) != environment:
        raise UsageError(
            f"{wanted.written if wanted else ''} contradicts {named.written}: that protocol is on environment "
            f"{protocol.environment!r}; leave one of the two out"
        )
    wish = choices.get("variant")
    with prefix_error(wish.written if wish else ""):
        variant = catalogue.variant(wish.value if wish else None)
    place = ResolvedProtocol(environment, protocol, level, variant)
    source = (named or wanted).source  # type: ignore[union-attr]  # one of them is there
    place.selections["environment"] = SourcedValue(environment.address, (wanted or named).source)  # type: ignore[union-attr]
    place.selections["protocol"] = SourcedValue(protocol.name, source)
    place.selections["scale"] = SourcedValue(level, scale.source)
    if variant:
        place.selections["variant"] = SourcedValue(variant.name, wish.source if wish else "default")
    if protocol.environment is None and named is None:
        place.notes.append(f"environment {environment.address!r} has no protocol of its own: values of {protocol.name}")
    elif named is None and protocol.name != environment.name:
        place.notes.append(f"--env {environment.address} means protocol {protocol.name}")
    return place


def _environment(wanted: Option, registry: Registry, catalogue: Catalogue) -> Entry:
    try:
        with prefix_error(wanted.written):
            return registry.find("environment", wanted.value)
    except UsageError as err:
        if any(wanted.value.replace("-", "_") == name for name in catalogue.protocols):
            raise UsageError(f"{err} There is a protocol of that name: --protocol {wanted.value}") from err
        raise


def _protocol_of(environment: Entry, registry: Registry, catalogue: Catalogue) -> Protocol:
    """Protocol that an environment means when it is named alone."""
    protocol = catalogue.usual_protocol(environment.address)
    if protocol is None:
        raise UsageError(f"{environment} has no protocol; name one with --protocol: {', '.join(catalogue.protocols)}")
    return protocol


def _parts(choices: OptionReader, registry: Registry, place: ResolvedProtocol, method: Method) -> list[PluginSlot]:
    """Planner, baseline and networks."""
    pieces: list[PluginSlot] = []
    for slot in ("planner", "baseline", *ROLES):
        chosen = choices.get(slot)
        name, source = getattr(place.block, slot, None), f"protocol {place.protocol.name}, scale {place.scale}"
        if name is None:
            name, source = getattr(place.protocol, slot, None), f"protocol {place.protocol.name}"
        if slot == "head" and method.head and method.recipe and method.recipe.head:
            name, source = method.recipe.head, f"recipe {method.recipe.name}"
        of_recipe = method.recipe is not None and source == f"recipe {method.recipe.name}"
        written = method.recipe.written("head") if method.recipe and of_recipe else source
        if chosen is not None:
            name, source, written = chosen.value, chosen.source, chosen.written
        if name is None:
            continue
        with prefix_error(written):
            piece = PluginSlot(slot, registry.find("network" if slot in ROLES else "planner", name))
        if slot in ROLES and piece.cls.role != slot:
            about = {e.address: load_catalogue().component("network", e.name) for e in registry.entries("network")}
            fit = suggest(name, (address for address, component in about.items() if slot in component.tags))
            raise UsageError(f"{written}: {piece.entry} is for the {piece.cls.role}. {fit}")
        if slot == "baseline" and piece.entry == pieces[0].entry:
            continue  # the planner is the baseline itself
        if slot == "baseline" and not piece.cls.baseline:
            raise UsageError(f"{written}: {piece.entry} uses the cost, so it is no baseline")
        place.selections[slot] = SourcedValue(piece.entry.address, source)
        pieces.append(piece)
    return pieces


def _assign(
    pieces: list[PluginSlot],
    groups: Mapping[str, type[Params]],
    below: list[Assignment],
    own: list[Assignment],
    registry: Registry,
) -> tuple[Addresses, dict[str, SourcedValue]]:
    """Give values to their parameters: the registry's and the data's (`below`), then the user's own.

    Also return those that are inert.
    """
    targets = [Target(piece.entry.name, piece.slot, piece.cls.Params, str(piece.entry)) for piece in pieces]
    targets += [Target(name, "setting", params, f"settings {name!r}") for name, params in groups.items()]
    known = {e.name: str(e) for e in registry.entries() if e.kind != "logger"} | {g: f"settings {g!r}" for g in GROUPS}
    addresses = Addresses(targets, known)
    unused: dict[str, SourcedValue] = {}
    for given in [*below, *own]:
        if not addresses.assign(given):
            unused[given.address] = SourcedValue(given.value, given.source)
    return addresses, unused


def _spec(
    choices: OptionReader,
    place: ResolvedProtocol,
    method: Method,
    pieces: list[PluginSlot],
    addresses: Addresses,
    unused: dict[str, SourcedValue],
    registry: Registry,
    data: DataFile | None,
) -> RunSpec:
    """Validate all values and put the specification together."""
    made = [target.make() for target in addresses.targets]
    chosen: dict[str, list[ResolvedPlugin]] = {}
    for piece, params in zip(pieces, made, strict=False):
        chosen.setdefault(piece.slot, []).append(ResolvedPlugin(piece.entry, piece.cls, params, piece.weight))
    settings = {target.name: params for target, params in zip(addresses.targets, made, strict=True)}
    settings = {name: settings[name] for name in GROUPS if name in settings}
    seeds = {key: choices.number(key) for key in ("seed", "data_seed", "task_seed")}
    device, how, machine_picks = compute.chosen(choices)
    selections = (
        place.selections | method.selections() | {key: SourcedValue(c.value, c.source) for key, c in seeds.items()}
    )
    rivals = [f"{p.entry} was taken; there is also {r.address}" for p in pieces for r in registry.rivals(p.entry)]
    spec = RunSpec(
        environment=chosen["environment"][0],
        objectives=tuple(chosen["objective"]),
        predictor_objectives=tuple(chosen.get("predictor_objective", ())),
        head_objectives=tuple(chosen.get("head_objective", ())),
        distance=chosen["distance"][0],
        planner=chosen["planner"][0],
        baseline=chosen.get("baseline", [None])[0],
        networks={role: chosen[role][0] for role in ROLES if role in chosen},
        training=method.training,
        settings=settings,
        **{key: c.value for key, c in seeds.items()},
        device=device,
        compute=how,
        recipe=method.recipe.name if method.recipe else None,
        own_recipe=method.recipe.plain() if method.recipe and method.recipe.own else None,
        reweighted=tuple(f"{piece.entry.name}={piece.weight:g}" for piece in method.reweighted),
        protocol=place.protocol.name,
        scale=place.scale,
        variant=place.variant.name if place.variant else None,
        values={key: value for target in addresses.targets for key, value in target.values().items()},
        unused=unused,
        selections=selections | machine_picks,
        data_file=str(data.path) if data else None,
        data_fingerprint=data.fingerprint if data else None,
        notes=(*place.notes, *method.notes, *rivals, *registry.problems),
    )
    _check(spec)
    if not data:
        return spec
    data.check(spec)
    notes = data.differences(spec.environment.params)
    return replace(spec, data_seed=data.spec["seed"], notes=(*spec.notes, *notes))


def _data_file(choices: OptionReader, environment: Entry) -> DataFile | None:
    """The file named by --data, whose own values stand above the protocol's."""
    asked = choices.get("data")
    return DataFile.read(Path(asked.value), asked.written, environment) if asked else None


def _task_file(choices: OptionReader, place: ResolvedProtocol) -> TaskFile | None:
    """The file named by --tasks, whose number of tasks stands above the protocol's."""
    asked = choices.get("tasks")
    return TaskFile.read(Path(asked.value), asked.written, place.environment, place.protocol.name) if asked else None


def _check(spec: RunSpec) -> None:
    """Check what two values say together."""
    every = spec.settings["mpc"].replan_every
    with attribute_errors(UsageError):
        planner = spec.planner.cls(spec.planner.params)
    if not planner.baseline and planner.horizon < every:
        raise UsageError(
            f"mpc.replan_every={every} is more than {spec.planner.name}.horizon={planner.horizon}: actions beyond the "
            "horizon are not planned; raise the horizon or replan more often"
        )
    data = spec.settings["data"]
    for _, objectives, group in spec.stages():
        window, batch = spec.settings[group].window, spec.settings[group].batch
        if window > data.length:
            raise UsageError(f"{group}.window={window} is longer than a trajectory: data.length={data.length}")
        windows = data.trajectories * (data.length - window + 1)
        if windows < batch:
            raise UsageError(
                f"{group}.batch={batch} is more than the {windows} windows of {window} states that "
                f"data.trajectories={data.trajectories} of data.length={data.length} have"
            )
        for objective in objectives:
            if window < objective.cls.min_length:
                least = objective.cls.min_length
                raise UsageError(f"{group}.window={window}: {objective.entry} needs at least {least}")
