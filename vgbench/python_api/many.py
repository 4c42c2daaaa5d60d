"""`vgbench.suite` and `vgbench.sweep`: many runs from Python."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.errors import UsageError
from vgbench.python_api.single import Result, of_record

if TYPE_CHECKING:
    from vgbench.experiments.cells import CellOutcome, CellRequest


@dataclass(frozen=True)
class Runs:
    """What many runs came to.

    Attributes:
        folder: of all of them; `vgbench.report(folder)` makes a table.
        results: of those that are done, by their labels: `("wall_big", "vf", 0)`, or point and seed of a sweep.
        missing: why each of the others is not, by its labels.
        points: of a sweep: success by curve and value.
    """

    folder: Path
    results: Mapping[tuple[Any, ...], Result]
    missing: Mapping[tuple[Any, ...], str] = field(default_factory=dict)
    points: Sequence[Mapping[str, Any]] = ()


def suite(
    name: str | Path,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    recipes: str | Path | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    executor: str = "local",
    tell: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Runs:
    """Run every recipe on every protocol with every seed: `vgbench suite`. What is complete is not computed again.

    Args:
        name: of a suite, or a file that has one.
        only: recipes and protocols to which it is narrowed.
        seeds: instead of the suite's.
        recipes: a file with recipes of your own, as further rows.
        out: folder; by default runs/NAME-SCALE.
        workers: runs at once; by default as many as there are cores.
        executor: `local`, `ray`, `slurm`, or one of an installed package.
        tell: is told each line about progress.
        options: `scale`, `variant`, `set`, `device`, `precision`, `compile`, `memory`, as for `vgbench.run`.

    Raises:
        UsageError: something does not exist, or contradicts something else; nothing was computed.

    Example::

        vgbench.suite("paper_table_2", only=["vf", "wall_big"], seeds=[0, 1], scale="smoke").results
    """
    from vgbench.config.request import RunRequest
    from vgbench.experiments import claim_strata
    from vgbench.experiments import suite as suites

    _some("seeds", seeds)
    found, own = suites.find(str(name), Path(recipes) if recipes else None, "name")
    asked = suites.narrowed(found, only, "only")
    base = RunRequest(recipes=own, **_shared(options))
    cells = suites.cells(asked, tuple(seeds) if seeds is not None else asked.seeds, base)
    root = Path(out) if out else Path("runs") / f"{asked.name}-{base.options.get('scale', 'quick')}"
    strata = claim_strata.check(asked, cells, tell)
    call = f"vgbench.suite({str(name)!r})"
    limit = base.options.get("plugin_timeout")
    return _computed("suite", asked.name, root, cells, call, workers, executor, tell, limit, strata=strata)


def sweep(
    recipe: str,
    protocol: str,
    grid: Mapping[str, Sequence[Any]],
    *,
    seeds: Sequence[int] = (0,),
    out: str | Path | None = None,
    workers: int | None = None,
    executor: str = "local",
    tell: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Runs:
    """Run a recipe for every combination of values: `vgbench sweep`. Training that runs have in common is done once.

    Args:
        recipe: by name.
        protocol: by name.
        grid: values by `name.param`, or plugins for a slot (`planner`); the first is the axis.
        seeds: of training.
        out: folder; by default a name under runs/.
        workers: runs at once.
        executor: as for `suite`.
        tell: is told each line about progress.
        options: as for `suite`.

    Raises:
        UsageError: something does not exist, or two combinations are the same run; nothing was computed.

    Example::

        runs = vgbench.sweep("vf", "wall_big", {"iql.tau": [0.7, 0.9]}, scale="smoke")
        [(point["value"], point["success_rate"]) for point in runs.points]
    """
    from vgbench.config.request import RunRequest
    from vgbench.experiments import sweep as sweeps
    from vgbench.experiments.sweep_results import figures

    _some("seeds", seeds)
    _some("grid", grid)
    for name, values in grid.items():
        _some(f"grid: {name}", values)
    texts = [f"{name}={','.join(map(_value, values))}" for name, values in grid.items()]
    base = RunRequest(recipe=recipe, protocol=protocol, **_shared(options))
    title, points = sweeps.of_grid(recipe, protocol, sweeps.read_grid(texts, base.sets))
    root = Path(out) if out else Path("runs") / f"{title}-{base.options.get('scale', 'quick')}"
    call = f"vgbench.sweep({recipe!r}, {protocol!r}, {dict(grid)!r})"
    outcomes: list[CellOutcome] = []
    limit, cells = base.options.get("plugin_timeout"), sweeps.cells(points, seeds, base)
    runs = _computed("sweep", title, root, cells, call, workers, executor, tell, limit, outcomes)
    return Runs(runs.folder, runs.results, runs.missing, figures(points, outcomes))


def _some(name: str, given: object) -> None:
    """Refuse an empty collection, or what is none.

    Raises:
        UsageError: names it.
    """
    if given is None:
        return
    if isinstance(given, str) or not isinstance(given, Collection):
        raise UsageError(f"{name}={given!r}: expected a list, such as [{given!r}]")
    if not given:
        raise UsageError(f"{name}={given!r}: expected at least one")


def _shared(options: Mapping[str, Any]) -> dict[str, Any]:
    from vgbench.config.options import SHARED
    from vgbench.text import suggest

    for name in options:
        if name not in SHARED:
            raise UsageError(f"{name}: there is no such option of many runs. {suggest(name, SHARED)}")
    return dict(options)


def _value(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value)


def _computed(
    kind: str,
    name: str,
    root: Path,
    cells: "list[CellRequest]",
    call: str,
    workers: int | None,
    executor: str,
    tell: Callable[[str], None],
    limit: int | None,
    outcomes: "list[CellOutcome] | None" = None,
    strata: Mapping[str, Mapping[str, str]] | None = None,
) -> Runs:
    """Compute what is not complete; `limit`: seconds of a hook."""
    from vgbench.experiments import executors
    from vgbench.experiments.campaign import Campaign
    from vgbench.experiments.cells import resolve_cells
    from vgbench.experiments.executors.base import Resources
    from vgbench.experiments.sweep import check_different
    from vgbench.model.precision import check_compiler
    from vgbench.plugin.guard import time_limit

    resolved = resolve_cells(cells, root)
    if kind == "sweep":
        check_different(resolved)
    # Before any run is started: all of them would fail alike.
    check_compiler(resolved[0].spec)
    place = Resources(workers, gpu=resolved[0].spec.device_kind != "cpu")
    executors.find(executor).check(place)
    campaign = Campaign(kind, name, resolved[0].spec.scale, root, resolved)
    campaign.strata = strata or {}
    with time_limit(limit):
        found = campaign.run(executor, place, [call], tell)
    if outcomes is not None:
        outcomes += found
    results = {tuple(one.cell.labels.values()): of_record(one.result) for one in found if one.result}
    missing = {tuple(one.cell.labels.values()): one.reason or one.status for one in found if not one.result}
    return Runs(root, results, missing)
