"""Try networks and distance on two rows before training: shapes, types, gradients."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vgbench.api import EnvironmentSpec
from vgbench.errors import UsageError
from vgbench.model.jepa import JEPA, input_dtype, is_frozen, out_dim
from vgbench.plugin.attribution import describe_value
from vgbench.spec import RunSpec

ROWS = 2
NEGATIVE = 1e-5
"""How far below 0 rounding may take a distance."""


def sanity_check_model(spec: RunSpec, model: JEPA, environment: EnvironmentSpec) -> None:
    """Send two rows through encoder, predictor, head and distance; the model and torch's generator stay as they are.

    Raises:
        UsageError: one of them raises or returns something else than its contract says; names the plugin.
    """
    training = model.training
    model.eval()
    try:
        # The model is still on the CPU here, so no GPU's generator has to be put back.
        with torch.random.fork_rng(devices=[]):
            _try_parts(spec, model, environment)
    finally:
        model.train(training)


def _try_parts(spec: RunSpec, model: JEPA, environment: EnvironmentSpec) -> None:
    generator = torch.Generator().manual_seed(0)
    dim = spec.settings["model"].latent_dim

    def draw(*shape: int) -> Tensor:
        return torch.randn(ROWS, *shape, generator=generator)

    def ask(role: str, shape: tuple[int, ...], made: Callable[[], Any], gradient: bool = True) -> Tensor:
        who = str(spec.distance.entry if role == "distance" else spec.networks[role].entry)
        try:
            result = made()
        except Exception as err:
            raise UsageError(f"{who}: as {role} it raised {type(err).__name__}: {err}") from err
        wanted = f"a tensor of shape {list(shape)}"
        if not isinstance(result, Tensor) or tuple(result.shape) != shape:
            raise UsageError(f"{who}: as {role} it returned {describe_value(result)}, expected {wanted}")
        if not bool(torch.isfinite(result).all()):
            raise UsageError(
                f"{who}: as {role} it returned values that are not finite, expected {wanted} of finite ones"
            )
        if role == "distance" and bool((result < -NEGATIVE).any()):
            raise UsageError(f"{who}: as distance it returned {float(result.min()):.4g}, expected no value below 0")
        if gradient and not result.requires_grad:
            raise UsageError(f"{who}: as {role} it returned no gradient (detached?), expected {wanted} with one")
        return result

    # What has weights to train must have a gradient.
    actions = draw(environment.actions.dim)
    if "action_encoder" in spec.networks:
        module, out = model.action_encoder, out_dim(model.action_encoder)
        actions = ask(
            "action_encoder", (ROWS, out), lambda: module(draw(environment.actions.dim)), not is_frozen(module)
        )
    inputs = {}
    for name, array in environment.observations.items():
        # As bytes where the encoder takes images raw.
        inputs[name] = draw(*array.shape).to(input_dtype(model.encoder, name, array))
    latents = ask("encoder", (ROWS, dim), lambda: model.encoder(inputs), not is_frozen(model.encoder))
    # A leaf of its own: the predictor has to pass a gradient on even where the encoder is frozen.
    latents = latents.detach().requires_grad_()
    ask("predictor", (ROWS, dim), lambda: model.predictor(latents, actions))
    points = latents
    if "head" in spec.networks:
        points = ask("head", (ROWS, model.distance.dim), lambda: model.head(latents))
    ask("distance", (ROWS,), lambda: model.distance(points, points.flip(0)))
    # The first of the three is the goal itself, where the distance has to be finite, too.
    many = torch.stack([points, points.flip(0), points * 2], dim=1)
    ask("distance", (ROWS, 3), lambda: model.distance.prepare(points.detach())(many))
