"""Makes a `RunSpec` of flags, recipe, protocol, file and `--set`; all is validated before anything is computed."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from vgbench.api import Environment, Params
from vgbench.api.network import ROLES
from vgbench.config import compute
from vgbench.config.data_file import DataFile
from vgbench.config.method import Method, PluginSlot, choose_method
from vgbench.config.parameters import Addresses, Assignment, Target
from vgbench.config.recipes import Recipe
from vgbench.config.request import Option, OptionReader, RunRequest
from vgbench.config.resolved_protocol import ResolvedProtocol, choose_plugins, choose_protocol, registered
from vgbench.config.task_file import TaskFile
from vgbench.errors import UsageError
from vgbench.plugin import guard
from vgbench.plugin.attribution import attribute_errors
from vgbench.plugin.entry import HOME, Entry
from vgbench.plugin.registry import Registry
from vgbench.settings import GROUPS, DataSettings
from vgbench.spec import DataSpec, ResolvedPlugin, RunSpec, SourcedValue, StageSpec
from vgbench.stages import STAGE_SETTINGS
from vgbench.text import shown

__all__ = ["DataSpec", "RunRequest", "resolve", "resolve_data"]


@guard.seen()
def resolve(request: RunRequest) -> RunSpec:
    """Resolve a request.

    Precedence: plugin default < protocol < its block for the scale < variant < recipe < --config < flags < --set.

    Raises:
        UsageError: something does not exist, does not fit or contradicts itself; the message names the option.
    """
    registry, options = Registry(), OptionReader(request)
    catalogue = options.catalogue()
    resolved = choose_protocol(options, registry, catalogue)
    # After the protocol, which has objectives of later stages; before the plugins: a recipe may bring a network.
    method = choose_method(options, registry, catalogue, resolved.protocol)
    data = _data_file(options, resolved.environment)
    if data and data.kinds == {"vector"}:
        resolved.own["encoder"] = Option(catalogue.tagged("network", "encoder", "vectors"), data.written, data.written)
    plugins = choose_plugins(options, registry, catalogue, resolved, method)
    pieces = [PluginSlot("environment", resolved.environment), *method.pieces(), *plugins]
    tasks = _task_file(options, resolved)
    if data:
        data.agree(resolved.protocol.name, resolved.protocol.set)
    recipe = [*_of_recipe(method.recipe)] if method.recipe else []
    name = method.recipe.name if method.recipe else None
    below, notes = options.without_younger([*resolved.assignments(name, method.training), *recipe])
    resolved.notes += [*options.notes, *notes]
    # Files above the registry (they say what they hold), but below the user's own values.
    below += data.assignments() if data else []
    below += tasks.assignments() if tasks else []
    left_out = set(STAGE_SETTINGS) - method.settings()
    groups = {name: group for name, group in GROUPS.items() if name not in left_out}
    addresses, unused = _assign(pieces, groups, below, options.assignments(), registry)
    spec = _spec(options, resolved, method, pieces, addresses, unused, registry, data)
    # Last: whether the tasks fit depends on the environment's final parameters.
    return tasks.settle(spec) if tasks else spec


@guard.seen()
def resolve_data(request: RunRequest, tasks: bool = False) -> DataSpec:
    """Resolve what concerns the training set alone, or the tasks, too.

    Raises:
        UsageError: as for `resolve`.
    """
    registry, options = Registry(), OptionReader(request)
    resolved = choose_protocol(options, registry, options.catalogue())
    piece = PluginSlot("environment", resolved.environment)
    data = _data_file(options, resolved.environment)
    if data:
        data.agree(resolved.protocol.name, resolved.protocol.set)
    groups = {name: GROUPS[name] for name in (("data", "evaluation") if tasks else ("data",))}
    below = resolved.assignments() + (data.assignments() if data else [])
    addresses, _ = _assign([piece], groups, below, options.assignments(), registry)
    environment, settings, *evaluation = (target.make() for target in addresses.targets)
    return DataSpec(
        ResolvedPlugin(piece.entry, piece.cls, environment),
        cast("DataSettings", settings),
        options.number("data_seed").value,
        (*resolved.notes, *(data.differences(environment) if data else ())),
        resolved.protocol.name,
        evaluation[0].model_dump()["tasks"] if evaluation else 0,
        options.number("task_seed").value,
        data.path if data else None,
    )


def _own(resolved: ResolvedProtocol, recipe: Recipe | None) -> dict[str, Any]:
    """Return what a run's file has to say of recipe, protocol and variant where they are a user's own."""
    protocol, variant = resolved.protocol, resolved.variant
    found = {
        "recipes": {recipe.name: recipe.plain()} if recipe and recipe.own else {},
        "protocols": {protocol.name: protocol.plain()} if protocol.own else {},
        "variants": variant.own() if variant else {},
    }
    return {key: value for key, value in found.items() if value}


def _of_recipe(recipe: Recipe) -> Iterable[Assignment]:
    """Values of a recipe, with file and line for messages."""
    for given in registered(f"recipe {recipe.name}", recipe.set):
        written = f"{recipe.places[given.address]}={given.value}" if given.address in recipe.places else given.written
        yield replace(given, written=written, home=not recipe.own)


def _assign(
    pieces: list[PluginSlot],
    groups: Mapping[str, type[Params]],
    below: list[Assignment],
    own: list[Assignment],
    registry: Registry,
) -> tuple[Addresses, dict[str, SourcedValue]]:
    """Give values to their parameters: the registry's and the data's (`below`), then the user's own.

    Also return those that are unused: their plugins are not part of the run.
    """
    targets = [_target(piece) for piece in pieces]
    targets += [Target(name, "setting", params, f"settings {name!r}") for name, params in groups.items()]
    # Loggers have no parameters, so no address can mean one.
    known = {e.name: str(e) for e in registry.entries() if e.kind != "logger"} | {g: f"settings {g!r}" for g in GROUPS}
    addresses = Addresses(targets, known)
    unused: dict[str, SourcedValue] = {}
    # In the order of precedence: a later value replaces an earlier one.
    for given in [*below, *own]:
        if not addresses.assign(given):
            unused[given.address] = SourcedValue(given.value, given.source)
    return addresses, unused


def _target(piece: PluginSlot) -> Target:
    entry = piece.entry
    return Target(entry.name, piece.slot, piece.cls.Params, str(entry), foreign=entry.dist != HOME)


def _spec(
    options: OptionReader,
    resolved: ResolvedProtocol,
    method: Method,
    pieces: list[PluginSlot],
    addresses: Addresses,
    unused: dict[str, SourcedValue],
    registry: Registry,
    data: DataFile | None,
) -> RunSpec:
    """Validate all values and put the specification together."""
    made = [target.make() for target in addresses.targets]
    unused = unused | {address: value for target in addresses.targets for address, value in target.idle().items()}
    chosen: dict[str, list[ResolvedPlugin]] = {}
    # Not strict: after the plugins' parameters `made` has those of the groups of settings.
    for piece, params in zip(pieces, made, strict=False):
        chosen.setdefault(piece.slot, []).append(ResolvedPlugin(piece.entry, piece.cls, params, piece.weight))
    settings = {target.name: params for target, params in zip(addresses.targets, made, strict=True)}
    # Without the plugins' parameters, and in the order of GROUPS whatever was chosen.
    settings = {name: settings[name] for name in GROUPS if name in settings}
    seeds = {key: options.number(key) for key in ("seed", "data_seed", "task_seed")}
    device, how, of_machine = compute.chosen(options)
    selections = (
        resolved.selections | method.selections() | {key: SourcedValue(c.value, c.source) for key, c in seeds.items()}
    )
    values = {key: value for target in addresses.targets for key, value in target.values().items()}
    resolved.notes += _departures(resolved, method, values)
    rivals = [f"{p.entry} was taken; there is also {r.address}" for p in pieces for r in registry.rivals(p.entry)]
    spec = RunSpec(
        environment=chosen["environment"][0],
        stages=tuple(StageSpec(kind, tuple(chosen[kind.slot])) for kind in method.stages()),
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
        own=_own(resolved, method.recipe),
        trained=trained.value if (trained := options.get("trained")) else None,
        reweighted=tuple(f"{piece.entry.name}={piece.weight:g}" for piece in method.reweighted),
        protocol=resolved.protocol.name,
        scale=resolved.scale,
        variant=resolved.variant.name if resolved.variant else None,
        values=values,
        unused=unused,
        selections=selections | of_machine,
        data_file=str(data.path) if data else None,
        data_fingerprint=data.fingerprint if data else None,
        data_files=() if data else _data_files(chosen["environment"][0]),
        notes=(*resolved.notes, *method.notes, *rivals, *registry.problems),
    )
    _check(spec)
    if words := _untrained_encoder(spec):
        spec = replace(spec, notes=(*spec.notes, words))
    if not data:
        return spec
    data.check(spec)
    notes = data.differences(spec.environment.params)
    return replace(spec, data_seed=data.spec["seed"], notes=(*spec.notes, *notes))


def _untrained_encoder(spec: RunSpec) -> str:
    """Say that an encoder that nobody chose is frozen as it was drawn; else nothing."""
    chosen = spec.selections.get("encoder")
    if not spec.settings["model"].freeze_encoder or chosen is None or not chosen.source.startswith("protocol"):
        return ""
    return (
        f"model.freeze_encoder=true without --encoder: {chosen.value!r}, the protocol's, keeps the random weights that "
        "it begins with. Give a pre-trained one with --encoder NAME (`vgbench list network`; docs/encoder.md)"
    )


def _departures(resolved: ResolvedProtocol, method: Method, values: Mapping[str, SourcedValue]) -> list[str]:
    """Say in what a run departs from the paper: choices of its variant that are in force, with one value each."""
    variant = resolved.variant
    if variant is None or variant.base is None:
        return []
    recipe = method.recipe.name if method.recipe else None
    chosen = variant.departures(resolved.protocol.lineage, recipe, method.training)
    words = []
    for name, block in chosen.items():
        in_force = [a for a in block if a in values and values[a].source.startswith("variant ")]
        # One value stands for a choice: `vgbench show variant` has them all.
        words += [f"{name} ({address}={shown(values[address].value)})" for address in in_force[:1]]
    if not words:
        return []
    return [
        f"variant {variant.name} departs from the paper in {', '.join(words)}: see `vgbench show variant "
        f"{variant.name}`; --variant literal keeps to its words"
    ]


def _data_files(environment: ResolvedPlugin) -> tuple[str, ...]:
    """Hashes of the files that an environment collects from, if it declares any."""
    from vgbench.data.data_files import declares_files, hashes

    if not declares_files(environment.cls):
        return ()
    with attribute_errors(UsageError):
        return tuple(hashes(environment.make()))


def _data_file(options: OptionReader, environment: Entry) -> DataFile | None:
    """The file named by --data, whose own values stand above the protocol's."""
    asked = options.get("data")
    return DataFile.read(Path(asked.value), asked.written, environment) if asked else None


