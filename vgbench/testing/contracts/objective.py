"""Checks of objectives: where the gradient goes, on which batches, and that training lowers the loss."""

from typing import Any, get_args

import torch
from torch import Tensor, nn

from vgbench.api import Batch, Distance, Loss, Objective, ObjectiveShapes
from vgbench.api.objective import Need, Part, StopGradient
from vgbench.plugin.logs import log_meanings
from vgbench.plugin.registry import Registry, load_plugin
from vgbench.testing.check import Collector, Skip, expect
from vgbench.testing.subject import Subject
from vgbench.testing.toys import LATENT, World
from vgbench.testing.training_probe import STEPS, Course, Probe, states_for, world_for
from vgbench.training.compatibility import offers

check = Collector(("objective",))


def make(subject: Subject) -> Objective:
    """Build the objective for latents of 16 numbers and actions of one."""
    objective: Objective = subject.cls(subject.params, ObjectiveShapes(latent_dim=LATENT, action_dim=1))
    return objective


def outputs(subject: Subject, made: Objective) -> list[Tensor]:
    """Value and logs on one batch of the toy chain."""
    loss = evaluate(made)[1]
    return [loss.value.detach(), *(torch.as_tensor(value).detach() for value in loss.logs.values())]


def evaluate(
    made: Objective, distance: Distance | None = None, *, windows: int = 8, states: int = 0, step: int = 0
) -> tuple[World, Loss, Batch]:
    """Value of the loss on a fresh world, with the world and the batch."""
    world = world_for(made, distance)
    batch = world.batch(windows, states or states_for(made), step)
    return world, made.loss(batch, world.model, world.noise(step)), batch


@check(after=("constructs",))
def declarations(subject: Subject) -> None:
    """What it says of itself is among what the core knows."""
    made = subject.make()
    for name, allowed in (("trains", get_args(Part)), ("needs", get_args(Need))):
        unknown = sorted(set(getattr(made, name)) - set(allowed))
        expect(not unknown, f"{name} among {', '.join(allowed)}", ", ".join(map(str, unknown)), "a typing error")
    expect(
        made.stop_gradient_targets in get_args(StopGradient),
        f"stop_gradient_targets among {get_args(StopGradient)}",
        made.stop_gradient_targets,
        "a typing error",
    )
    whole = all(isinstance(n, int) for n in (made.min_length, made.stride))
    seen = f"min_length={made.min_length!r}, stride={made.stride!r}"
    expect(whole and made.min_length >= 2 and made.stride >= 1, "min_length of 2 or more, stride of 1", seen, "a slip")
    far = made.distance_range
    expect(far is None or far > 0, "distance_range above 0, or None", far, "a wrong sign")


@check(after=("declarations",))
def works(subject: Subject) -> None:
    """`loss` returns a Loss whose value is a scalar with a gradient."""
    loss: Any = evaluate(subject.make())[1]
    expect(isinstance(loss, Loss), "vgbench.api.Loss", type(loss).__name__, "the bare tensor was returned: Loss(value)")
    value: Any = loss.value
    expect(isinstance(value, Tensor), "a tensor as value", type(value).__name__, "`.item()` or a Python number")
    expect(value.shape == (), "a scalar", f"shape {list(value.shape)}", "a missing `.mean()`")
    cause = "the value was computed from detached tensors or under no_grad"
    expect(value.requires_grad, "a value with gradient", "one without", cause)


