"""Latents of the whole training set, encoded once for stages that do not train the encoder, and their scale."""

from pathlib import Path

import torch
from torch import Tensor

from vgbench.data.dataset import Dataset
from vgbench.data.stored import LARGE
from vgbench.errors import RunFailed
from vgbench.model.jepa import JEPA, is_frozen
from vgbench.plugin.loggers import Loggers
from vgbench.storage.interrupt import Stop
from vgbench.training.latent_file import LatentFile, moments

Latents = Tensor | LatentFile
"""Latents [N * length, D] of a data set, in memory or on disk."""


def encode_all(
    model: JEPA,
    data: Dataset,
    loggers: Loggers | None = None,
    stop: Stop | None = None,
    rows: int = 1024,
    folder: Path | None = None,
    large: int = LARGE,
) -> Latents:
    """Return latents [N * length, D] of every state of a data set, without gradient; 0 behind a trajectory's end.

    Those of a set that stays in its file are kept in a file of `folder`, too, if they have more than `large` bytes.
    """
    frozen = is_frozen(model.encoder)
    model.eval()
    loggers = loggers or Loggers()
    loggers.call("vgbench_stage_started", stage="encode", total=data.total, done=0, unit="state")
    count = len(data) * data.length
    latents: Latents = torch.empty(count, 0, device=data.device)
    finite = torch.ones((), dtype=torch.bool, device=data.device)
    parts = torch.arange(data.total, device=data.device).split(data.rows_at_once(rows))
    for number, part in enumerate(parts):
        if stop is not None and stop.requested:
            raise KeyboardInterrupt
        trajectory, time = data.places(part)
        if number + 1 < len(parts):
            data.read_ahead(*data.places(parts[number + 1]))
        block = model.encode_blocks(data.observations(trajectory, time))
        if not latents.shape[1]:
            # One array for all, made when the width is known: joining blocks at the end would hold all latents twice.
            on_disk = folder is not None and data.reads_ahead and count * block.shape[1] * 4 > large
            if on_disk and folder is not None:
                latents = LatentFile(folder, count, block.shape[1], data.device)
            else:
                latents = torch.zeros(count, block.shape[1], device=data.device)
        latents[trajectory * data.length + time] = block
        finite &= torch.isfinite(block).all()
        loggers.call("vgbench_stage_progress", stage="encode", done=int(part[-1]) + 1, logs={})
    loggers.call("vgbench_stage_ended", stage="encode")
    # Once at the end, since on a GPU each look waits for the work given so far.
    if not bool(finite):
        why = "are its weights whole?" if frozen else "its training has diverged; try a lower train.lr"
        raise RunFailed(f"the encoder's latents are not finite: {why}")
    return latents


def fit_latent_scale(model: JEPA, latents: Latents, how: str, ids: Tensor | None = None) -> None:
    """Set the shift and the scale of the predictor's inputs from the training set's latents [M, D].

    How: as `ModelSettings.latent_scale` says. Latents are flat here, so there is no scale per channel of a map.
    Rows at `ids` [K] alone count, if they are given.
    """
    if how == "none":
        return
    if isinstance(latents, LatentFile):
        every = torch.arange(latents.shape[0]) if ids is None else ids
        shift, std = (x.to(every.device) for x in moments(latents, every))
    else:
        known = latents if ids is None else latents[ids]
        # correction=0: a single state then has the deviation 0 instead of nan.
        std, shift = known.std(dim=0, correction=0), known.mean(dim=0)
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
