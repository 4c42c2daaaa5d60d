"""The JEPA: encoder, action encoder, predictor, and the head between whose outputs distances are taken."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vgbench.api import ArraySpec, Distance, EnvironmentSpec, Network, NetworkShapes
from vgbench.errors import UsageError
from vgbench.model.allocation import WithinMemory
from vgbench.model.batching import in_blocks
from vgbench.plugin.attribution import describe_plugin
from vgbench.plugin.guard import calling

ENCODER_BLOCK = 64
"""Rows that the encoder sees at a time when it is not being trained."""


class JEPA(nn.Module):
    """z = E(o); z' = P(z, a); distances between head(z).

    Observations are normalised inside (statistics of the training set, kept as buffers), and the predictor may work on
    shifted and scaled latents, so that its inputs are of order one whatever the objective made of the latent space.
    """

    encoder: nn.Module
    predictor: nn.Module
    action_encoder: nn.Module
    head: nn.Module
    distance: Distance

    def __init__(self, encoder: nn.Module, predictor: nn.Module, action_encoder: nn.Module, head: nn.Module) -> None:
        """Take the networks; `set_distance` and `set_statistics` complete the model."""
        super().__init__()
        self.encoder, self.predictor, self.action_encoder, self.head = encoder, predictor, action_encoder, head
        self.statistics, self.whitening = nn.ParameterDict(), nn.ParameterDict()
        self._learnable: set[int] | None = None
        # Buffers: saved and moved with the model, but not trained.
        self.register_buffer("latent_shift", torch.zeros(1))
        self.register_buffer("latent_scale", torch.ones(1))

    def set_statistics(
        self, statistics: Mapping[str, tuple[Tensor, Tensor]], whitening: Mapping[str, Tensor] | None = None
    ) -> None:
        """Keep mean and standard deviation [C] of every observation, and matrices [C, C] of images to be whitened."""
        for name, (mean, std) in statistics.items():
            # Frozen parameters of a dictionary: their names and shapes are known only with the data, yet checkpoints
            # hold them.
            self.statistics[name] = nn.Parameter(torch.stack([mean, std]), requires_grad=False)
        for name, matrix in (whitening or {}).items():
            self.whitening[name] = nn.Parameter(matrix, requires_grad=False)

    def set_latent_scale(self, shift: Tensor, scale: Tensor) -> None:
        """Let the predictor work on (z - shift) / scale; both [D] or [1]."""
        self.latent_shift, self.latent_scale = shift, scale

    def train_only(self, parts: Iterable[str]) -> nn.ModuleDict:
        """Let gradients into some of the parts only, and return these; what a plugin froze stays frozen."""
        # Noted before anything is frozen here: later a plugin's choice could not be told from this method's own.
        if self._learnable is None:
            self._learnable = {id(p) for p in self.parameters() if p.requires_grad}
        self.requires_grad_(False)
        chosen = nn.ModuleDict({part: getattr(self, part) for part in parts})
        for parameter in chosen.parameters():
            parameter.requires_grad_(id(parameter) in self._learnable)
        return chosen

    def normalise(self, observations: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the raw observations [N, ...] in units of their standard deviation (or whitened), float32.

        Those that the encoder normalises by itself (its `raw_observations`) stay as they are.
        """
        result, raw = {}, raw_observations(self.encoder)
        for name, (mean, std) in self.statistics.items():
            if name in raw:
                result[name] = observations[name]
            elif name in self.whitening:
                result[name] = whitened(observations[name], mean, self.whitening[name])
            elif observations[name].dtype == torch.uint8 and observations[name].ndim == 4:
                result[name] = _scaled_image(observations[name], mean, 1 / std, _layout(self.encoder))
            else:
                shape = [-1] + [1] * (observations[name].ndim - 2)
                # A reciprocal for each channel spares a division for each number.
                scale = 1 / std
                result[name] = observations[name] * scale.reshape(shape) - (mean * scale).reshape(shape)
        return result

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return latents [N, D] of raw observations [N, ...]."""
        latents: Tensor = self.encoder(self.normalise(observations))
        return latents

    def encode_blocks(self, observations: Mapping[str, Tensor], points: bool = False) -> Tensor:
        """Return latents [N, D] without gradient (or their points), the same bits whatever else is in the batch."""
        with calling(lambda: "the encoder", "encode", draws=False), torch.inference_mode():
            return in_blocks(
                lambda o: self.head(self.encode(o)) if points else self.encode(o), dict(observations), ENCODER_BLOCK
            )

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Return next latents [N, D] after normalised actions [N, A]."""
        # In place on the fresh difference: each of a planner's steps spares an array.
        scaled = (latents - self.latent_shift).div_(self.latent_scale)
        result: Tensor = self.predictor(scaled, self.action_encoder(actions))
        return torch.addcmul(self.latent_shift, result, self.latent_scale)

    def rollout(self, latents: Tensor, actions: Tensor) -> Iterator[Tensor]:
        """Yield the latents [N, D] predicted after each of the H normalised actions [N, H, A]."""
        for action in actions.unbind(1):
            latents = self.predict(latents, action)
            yield latents


