"""Checks of distances: what they promise by being one, and what they claim beside that."""

from typing import Any

import torch
from torch import Tensor

from vgbench.api import Distance
from vgbench.testing.check import Collector, Failure, Skip, expect
from vgbench.testing.subject import Subject, largest_gap, near

check = Collector(("distance",))

DIMS = (16, 64, 512)
"""Dimensions of points that are tried in turn: a distance may ask for a multiple of something."""


def make(subject: Subject) -> Distance:
    """Build the distance for the first of `DIMS` that it accepts."""
    refused = ""
    for dim in DIMS:
        try:
            distance: Distance = subject.cls(subject.params, dim)
        except ValueError as err:
            refused = str(err)
        else:
            return distance
    raise Failure(f"points of {', '.join(map(str, DIMS))} numbers to be accepted, one of them", refused, "its values")


def outputs(subject: Subject, made: Distance) -> list[Tensor]:
    """Distances of random pairs."""
    return [made(*points(made, 2)).detach()]


def points(made: Distance, count: int, rows: int = 32, seed: int = 0, shared: float = 0.9) -> list[Tensor]:
    """`count` sets of random points [rows, D] of several sizes; up to a share of the coordinates agree."""
    generator = torch.Generator().manual_seed(seed)
    sets = [torch.randn(rows, made.dim, generator=generator) for _ in range(count)]
    size = torch.logspace(-2, 1, rows).unsqueeze(1)
    agree = torch.rand(rows, made.dim, generator=generator) < torch.linspace(0, shared, rows).unsqueeze(1)
    return [size * torch.where(agree, sets[0], one) for one in sets]


@check(after=("constructs",))
def works(subject: Subject) -> None:
    """d(x, y) of points [..., D] is [...], with broadcasting."""
    made = subject.make()
    dim = made.dim
    for left, right, want in (((5, 1), (7,), (5, 7)), ((), (), ()), ((3,), (3,), (3,)), ((2, 3), (2, 1), (2, 3))):
        d: Any = made(torch.ones(*left, dim), torch.zeros(*right, dim))
        expect(isinstance(d, Tensor), "a tensor", type(d).__name__, "something else was returned")
        cause = "a sum over another dimension than the last, or a view that does not broadcast"
        given = f"x {[*left, dim]} and y {[*right, dim]}"
        expect(d.shape == want, f"shape {list(want)} from {given}", list(d.shape), cause)


@check()
def finite(subject: Subject) -> None:
    """Distances and their gradient are finite, and the gradient reaches both points."""
    made = subject.make()
    x, y = (p.requires_grad_() for p in points(made, 2, shared=0.0))
    d = made(x, y)
    expect(d.isfinite().all(), "finite distances", "NaN or infinity", "a division or root of 0")
    expect(d.requires_grad, "distances with gradient", "some without", "a `.detach()` or numbers on the way")
    d.sum().backward()
    for name, point in (("x", x), ("y", y)):
        seen = "none" if point.grad is None else "NaN or infinity" if not point.grad.isfinite().all() else "only zeros"
        fine = point.grad is not None and point.grad.isfinite().all() and point.grad.any()
        expect(fine, f"a finite gradient in {name}", seen, "a root of 0, or a point that was detached")


@check(after=("finite",))
def dtype_kept(subject: Subject) -> None:
    """float64 points have float64 distances."""
    made = subject.make().double()
    d = made(*(p.double() for p in points(made, 2)))
    cause = "a constant tensor of another type, or a cast; use `x.new_tensor` or register a buffer"
    expect(d.dtype == torch.float64, "float64 from float64", d.dtype, cause)


@check(after=("finite",))
def non_negative(subject: Subject) -> None:
    """Distances are at least 0."""
    made = subject.make()
    lowest = float(made(*points(made, 2)).detach().min())
    expect(lowest >= 0, "distances of 0 or more", lowest, "a difference without `abs` or `relu`")


@check(after=("finite",))
def zero_at_self(subject: Subject) -> None:
    """d(x, x) = 0."""
    made = subject.make()
    x, y = points(made, 2)
    largest, usual = (float(d.detach().abs().max()) for d in (made(x, x.clone()), made(x, y)))
    cause = "an epsilon under a root, or a constant that is added"
    expect(largest <= 1e-5 * max(usual, 1e-3), "d(x, x) = 0", f"up to {largest:.3g}", cause)


@check(after=("finite",))
def gradient_at_self(subject: Subject) -> None:
    """The gradient at x = y is finite."""
    made = subject.make()
    x = points(made, 1)[0]
    x = torch.cat([x, torch.zeros_like(x[:1])])
    left, right = x.clone().requires_grad_(), x.clone().requires_grad_()
    made(left, right).sum().backward()
    good = all(p.grad is None or bool(p.grad.isfinite().all()) for p in (left, right, *made.parameters()))
    cause = "the root of a sum of squares; torch.linalg.vector_norm has gradient 0 there"
    expect(good, "a finite gradient at x = y", "NaN or infinity", cause)


@check(after=("finite",))
def symmetric(subject: Subject) -> None:
    """Where it claims symmetry, d(x, y) = d(y, x)."""
    made = subject.make()
    if not made.symmetric:
        raise Skip("it does not claim symmetry")
    x, y = points(made, 2)
    there, back = made(x, y), made(y, x)
    cause = "`symmetric = True` is a mistake, or x and y are treated differently"
    expect(near(there, back, 1e-5), "d(x, y) = d(y, x)", largest_gap(there, back), cause)