@check()
def finite(subject: Subject) -> None:
    """Value and gradient are finite on several batches."""
    for step in range(4):
        world, loss, _ = evaluate(subject.make(), step=step)
        expect(loss.value.isfinite(), "a finite value", float(loss.value.detach()), "a division or logarithm of 0")
        loss.value.backward()
        bad = [n for n, p in world.model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        expect(not bad, "a finite gradient", f"NaN or infinity in that of {', '.join(bad)}", "sqrt or norm at 0")


@check()
def logs(subject: Subject) -> None:
    """What is logged are scalars by name."""
    for name, value in evaluate(subject.make())[1].logs.items():
        scalar = isinstance(value, float | int) or (isinstance(value, Tensor) and value.numel() == 1)
        seen = f"{name}: {f'shape {list(value.shape)}' if isinstance(value, Tensor) else type(value).__name__}"
        expect(isinstance(name, str) and scalar, "scalars by name", seen, "a tensor that was not reduced")


@check(after=("logs",), severity="warn")
def logs_detached(subject: Subject) -> None:
    """What is logged has no gradient."""
    for name, value in evaluate(subject.make())[1].logs.items():
        attached = isinstance(value, Tensor) and value.requires_grad
        expect(not attached, "logs without gradient", f"{name} with one", "a missing `.detach()`: it keeps the graph")


@check(after=("logs",), severity="warn")
def logs_explained(subject: Subject) -> None:
    """Each logged value has a line in the section `Logs:` of the docstring of `loss`."""
    known, logged = log_meanings(subject.cls), evaluate(subject.make())[1].logs
    missing = [name for name in logged if name not in known]
    cause = f"no line such as `{missing[0]}: what it tells` under `Logs:`" if missing else ""
    expect(not missing, "a line for each logged value", f"none for {', '.join(missing)}", cause)


def reached(made: Objective) -> set[str]:
    """Parts of the toy model that the gradient of the loss reaches, on any of a few batches."""
    parts: set[str] = set()
    for step in range(4):
        made.zero_grad()
        world, loss, _ = evaluate(made, step=step)
        loss.value.backward()
        owners: dict[str, list[nn.Module]] = {
            "encoder": [world.model.encoder],
            "head": [world.model.head],
            "distance": [world.model.distance],
            "predictor": [world.model.predictor, world.model.action_encoder],
            "own": [made],
        }
        parts |= {name for name, owned in owners.items() if any(map(_has_gradient, owned))}
    return parts


def _has_gradient(module: nn.Module) -> bool:
    return any(p.grad is not None and bool((p.grad != 0).any()) for p in module.parameters())


@check(after=("finite",))
def trains_only_declared(subject: Subject) -> None:
    """The gradient reaches no part that `trains` leaves out."""
    made = subject.make()
    extra = sorted(reached(made) - set(made.trains))
    cause = "`trains` leaves it out, so that the core would keep it frozen; or a `.detach()` is missing"
    expect(not extra, f"a gradient in {', '.join(sorted(made.trains))} alone", f"one in {', '.join(extra)}", cause)


@check(after=("finite",))
def trains_all_declared(subject: Subject) -> None:
    """The gradient reaches every part that `trains` names."""
    made = subject.make()
    silent = sorted(set(made.trains) - reached(made))
    cause = "`trains` was left at its default (encoder, head, distance), or a tensor was detached on the way"
    expect(not silent, f"a gradient in {', '.join(sorted(made.trains))}", f"none in {', '.join(silent)}", cause)


@check(after=("finite",))
def targets_detached(subject: Subject) -> None:
    """No gradient reaches the states that `stop_gradient_targets` names."""
    made = subject.make()
    if made.stop_gradient_targets == "none":
        raise Skip("it does not claim that targets are detached (Objective.stop_gradient_targets)")
    world = world_for(made)
    batch = world.batch(states=states_for(made), kind=Probe)
    batch.leaves = []
    made.loss(batch, world.model, world.noise()).value.backward()
    for leaf in batch.leaves:
        gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        states = gradient[:, -1:] if made.stop_gradient_targets == "last" else gradient[:, 1:]
        seen = f"one of up to {float(states.abs().max()):.3g}"
        cause = "a missing `.detach()` on the target"
        expect(not states.any(), f"no gradient in the {made.stop_gradient_targets} states of a window", seen, cause)


@check(after=("finite",))
def smallest_batch(subject: Subject) -> None:
    """Works with two windows, the fewest that a batch may have."""
    value = evaluate(subject.make(), windows=2)[1].value.detach()
    expect(value.isfinite(), "a finite value on two windows", float(value), "statistics that need more of them")


@check(after=("finite",))
def shortest_window(subject: Subject) -> None:
    """Works with windows of `min_length` states."""
    made = subject.make()
    value = evaluate(made, states=max(2, made.min_length))[1].value.detach()
    cause = "`min_length` is below what the loss needs"
    expect(value.isfinite(), f"a finite value on windows of {made.min_length} states", float(value), cause)


@check(after=("finite",))
def fits_distances(subject: Subject) -> None:
    """It works with every installed distance that offers what it needs."""
    made, tried = subject.make(), []
    for entry in Registry().entries("distance"):
        try:
            cls = load_plugin(entry)
            distance = cls(cls.Params(), LATENT)
            sound = distance(torch.ones(2, 1, LATENT), torch.zeros(3, LATENT)).shape == (2, 3)
        except Exception:  # that distance's own checks say what is wrong with it
            continue
        bound, far = distance.upper_bound, made.distance_range
        if (
            sound
            and all(offers(distance, need) for need in made.needs)
            and (bound is None or far is None or bound >= far)
        ):
            tried.append(entry.address)
            try:
                world, loss, _ = evaluate(made, distance)
                loss.value.backward()
            except Exception as err:
                err.add_note(f"with distance {entry.address}")
                raise
            good = loss.value.isfinite() and all(
                p.grad is None or bool(p.grad.isfinite().all()) for p in world.model.parameters()
            )
            cause = "the loss relies on something that only some distances have; `needs` can say so"
            expect(
                good, f"a finite value and gradient with distance {entry.address}", float(loss.value.detach()), cause
            )
    if not tried:
        raise Skip(f"no installed distance offers {', '.join(sorted(made.needs)) or 'the range that it asks for'}")


@check(after=("finite",))
def inputs_untouched(subject: Subject) -> None:
    """It changes nothing of its batch in place."""
    made = subject.make()
    used = evaluate(made)[2]
    fresh = world_for(made).batch(states=states_for(made))
    for name in ("actions", "latents", "points", "predictions"):
        same = bool(torch.equal(getattr(used, name), getattr(fresh, name)))
        cause = "an operation in place (`add_`, `x[...] = `) on a tensor that all objectives share"
        expect(same, f"batch.{name} as it was", "other numbers", cause)


@check(after=("trains_only_declared", "trains_all_declared", "targets_detached", "shortest_window", "inputs_untouched"))
def falls(subject: Subject) -> None:
    """Training lowers it on a toy chain (with targets that stand still where it detaches them)."""
    course = Course(subject.make())
    before = course.level()
    course.train()
    after = course.level()
    cause = "a wrong sign, a gradient that does not belong to the value, or one that vanishes"
    seen = f"{before:.4g} before and {after:.4g} after {STEPS} steps"
    expect(after < before - 1e-3 * abs(before), "a lower value after training", seen, cause)


CHECKS = check.found
