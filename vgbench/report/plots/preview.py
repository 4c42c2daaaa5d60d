"""Draws a few trajectories of a data set into a PNG, to be looked at before anything is trained on it."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vgbench.api import Environment, Trajectories
from vgbench.storage.files import write_atomically

FRAMES = 8


def preview(environment: Environment, data: Trajectories, path: Path, count: int = 6) -> None:
    """Draw the first `count` trajectories: a row of frames each, and all frames in one at its end.

    An environment without images has its first vector plotted over time.
    """
    rows = min(count, len(data))
    images = [name for name, spec in environment.spec.observations.items() if spec.kind == "image"]
    columns = FRAMES + 1 if images else 1
    figure = Figure(figsize=(1.6 * columns if images else 6.0, 1.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for row in range(rows):
        seen = _observations(environment, data, row)
        if images:
            _frames(axes[row], seen[images[0]], data.length)
        else:
            name = next(iter(seen))
            axes[row][0].plot(seen[name].reshape(data.length, -1))
            axes[row][0].set_ylabel(name)
    write_atomically(path, lambda partial: figure.savefig(partial, dpi=100, format="png"))


def _observations(environment: Environment, data: Trajectories, row: int) -> dict[str, np.ndarray]:
    """Observations [T + 1, ...] of one trajectory."""
    if data.observations is not None:
        return {name: array[row] for name, array in data.observations.items()}
    state = {name: torch.from_numpy(array[row]) for name, array in data.states.items()}
    for name, array in data.static.items():
        state[name] = torch.from_numpy(np.repeat(array[row : row + 1], data.length, axis=0))
    return {name: value.numpy() for name, value in environment.observe(state).items()}


def _frames(axes: "np.ndarray[tuple[int], np.dtype[np.object_]]", images: np.ndarray, length: int) -> None:
    """Draw frames [T + 1, C, H, W] at equal distances in time, and the brightest value of each pixel."""
    times = np.linspace(0, length - 1, FRAMES).round().astype(int)
    pictures = [*images[times], images.max(axis=0)]
    titles = [*(f"t = {time}" for time in times), "all"]
    for axis, picture, title in zip(axes, pictures, titles, strict=True):
        assert isinstance(axis, Axes)
        axis.imshow(_rgb(picture), interpolation="nearest")
        axis.set_title(title, fontsize=7)
        axis.set_axis_off()


def _rgb(image: np.ndarray) -> np.ndarray:
    """Colours [H, W, 3] of an image [C, H, W]: one channel is grey, two are red and green, more than three are cut."""
    if len(image) == 1:
        image = image.repeat(3, axis=0)
    missing = max(0, 3 - len(image))
    return np.pad(image[:3], ((0, missing), (0, 0), (0, 0))).transpose(1, 2, 0)
