"""Check what an objective returns in a step, and find the part whose gradient is not finite."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from vgbench.api import Distance, Loss
from vgbench.errors import RunFailed
from vgbench.plugin.attribution import describe_plugin, describe_value

if TYPE_CHECKING:
    from vgbench.training.stage import Term


def check_loss(term: "Term", loss: Any, thoroughly: bool, learns: bool = True) -> None:
    """Refuse what is no scalar; `thoroughly`, also one without gradient, and figures to be logged that are no numbers.

    A loss that has nothing to train (`learns` is False: all of it is frozen) may be without gradient. Nothing here
    waits for a GPU.

    Raises:
        RunFailed: names the objective.
    """
    value = getattr(loss, "value", None)
    if not isinstance(loss, Loss) or not isinstance(value, Tensor):
        got = type(value if isinstance(loss, Loss) else loss).__name__
        raise RunFailed(f"{term.who}: loss returned a {got}, expected vgbench.api.Loss with a scalar tensor")
    if value.ndim:
        raise RunFailed(f"{term.who}: loss returned shape {list(value.shape)}, expected a scalar (a missing .mean()?)")
    # What follows depends on how a loss is written, not on its batch: the first step shows it.
    if not thoroughly:
        return
    if learns and not value.requires_grad:
        parts = ", ".join(sorted(term.objective.trains))
        raise RunFailed(
            f"{term.who}: loss returned a value without gradient (detached?), expected one that depends on what it "
            f"trains ({parts})"
        )
    for name, figure in loss.logs.items():
        if not isinstance(figure, int | float) and getattr(figure, "ndim", None) != 0:
            raise RunFailed(f"{term.who}: loss logs {describe_value(figure)} as {name!r}, expected a number")


def bad_gradient(parts: nn.ModuleDict, terms: Sequence["Term"], distance: Distance) -> str:
    """Say where a gradient is not finite, and who may have made it so."""
    bad = [
        "own modules" if name.startswith("own") else name
        for name, module in parts.items()
        if any(p.grad is not None and not bool(p.grad.isfinite().all()) for p in module.parameters())
    ]
    makers = " or ".join(dict.fromkeys(term.who for term in terms))
    return (
        f"the gradient is not finite (in {', '.join(bad)}), though the loss is; it comes from {makers}, "
        f"or from {describe_plugin(distance, 'distance')} in it"
    )
