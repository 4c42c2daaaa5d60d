"""Pictures of the blocks of a diagnosis. A new one is a function of the block's record, and an entry in `DRAWINGS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import MaxNLocator

from vgbench.reports.plots import style
from vgbench.reports.plots.picture import Plot

PREDICTION = "Prediction error over the horizon"
_LATENT = {"latent": "actions as executed", "latent_shuffled": "another rollout's actions"}
_COST = {
    "cost": "actions as executed",
    "cost_shuffled": "another rollout's actions",
    "cost_unchanged": "no change predicted",
}


def prediction(block: Mapping[str, Any], title: str = "") -> Plot:
    """Draw the prediction error over the horizon, from a diagnosis or measured for the purpose.

    Raises:
        KeyError, TypeError, ValueError: the block is not whole.
    """
    if any(len(block[name]) != block["horizon"] for name in (*_LATENT, *_COST)):
        raise ValueError("its errors do not fit its horizon")
    made = style.figure(7.4, 3.3)
    latent, cost = made.subplots(1, 2)
    steps = range(1, int(block["horizon"]) + 1)
    for axes, names in ((latent, _LATENT), (cost, _COST)):
        # The wider lines first: where curves coincide, both are seen.
        for index, name in enumerate(names):
            width = {"linewidth": 3.0 - 0.8 * index}
            few = {"marker": "o", "markersize": 4} if len(steps) < 3 else {}
            axes.plot(
                steps, [float(value) for value in block[name]], label=names[name], **style.line(index) | width | few
            )
        axes.set_xlabel("steps predicted")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        style.grid(axes)
    latent.axhline(1.0, **style.line(2))
    latent.set_ylabel("error, relative to predicting no change")
    cost.set_ylabel("error of the distance to the goal")
    made.suptitle(f"{title}: prediction error over the horizon".removeprefix(": "), fontsize=10)
    # One legend: the curves of the right panel are those of the left one as well.
    made.legend(handles=cost.get_legend_handles_labels()[0], loc="outside lower center", ncols=3)
    text = (
        f"Mean over {block['rollouts']} rollouts from the tasks' starts, with actions of the data. Left: squared error "
        "of the predicted latent, relative to predicting no change (which is 1). Right: mean absolute error of "
        "the learned distance to the goal, in its own units."
    )
    return Plot("prediction.svg", PREDICTION, text, content=style.svg(made))


@dataclass(frozen=True)
class Drawing:
    """The picture of one block, by the block's name in `vgbench.analysis.diagnosis.BLOCKS`."""

    block: str
    kind: str
    draw: Callable[[Mapping[str, Any], str], Plot]


DRAWINGS = (Drawing("prediction", PREDICTION, prediction),)
"""All pictures of a diagnosis, in their order."""
