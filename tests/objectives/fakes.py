"""Small concrete batches: what the core provides, without the core."""

import torch
from vgbench.api import Batch, Goals


class TensorBatch(Batch):
    """A batch made of given tensors."""

    def __init__(self, latents, *, predictions=None, ema=None, goals=None, distances=None):
        self._latents, self._predictions, self._ema = latents, predictions, ema
        self._goals, self._distances = goals, distances
        self.asked = []

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


class Parts:
    """A model of which only the distance is used."""

    def __init__(self, distance=None):
        self.distance = distance


def no_goals(windows, length, count):
    """Goals that are no state of any window."""
    return Goals(torch.zeros(windows, count, 1), torch.zeros(windows, length, count, dtype=torch.bool))
