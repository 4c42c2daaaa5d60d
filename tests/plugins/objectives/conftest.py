"""A small concrete batch: what the core provides, without the core."""

import pytest
import torch
from torch import nn

from vgbench.api import Batch, ObjectiveShapes
from vgbench.model.jepa import JEPA
from vgbench.rng import ScalarNoise, Stream
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.iqe import IQE


class TensorBatch(Batch):
    """A batch made of given tensors."""

    def __init__(self, latents, *, points=None, actions=None, predictions=None, ema=None, goals=None, distances=None):
        self._latents, self._predictions, self._ema = latents, predictions, ema
        self._points = latents if points is None else points
        self._actions, self._goals, self._distances = actions, goals, distances
        self.asked = []

    @property
    def actions(self):
        return self._actions

    def strided(self, stride):
        self.asked.append(stride)
        return self

    @property
    def observations(self):
        return {}

    @property
    def latents(self):
        return self._latents

    @property
    def points(self):
        return self._points

    @property
    def predictions(self):
        return self._predictions

    def ema_latents(self, momentum):
        self.asked.append(momentum)
        return self._ema

    def goals(self, last, random, scope):
        self.asked.append((last, random, scope))
        return self._goals

    def goal_distances(self, goals):
        return self._distances(self.points, goals) if callable(self._distances) else self._distances


@pytest.fixture
def batch_of():
    """The class of batches that are made of given tensors."""
    return TensorBatch


@pytest.fixture
def one_thread():
    """One thread: small tensors on two threads mostly wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def parts_reached(batch_of):
    """`parts_reached(Objective, **params)`: the parts of a small model that the gradient of the loss reaches."""

    def reached(cls, **params):
        torch.manual_seed(0)
        objective = cls(cls.Params(**params), ObjectiveShapes(latent_dim=8, action_dim=2))
        model = JEPA(nn.Linear(3, 8), nn.Linear(10, 8), nn.Linear(2, 2), nn.Linear(8, 16))
        model.distance = IQE(IQE.Params(), 16)
        latents = model.encoder(torch.randn(6, 4, 3))
        batch = batch_of(latents, points=model.head(latents), actions=torch.randn(6, 3, 2))
        objective.loss(batch, model, ScalarNoise(0, 0, Stream.OBJECTIVE)).value.backward()
        parts = {name: getattr(model, name) for name in ("encoder", "head", "distance", "predictor")}
        parts["own"] = objective
        return {
            name
            for name, part in parts.items()
            if any(p.grad is not None and (p.grad != 0).any() for p in part.parameters())
        }

    return reached


RING = 12


@pytest.fixture
def train_ring(batch_of, one_thread):
    """Train an embedding of the 12 states of a ring on walks forward; return first and last loss and all distances."""

    def train(objective):
        torch.manual_seed(0)
        table = nn.Parameter(0.1 * torch.randn(RING, 4))
        model = JEPA(nn.Identity(), nn.Identity(), nn.Identity(), nn.Identity())
        model.distance = Euclidean(Euclidean.Params(), 4)
        walks = (torch.arange(RING)[:, None] + torch.arange(4)) % RING
        optimiser = torch.optim.Adam([table], lr=0.02)
        losses = []
        for step in range(300):
            loss = objective.loss(batch_of(table[walks]), model, ScalarNoise(0, step, Stream.OBJECTIVE)).value
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return losses[0], losses[-1], model.distance(table[:, None], table).detach()

    return train
