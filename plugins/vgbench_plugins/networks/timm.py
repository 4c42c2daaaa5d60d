"""Encoder: an image model of PyTorch Image Models (timm), pre-trained and frozen by default."""

import hashlib
import logging
import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

import vgbench.api
from vgbench.api import ArraySpec, Network, NetworkShapes

LARGEST = 224
"""Pixels a side that images are brought to by default, where a model was trained on more: frames here are small."""


class Timm(Network):
    """A pre-trained image model, and a fixed map from its features to the latent: the encoder of DINO-WM.

    Each image goes through the model as the model wants it: numbers of 0 to 1, resized to its input size (the whole
    frame, without cropping), less its mean over its standard deviation. Frames of one channel are grey, of two red and
    green, of three colours; stacks of RGB frames (6, 9, ... channels) go through it one by one. Features of all frames,
    and normalised vectors, stand side by side.

    They are the latent where there are `model.latent_dim` of them. Fewer are put into more dimensions, and more into
    fewer, by a matrix that is the same in every run: the former keeps all distances, the latter nearly (Johnson and
    Lindenstrauss 1984; relative error about sqrt(2 / latent_dim)).

    Needs the extra `timm`. Source: Zhou et al. 2024 (DINO-WM), with patch tokens of DINOv2 ViT-S/14.
    """

    role = "encoder"

    class Params(vgbench.api.Params):
        """Model, weights and features."""

        model: str = Field("vit_small_patch14_dinov2.lvd142m", description="name of the model, see timm.list_models()")
        weights: str = Field(
            "pretrained",
            description="pretrained: by timm's own loader, which keeps or downloads them; random: fresh ones; else a "
            "local file of weights (.safetensors, .pth, .bin)",
        )
        tokens: Literal["pooled", "patch"] = Field(
            "pooled",
            description="features: pooled as the model does it (class token, mean), or those of all patches (or of all "
            "places of its last map), as in DINO-WM",
        )
        image_size: int = Field(
            0, ge=0, description=f"pixels a side that images are resized to; 0: the model's own, at most {LARGEST}"
        )
        freeze: bool = Field(True, description="leave the weights as they are; else they are trained on")

        @field_validator("weights")
        @classmethod
        def _known(cls, value: str) -> str:
            """Take a word or an existing file, by its whole path."""
            if value in ("pretrained", "random"):
                return value
            path = Path(value).expanduser()
            if not path.is_file():
                raise ValueError(f"there is no file {value}; expected pretrained, random, or a file of weights")
            return str(path.resolve())

        def identity(self) -> dict[str, Any]:
            """Return what decides results: of a file its content, wherever it lies."""
            values = super().identity()
            if self.weights not in ("pretrained", "random"):
                about = Path(self.weights).stat()
                values["weights"] = f"sha256:{_sha256(self.weights, about.st_mtime_ns, about.st_size)}"
            return values

    def build(self, shapes: NetworkShapes) -> nn.Module:
        """Build the encoder of {name: [N, ...]} (images uint8) to [N, latent_dim].

        Raises:
            ValueError: timm is not installed, does not know the model or cannot load its weights; there is no image, or
                one of a number of channels that is not 1, 2 or a multiple of 3.
        """
        frames = {name: _frames(name, spec) for name, spec in shapes.observations.items() if spec.kind == "image"}
        if not frames:
            known = ", ".join(shapes.observations) or "none"
            raise ValueError(f"network timm needs an image; the environment's observations are: {known}")
        body, config = self._body(_library())
        if self.params.freeze:
            body.requires_grad_(False)
        return TimmEncoder(body, config, shapes.observations, frames, shapes.latent_dim, self.params.tokens)

    def _body(self, timm: Any) -> tuple[nn.Module, dict[str, Any]]:
        """Model without its classifier, and its input's size, mean, deviation and interpolation."""
        name, weights = self.params.model, self.params.weights
        if not timm.is_model(name.partition(".")[0]):
            near = get_close_matches(name, timm.list_models(), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() has all names"
            raise ValueError(f"timm.model={name}: timm {timm.__version__} has no model of that name; {hint}")
        known = timm.get_pretrained_cfg(name)
        own = known.input_size[-1] if known is not None else LARGEST
        size = self.params.image_size or min(own, LARGEST)
        options: dict[str, Any] = {"num_classes": 0}
        if weights != "random":
            options["pretrained"] = True
        if weights not in ("random", "pretrained"):
            options["pretrained_cfg_overlay"] = {"file": weights}
        sized = {"img_size": size} if size != own else {}
        try:
            body = (_made if weights == "random" else _loaded)(timm, name, options, sized)
        except ValueError:
            raise
        except Exception as err:  # of many kinds: no network, a damaged file, weights of another model
            where = "could not be had" if weights == "pretrained" else f"{weights} cannot be used"
            raise ValueError(
                f"timm.weights={weights}: weights for {name}: {where} ({type(err).__name__}: {err}); "
                "give a file of them: --set timm.weights=FILE"
            ) from err
        config = dict(timm.data.resolve_model_data_config(body))
        return body, config | {"size": size}


class TimmEncoder(nn.Module):
    """`body` on every frame, its features and the vectors side by side, and a fixed matrix to the latent."""

    mean: Tensor
    std: Tensor
    matrix: Tensor | None

    def __init__(
        self,
        body: nn.Module,
        config: Mapping[str, Any],
        observations: Mapping[str, ArraySpec],
        frames: Mapping[str, int],
        latent_dim: int,
        tokens: str,
    ) -> None:
        super().__init__()
        self.body, self.tokens, self.frames = body, tokens, dict(frames)
        self.size, self.interpolation = int(config["size"]), str(config["interpolation"])
        self.vectors = [name for name, spec in observations.items() if spec.kind == "vector"]
        self.raw_observations = frozenset(frames)
        self.frozen = not any(p.requires_grad for p in body.parameters())
        # Derived from the configuration, so that checkpoints do without them.
        self.register_buffer("mean", torch.tensor(config["mean"]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(3, 1, 1), persistent=False)
        self.register_buffer("matrix", None, persistent=False)
        self.train()
        body.eval()
        with torch.no_grad():
            # Sizes are found by a trial, whatever a model does to an image.
            example = {n: torch.zeros(1, *s.shape, dtype=getattr(torch, s.dtype)) for n, s in observations.items()}
            try:
                width = self._features(example).shape[1]
            except (AssertionError, RuntimeError) as err:  # patches that do not divide the side, a map of no places
                raise ValueError(
                    f"timm.image_size: the model takes no images of {self.size} pixels a side: {err}"
                ) from err
        self.matrix = None if width == latent_dim else fixed_map(width, latent_dim)
        self.train()

    def train(self, mode: bool = True) -> "TimmEncoder":
        """Keep a frozen body in evaluation mode: no dropout, fixed statistics."""
        super().train(mode)
        if self.frozen:
            self.body.eval()
        return self

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Return latents [N, latent_dim] of {name: [N, ...]}: images raw, vectors normalised."""
        features = self._features(observations)
        return features if self.matrix is None else features @ self.matrix

    def _features(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Features [N, F] of all frames, and the vectors."""
        parts = []
        for name, count in self.frames.items():
            image = observations[name]
            images = self._prepared(image.unflatten(1, (count, -1)).flatten(0, 1))
            parts.append(self._seen(images).unflatten(0, (len(image), count)).flatten(1))
        parts += [observations[name].flatten(1) for name in self.vectors]
        return torch.cat(parts, dim=1)

    def _prepared(self, frames: Tensor) -> Tensor:
        """Frames [M, 1 to 3, H, W] of 0 to 255 as the body wants them, [M, 3, S, S]."""
        frames = frames.float() / 255
        channels = frames.shape[1]
        if channels == 1:
            frames = frames.expand(-1, 3, -1, -1)
        elif channels == 2:
            frames = functional.pad(frames, (0, 0, 0, 0, 0, 1))
        if frames.shape[2:] != (self.size, self.size):
            mode = "bilinear" if self.interpolation == "bilinear" else "bicubic"
            frames = functional.interpolate(frames, (self.size, self.size), mode=mode, antialias=True).clamp(0, 1)
        return (frames - self.mean) / self.std

    def _seen(self, images: Tensor) -> Tensor:
        """Features [M, F] of images [M, 3, S, S]."""
        body: Any = self.body
        seen: Tensor = body.forward_features(images)
        if self.tokens == "pooled":
            pooled: Tensor = body.forward_head(seen, pre_logits=True)
            return pooled.flatten(1)
        # Class and register tokens stand before those of the patches.
        return (seen[:, getattr(body, "num_prefix_tokens", 0) :] if seen.ndim == 3 else seen).flatten(1)


def fixed_map(width: int, dim: int) -> Tensor:
    """Matrix [width, dim] of normal numbers that are always the same; with orthonormal rows where width <= dim."""
    generator = torch.Generator().manual_seed(0)
    if width > dim:
        return torch.randn(width, dim, generator=generator) / math.sqrt(dim)
    columns: Tensor = torch.linalg.qr(torch.randn(dim, width, generator=generator))[0]
    return columns.T.contiguous()


def _frames(name: str, spec: ArraySpec) -> int:
    """Return the number of frames that an image holds."""
    channels = spec.shape[0]
    if channels > 3 and channels % 3:
        raise ValueError(
            f"network timm: image {name!r} has {channels} channels; expected 1 (grey), 2 (red and green), 3 (RGB) or a "
            "stack of RGB frames"
        )
    return max(1, channels // 3)


def _library() -> Any:
    """Return the package `timm`."""
    try:
        import timm
    except Exception as err:  # a torchvision that was built for another torch raises a RuntimeError
        raise ValueError(
            f"network timm needs the package timm, which cannot be imported ({type(err).__name__}: {err}); run "
            '`pip install -c constraints.txt ".[timm]"` in a checkout of vgbench. timm needs the torchvision of the '
            "installed torch: without a GPU, that of PyTorch's CPU builds, see docs/encoder.md"
        ) from err
    return timm


def _made(timm: Any, name: str, options: Mapping[str, Any], sized: Mapping[str, Any]) -> nn.Module:
    """Make a model; of those that are built for one size of images, for this one."""
    try:
        body: nn.Module = timm.create_model(name, **options, **sized)
    except TypeError as err:  # a convolutional one takes any size, and no such argument
        if "img_size" not in str(err):
            raise
        body = timm.create_model(name, **options)
    return body


def _loaded(timm: Any, name: str, options: Mapping[str, Any], sized: Mapping[str, Any]) -> nn.Module:
    """Make a model with weights that were stored; torch's generator stays as it is.

    Made twice, from two seeds: timm leaves out in silence what a file lacks, and only what was left out differs.

    Raises:
        ValueError: there are weights that were not loaded.
    """
    first, other = (_seeded(seed, lambda: _made(timm, name, options, sized)) for seed in (1, 2))
    second = other.state_dict()
    fresh = [key for key, value in first.state_dict().items() if not torch.equal(value, second[key])]
    if fresh:
        raise ValueError(
            f"timm.weights={options.get('pretrained_cfg_overlay', {}).get('file', 'pretrained')}: {len(fresh)} of "
            f"{len(second)} arrays of {name} are not in it, such as {fresh[0]}; is it of another model?"
        )
    return first


def _seeded(seed: int, make: Callable[[], nn.Module]) -> nn.Module:
    logger = logging.getLogger("timm")
    level = logger.level
    # It lists what a file has beyond the model, such as its classifier.
    logger.setLevel(logging.ERROR)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return make()
    finally:
        logger.setLevel(level)


@lru_cache(maxsize=16)
def _sha256(path: str, changed: int, size: int) -> str:
    """Hash of a file as it was at that time."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
