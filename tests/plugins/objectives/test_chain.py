"""Distances learned of random walks along a chain, through whole objectives, are in the order of the true ones."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from vgbench.api import Goals, ObjectiveShapes
from vgbench.model.jepa import JEPA
from vgbench.rng import ScalarNoise, Stream
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.two_level import TwoLevel
from vgbench_plugins.objectives.contrastive import Contrastive
from vgbench_plugins.objectives.regressive import Regressive
from vgbench_plugins.objectives.two_level_iql import TwoLevelIQL
from vgbench_plugins.objectives.vcreg import VCReg

CHAIN, WALKS, LENGTH, WINDOW, DIM = 16, 64, 24, 6, 8


def walks(generator):
    """Walks [64, 24] that go left, stay or go right alike, and stand still at the ends."""
    states = [torch.randint(0, CHAIN, (WALKS,), generator=generator)]
    for _ in range(LENGTH - 1):
        states.append((states[-1] + torch.randint(-1, 2, (WALKS,), generator=generator)).clamp(0, CHAIN - 1))
    return torch.stack(states, dim=1)


@pytest.fixture
def correlations(batch_of, one_thread):
    """Train an embedding of the states; return rank correlations with |i - j|, of all pairs and of those up to 5."""

    class Walks(batch_of):
        def __init__(self, table, states, stride=1):
            self.table, self.states, self.stride = table, states, stride
            self.ids = states[:, ::stride][:, :WINDOW]
            super().__init__(table[self.ids])

        def strided(self, stride):
            return self if stride == self.stride else Walks(self.table, self.states, stride)

        def goals(self, last, random, scope):
            points = self.table.expand(len(self.ids), -1, -1)
            return Goals(points, self.ids.unsqueeze(2) == torch.arange(CHAIN))

    def train(distance, *terms):
        torch.manual_seed(0)
        table = nn.Parameter(0.3 * torch.randn(CHAIN, DIM))
        model = JEPA(nn.Identity(), nn.Identity(), nn.Identity(), nn.Identity())
        model.distance = distance
        generator = torch.Generator().manual_seed(1)
        optimiser = torch.optim.Adam([table, *distance.parameters()], lr=0.02)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 800)
        for step in range(800):
            batch, noise = Walks(table, walks(generator)), ScalarNoise(0, step, Stream.OBJECTIVE)
            optimiser.zero_grad()
            sum(term.loss(batch, model, noise).value for term in terms).backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            learned = distance(table[:, None], table)
        true = (torch.arange(CHAIN)[:, None] - torch.arange(CHAIN)).abs()
        return [spearmanr(learned[pairs], true[pairs])[0] for pairs in (true > 0, (true > 0) & (true <= 5))]

    return train


def make(cls, **params):
    return cls(cls.Params(**params), ObjectiveShapes(latent_dim=DIM, action_dim=1))


# Measured: 0.91 and 0.98, 0.97 and 0.98, 0.69 and 0.90 (regressive knows steps only), 1.00 and 0.98.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "terms", "everywhere", "near"),
    [
        (Euclidean, [make(Contrastive)], 0.85, 0.95),
        (Euclidean, [make(Contrastive, form="infonce")], 0.95, 0.95),
        (Euclidean, [make(Regressive), make(VCReg)], 0.6, 0.85),
        (TwoLevel, [make(TwoLevelIQL, gamma=0.9, stride=4)], 0.98, 0.95),
    ],
    ids=["margin", "infonce", "regressive", "two_level"],
)
def test_learned_distances_are_ordered(correlations, head, terms, everywhere, near):
    params = head.Params(base="euclidean") if head is TwoLevel else head.Params()
    learned = correlations(head(params, DIM), *terms)
    assert learned[0] > everywhere
    assert learned[1] > near
