"""Two rows through every part of a run, before hours are spent on it: shapes, types, gradients."""

# ruff: noqa: TID253 - imported only by modules that compute
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vgbench.api import ArraySpec, Distance, EnvironmentSpec, Loss
from vgbench.blame import owner
from vgbench.dataset import Dataset
from vgbench.errors import RunFailed, UsageError
from vgbench.model import JEPA
from vgbench.spec import RunSpec

if TYPE_CHECKING:
    from vgbench.training import Term

ROWS = 2


def seen(value: object) -> str:
    """Words for what a plugin returned: `shape [3]`, or its type."""
    return f"shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def try_model(spec: RunSpec, model: JEPA, environment: EnvironmentSpec) -> None:
    """Send two rows through encoder, predictor, head and distance; the model and torch's generator stay as they are.

    Raises:
        UsageError: one of them raises or returns something else than its contract says; names the plugin.
    """
    training = model.training
    model.eval()
    try:
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
            raise UsageError(f"{who}: as {role} it returned {seen(result)}, expected {wanted}")
        if not bool(torch.isfinite(result).all()):
            raise UsageError(
                f"{who}: as {role} it returned values that are not finite, expected {wanted} of finite ones"
            )
        if gradient and not result.requires_grad:
            raise UsageError(f"{who}: as {role} it returned no gradient (detached?), expected {wanted} with one")
        return result

    actions = draw(environment.actions.dim)
    if "action_encoder" in spec.networks:
        module, out = model.action_encoder, int(model.action_encoder.out_dim)  # type: ignore[arg-type]
        actions = ask("action_encoder", (ROWS, out), lambda: module(draw(environment.actions.dim)), _learns(module))
    inputs = {name: draw(*array.shape) for name, array in environment.observations.items()}
    latents = ask("encoder", (ROWS, dim), lambda: model.encoder(inputs), _learns(model.encoder))
    latents = latents.detach().requires_grad_()
    ask("predictor", (ROWS, dim), lambda: model.predictor(latents, actions))
    points = latents
    if "head" in spec.networks:
        points = ask("head", (ROWS, model.distance.dim), lambda: model.head(latents))
    ask("distance", (ROWS,), lambda: model.distance(points, points.flip(0)))
    many = torch.stack([points, points.flip(0), points * 2], dim=1)
    ask("distance", (ROWS, 3), lambda: model.distance.prepare(points.detach())(many))


def _learns(module: nn.Module) -> bool:
    """Whether a module has weights that are not frozen: then its results must have a gradient."""
    return any(parameter.requires_grad for parameter in module.parameters())


def try_environment(data: Dataset) -> None:
    """Hold what an environment does with two states of its data against what its `spec` says.

    Raises:
        RunFailed: an array is missing or has another shape or type, or is not finite; names the plugin.
    """
    environment, spec = data.environment, data.environment.spec
    who, device = owner(environment, "environment"), data.device
    index = torch.arange(min(ROWS, len(data)), device=device)
    count = len(index)
    state = data.state(index, torch.zeros_like(index))
    check_arrays(who, "observe", data.observations(index, torch.zeros_like(index)), spec.observations, count)
    check_arrays(who, "goal_observation", environment.goal_observation(state), spec.observations, count)
    after = state
    if all(bool(torch.isfinite(value).all()) for value in state.values()):  # else recorded elsewhere
        noise = torch.zeros(count, spec.noise_dim, device=device) if spec.noise_dim else None
        after = environment.step(state, torch.zeros(count, spec.actions.dim, device=device), noise)
        check_arrays(who, "step", after, spec.state, count)
    _rows(who, "goal_distance", environment.goal_distance(after, state), count)
    solved = environment.success(after, state)
    if not isinstance(solved, Tensor) or tuple(solved.shape) != (count,) or solved.dtype != torch.bool:
        kind = f" of {solved.dtype}" if isinstance(solved, Tensor) else ""
        raise RunFailed(f"{who}: success returned {seen(solved)}{kind}, expected a bool tensor of shape [{count}]")


def check_arrays(who: str, method: str, found: Any, spec: Mapping[str, ArraySpec], count: int) -> None:
    """Compare named arrays of `count` rows, which a plugin's `method` returned, with what its `spec` says of them.

    Raises:
        RunFailed: one is missing or has another shape or type, or is not finite.
    """
    if not isinstance(found, dict) or not set(spec) <= set(found):
        names = sorted(found) if isinstance(found, dict) else f"a {type(found).__name__}"
        raise RunFailed(f"{who}: {method} returned {names}, expected a dictionary with {sorted(spec)}")
    for name, array in spec.items():
        value, wanted = found[name], [count, *array.shape]
        kind = str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else ""
        if not isinstance(value, Tensor) or list(value.shape) != wanted or kind != array.dtype:
            raise RunFailed(
                f"{who}: {method}: {name!r} is {kind} {seen(value)}, expected {array.dtype} of shape {wanted}"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise RunFailed(f"{who}: {method}: {name!r} is not finite")


def _rows(who: str, method: str, found: Any, count: int) -> None:
    """A finite number for each row."""
    if not isinstance(found, Tensor) or tuple(found.shape) != (count,):
        raise RunFailed(f"{who}: {method} returned {seen(found)}, expected a tensor of shape [{count}]")
    if not bool(torch.isfinite(found).all()):
        raise RunFailed(f"{who}: {method} returned values that are not finite")


def check_loss(term: "Term", loss: Any, thoroughly: bool) -> None:
    """Refuse what is no scalar; `thoroughly`, also one without gradient, and figures to be logged that are no numbers.

    Nothing here waits for a GPU.

    Raises:
        RunFailed: names the objective.
    """
    value = getattr(loss, "value", None)
    if not isinstance(loss, Loss) or not isinstance(value, Tensor):
        got = type(value if isinstance(loss, Loss) else loss).__name__
        raise RunFailed(f"{term.who}: loss returned a {got}, expected vgbench.api.Loss with a scalar tensor")
    if value.ndim:
        raise RunFailed(f"{term.who}: loss returned shape {list(value.shape)}, expected a scalar (a missing .mean()?)")
    if not thoroughly:
        return
    if not value.requires_grad:
        parts = ", ".join(sorted(term.objective.trains))
        raise RunFailed(
            f"{term.who}: loss returned a value without gradient (detached?), expected one that depends on what it "
            f"trains ({parts})"
        )
    for name, figure in loss.logs.items():
        if not isinstance(figure, int | float) and getattr(figure, "ndim", None) != 0:
            raise RunFailed(f"{term.who}: loss logs {seen(figure)} as {name!r}, expected a number")


def bad_gradient(parts: nn.ModuleDict, terms: Sequence["Term"], distance: Distance) -> str:
    """Say where a gradient is not finite, and who may have made it so."""
    bad = [
        "own modules" if name.startswith("own") else name
        for name, module in parts.items()
        if any(p.grad is not None and not bool(p.grad.isfinite().all()) for p in module.parameters())
    ]
    makers = " or ".join(dict.fromkeys(term.who for term in terms))
    return (
        f"the gradient is not finite (in {', '.join(bad)}), though the loss is; it comes from {makers}, "
        f"or from {owner(distance, 'distance')} in it"
    )
