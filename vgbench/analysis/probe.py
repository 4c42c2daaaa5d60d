"""What a linear probe can read of the state in latents, true and predicted."""

import numpy as np
import torch
from torch import Tensor

from vgbench.analysis.prediction import Rollouts
from vgbench.experiments.trained import Trained
from vgbench.storage.files import Record

TRAIN, HELD = 2000, 1000
"""States on which the probe is fitted, and of other trajectories on which it is judged."""
RIDGE = 1e-3
"""Penalty of the probe per state, on latents of unit variance (over all dimensions)."""


def probe(trained: Trained, made: Rollouts, seed: int) -> Record:
    """Measure the mean error of a linear probe of each state array that moves, on data and where tasks begin."""
    weights, names, errors = fit_probe(trained, seed)
    result: Record = {"fitted_on": TRAIN, "arrays": {}}
    seen = torch.cat([made.true[:, step] for step in range(1, made.true.shape[1])])
    read = split(trained, apply(weights, seen))
    predicted = split(trained, apply(weights, made.predicted[:, -1]))
    for name in names:
        actual = torch.cat([state[name].flatten(1) for state in made.states]).double()
        last = made.states[-1][name].flatten(1).double()
        result["arrays"][name] = {
            "about": trained.environment.spec.state[name].description,
            "held_out": errors[name],
            "at_tasks": _error(read[name], actual),
            "predicted_at_horizon": _error(predicted[name], last),
        }
    return result


def fit_probe(trained: Trained, seed: int) -> tuple[Tensor, tuple[str, ...], dict[str, float]]:
    """Fit a ridge regression of the moving state arrays on latents of the data.

    Returns:
        Weights [D + 1, sum of sizes] float64, the arrays' names, and the mean error of each on held-out trajectories.
    """
    data, names = trained.data, tuple(sorted(trained.data.trajectories.states))
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data))
    # Split by trajectories: states of one are too much alike to judge the fit by.
    half = max(len(data) // 2, 1)
    sets = []
    for rows, count in ((order[:half], TRAIN), (order[half:], HELD)):
        row = torch.from_numpy(rng.choice(rows, count)).to(data.device)
        lengths = data.lengths[row].cpu().numpy() if data.ragged else data.length
        time = torch.from_numpy(rng.integers(0, lengths, count)).to(data.device)
        z = trained.model.encode_blocks(data.observations(row, time)).double()
        state = data.state(row, time)
        sets.append((z, torch.cat([state[name].flatten(1).double() for name in names], dim=1)))
    (z, y), (held, truth) = sets
    # Centred, so that the constant is not penalised.
    middle, level = z.mean(0), y.mean(0)
    # In proportion to the latents' number and variance, so that their unit makes no difference.
    penalty = RIDGE * len(z) * z.var(dim=0, correction=0).mean().clamp_min(1e-12)
    gram = (z - middle).T @ (z - middle) + penalty * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    slope = torch.linalg.solve(gram, (z - middle).T @ (y - level))
    weights = torch.cat([slope, (level - middle @ slope).unsqueeze(0)])
    parts, targets = split(trained, apply(weights, held)), split(trained, truth)
    return weights, names, {name: _error(parts[name], targets[name]) for name in names}


def apply(weights: Tensor, latent: Tensor) -> Tensor:
    """Read a probe off latents [B, D]: [B, sum of sizes] float64."""
    return latent.double() @ weights[:-1] + weights[-1]


def split(trained: Trained, read: Tensor) -> dict[str, Tensor]:
    """Split columns of `read` [B, sum of sizes] by the arrays that they belong to."""
    names = sorted(trained.data.trajectories.states)
    sizes = [int(np.prod(trained.environment.spec.state[name].shape)) for name in names]
    return dict(zip(names, read.split(sizes, dim=1), strict=True))


def _error(found: Tensor, truth: Tensor) -> float:
    return round(float(torch.linalg.vector_norm(found - truth, dim=-1).mean()), 4)


def probe_lines(block: Record) -> list[str]:
    """Put into words: the errors of each state array."""
    lines = [f"{'':<12}  held-out data  states of tasks  predicted at the horizon"]
    for name, row in block["arrays"].items():
        cells = f"{row['held_out']:>13.4g}  {row['at_tasks']:>15.4g}  {row['predicted_at_horizon']:>24.4g}"
        lines.append(f"{name:<12}  {cells}  ({row['about']})" if row["about"] else f"{name:<12}  {cells}")
    lines.append("Mean error of a linear reading of the latents, in the state's own units.")
    return lines
