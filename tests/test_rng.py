"""Keyed noise against the published vectors of Philox, and what its users rely on."""

import numpy as np
import pytest
import torch
from scipy import stats

from vgbench.rng import KeyedNoise, Level, ScalarNoise, Stream, derive, philox

# Known-answer tests of philox4x32-10 in Random123 (Salmon et al.), file kat_vectors.
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_philox_gives_the_published_words(counter, key, expected):
    words = philox(tuple(torch.tensor(c) for c in counter), tuple(torch.tensor(k) for k in key))
    assert tuple(int(word) for word in words) == expected


def test_a_task_draws_the_same_alone_and_in_a_batch():
    together = KeyedNoise(3, torch.arange(50), 7, Stream.PLANNER).normal(13, 5, 2)
    for task in (0, 17, 49):
        alone = KeyedNoise(3, torch.tensor([task]), 7, Stream.PLANNER).normal(13, 5, 2)
        assert torch.equal(together[task], alone[0])


def test_every_part_of_the_key_counts():
    def draw(seed=1, task=1, step=1, stream=Stream.PLANNER, calls=1):
        noise = KeyedNoise(seed, torch.tensor([task]), step, stream)
        return [noise.normal(8) for _ in range(calls)][-1]

    first = draw()
    others = [
        draw(seed=2),
        draw(task=2),
        draw(step=2),
        draw(stream=Stream.BASELINE),
        draw(calls=2),
        draw(seed=1 + 2**33),
    ]
    assert all(not torch.equal(first, other) for other in others)
    assert torch.equal(first, draw())


def test_normals_are_normal_and_independent_between_tasks():
    x = KeyedNoise(0, torch.arange(40), 0, Stream.PLANNER).normal(5000).double().numpy()
    assert stats.kstest(x.ravel(), "norm").pvalue > 1e-3
    correlation = np.corrcoef(x) - np.eye(40)
    assert abs(correlation).max() < 5 / np.sqrt(5000)


def test_uniforms_are_uniform_and_below_one():
    x = ScalarNoise(5, 2, Stream.SAMPLER).uniform(100_000)
    assert float(x.min()) >= 0 and float(x.max()) < 1
    assert stats.kstest(x.double().numpy(), "uniform").pvalue > 1e-3


def test_derived_seeds_never_meet_and_fit_what_torch_takes():
    runs = (0, 1, 2, 2**32 - 1)
    stages = {(run, stage): derive(run, Level.STAGE, stage) for run in runs for stage in range(16)}
    assert len(set(stages.values())) == len(stages) == 64
    epochs = [derive(seed, Level.EPOCH, epoch) for seed in stages.values() for epoch in (0, 1, 2**20 - 1)]
    assert len(set(epochs)) == len(epochs) == 192
    assert max(epochs) < 2**63 and torch.Generator().manual_seed(max(epochs)).initial_seed() == max(epochs)


def test_derived_seeds_are_those_of_all_recorded_runs():
    assert [derive(3, Level.STAGE, stage) for stage in (0, 1, 2)] == [48, 49, 50]
    assert derive(48, Level.EPOCH, 7) == 50331655


@pytest.mark.parametrize(("level", "index"), [(Level.STAGE, 16), (Level.STAGE, -1), (Level.EPOCH, 2**20)])
def test_an_index_that_would_run_into_the_next_seed_is_refused(level, index):
    with pytest.raises(ValueError, match=f"{level.name.lower()} {index}: expected 0 to"):
        derive(1, level, index)