def _layout(encoder: nn.Module) -> torch.memory_format:
    """Order in memory of the images that an encoder computes on: that of its convolutions' weights.

    Others keep the usual order, since `view(len(x), -1)` fails after channels_last.
    """
    last = torch.channels_last
    weights = (w for w in encoder.parameters() if w.ndim == 4)
    wanted = any(w.is_contiguous(memory_format=last) and not w.is_contiguous() for w in weights)
    return last if wanted else torch.contiguous_format


def _scaled_image(image: Tensor, mean: Tensor, scale: Tensor, layout: torch.memory_format) -> Tensor:
    """(image - mean) * scale by channel: image [N, C, H, W] uint8, mean and scale [C]; in memory as `layout` says.

    Bytes are reordered before they become floats of four times the size, and those are changed in place: half the time.
    """
    result = image.contiguous(memory_format=layout).to(scale.dtype)
    factor, offset = scale.reshape(-1, 1, 1), (mean * scale).reshape(-1, 1, 1)
    if layout == torch.channels_last:
        # As rows of pixels, so that the innermost loop does not end after a handful of channels.
        count, channels, height, width = image.shape
        rows = result.permute(0, 2, 3, 1).view(count, height, width * channels)
        rows.mul_(factor.flatten().repeat(width)).sub_(offset.flatten().repeat(width))
    else:
        result.mul_(factor).sub_(offset)
    return result


def whitened(image: Tensor, mean: Tensor, matrix: Tensor) -> Tensor:
    """`matrix` [C, C] times the deviation of every pixel of images [N, C, H, W] from `mean` [C]; channels_last.

    Written out over the few channels: measured two to four times as fast on a CPU as matrix products over all pixels.
    """
    result = torch.empty(image.shape, device=image.device, memory_format=torch.channels_last)
    # M (x - mean) = M x - M mean: one subtraction per result instead of one per product.
    offset = matrix @ mean
    for channel, row in enumerate(matrix):
        plane = image[:, 0] * row[0]
        for other in range(1, len(row)):
            plane += image[:, other] * row[other]
        result[:, channel] = plane.sub_(offset[channel])
    return result


def build(networks: Mapping[str, Network], spec: EnvironmentSpec, latent_dim: int) -> tuple[JEPA, int]:
    """Build the model from networks by role, with fresh weights; return it with the dimension of its points."""

    def shapes(action_dim: int) -> NetworkShapes:
        return NetworkShapes(spec.observations, latent_dim, action_dim)

    identity = nn.Identity()
    action_dim = spec.actions.dim
    action_encoder: nn.Module = identity
    # First, since the size of its output is that of the predictor's input.
    if "action_encoder" in networks:
        action_encoder = _built(networks["action_encoder"], shapes(action_dim))
        action_dim = out_dim(action_encoder)
    # In this order for good: weights come from one stream, so another order means other weights.
    encoder, predictor = (_built(networks[role], shapes(action_dim)) for role in ("encoder", "predictor"))
    # Last, so that a model with a head begins with the encoder and predictor of one without.
    head: nn.Module = _built(networks["head"], shapes(action_dim)) if "head" in networks else identity
    point_dim = latent_dim if isinstance(head, nn.Identity) else out_dim(head)
    return JEPA(encoder, predictor, action_encoder, head), point_dim


def out_dim(module: nn.Module) -> int:
    """Size of what an action encoder or a head puts out, which its module tells (`_built` has seen to it)."""
    size: Any = module.out_dim
    return int(size)


def _built(network: Network, shapes: NetworkShapes) -> nn.Module:
    """Module of a network; one whose size the core must ask for has to tell it.

    Raises:
        UsageError: it is no module, does not tell, or needs more memory than there is.
    """
    with WithinMemory(lambda: describe_plugin(network, "network")):
        module = network.build(shapes)
    who = describe_plugin(network, "network")
    if not isinstance(module, nn.Module):
        raise UsageError(f"{who}: build returned a {type(module).__name__}, expected a torch.nn.Module")
    if network.role in ("action_encoder", "head") and not isinstance(getattr(module, "out_dim", None), int):
        raise UsageError(f"{who}: the {network.role} that it builds has no out_dim, expected its output's size (int)")
    return module


def raw_observations(encoder: nn.Module) -> frozenset[str]:
    """Return the observations that an encoder takes as the environment gives them."""
    return frozenset(getattr(encoder, "raw_observations", ()))


def input_dtype(encoder: nn.Module, name: str, array: ArraySpec) -> torch.dtype:
    """Return the type in which an encoder is given an observation."""
    raw: torch.dtype = getattr(torch, array.dtype)
    return raw if name in raw_observations(encoder) else torch.float32


def is_frozen(module: nn.Module) -> bool:
    """Whether a module, as it was built, has no weight that training may change."""
    return not any(parameter.requires_grad for parameter in module.parameters())


def parameter_count(module: nn.Module) -> int:
    """Return the number of weights of a module."""
    return sum(p.numel() for p in module.parameters())
