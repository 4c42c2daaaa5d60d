"""Draws the figures of registry.yaml from data sets and tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Plot

from vgbench.api import Environment, HasLabels, HasTrack, State
from vgbench.api.capabilities import capability
from vgbench.config.definitions import Figure, Panel
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve_data
from vgbench.data import collection, files
from vgbench.data.dataset import Dataset
from vgbench.errors import UsageError, prefix_error
from vgbench.experiments.build import build_environment
from vgbench.reports.plots import style
from vgbench.reports.plots.images import image_name, rgb
from vgbench.spec import DataSpec
from vgbench.storage.files import Record
from vgbench.text import suggest

DPI = 110
_TIME = ListedColormap(colormaps["viridis"](np.linspace(0.3, 1, 64)))
"""Colours of time: those of viridis that are bright enough on black."""
SIDE = {"trajectory": 3.6, "states": 1.7, "tasks": 1.7}
"""Side of one picture, inches."""


@dataclass(frozen=True)
class Prepared:
    """A panel with the request for its data, and the name of the image that it shows of each state."""

    panel: Panel
    data: DataSpec
    environment: Environment
    image: str
    task_seed: int


def prepare(figure: Figure, data_seed: int | None, task_seed: int | None, sets: Sequence[str]) -> list[Prepared]:
    """Resolve the data of every panel; nothing is collected.

    Raises:
        UsageError: a value does not fit, or the environment has no images, or not the capabilities that a panel needs.
    """
    prepared = []
    for panel in figure.panels:
        seed = figure.data_seed if data_seed is None else data_seed
        request = resolve_data(RunRequest(protocol=panel.protocol, data_seed=seed, set=sets))
        environment = build_environment(request.environment)
        with prefix_error(f"figure {figure.name}, {panel.title}"):
            image = _check(panel, environment, request.environment.name)
        tasks = figure.task_seed if task_seed is None else task_seed
        if not 0 <= tasks < 2**32:
            raise UsageError(f"--task-seed {tasks}: a seed must be a whole number from 0 to {2**32 - 1}")
        prepared.append(Prepared(panel, request, environment, image, tasks))
    return prepared


def _check(panel: Panel, environment: Environment, name: str) -> str:
    """Refuse a panel that the environment cannot serve, and return the name of its image."""
    needed = {"track"} if panel.show == "trajectory" else set()
    missing = sorted((needed | ({"labels"} if panel.where else set())) - environment.capabilities)
    if missing:
        raise UsageError(f"environment '{name}' has no `{missing[0]}`, which this panel needs")
    image = image_name(environment)
    if image is None:
        raise UsageError(f"environment '{name}' has no images")
    return image


def draw(figure: Figure, panels: Sequence[Prepared], path: Path) -> list[Record]:
    """Collect what the cache does not have, and write the picture, whole or not at all.

    Returns:
        For each panel its title, protocol, the fingerprint of its data, and what was drawn: numbers of trajectories or
        tasks, from 0.

    Raises:
        UsageError: no trajectory has the labels that a panel asks for.
    """
    single = all(prepared.panel.count == 1 for prepared in panels)
    rows, columns = (1, len(panels)) if single else (len(panels), max(p.panel.count for p in panels))
    side = max(SIDE[prepared.panel.show] for prepared in panels)
    picture = style.canvas(side * columns + 0.7, side * rows + (0.7 if single else 0.2))
    grid = picture.subplots(rows, columns, squeeze=False)
    about = []
    ways: list[tuple[Axes, PathCollection]] = []
    for index, prepared in enumerate(panels):
        axes = [grid[0, index]] if single else list(grid[index])
        with prefix_error(f"figure {figure.name}, {prepared.panel.title}"):
            about.append(_draw_panel(prepared, axes, ways))
        if single:
            axes[0].set_title(prepared.panel.title, fontsize=10)
        else:
            axes[0].set_ylabel(prepared.panel.title)
    for axis in grid.ravel():
        # Pixel numbers of a picture tell nothing.
        axis.set(xticks=[], yticks=[])
    if ways:
        _colour_bar(picture, ways)
    style.save_png(picture, path, DPI)
    return about


def _draw_panel(prepared: Prepared, axes: Sequence[Axes], ways: list[tuple[Axes, PathCollection]]) -> Record:
    panel, environment, asked = prepared.panel, prepared.environment, prepared.data
    trajectories, _ = collection.collect(asked.environment.name, environment, asked.settings, asked.seed)
    data = Dataset(environment, trajectories, torch.device("cpu"))
    about = {"title": panel.title, "protocol": panel.protocol, "show": panel.show}
    about |= {"fingerprint": files.fingerprint(trajectories)}
    if panel.show == "trajectory":
        chosen = _fitting(panel, environment, data)
        ways.append((axes[0], _trajectory(axes[0], prepared, data, chosen)))
        return about | {"drawn": [chosen]}
    if panel.show == "states":
        numbers = _unlike({"group": data.groups}, panel.count)
        state = data.state(torch.tensor(numbers), torch.full((len(numbers),), data.length // 2))
    else:
        # The first tasks of a larger sample are those of a smaller one, so these are among the first that are judged.
        start = environment.sample_tasks(8 * panel.count, prepared.task_seed, trajectories).start
        numbers = _unlike({name: start[name] for name in trajectories.static} or start, panel.count)
        state = {name: array[numbers] for name, array in start.items()}
    for axis, image in zip(axes, _images(prepared, state), strict=False):
        axis.imshow(image, interpolation="nearest")
    for axis in axes[len(numbers) :]:
        axis.set_axis_off()
    return about | {"drawn": numbers}


def _fitting(panel: Panel, environment: Environment, data: Dataset) -> int:
    """Number of the first trajectory with the labels that are asked for, after those that are skipped."""
    fits = np.ones(len(data), bool)
    labels = capability(environment, HasLabels).labels(data.trajectories) if panel.where else {}
    for name, value in panel.where.items():
        if name not in labels:
            raise UsageError(f"the environment gives no label {name!r}. {suggest(name, labels)}")
        fits &= labels[name] == value
    found = np.flatnonzero(fits)
    if len(found) <= panel.skip:
        wanted = ", ".join(f"{name}={str(value).lower()}" for name, value in panel.where.items())
        raise UsageError(
            f"{len(found)} of {len(data)} trajectories have {wanted or 'no label'}, but number {panel.skip + 1} of "
            "them is to be drawn; collect more (--set data.trajectories=N)"
        )
    return int(found[panel.skip])


def _unlike(arrays: State, count: int) -> list[int]:
    """First rows that differ from each other in these arrays, at most `count`."""
    length = len(next(iter(arrays.values())))
    table = np.concatenate([array.reshape(length, -1).double().numpy() for array in arrays.values()], axis=1)
    return sorted(np.unique(table, axis=0, return_index=True)[1].tolist())[:count]


def _images(prepared: Prepared, state: State) -> np.ndarray:
    """Colours [B, H, W, 3] of states."""
    return rgb(prepared.environment.observe(state)[prepared.image].numpy())


def _colour_bar(picture: Plot, ways: Sequence[tuple[Axes, PathCollection]]) -> None:
    """One bar for all trajectories, which have their colours from one range."""
    longest = max(np.asarray(points.get_offsets()).shape[0] for _, points in ways)
    for _, points in ways:
        points.set_clim(0, longest - 1)
    picture.colorbar(ways[-1][1], ax=[axis for axis, _ in ways], shrink=0.8, label="step")


def _trajectory(axis: Axes, prepared: Prepared, data: Dataset, number: int) -> PathCollection:
    """Draw a trajectory's first state, and its way on top, coloured by time, with start and end."""
    times = torch.arange(data.length)
    state = data.state(torch.full_like(times, number), times)
    way = capability(prepared.environment, HasTrack).track(state).numpy()
    axis.imshow(_images(prepared, {name: array[:1] for name, array in state.items()})[0], interpolation="nearest")
    axis.plot(way[:, 0], way[:, 1], color="0.6", linewidth=0.8, zorder=2)
    points = axis.scatter(way[:, 0], way[:, 1], c=times.numpy(), cmap=_TIME, s=9, zorder=3)
    for name, point, marker in (("start", way[0], "o"), ("end", way[-1], "s")):
        axis.plot(*point, marker, markersize=9, markerfacecolor="none", markeredgecolor="#ff7f0e", label=name, zorder=4)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, frameon=False, fontsize=8)
    return points
