"""Failed tasks as a picture: a panel each, with the way on the layout, and where the task was stuck."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Circle

from vgbench.analysis.failures import REASONS, text
from vgbench.analysis.replay import EpisodeTrace
from vgbench.api import HasMapPlace
from vgbench.api.capabilities import capability
from vgbench.experiments.trained import Trained
from vgbench.model.batching import join_rows
from vgbench.reports.plots import style
from vgbench.reports.plots.heading import heading
from vgbench.reports.plots.images import image_name, rgb
from vgbench.reports.plots.picture import Plot
from vgbench.storage.files import Record

MOST = 24
"""Panels at most."""
COLUMNS = 4


def draw_failures(trained: Trained, record: Record, traces: Sequence[EpisodeTrace]) -> Plot:
    """Draw the first failed tasks of a record of `vgbench.analysis.failures`, as failures.svg.

    Raises:
        MissingCapability: the environment has no map.
    """
    capability(trained.environment, HasMapPlace)
    shown = list(zip(record["rows"], traces, strict=True))[:MOST]
    columns = min(COLUMNS, len(shown))
    lines = -(-len(shown) // columns)
    with style.style():
        made = style.figure(2.2 * columns + 0.3, 2.4 * lines + 0.6)
        for number, (row, trace) in enumerate(shown, start=1):
            _panel(made.add_subplot(lines, columns, number), trained, row, trace)
        more = f", the first {len(shown)} shown" if len(shown) < record["failed"] else ""
        title = f"{heading(trained.folder.path).title}: {record['failed']} of {record['tasks']} tasks failed{more}"
        made.suptitle(title, fontsize=10)
        signs = {
            label: sign for axes in made.axes for sign, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        ncols = 5 if columns > 2 else 2
        made.legend(signs.values(), signs.keys(), loc="outside lower center", ncols=ncols, fontsize=8)
        content = style.svg(made)
    return Plot("failures.svg", "Failed tasks", f"{text(record)}.", content=content)


def _panel(axes: Axes, trained: Trained, row: Record, trace: EpisodeTrace) -> None:
    environment, colours = capability(trained.environment, HasMapPlace), style.COLOURS
    left, right, bottom, top = environment.map_extent
    if name := image_name(trained.environment):
        image = rgb(trained.environment.observe(trace.moments[0].state)[name][0].cpu().numpy())
        grey = image.mean(axis=-1) / 255
        axes.imshow(grey, cmap="gray", vmin=-1.0, vmax=1.2, extent=(left, right, bottom, top), interpolation="nearest")
    way = environment.map_place(join_rows([moment.state for moment in trace.moments])).double().cpu().numpy()
    goal = environment.map_place(trace.moments[0].goal)[0].tolist()
    axes.plot(way[:, 0], way[:, 1], color=colours[5], linewidth=1.2, label="way")
    if row["reason"] == "stuck":
        stay = way[row["stuck_from"] : row["stuck_from"] + row["stuck_steps"] + 1]
        axes.plot(stay[:, 0], stay[:, 1], color=colours[4], linewidth=1.2, label="while stuck")
    axes.plot(*way[0], "s", color="white", markeredgecolor="black", markersize=5, label="start")
    axes.plot(*way[-1], "o", color="white", markeredgecolor="black", markersize=5, label="end")
    axes.plot(*goal, "*", color="#F0E442", markeredgecolor="black", markersize=9, label="goal, success radius")
    axes.add_patch(
        Circle((goal[0], goal[1]), float(trained.environment.success_radius), fill=False, edgecolor="#F0E442")
    )
    # The colour of the ground, where an environment has no image.
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", facecolor="#55575e", xticks=[], yticks=[])
    wall = " at a wall" if row["at_wall"] else ""
    axes.set_title(f"task {row['task']}: {REASONS[row['reason']]}{wall}", fontsize=8)
