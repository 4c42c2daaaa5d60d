"""Pictures of the blocks of a diagnosis. A new one is a function of the block's record, and an entry in `DRAWINGS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vgbench.report.plots import style
from vgbench.report.plots.picture import Plot

PREDICTION = "Prediction error over the horizon"
_LATENT = {"latent": "actions as executed", "latent_shuffled": "another rollout's actions"}
_COST = {"cost": "actions as executed", "cost_shuffled": "another rollout's actions", "cost_unchanged": "no change"}


def prediction(block: Mapping[str, Any]) -> Plot:
    """Draw the prediction error over the horizon, from a diagnosis or measured for the purpose.

    Raises:
        KeyError, TypeError, ValueError: the block is not whole.
    """
    if any(len(block[name]) != block["horizon"] for name in (*_LATENT, *_COST)):
        raise ValueError("its errors do not fit its horizon")
    made = style.figure(7.4, 3.0)
    latent, cost = made.subplots(1, 2)
    steps = range(1, int(block["horizon"]) + 1)
    for axes, names in ((latent, _LATENT), (cost, _COST)):
        for index, (name, label) in enumerate(names.items()):
            axes.plot(steps, [float(value) for value in block[name]], label=label, **style.line(index))
        axes.set_xlabel("steps predicted")
        axes.set_ylim(bottom=0)
        style.grid(axes)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, columnspacing=1.2)
    latent.axhline(1.0, color=style.INK, linewidth=0.8)
    latent.set_ylabel("squared error / no change's")
    cost.set_ylabel("error of the distance")
    text = (
        f"Mean over {block['rollouts']} rollouts from the tasks' starts, with actions of the data. Left: squared error "
        "of the predicted latent, relative to predicting no change (1, the thin line). Right: mean absolute error of "
        "the learned distance to the goal, in its own units."
    )
    return Plot("prediction.svg", PREDICTION, text, content=style.svg(made))


@dataclass(frozen=True)
class Drawing:
    """The picture of one block, by the block's name in `vgbench.analysis.diagnosis.BLOCKS`."""

    block: str
    kind: str
    draw: Callable[[Mapping[str, Any]], Plot]


DRAWINGS = (Drawing("prediction", PREDICTION, prediction),)
"""All pictures of a diagnosis, in their order."""
