"""Draws a few trajectories of a data set into a PNG, to be looked at before anything is trained on it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes

from vgbench.api import Environment, Trajectories
from vgbench.reports.plots import style
from vgbench.reports.plots.images import image_name, rgb

FRAMES = 8


def preview(environment: Environment, data: Trajectories, path: Path, title: str = "", count: int = 6) -> None:
    """Draw the first `count` trajectories: a row of frames each, and all frames in one at its end.

    An environment without images has its first vector plotted over time. The title says what data these are.
    """
    rows = min(count, len(data))
    image = image_name(environment)
    columns = FRAMES + 1 if image else 1
    figure = style.canvas(1.6 * columns if image else 6.0, 1.8 * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for row in range(rows):
        seen = _observations(environment, data, row)
        if image:
            _frames(list(axes[row]), seen[image], data.length)
            axes[row][0].set_ylabel(f"trajectory {row}", fontsize=8)
        else:
            name = next(iter(seen))
            axes[row][0].plot(seen[name].reshape(data.length, -1))
            axes[row][0].set_ylabel(f"{name}, trajectory {row}", fontsize=8)
    if not image:
        axes[-1][0].set_xlabel("step")
    figure.suptitle(title, fontsize=10)
    style.save_png(figure, path, dpi=100)


def _observations(environment: Environment, data: Trajectories, row: int) -> dict[str, np.ndarray]:
    """Observations [T + 1, ...] of one trajectory."""
    if data.observations is not None:
        return {name: array[row] for name, array in data.observations.items()}
    state = {name: torch.from_numpy(array[row]) for name, array in data.states.items()}
    for name, array in data.static.items():
        state[name] = torch.from_numpy(np.repeat(array[row : row + 1], data.length, axis=0))
    return {name: value.numpy() for name, value in environment.observe(state).items()}


def _frames(axes: Sequence[Axes], images: np.ndarray, length: int) -> None:
    """Draw frames [T + 1, C, H, W] at equal distances in time, and the brightest value of each pixel."""
    times = np.linspace(0, length - 1, FRAMES).round().astype(int)
    pictures = [*images[times], images.max(axis=0)]
    titles = [*(f"t = {time}" for time in times), "all"]
    for axis, picture, title in zip(axes, pictures, titles, strict=True):
        axis.imshow(rgb(picture, apart=True), interpolation="nearest")
        axis.set_title(title, fontsize=7)
        axis.set(xticks=[], yticks=[])
