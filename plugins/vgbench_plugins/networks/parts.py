"""What the convolutional encoders share."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vgbench.api import ArraySpec


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))) with 3x3 convolutions; [N, C, H, W] stays [N, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's correction to x."""
        return x + self.second(torch.relu(self.first(torch.relu(x))))


class ConvEncoder(nn.Module):
    """Images through `trunk`, flattened, vectors beside the features, one linear layer to the latent.

    Several images are stacked as channels. Vectors (a velocity) join just before the linear layer, so that the latent
    depends on them linearly and the image features keep all their capacity.

    Images run as channels_last: measured 1.4 (strided) to 1.6 (impala) times as fast on a CPU, forward and backward.
    """

    def __init__(
        self,
        observations: Mapping[str, ArraySpec],
        trunk: nn.Module,
        latent_dim: int,
        final_norm: str = "none",
    ) -> None:
        super().__init__()
        self.images = [name for name, spec in observations.items() if spec.kind == "image"]
        self.vectors = [name for name, spec in observations.items() if spec.kind == "vector"]
        self.trunk = trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # A trial tells the number of features, whatever a trunk does to the size.
        with torch.no_grad():
            example = {name: torch.zeros(1, *spec.shape) for name, spec in observations.items()}
            features = self._features(example).shape[1]
        self.out = nn.Linear(features, latent_dim)
        self.norm = nn.LayerNorm(latent_dim) if final_norm == "layer" else nn.Identity()

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Return latents [N, latent_dim] of normalised observations {name: [N, ...]}."""
        return self.norm(self.out(self._features(observations)))

    def _features(self, observations: dict[str, Tensor]) -> Tensor:
        """Flat features [N, F]: the trunk's, then the vectors in the order of the environment's specification."""
        images = [observations[name] for name in self.images]
        stacked = images[0] if len(images) == 1 else torch.cat(images, dim=1)
        maps = self.trunk(stacked.contiguous(memory_format=torch.channels_last))
        # Flattened in the order in which they lie in memory: no copy.
        features = [maps.permute(0, 2, 3, 1).flatten(1)]
        features += [observations[name].flatten(1) for name in self.vectors]
        return features[0] if len(features) == 1 else torch.cat(features, dim=1)


SMALLEST, LARGEST = 32, 256
"""Pixels a side of the images that convolutional encoders take."""

_PLACES = 256
"""Places of a map that is an eighth of the image a side, from which on it is halved: 16 x 16, of 128 x 128 pixels.

So the last layer, which has weights for every place, is about as large for images of 256 pixels as for those of 64.
"""


def further_halvings(observations: Mapping[str, ArraySpec], network: str) -> int:
    """Return how often the map of an encoder made for 64 pixels is halved beyond that, for images of this size.

    0 up to 127 x 127 pixels, 1 up to 255 x 255, 2 at 256 x 256.

    Raises:
        ValueError: a side has fewer than 32 or more than 256 pixels.
    """
    height, width = next(spec.shape[1:] for spec in observations.values() if spec.kind == "image")
    if min(height, width) < SMALLEST or max(height, width) > LARGEST:
        raise ValueError(
            f"network {network} takes images of {SMALLEST} to {LARGEST} pixels a side, but the environment's have "
            f"{height} x {width}: let the environment draw or resize them within that"
        )
    places, halvings = (height / 8) * (width / 8), 0
    while places >= _PLACES:
        places, halvings = places / 4, halvings + 1
    return halvings


def image_channels(observations: Mapping[str, ArraySpec], network: str) -> int:
    """Return the number of channels of all images together.

    Raises:
        ValueError: there is no image, or images of different sizes.
    """
    shapes = {name: spec.shape for name, spec in observations.items() if spec.kind == "image"}
    if not shapes:
        known = ", ".join(observations) or "none"
        raise ValueError(
            f"network {network} needs an image; the environment's observations are: {known}; for vectors alone take "
            "--encoder vector"
        )
    if len({shape[1:] for shape in shapes.values()}) > 1:
        raise ValueError(f"network {network} needs images of one size, but the environment has {shapes}")
    return sum(shape[0] for shape in shapes.values())
