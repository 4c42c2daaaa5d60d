"""Checks of networks: shapes by role, gradients, and rows that do not depend on one another."""

from typing import Any, get_args

import torch
from torch import Tensor, nn

from vgbench.api import ArraySpec, Network, NetworkShapes
from vgbench.api.network import Role
from vgbench.model.jepa import is_frozen, raw_observations
from vgbench.testing.check import Collector, Failure, Skip, expect
from vgbench.testing.isolation import changed, snapshot
from vgbench.testing.subject import Subject, equal, largest_gap, near

check = Collector(("network",))

ROWS = 6
LATENT, ACTION = 16, 3
WORLDS = {
    "vectors": {"position": ArraySpec((3,)), "velocity": ArraySpec((2,))},
    "image": {"image": ArraySpec((2, 64, 64), "uint8", "image")},
    "image and vector": {"image": ArraySpec((3, 64, 64), "uint8", "image"), "velocity": ArraySpec((2,))},
}
"""Observations for which encoders are built, as far as they accept them (ValueError: they do not)."""


def make(subject: Subject) -> dict[str, nn.Module]:
    """Build its module; for an encoder one for each sort of observations that it accepts."""
    network = subject.cls(subject.params)
    role = getattr(network, "role", None)
    allowed = ", ".join(get_args(Role))
    expect(role in get_args(Role), f"a role among {allowed}", repr(role), "`role` is not set on the class")
    if role == "encoder":
        return _encoders(subject, network)
    module = network.build(NetworkShapes(WORLDS["vectors"], LATENT, ACTION))
    _expect_module(module)
    return {str(role): module}


def _expect_module(module: object) -> None:
    expect(isinstance(module, nn.Module), "a torch.nn.Module from build", type(module).__name__, "a missing return")


def _encoders(subject: Subject, network: Network) -> dict[str, nn.Module]:
    """Its modules by sort of observations: those that it accepts.

    What raises a ValueError in `build` is refused. And one that is for images may fail on vectors in any way, as one
    for vectors may on images.
    """
    made: dict[str, nn.Module] = {}
    errors: dict[str, Exception] = {}
    refused = ""
    for name, observations in WORLDS.items():
        try:
            module = network.build(NetworkShapes(observations, LATENT, ACTION))
            _expect_module(module)
            made[name] = module.eval()
            with torch.no_grad():
                apply(subject, module, inputs(subject, name, module)[0])
            module.train()
        except ValueError as err:
            refused = str(err)
            made.pop(name, None)
        except Exception as err:  # whatever a third party's code raises
            errors[name] = err
    working = [_has_image(name) for name in made if name not in errors]
    for name, error in errors.items():
        if (not _has_image(name)) in working:
            made.pop(name, None)
        elif name not in made:
            raise error
    if not made:
        raise Failure(f"one of these to be accepted: {', '.join(WORLDS)}", refused, "it is for other observations")
    return made


def _has_image(name: str) -> bool:
    return any(spec.kind == "image" for spec in WORLDS[name].values())