@check(after=("finite",), severity="warn")
def asymmetric(subject: Subject) -> None:
    """Where it does not claim symmetry, it has none: objectives may need that."""
    made = subject.make()
    if made.symmetric:
        raise Skip("it claims symmetry")
    x, y = points(made, 2)
    differs = not near(made(x, y), made(y, x), 1e-5)
    cause = "`symmetric = True` is missing; an objective that needs an asymmetric distance would accept this one"
    expect(differs, "d(x, y) and d(y, x) to differ somewhere", "none that do", cause)


@check(after=("finite", "non_negative"))
def triangle(subject: Subject) -> None:
    """Where it claims to be a quasimetric, d(x, z) <= d(x, y) + d(y, z)."""
    made = subject.make()
    if not made.quasimetric:
        raise Skip("it does not claim the triangle inequality")
    for seed in range(8):
        x, y, z = points(made.double(), 3, 64, seed)
        x, y, z = x.double(), y.double(), z.double()
        for middle in (y, 0.5 * (x + z), 0.9 * x + 0.1 * z):
            excess = made(x, z) - made(x, middle) - made(middle, z)
            worst = float(excess.detach().max())
            cause = "a square without its root, or `quasimetric = True` is a mistake"
            expect(
                worst <= 1e-6 * float(made(x, z).detach().max()),
                "d(x, z) <= d(x, y) + d(y, z)",
                f"{worst:.3g} more",
                cause,
            )


@check(after=("finite",))
def prepared(subject: Subject) -> None:
    """`prepare(goal)` gives the same distances as the plain form, with and without gradient."""
    made = subject.make()
    goal, other = points(made, 2, 4)
    z = (torch.stack([goal, other, -other, 0.5 * goal, 2 * other], dim=1) * 1.5).detach()
    plain = made(z, goal.unsqueeze(1))
    cause = "`prepare` was overridden and does not compute what `forward` does (z first, the goal second)"
    with torch.inference_mode():
        found = made.prepare(goal)(z)
    expect(found.shape == (4, 5), "shape [4, 5] from z [4, 5, D]", list(found.shape), cause)
    expect(near(found, plain, 1e-4), "the plain distances", largest_gap(found, plain), cause)
    slopes = []
    for form in (made.prepare(goal), lambda points: made(points, goal.unsqueeze(1))):
        leaf = z.clone().requires_grad_()
        value = form(leaf)
        expect(near(value, plain, 1e-4), "the plain distances", largest_gap(value, plain), cause)
        expect(value.requires_grad, "distances with gradient where it is recorded", "some without", cause)
        value.sum().backward()
        slopes.append(torch.zeros_like(z) if leaf.grad is None else leaf.grad)
    expect(near(slopes[0], slopes[1], 1e-3), "the plain gradient", largest_gap(slopes[0], slopes[1]), cause)


@check(after=("finite",))
def rows(subject: Subject) -> None:
    """A pair's distance does not depend on the other pairs."""
    made = subject.make()
    x, y = points(made, 2)
    together = made(x, y)
    alone = torch.cat([made(x[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    cause = "a statistic over the batch (a mean, a maximum, a batch norm)"
    expect(near(alone, together, 1e-5), "the same alone as in a batch", largest_gap(alone, together), cause)


@check(after=("finite",))
def levels(subject: Subject) -> None:
    """Each of its `levels` is a distance by itself."""
    made = subject.make()
    if made.levels == 1:
        raise Skip("it has one level")
    x, y = points(made, 2)
    for index in range(made.levels):
        d = made.level(index, x, y)
        fine = d.shape == x.shape[:-1] and bool((d >= 0).all())
        seen = f"shape {list(d.shape)}, least {float(d.detach().min()):.3g}"
        expect(fine, f"level {index}: {list(x.shape[:-1])} numbers of 0 or more", seen, "another part of the points")
    if made.level_weights is not None:
        weighted = sum(weight * made.level(index, x, y) for index, weight in enumerate(made.level_weights))
        total = torch.as_tensor(weighted)
        gap, cause = largest_gap(total, made(x, y)), "`level_weights` of other parameters, or no sum: then None"
        expect(near(total, made(x, y), 1e-4), "the levels by `level_weights` to be the distance", gap, cause)


@check(after=("finite",))
def upper_bound(subject: Subject) -> None:
    """Where it has an `upper_bound`, no distance is larger."""
    made = subject.make()
    if made.upper_bound is None:
        raise Skip("it has no upper bound")
    largest = max(
        float(made(scale * x, scale * y).detach().max()) for scale in (1.0, 100.0) for x, y in [points(made, 2)]
    )
    seen, cause = f"one of {largest:.4g}", "a bound that holds for other parameters"
    expect(largest <= made.upper_bound * (1 + 1e-5), f"distances up to {made.upper_bound:.4g}", seen, cause)


@check(after=("finite",))
def inputs_untouched(subject: Subject) -> None:
    """It does not change the points in place."""
    made = subject.make()
    x, y = points(made, 2)
    before = x.clone(), y.clone()
    made(x, y)
    made.prepare(y)(x.unsqueeze(1))
    same = torch.equal(x, before[0]) and torch.equal(y, before[1])
    expect(same, "points as they were", "other numbers", "an operation in place (`sub_`, `relu_`) on an argument")


CHECKS = check.found
