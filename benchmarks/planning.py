"""Predictor evaluations per second of a whole plan, against a bare loop of the same matrix products.

    python -m benchmarks.planning [--samples 256] [--horizon 16] [--tasks 16] [--distance iqe] [--repeats 7]

Both sides are timed in turn, in one process, with the same threads and shapes; medians and their ratio are printed as
JSON.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn

from vgbench.api import NetworkShapes, NormBall
from vgbench.model import JEPA
from vgbench.planning import Controller
from vgbench.settings import MpcSettings
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.networks.mlp import MLP
from vgbench_plugins.planners.mppi import MPPI

DISTANCES = {"iqe": IQE, "euclidean": Euclidean}


def measure(samples: int, horizon: int, tasks: int, distance: str, repeats: int) -> dict[str, float | int | str]:
    """Median rates of the planner and of the bare products, evaluations per second."""
    torch.manual_seed(0)
    predictor = MLP(MLP.Params(residual=True)).build(NetworkShapes({}, 512, 2))
    model = JEPA(nn.Identity(), predictor, nn.Identity(), nn.Identity())
    model.distance = DISTANCES[distance](DISTANCES[distance].Params(), 512)
    model.eval().requires_grad_(False)
    settings = MpcSettings(max_steps=1000)
    planner = MPPI(MPPI.Params(samples=samples, horizon=horizon))
    controller = Controller(planner, model, NormBall(2, 2.45), settings, seed=0)
    problem = {"id": torch.arange(tasks), "latent": torch.randn(tasks, 512), "goal": torch.randn(tasks, 512)}
    layers = [layer for layer in predictor.modules() if isinstance(layer, nn.Linear)]
    rows = min(controller.block, tasks) * samples
    inputs = [torch.randn(rows, layer.in_features) for layer in layers]
    weights = [layer.weight.t() for layer in layers]

    def plan() -> None:
        for _ in controller.blocks(problem, {}, 0, 0, 0):
            pass

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(-(-tasks // controller.block) * horizon):
                for x, weight in zip(inputs, weights, strict=True):
                    x @ weight

    times: dict[str, list[float]] = {"plan": [], "bare": []}
    for repeat in range(repeats + 1):
        for name, function in (("plan", plan), ("bare", bare)):
            began = time.perf_counter()
            function()
            if repeat:  # the first round warms up
                times[name].append(time.perf_counter() - began)
    evaluations = -(-tasks // controller.block) * controller.block * samples * horizon
    rates = {name: evaluations / statistics.median(spent) for name, spent in times.items()}
    ratio = statistics.median(b / p for b, p in zip(times["bare"], times["plan"], strict=True))
    shape = {"samples": samples, "horizon": horizon, "tasks": tasks, "distance": distance}
    return shape | {
        "evaluations_per_second": round(rates["plan"]),
        "bare_products_per_second": round(rates["bare"]),
        "ratio": round(ratio, 3),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main() -> None:
    """Parse the options and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("samples", 256), ("horizon", 16), ("tasks", 16), ("repeats", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--distance", choices=sorted(DISTANCES), default="iqe")
    print(json.dumps(measure(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