def _task_file(options: OptionReader, resolved: ResolvedProtocol) -> TaskFile | None:
    """The file named by --tasks, whose number of tasks stands above the protocol's."""
    asked = options.get("tasks")
    return (
        TaskFile.read(Path(asked.value), asked.written, resolved.environment, resolved.protocol.name) if asked else None
    )


def _check(spec: RunSpec) -> None:
    """Check what two values say together."""
    every = spec.settings["mpc"].replan_every
    # A third party's constructor may raise anything.
    with attribute_errors(UsageError):
        planner = spec.planner.make()
    if not planner.baseline and planner.horizon < every:
        raise UsageError(
            f"mpc.replan_every={every} is more than {spec.planner.name}.horizon={planner.horizon}: actions beyond the "
            "horizon are not planned; raise the horizon or replan more often"
        )
    data = spec.settings["data"]
    if spec.data_file is None:
        _check_size(spec.environment, data)
    for stage in spec.stages:
        group = stage.settings
        window, batch = spec.settings[group].window, spec.settings[group].batch
        if window > data.length:
            raise UsageError(f"{group}.window={window} is longer than a trajectory: data.length={data.length}")
        windows = data.trajectories * (data.length - window + 1)
        if windows < batch:
            raise UsageError(
                f"{group}.batch={batch} is more than the {windows} windows of {window} states that "
                f"data.trajectories={data.trajectories} of data.length={data.length} have"
            )
        for objective in stage.objectives:
            if window < objective.cls.min_length:
                least = objective.cls.min_length
                raise UsageError(f"{group}.window={window}: {objective.entry} needs at least {least}")


def _check_size(environment: ResolvedPlugin, data: Any) -> None:
    """Ask an environment that has something to say of it whether it can collect so many trajectories."""
    if environment.cls.check_size is Environment.check_size:
        return
    with attribute_errors(UsageError):
        made = environment.make()
        try:
            made.check_size(data.trajectories, data.length)
        except ValueError as err:
            where = f"data.trajectories={data.trajectories}, data.length={data.length}"
            raise UsageError(f"{where}: {err}") from err
