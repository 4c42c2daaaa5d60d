"""Sweeps: one run for every combination of values of parameters, or of plugins for a slot."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.definitions import Sweep
from vgbench.config.parameters import CHOSEN
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.errors import UsageError
from vgbench.experiments.cells import CellRequest, RunCell
from vgbench.text import same, suggest


@dataclass(frozen=True)
class Point:
    """A value on a curve. `values` has all that its cells are given (by `name.param` or slot); `over` is the axis.

    `folder` is that of another point that is the same run.
    """

    curve: str
    recipe: str
    over: str
    values: Mapping[str, str]
    folder: str = ""

    @property
    def place(self) -> str:
        """Name of its folder: recipe and values, safe for a file system and different for different values."""
        if self.folder:
            return self.folder
        text = "-".join([self.recipe, *(f"{name}={value}" for name, value in sorted(self.values.items()))])
        plain = re.sub(r"[^A-Za-z0-9._=+-]+", "_", text)
        if plain == text and len(text) <= 100:
            return text
        # With a hash, because different values may look alike after cutting and replacing.
        return f"{plain[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def read_grid(texts: Sequence[str], sets: Sequence[str] = ()) -> dict[str, list[str]]:
    """Read `NAME.PARAM=A,B,...` or `SLOT=A,B,...` each; a comma inside of brackets or quotes does not separate.

    Raises:
        UsageError: it is not of that form, a value or a parameter stands there twice, or `--set` names the same one.
    """
    taken = {same(text.partition("=")[0]) for text in sets}
    grid: dict[str, list[str]] = {}
    for text in texts:
        address, equals, raw = text.partition("=")
        address, values = address.strip(), _split(raw)
        if not equals or not address or not all(values):
            raise UsageError(f"--grid {text}: expected name.param=A,B,..., e.g. --grid train.lr=1e-3,3e-3")
        if "." not in address and address not in CHOSEN:
            raise UsageError(
                f"--grid {text}: expected name.param=A,B,..., or the name of a slot before the =. "
                f"{suggest(address, CHOSEN)}"
            )
        if len(set(values)) < len(values):
            raise UsageError(f"--grid {text}: duplicate value")
        if same(address) in map(same, grid):
            raise UsageError(f"--grid {text}: there is another --grid for {address}; put all values in one")
        if same(address) in taken:
            raise UsageError(f"--grid {text} contradicts --set {address}=...: leave out one of them")
        grid[address] = values
    return grid


def _split(text: str) -> list[str]:
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
        elif letter == "," and not depth:
            parts.append("")
            continue
        parts[-1] += letter
    return [part.strip() for part in parts]


def of_grid(recipe: str, protocol: str, grid: Mapping[str, Sequence[str]]) -> tuple[str, list[Point]]:
    """Return the name and points of a product of grids: the first one is the axis, the others make a curve each.

    A slot (`planner=A,B`) is the axis only of points that have no other grid. Values for one of its plugins
    (`A.samples=...`) are left out where another one of them is chosen.
    """
    slots = {name: values for name, values in grid.items() if name in CHOSEN}
    points = []
    for names in itertools.product(*slots.values()):
        picked = dict(zip(slots, names, strict=True))
        own = {address: values for address, values in grid.items() if _concerns(address, picked, slots)}
        if not own:
            over = next(iter(slots))
            own = {over: [picked.pop(over)]}
        (over, axis), *others = own.items()
        for combination in itertools.product(*(values for _, values in others)):
            fixed = picked | dict(zip((name for name, _ in others), combination, strict=True))
            label = ", ".join([recipe, *(f"{name}={value}" for name, value in fixed.items())])
            points += [Point(label, recipe, over, fixed | {over: value}) for value in axis]
    return "-".join([same(recipe), same(protocol), *grid]), points


def _concerns(address: str, picked: Mapping[str, str], slots: Mapping[str, Sequence[str]]) -> bool:
    """Whether an address is a parameter for cells with these plugins: not one of a plugin that others of them have."""
    if address in slots:
        return False
    owner = bare(address.rpartition(".")[0])
    return all(owner == bare(picked[slot]) or owner not in map(bare, names) for slot, names in slots.items())


def bare(name: str) -> str:
    """Return the name of a plugin without its slot or distribution (`planner:mppi`), as names are compared."""
    return same(name).rpartition(":")[2]


def find(name: str) -> Sweep:
    """Look up a sweep of registry.yaml."""
    return load_catalogue().sweep(name)


def of_registry(sweep: Sweep, base: RunRequest) -> list[Point]:
    """Return the points of a sweep of registry.yaml; curves may meet, and their common run is computed once."""
    points = []
    scale = str(base.options.get("scale") or "quick")
    for curve in sweep.curves:
        fixed = {address: _text(value) for address, value in curve.set.items()}
        label = ", ".join([curve.recipe, *(f"{name}={value}" for name, value in fixed.items())])
        for values in curve.points(scale):
            texts = {address: _text(value) for address, value in values.items()}
            points.append(Point(label, curve.recipe, curve.over, texts))
    first: dict[str, str] = {}
    keys = [resolve(_asked(point, base)).key() for point in points]
    return [replace(point, folder=first.setdefault(key, point.place)) for key, point in zip(keys, points, strict=True)]


def _asked(point: Point, base: RunRequest) -> RunRequest:
    """Return the request of a point's cells, without their seed."""
    grid = [f"{name}={value}" for name, value in point.values.items()]
    return base.replaced(recipe=point.recipe, grid=grid, loose=True)


def _text(value: object) -> str:
    """Return a value of the file as `--set` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def cells(points: Iterable[Point], seeds: Sequence[int], base: RunRequest) -> list[CellRequest]:
    """Ask for every point and seed; a point that lies on two curves is asked for once."""
    unlike: dict[str, Point] = {}
    for point in points:
        unlike.setdefault(point.place, point)
    return [
        CellRequest({"point": place, "seed": seed}, _asked(point, base).replaced(seed=seed), Path(place) / f"s{seed}")
        for place, point in unlike.items()
        for seed in seeds
    ]


def check_different(cells: Iterable[RunCell]) -> None:
    """Refuse points that are the same run: a value that is written twice, or that another one overrides."""
    seen: dict[str, RunCell] = {}
    for cell in cells:
        twin = seen.setdefault(cell.spec.key(), cell)
        if twin is not cell:
            raise UsageError(f"--grid: {twin.name} and {cell.name} are the same run; leave one of the values out")
