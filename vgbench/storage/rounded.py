"""Weights in nine bits each, for runs that are shipped with the package.

A matrix becomes whole numbers from -255 to 255 and a scale for each of its rows (of all values that make one output),
so that no weight is off by more than 1/510 of the largest of its row. What is small, or no weight, stays as it is.
"""

import io
from typing import TYPE_CHECKING, Any

from vgbench.errors import VgbenchError

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 255
"""Largest whole number that a weight becomes: nine bits with the sign."""
_LEAST = 1000  # values in a tensor that is worth rounding


def pack(state: "dict[str, Tensor]") -> bytes:
    """Return the tensors of a model as the bytes of an NPZ archive, weights rounded.

    Args:
        state: float32 tensors of any shape, by name.
    """
    import numpy as np

    arrays: dict[str, Any] = {}
    for name, tensor in state.items():
        value = tensor.detach().cpu().float().numpy()
        if value.ndim < 2 or value.size < _LEAST:
            arrays[name] = value
            continue
        rows = value.reshape(len(value), -1)
        scale = np.abs(rows).max(axis=1, keepdims=True) / np.float32(LEVELS)
        whole = np.rint(rows / np.where(scale == 0, 1, scale)).clip(-LEVELS, LEVELS).astype(np.int16) + LEVELS
        arrays |= {
            f"{name}|shape": np.array(value.shape),
            f"{name}|scale": scale.astype(np.float32),
            f"{name}|low": (whole & 255).astype(np.uint8),
            f"{name}|high": np.packbits((whole >> 8).astype(np.uint8)),
        }
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def unpack(content: bytes) -> "dict[str, Tensor]":
    """Return what `pack` was given, rounded: the same bits on every machine.

    Raises:
        VgbenchError: the bytes are not those of `pack`.
    """
    import zipfile

    import numpy as np
    import torch

    state = {}
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            for name in dict.fromkeys(key.partition("|")[0] for key in arrays):
                if name in arrays:
                    state[name] = torch.from_numpy(arrays[name].copy())
                    continue
                low, shape = arrays[f"{name}|low"], arrays[f"{name}|shape"]
                high = np.unpackbits(arrays[f"{name}|high"], count=low.size).reshape(low.shape)
                whole = low.astype(np.float32) + 256 * high.astype(np.float32) - LEVELS
                state[name] = torch.from_numpy((whole * arrays[f"{name}|scale"]).reshape(tuple(shape)))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as err:
        raise VgbenchError(f"these are no rounded weights of vgbench: {err}") from err
    return state