def inputs(subject: Subject, name: str, module: nn.Module) -> list[dict[str, Tensor]]:
    """Arguments of the module `name`, as tensors by name."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(ROWS, *shape, generator=generator)

    if subject.cls.role == "encoder":
        # Raw images are bytes: numbers of a normal distribution about grey.
        raw = raw_observations(module)
        drawn = {key: draw(*spec.shape) for key, spec in WORLDS[name].items()}
        return [{k: (128 + 32 * v).clamp(0, 255).to(torch.uint8) if k in raw else v for k, v in drawn.items()}]
    sizes = {"predictor": {"latents": LATENT, "actions": ACTION}, "action_encoder": {"actions": ACTION}}
    return [{key: draw(size) for key, size in sizes.get(subject.cls.role, {"latents": LATENT}).items()}]


def apply(subject: Subject, module: nn.Module, given: dict[str, Tensor]) -> Tensor:
    """Apply a module to its arguments, as the core does for its role."""
    result: Tensor = module(given) if subject.cls.role == "encoder" else module(*given.values())
    return result


def outputs(subject: Subject, made: dict[str, nn.Module]) -> list[Tensor]:
    """What the modules make of random inputs, at evaluation."""
    results = []
    for name, module in made.items():
        module.eval()
        results += [apply(subject, module, given).detach() for given in inputs(subject, name, module)]
    return results


def _width(subject: Subject, module: Any) -> int:
    if subject.cls.role in ("encoder", "predictor"):
        return LATENT
    width: Any = getattr(module, "out_dim", None)
    cause = f"a module of role {subject.cls.role} has to say how many numbers come out of it"
    expect(isinstance(width, int) and width > 0, "`out_dim` on the module", repr(width), cause)
    return int(width)


@check(after=("constructs",))
def works(subject: Subject) -> None:
    """Its module has the shapes of its role, in float32."""
    for name, module in subject.make().items():
        module.eval()
        for given in inputs(subject, name, module):
            out: Any = apply(subject, module, given)
            expect(isinstance(out, Tensor), "a tensor", type(out).__name__, "a tuple or a distribution is returned")
            want = [ROWS, _width(subject, module)]
            cause = "a layer sized by something else than the shapes given to `build`"
            expect(list(out.shape) == want, f"shape {want} ({name})", list(out.shape), cause)
            expect(out.dtype == torch.float32, "float32", out.dtype, "a cast, or numbers of another type")
            expect(out.isfinite().all(), "finite numbers", "NaN or infinity", "initial weights that are too large")


@check()
def leading_dimensions(subject: Subject) -> None:
    """A head takes latents with any leading dimensions."""
    if subject.cls.role != "head":
        raise Skip(f"it is no head but a network of role {subject.cls.role}")
    module: Any = subject.make()["head"].eval()
    latents = torch.randn(3, 4, LATENT)
    out, flat = module(latents), module(latents.flatten(0, 1))
    cause = "a flatten or a norm over the batch"
    seen = f"{list(out.shape)}"
    expect(near(out.flatten(0, -2), flat, 1e-4) and out.shape[:2] == (3, 4), "[3, 4, out_dim] as if flat", seen, cause)


@check()
def gradient(subject: Subject) -> None:
    """Every parameter gets a finite gradient."""
    for name, module in subject.make().items():
        if is_frozen(module):
            raise Skip("it has no weights that may be trained")
        for given in inputs(subject, name, module):
            apply(subject, module, given).square().sum().backward()
        for which, parameter in module.named_parameters():
            if parameter.requires_grad:
                grad = parameter.grad
                seen = "none" if grad is None else "NaN or infinity"
                cause = "a layer that `forward` does not use, or a detached tensor"
                expect(grad is not None and grad.isfinite().all(), f"a finite gradient in {which}", seen, cause)


@check()
def inputs_used(subject: Subject) -> None:
    """Everything that it is given changes the result."""
    for name, module in subject.make().items():
        module.eval()
        for given in inputs(subject, name, module):
            out = apply(subject, module, given)
            for key in given:
                other = apply(subject, module, {**given, key: given[key] + 1})
                expect(not torch.equal(out, other), f"a result that depends on {key}", "the same", "it is not used")


@check()
def rows(subject: Subject) -> None:
    """At evaluation a row alone gives the same as in a batch."""
    for name, module in subject.make().items():
        module.eval()
        for given in inputs(subject, name, module):
            together = apply(subject, module, given)
            singles = [{key: value[i : i + 1] for key, value in given.items()} for i in range(ROWS)]
            alone = torch.cat([apply(subject, module, single) for single in singles])
            cause = "statistics over the batch (a batch norm without running averages, an attention over rows)"
            expect(near(alone, together, 1e-4), "rows that do not see each other", largest_gap(alone, together), cause)


@check(after=("works", "deterministic"))
def fresh_weights(subject: Subject) -> None:
    """Weights follow torch's global seed: another seed, another network."""
    first, second = subject.make(1), subject.make(2)
    if not any(p.requires_grad for module in first.values() for p in module.parameters()):
        raise Skip("it has no weights")
    same = equal(subject.outputs(first), subject.outputs(second))
    expect(not same, "other weights from another seed", "the same", "a seed set inside, or a constant initialisation")


@check(after=("works", "use_leaves_globals"))
def training_leaves_globals(subject: Subject) -> None:
    """In training mode, too, it draws nothing from the global generators: a resumed run must go on bit for bit."""
    for name, module in subject.make().items():
        module.train()
        before = snapshot()
        for given in inputs(subject, name, module):
            apply(subject, module, given)
        cause = "a dropout layer, whose draws no checkpoint brings back"
        expect(not changed(before), "a process as it was before", ", ".join(changed(before)), cause)


@check()
def inputs_untouched(subject: Subject) -> None:
    """It does not change its inputs in place."""
    for name, module in subject.make().items():
        for given in inputs(subject, name, module):
            before = {key: value.clone() for key, value in given.items()}
            apply(subject, module, given)
            same = all(torch.equal(before[key], value) for key, value in given.items())
            expect(
                same, "inputs as they were", "other numbers", "an operation in place (`relu_`, inplace=True) on them"
            )


CHECKS = check.found
