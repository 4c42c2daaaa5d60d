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
from vgbench.hardware import free_memory
from vgbench.model.jepa import JEPA
from vgbench.plugin.loggers import Loggers
from vgbench.plugin.source import source
from vgbench.spec import RunSpec
from vgbench.storage import checkpoints
from vgbench.storage.files import Record, drop_partials
from vgbench.storage.interrupt import Stop
from vgbench.training.latents import Latents, encode_all
from vgbench.version import __version__

WORTH = 10.0
"""Seconds of encoding from which on latents are kept: what is quickly made again need not fill a disk."""
COPIES = 2
"""Times the size of latents that keeping them takes: a copy off the device, and the bytes of the file."""


def encode_once(spec: RunSpec, model: JEPA, data: Dataset, loggers: Loggers, stop: Stop, folder: Path) -> Latents:
    """Return latents [N * length, D] of every state by a frozen encoder: kept ones, or fresh ones, which are kept.

    They lie beside the cached data sets, in `latents`, by a hash of all that they depend on. Those that are too large
    for memory are kept in the run's `folder` alone.
    """
    path, key = _place(spec, model, data)
    shape = (len(data) * data.length, spec.settings["model"].latent_dim)
    if (kept := _read(path, key, shape, loggers)) is not None:
        loggers.note(f"encode: the latents of this encoder and these data are there already, in {path}")
        return kept.to(data.device)
    began = time.monotonic()
    latents = encode_all(model, data, loggers, stop, folder=folder)
    if isinstance(latents, Tensor) and time.monotonic() - began >= WORTH:
        try:
            _keep(path, key, latents)
        except (OSError, VgbenchError) as err:  # a full disk is no reason to stop: they are there
            loggers.note(f"encode: the latents are not kept for other runs: {err}")
    return latents


def _place(spec: RunSpec, model: JEPA, data: Dataset) -> tuple[Path, str]:
    """Return the file of latents, and the hash of all that they depend on, which the file says itself, too."""
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
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return cache_folder().parent / "latents" / f"{spec.environment.name}-{encoder.name}-{key[:16]}.pt", key


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.cpu().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def _keep(path: Path, key: str, latents: Tensor) -> None:
    """Write latents as a checkpoint, which is made in memory first.

    Raises:
        VgbenchError, OSError: there is no room, on the disk or in memory.
    """
    free = free_memory(torch.device("cpu"))
    if free is not None and COPIES * latents.nbytes > free:
        raise VgbenchError(f"that takes {COPIES * latents.nbytes} bytes of memory, and {free} are free")
    path.parent.mkdir(parents=True, exist_ok=True)
    drop_partials(path.parent)
    checkpoints.save(path, key, {"latents": latents.cpu()})


def _read(path: Path, key: str, shape: tuple[int, int], loggers: Loggers) -> Tensor | None:
    """Kept latents; None if there are none, or if these are damaged or others, which is told."""
    if not path.exists():
        return None
    try:
        owned = checkpoints.read(path)
        if owned["key"] != key:
            raise checkpoints.Damaged("it is of another encoder, or of other data")
        return _checked(owned["content"], shape)
    except Exception as err:  # a damaged file raises many kinds; it is only a copy
        why = checkpoints.reason(err)
        loggers.note(f"encode: {path} cannot be used, so the latents are made again: {why}")
        return None


def _checked(content: Record, shape: tuple[int, int]) -> Tensor:
    """Return the latents that a file holds, if they are what this run needs.

    Raises:
        Damaged: they are something else.
    """
    found = content.get("latents") if isinstance(content, dict) else None
    if not isinstance(found, Tensor) or found.layout != torch.strided or not found.is_contiguous():
        raise checkpoints.Damaged("it holds no latents")
    if tuple(found.shape) != shape or found.dtype != torch.float32:
        raise checkpoints.Damaged(
            f"its latents are {found.dtype} {[*found.shape]}, expected {torch.float32} {[*shape]}"
        )
    if not bool(torch.isfinite(found).all()):
        raise checkpoints.Damaged("its latents are not finite")
    return found
