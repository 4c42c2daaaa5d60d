"""Keyed randomness: numbers that depend on a key and a counter, and on nothing that was drawn before.

Philox4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3") in integer tensor operations. So a
task's noise is the same alone or in a batch of a thousand, before and after a resume, and for every planner.
"""

from enum import Enum, IntEnum

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
# Multipliers, increments of the key and number of rounds are the paper's: with any others it is another generator.
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


class Stream(IntEnum):
    """Who draws: streams with the same seed and step do not overlap."""

    # Fixed for good: they are part of the counters, so another number draws other noise.
    PLANNER = 1
    ENVIRONMENT = 2
    SAMPLER = 3
    OBJECTIVE = 4
    BASELINE = 5
    RANDOM_COST = 6


class Level(Enum):
    """Steps by which one seed becomes many, with the bits that each adds below its parent's."""

    STAGE = 4
    """Stages of a run: 16 of them; three are used."""

    EPOCH = 20
    """Epochs of a stage: a million of them, each with its own order of the windows."""


_STREAM_BITS = 24
"""Bits of a counter's last word that a seed of more than 32 bits may fill; the stream has those above."""


def derive(seed: int, level: Level, index: int) -> int:
    """Derive a seed from another one: for a stage from the run's, for an epoch from its stage's.

    The index stands in bits below the parent's, so that two paths never meet: with a hash they might. A run's seed has
    32 bits, its stages' 36, their epochs' 56: all fit what torch takes (64 bits).

    Raises:
        ValueError: the index has more bits than its level.
    """
    if not 0 <= index < 2**level.value:
        raise ValueError(f"{level.name.lower()} {index}: expected 0 to {2**level.value - 1}")
    return (seed << level.value) + index


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Return four words for each counter and key; all are int64 tensors holding 32-bit values, broadcasting."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # The product of two 32-bit words wraps in int64, but its 64 bits are right: take the halves by masks.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32) & _MASK ^ c1 ^ k0, p1 & _MASK, (p0 >> 32) & _MASK ^ c3 ^ k1, p0 & _MASK
        # Masked each time: int64 stands for words of 32 bits, whose sums have to wrap.
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


class KeyedNoise:
    """Draws for a batch of keys: each row of what is drawn belongs to one of the ids.

    `KeyedNoise(seed, ids, step, stream).normal(3)` is [len(ids), 3]. A second call draws afresh: the number of the
    call is a part of the counter, so a reader must make the same calls in the same order.
    """

    def __init__(self, seed: int, ids: Tensor, step: int, stream: Stream) -> None:
        """Key the noise by a seed (up to 64 bits), ids [B] (int64), a step and a stream."""
        self._ids = ids.to(torch.int64)
        self._seed = seed & _MASK
        # A seed's bits above the first 32 go below the stream's number (a stage's seed has 36 bits).
        self._word = (step & _MASK, (int(stream) << _STREAM_BITS) ^ (seed >> 32 & (1 << _STREAM_BITS) - 1))
        self._calls = 0

    def _words(self, count: int) -> Tensor:
        """32-bit words [B, count] as int64."""
        blocks = -(-count // 4)
        device = self._ids.device
        index = torch.arange(blocks, device=device)
        call = torch.full_like(index, self._calls)
        self._calls += 1
        step, stream = (torch.full_like(index, word) for word in self._word)
        # Filled on the device: a number copied there would wait for all that a GPU has still to do.
        key = (torch.full((), self._seed, device=device), self._ids.unsqueeze(1) & _MASK)
        words = torch.stack(philox((index, call, step, stream), key), dim=-1)
        return words.reshape(len(self._ids), blocks * 4)[:, :count]

    def uniform(self, *shape: int) -> Tensor:
        """Draw uniform numbers on [0, 1), float32 [B, *shape] (24 bits, so that 1 is never reached)."""
        count = int(torch.Size(shape).numel())
        return ((self._words(count) >> 8).to(torch.float32) * 2.0**-24).reshape(len(self._ids), *shape)

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normals, float32 [B, *shape], by the inverse of the distribution function.

        One word makes one number, computed in double precision by a scalar routine: the bits do not depend on where
        in a vector register the number happens to lie, as they may with a vectorised Box-Muller.
        """
        count = int(torch.Size(shape).numel())
        # The half keeps 0 out, whose quantile is infinite; in float32 the largest words would be rounded to 1.
        uniform = (self._words(count).to(torch.float64) + 0.5) * 2.0**-32
        return torch.special.ndtri(uniform).to(torch.float32).reshape(len(self._ids), *shape)


class ScalarNoise:
    """Keyed noise without ids, for one batch as a whole: `normal(3)` is [3]. What an objective gets."""

    def __init__(self, seed: int, step: int, stream: Stream, device: torch.device | str = "cpu") -> None:
        """Key by a seed, a step and a stream."""
        self._noise = KeyedNoise(seed, torch.zeros(1, dtype=torch.int64, device=device), step, stream)

    def uniform(self, *shape: int) -> Tensor:
        """Draw uniform numbers on [0, 1), [*shape]."""
        return self._noise.uniform(*shape)[0]

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normals, [*shape]."""
        return self._noise.normal(*shape)[0]
