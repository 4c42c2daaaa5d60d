"""IQE: forward and backward in training shapes, prepared form in planning shapes, against sorting implementations."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.harness import Case, Check, Options, Side, difference
from benchmarks.sorted_iqe import implementations
from benchmarks.work import DIM
from vgbench_plugins.distances.iqe import IQE

Distance = Callable[[Tensor, Tensor], Tensor]


def cases(options: Options) -> Iterator[Case]:
    """Windows x states x goals of the quick scale, then samples of a plan."""
    torch.manual_seed(0)
    ours = IQE(IQE.Params(), DIM)
    theirs = implementations(DIM, ours.params.component_dim, ours.raw)
    yield training(ours, theirs, *options.pick((64, 16, 7), (16, 16, 7), (2, 3, 2)))
    for samples in options.pick((500, 2000), (500,), (16,)):
        yield planning(ours, theirs, samples)


def training(ours: IQE, theirs: dict[str, Distance], windows: int, states: int, goals: int) -> Case:
    """Distances of every state of a window to its goals, and their gradient."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(windows, states, 1, DIM, generator=generator, requires_grad=True)
    y = torch.randn(windows, 1, goals, DIM, generator=generator, requires_grad=True)

    def gradient(distance: Distance) -> tuple[Tensor, ...]:
        value = distance(x, y)
        return value, *torch.autograd.grad(value.sum(), (x, y))

    def checks() -> Iterator[Check]:
        wanted = gradient(ours)
        for name, distance in theirs.items():
            for what, a, b in zip(
                ("distance", "gradient of x", "gradient of y"), wanted, gradient(distance), strict=True
            ):
                yield Check(name, what, difference(a, b), 1e-4)

    return Case(
        f"forward and backward, {windows} x {states} x {goals}",
        {"windows": windows, "states": states, "goals": goals, "dim": DIM, "component_dim": ours.params.component_dim},
        [Side("vgbench", lambda: gradient(ours), "ours"), *_sides(theirs, gradient)],
        windows * states * goals,
        "pair",
        checks,
        absent=peers.missing(peers.TORCHQMET),
    )


def planning(ours: IQE, theirs: dict[str, Distance], samples: int) -> Case:
    """Distances of the states of one step of a plan to its goal."""
    generator = torch.Generator().manual_seed(3)
    z, goal = torch.randn(1, samples, DIM, generator=generator), torch.randn(1, DIM, generator=generator)
    prepared = ours.prepare(goal)

    @torch.inference_mode()
    def forward(distance: Distance) -> Tensor:
        return distance(z, goal.unsqueeze(1))

    @torch.inference_mode()
    def prepared_forward() -> Tensor:
        return prepared(z)

    def checks() -> Iterator[Check]:
        for name, distance in theirs.items():
            yield Check(name, "distance", difference(prepared_forward(), forward(distance)), 1e-4)

    return Case(
        f"prepared, {samples} states",
        {"samples": samples, "dim": DIM, "component_dim": ours.params.component_dim},
        [Side("vgbench", prepared_forward, "ours", "goal prepared once"), *_sides(theirs, forward)],
        samples,
        "state",
        checks,
        absent=peers.missing(peers.TORCHQMET),
    )


def _sides(theirs: dict[str, Distance], work: Callable[[Distance], object]) -> list[Side]:
    return [Side(name, lambda distance=distance: work(distance)) for name, distance in theirs.items()]  # type: ignore[misc]
