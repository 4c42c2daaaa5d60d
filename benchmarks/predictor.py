"""The predictor's layers alone, in the ways to compute them that were tried: what plans use, and what was left."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import Case, Check, Options, Side, difference
from benchmarks.work import ACTIONS, DIM, Work
from vgbench.model.onednn import packed

Predict = Callable[[Tensor, Tensor], Tensor]


def cases(options: Options) -> Iterator[Case]:
    """Rows of a block of plans, and of the paper's maze at once."""
    for rows in options.pick((256, 500), (256,), (8,)):
        yield case(rows, options)


def case(rows: int, options: Options) -> Case:
    """One step of the model for `rows` rows."""
    work = Work(rows, 1, "euclidean")
    model = work.model
    generator = torch.Generator().manual_seed(4)
    latents = torch.randn(rows, DIM, generator=generator)
    actions = torch.randn(rows, ACTIONS, generator=generator)
    calls = options.pick(16, 16, 1)
    ways: dict[str, tuple[Predict, str, float]] = {
        "vgbench": (packed(model).predict, "packed by oneDNN, ReLU fused", 1e-4),
        "plain layers": (model.predict, "nn.Linear, as the network was written", 1e-4),
        "action apart": (
            _with(model, _apart(model.predictor)),
            "first layer: W_z z + W_a a, nothing concatenated",
            1e-4,
        ),
        # Wider, as bfloat16 has 8 significant bits.
        "bfloat16": (_autocast(model.predict), "plain layers under autocast: other numbers", 0.05),
    }
    if torch.backends.mkl.is_available():
        ways["MKL's packed weights"] = (_with(model, _mkl(model.predictor, rows)), "torch.ops.mkl", 1e-4)
    if options.size == "full":
        # A copy, as `compile` changes a module in place.
        compiled = copy.deepcopy(model)
        compiled.predictor.compile()
        ways["torch.compile"] = (compiled.predict, "plain layers, default mode", 1e-4)

    def run(predict: Predict) -> None:
        with torch.inference_mode():
            for _ in range(calls):
                predict(latents, actions)

    def checks() -> Iterator[Check]:
        with torch.inference_mode():
            wanted = model.predict(latents, actions)
            for name, (predict, _, tolerance) in ways.items():
                yield Check(name, "next latents", difference(wanted, predict(latents, actions)), tolerance)

    sides = [
        Side(name, lambda predict=predict: run(predict), "ours" if name == "vgbench" else "peer", setting)  # type: ignore[misc]
        for name, (predict, setting, _) in ways.items()
    ]
    products = work.products()
    sides.append(Side("matrix products", lambda: [products() for _ in range(calls)], "limit", "MKL, nothing else"))
    parameters = {"rows": rows, "latent_dim": DIM, "calls": calls}
    return Case(f"{rows} rows", parameters, sides, rows * calls, "row", checks)


def _with(model: Any, predictor: nn.Module) -> Predict:
    """`model.predict` with another predictor."""
    other = copy.copy(model)
    # A shallow copy shares this dictionary: setting the attribute would change `model`.
    other._modules = {**model._modules, "predictor": predictor}
    predict: Predict = other.predict
    return predict


def _autocast(predict: Predict) -> Predict:
    def cast(latents: Tensor, actions: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return predict(latents, actions).float()

    return cast


class _Residual(nn.Module):
    """The MLP written out: `first` gives the first hidden layer, `linear` each of the others."""

    def __init__(self, first: Predict, linear: list[Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self.first, self.linear = first, linear

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        hidden = self.first(latents, actions)
        for layer in self.linear:
            hidden = layer(hidden.relu_())
        return hidden.add_(latents)


def _linear(predictor: nn.Module) -> list[nn.Linear]:
    return [layer for layer in predictor.modules() if isinstance(layer, nn.Linear)]


def _mkl(predictor: nn.Module, rows: int) -> nn.Module:
    """Weights laid out once by MKL, which has no ReLU to fuse."""
    calls = []
    for layer in _linear(predictor):
        weight = torch.ops.mkl._mkl_reorder_linear_weight(layer.weight.detach(), rows)
        calls.append(
            lambda x, weight=weight, layer=layer: torch.ops.mkl._mkl_linear(x, weight, layer.weight, layer.bias, rows)
        )
    return _Residual(lambda z, a: calls[0](torch.cat([z, a], dim=-1)), calls[1:])


def _apart(predictor: nn.Module) -> nn.Module:
    """The action's two columns of the first layer apart from the latent's, whose rows are then aligned."""
    first, *others = _linear(predictor)
    of_latent, of_action = (w.contiguous().t() for w in first.weight.detach().split([DIM, ACTIONS], dim=1))
    return _Residual(
        lambda z, a: torch.addmm(first.bias, a, of_action).addmm_(z, of_latent),
        [lambda x, layer=layer: layer(x) for layer in others],
    )
