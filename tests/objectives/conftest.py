"""A small concrete batch: what the core provides, without the core."""

import pytest
import torch

from vgbench.api import Batch


class TensorBatch(Batch):
    """A batch made of given tensors."""

    def __init__(self, latents, *, predictions=None, ema=None, goals=None, distances=None):
        self._latents, self._predictions, self._ema = latents, predictions, ema
        self._goals, self._distances = goals, distances
        self.asked = []

    @property
    def actions(self):
        return None

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
        return self._latents

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
