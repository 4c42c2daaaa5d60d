"""Training: one stage (joint), or the encoder and then the predictor (separate)."""

import torch
from torch import Tensor

from vgbench.data.dataset import Dataset
from vgbench.errors import RunFailed
from vgbench.model.jepa import JEPA, is_frozen
from vgbench.plugin.loggers import Loggers
from vgbench.storage.interrupt import Stop


def encode_all(
    model: JEPA, data: Dataset, loggers: Loggers | None = None, stop: Stop | None = None, rows: int = 1024
) -> Tensor:
    """Return latents [N * length, D] of every state of a data set, without gradient."""
    frozen = is_frozen(model.encoder)
    model.eval()
    loggers = loggers or Loggers()
    loggers.call("vgbench_stage_started", stage="encode", total=len(data) * data.length, done=0, unit="state")
    ids = torch.arange(len(data) * data.length, device=data.device)
    latents = torch.empty(len(ids), 0, device=data.device)
    for part in ids.split(rows):
        if stop is not None and stop.requested:
            raise KeyboardInterrupt
        block = model.encode_blocks(data.observations(part // data.length, part % data.length))
        if not latents.shape[1]:
            # One array for all, made when the width is known: joining blocks at the end would hold all latents twice.
            latents = torch.empty(len(ids), block.shape[1], device=data.device)
        latents[part] = block
        loggers.call("vgbench_stage_progress", stage="encode", done=int(part[-1]) + 1, logs={})
    loggers.call("vgbench_stage_ended", stage="encode")
    # Once at the end, since on a GPU each look waits for the work given so far.
    if not bool(torch.isfinite(latents).all()):
        why = "are its weights whole?" if frozen else "its training has diverged; try a lower train.lr"
        raise RunFailed(f"the encoder's latents are not finite: {why}")
    return latents


def fit_latent_scale(model: JEPA, latents: Tensor, how: str) -> None:
    """Set the shift and the scale of the predictor's inputs from the training set's latents [M, D].

    How: as `ModelSettings.latent_scale` says. Latents are flat here, so there is no scale per channel of a map.
    """
    if how == "none":
        return
    # correction=0: a single state then has the deviation 0 instead of nan.
    std = latents.std(dim=0, correction=0)
    shift = latents.mean(dim=0)
    if how == "scalar":
        # The deviation from one mean has the spread between dimensions in it, too.
        one = shift.mean()
        overall = (std.square() + (shift - one).square()).mean().sqrt().clamp_min(1e-6)
        model.set_latent_scale(one.expand(len(std)).clone(), overall.expand(len(std)).clone())
        return
    # Floored, so that latents that do not vary at all are not divided by 0.
    overall = std.square().mean().sqrt().clamp_min(1e-6)
    # A dimension that hardly varies would be blown up by its own scale: floor it at a hundredth of the overall one.
    scale = torch.maximum(std, overall * 1e-2) if how == "per_dimension" else overall.expand(len(std)).clone()
    model.set_latent_scale(shift, scale)
