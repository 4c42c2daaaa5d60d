"""Latents of frozen encoders, kept for other runs: they depend on nothing but the encoder and the data."""

import hashlib
import json
import time
from pathlib import Path

import torch
from torch import Tensor

from vgbench.data.collection import cache_folder
from vgbench.data.dataset import Dataset
from vgbench.data.files import fingerprint
from vgbench.errors import VgbenchError
from vgbench.model.jepa import JEPA
from vgbench.plugin.loggers import Loggers
from vgbench.plugin.source import source
from vgbench.spec import RunSpec
from vgbench.storage.files import drop_partials, write_atomically
from vgbench.storage.interrupt import Stop
from vgbench.training.latents import Latents, encode_all
from vgbench.version import __version__

WORTH = 10.0
"""Seconds of encoding from which on latents are kept: what is quickly made again need not fill a disk."""


def encode_once(spec: RunSpec, model: JEPA, data: Dataset, loggers: Loggers, stop: Stop, folder: Path) -> Latents:
    """Return latents [N * length, D] of every state by a frozen encoder: kept ones, or fresh ones, which are kept.

    They lie beside the cached data sets, in `latents`, by a hash of all that they depend on. Those that are too large
    for memory are kept in the run's `folder` alone.
    """
    path = _path(spec, model, data)
    if (kept := _read(path)) is not None:
        loggers.note(f"encode: the latents of this encoder and these data are there already, in {path}")
        return kept.to(data.device)
    began = time.monotonic()
    latents = encode_all(model, data, loggers, stop, folder=folder)
    if isinstance(latents, Tensor) and time.monotonic() - began >= WORTH:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            drop_partials(path.parent)
            content = {"sha256": _digest(latents), "latents": latents.cpu()}
            write_atomically(path, lambda partial: torch.save(content, partial))
        except (OSError, VgbenchError) as err:  # a full disk is no reason to stop: they are there
            loggers.note(f"encode: the latents are not kept for other runs: {err}")
    return latents


def _path(spec: RunSpec, model: JEPA, data: Dataset) -> Path:
    encoder = spec.networks["encoder"]
    weights = hashlib.sha256()
    for part in (model.encoder, model.statistics, model.whitening):
        # Buffers that a checkpoint does without count, too.
        for name, value in (*part.named_parameters(), *part.named_buffers()):
            weights.update(name.encode() + _digest(value.detach()).encode())
    about = spec.compute.identity() | {
        "environment": spec.environment.identity() | {"source": source(spec.environment.cls)},
        "data": fingerprint(data.trajectories),
        "encoder": encoder.identity() | {"source": source(encoder.cls)},
        "weights": weights.hexdigest(),
        "image_norm": spec.settings["model"].image_norm,
        "device": spec.device_kind,
        "versions": [__version__, torch.__version__],
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    return cache_folder().parent / "latents" / f"{spec.environment.name}-{encoder.name}-{digest}.pt"


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.cpu().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def _read(path: Path) -> Tensor | None:
    """Kept latents; None if there are none, or if they are damaged (torch does not look at a file's checksums)."""
    if not path.exists():
        return None
    try:
        # Nothing but tensors and plain values is read: a file in a shared cache must not run code.
        content = torch.load(path, map_location="cpu", weights_only=True)
        latents: Tensor = content["latents"]
        return latents if _digest(latents) == content["sha256"] else None
    except Exception:  # a damaged file raises many kinds; it is only a copy
        return None
