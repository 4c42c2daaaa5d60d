"""The images that an environment draws, made ready to be shown."""

import numpy as np

from vgbench.api import Environment


def image_name(environment: Environment) -> str | None:
    """Name of the first image among an environment's observations, if there is one."""
    return next((name for name, spec in environment.spec.observations.items() if spec.kind == "image"), None)


def rgb(images: np.ndarray) -> np.ndarray:
    """Colours [..., H, W, 3] of images [..., C, H, W]; other than three channels make a grey: the brightest of them."""
    if images.shape[-3] != 3:
        images = images.max(axis=-3, keepdims=True).repeat(3, axis=-3)
    return np.moveaxis(images, -3, -1)
