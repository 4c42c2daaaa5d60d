"""Maps of the learned distance to a goal over one layout, beside the true one where the environment knows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from vgbench.api import HasCostToGo, HasMapPlace, HasStateGrid, State, StateGrid
from vgbench.api.capabilities import capability, offers
from vgbench.experiments.trained import Trained
from vgbench.reports.plots import style
from vgbench.reports.plots.images import image_name, rgb
from vgbench.reports.plots.picture import Drawn, Plot, SkippedPlot

VALUE = "Value map"
EACH = 2
"""Goals of solved tasks, and of failed ones."""


@dataclass
class LayoutMap:
    """One layout, looked at everywhere.

    Attributes:
        place: [M, 2], where the states of the grid are on the map.
        latents: [M, D], theirs.
        background: [H, W, 3] uint8, the picture of the layout alone; None for an environment without images.
    """

    grid: StateGrid
    place: np.ndarray
    latents: Tensor
    background: np.ndarray | None


@dataclass
class ValueMaps:
    """Sheets of a trained run, made once for each layout."""

    trained: Trained
    _made: list[LayoutMap] = field(default_factory=list)

    @property
    def missing(self) -> str:
        """Why the environment has no maps, or nothing."""
        environment = self.trained.environment
        lacks = [name for name in ("state_grid", "map_place") if name not in environment.capabilities]
        name = self.trained.spec.environment.name
        return f"environment '{name}' does not offer {' and '.join(lacks)}" if lacks else ""

    def sheet(self, state: State) -> LayoutMap:
        """Sheet of the layout of a state (leading 1)."""
        environment = self.trained.environment
        grid = capability(environment, HasStateGrid).state_grid(state)
        for made in self._made:
            if _alike(made.grid.states, grid.states):
                return made
        observations = environment.observe(grid.states)
        place = capability(environment, HasMapPlace).map_place(grid.states).cpu().numpy()
        latents = self.trained.model.encode_blocks(observations)
        image = image_name(environment)
        background = layout_alone(observations[image]) if image else None
        self._made.append(LayoutMap(grid, place, latents, background))
        return self._made[-1]

    def distances(self, sheet: LayoutMap, goal: State) -> Tensor:
        """Learned distance [M] from the states of a sheet to a goal (leading 1)."""
        model, environment = self.trained.model, self.trained.environment
        with torch.inference_mode():
            point = model.encode_blocks(environment.goal_observation(goal), points=True)
            return model.distance.prepare(point)(model.head(sheet.latents).unsqueeze(0)).squeeze(0)


def _alike(a: State, b: State) -> bool:
    return all(a[name].shape == b[name].shape and bool((a[name] == b[name]).all()) for name in a)


def layout_alone(images: Tensor) -> np.ndarray:
    """Picture [H, W, 3] of what images [M, C, H, W] of many states have in common: the agent is in each elsewhere."""
    some = images[torch.linspace(0, len(images) - 1, min(len(images), 65), device=images.device).long()]
    return rgb(some.median(dim=0).values.cpu().numpy())


def row(state: State, index: int) -> State:
    """One state of several, with leading 1."""
    return {name: value[index : index + 1] for name, value in state.items()}


def value(atlas: ValueMaps, tasks: Sequence[int] | None = None, title: str = "") -> Drawn:
    """Draw the distance to the goals of some tasks over the free space of their layouts.

    `tasks` are by default the first that were solved and the first that failed. Maps of one kind have one range: 1 is
    the largest value on any of them.
    """
    trained = atlas.trained
    if atlas.missing:
        yield SkippedPlot(VALUE, f"{atlas.missing}, which a map needs")
        return
    became = {row["task"]: "solved" if row["success"] else "failed" for row in trained.folder.lines("episodes.jsonl")}
    tasks = [task for task in tasks or _chosen(became) if task < len(trained.tasks)]
    known, place = offers(trained.environment, HasCostToGo), capability(trained.environment, HasMapPlace)
    made = style.figure(2.3 * len(tasks) + 1.0, 2.3 * (1 + known) + 0.7)
    panels = made.subplots(1 + known, len(tasks), squeeze=False)
    learned, true, sheets = [], [], []
    for task in tasks:
        goal = row(trained.tasks.goal, task)
        sheets.append(atlas.sheet(goal))
        learned.append(atlas.distances(sheets[-1], goal).cpu().numpy())
        if offers(trained.environment, HasCostToGo):
            true.append(_truth(trained.environment, sheets[-1].grid.states, goal))
    unit = trained.environment.spec.distance_unit
    rows = [("learned distance d(s, g)", learned)] + ([("true cost to go (steps)", true)] if known else [])
    for line, (name, values) in zip(panels, rows, strict=True):
        most = max((float(v[np.isfinite(v)].max(initial=0.0)) for v in values), default=0.0) or 1.0
        for axes, task, sheet, d in zip(line, tasks, sheets, values, strict=True):
            mesh = draw_map(axes, sheet, d / most, place, (0.0, 1.0))
            star(axes, place, row(trained.tasks.goal, task))
            x, y = place.map_place(row(trained.tasks.start, task))[0].tolist()
            axes.plot([x], [y], "s", markersize=6, color="white", markeredgecolor="black")
            axes.locator_params(nbins=4)
        line[0].set_ylabel(f"{name}\n1 is {most:.3g}; y ({unit})" if unit else f"{name}\n1 is {most:.3g}")
    for axes in panels[-1]:
        axes.set_xlabel(f"x ({unit})" if unit else "x")
    made.colorbar(mesh, ax=panels.ravel().tolist(), label="share of the largest value", shrink=0.8, pad=0.02)
    for axes, words in zip(panels[0], _titles(tasks, became, learned, true), strict=True):
        axes.set_title(words)
    made.suptitle(f"{title}: {VALUE.lower()}".removeprefix(": "), fontsize=10)
    yield Plot("value.svg", VALUE, _text(known), content=style.svg(made))


def _chosen(became: Mapping[int, str]) -> list[int]:
    """Return the first tasks that were solved and the first that failed; without episodes, the first ones."""
    kinds = [[task for task, word in became.items() if word == kind] for kind in ("solved", "failed")]
    solved, failed = (min(len(kind), EACH) for kind in kinds)
    # Where there are too few of one kind, more of the other.
    few = [*kinds[0][: 2 * EACH - failed], *kinds[1][: 2 * EACH - solved]]
    return few or list(range(2 * EACH))


def _truth(environment: HasCostToGo, states: State, goal: State) -> np.ndarray:
    """True cost to go [M] in steps; NaN where there is no way."""
    count = len(next(iter(states.values())))
    goals = {name: value.expand(count, *value.shape[1:]) for name, value in goal.items()}
    steps = environment.cost_to_go(states, goals).double().cpu().numpy()
    return np.where(np.isfinite(steps), steps, np.nan)


def _titles(
    tasks: Sequence[int], became: Mapping[int, str], learned: list[np.ndarray], true: list[np.ndarray]
) -> list[str]:
    from scipy.stats import spearmanr

    titles = [f"task {task}" + (f", {became[task]}" if task in became else "") for task in tasks]
    for index, (d, steps) in enumerate(zip(learned, true, strict=False)):
        whole = np.isfinite(steps) & np.isfinite(d)
        rank = float(spearmanr(d[whole], steps[whole]).statistic) if whole.sum() > 2 else float("nan")
        titles[index] += f"\nrank correlation {rank:.2f}"
    return titles


def _text(known: bool) -> str:
    beside = (
        " Below: the true cost to go. What counts for planning is the order of the states, not the scale: lines of "
        "equal value should run alike, and the rank correlation (Spearman's, over the map) be near 1."
        if known
        else " The environment does not know the true cost to go, so there is nothing to hold it against."
    )
    return (
        f"Learned distance from every free place to the goal (star; square: start), with lines of equal value.{beside}"
    )


def draw_map(
    axes: Axes, sheet: LayoutMap, values: np.ndarray, environment: HasMapPlace, limits: tuple[float, float]
) -> Any:
    """Draw values [M] over a layout; returns what a colour bar wants."""
    left, right, bottom, top = environment.map_extent
    if sheet.background is not None:
        grey = sheet.background.mean(axis=-1) / 255
        axes.imshow(grey, cmap="gray", vmin=-0.6, vmax=1.6, extent=(left, right, bottom, top), interpolation="nearest")
    xs, ys = (np.unique(sheet.place[:, axis].round(4)) for axis in (0, 1))
    colours: dict[str, Any] = {"cmap": "viridis", "vmin": limits[0], "vmax": limits[1]}
    if len(xs) > 1 and len(ys) > 1 and len(xs) * len(ys) <= 8 * len(values):
        table = np.full((len(ys), len(xs)), np.nan)
        column, line = (np.searchsorted(a, sheet.place[:, i].round(4)) for i, a in enumerate((xs, ys)))
        table[line, column] = values
        mesh: Any = axes.pcolormesh(xs, ys, table, shading="nearest", rasterized=True, **colours)
        lines = axes.contour(xs, ys, table, levels=12, colors="white", linewidths=0.5, alpha=0.7)
        lines.set_rasterized(True)
    else:  # no lattice
        mesh = axes.scatter(sheet.place[:, 0], sheet.place[:, 1], c=values, s=6, rasterized=True, **colours)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    return mesh


def star(axes: Axes, environment: HasMapPlace, goal: State) -> None:
    """Draw a star where a goal (leading 1) is."""
    x, y = environment.map_place(goal)[0].tolist()
    axes.plot([x], [y], "*", markersize=12, color="white", markeredgecolor="black", markeredgewidth=0.9)
