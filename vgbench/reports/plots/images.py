"""The images that an environment draws, made ready to be shown."""

import numpy as np

from vgbench.api import Environment


def image_name(environment: Environment) -> str | None:
    """Name of the first image among an environment's observations, if there is one."""
    return next((name for name, spec in environment.spec.observations.items() if spec.kind == "image"), None)


def rgb(images: np.ndarray, apart: bool = False) -> np.ndarray:
    """Colours [..., H, W, 3] of images [..., C, H, W]; other than three channels make a grey: the brightest of them.

    `apart`: two channels are red and green instead, so that an agent is seen in front of what it touches.
    """
    if apart and images.shape[-3] == 2:
        images = np.concatenate([images, np.zeros_like(images[..., :1, :, :])], axis=-3)
    elif images.shape[-3] != 3:
        images = images.max(axis=-3, keepdims=True).repeat(3, axis=-3)
    return np.moveaxis(images, -3, -1)
