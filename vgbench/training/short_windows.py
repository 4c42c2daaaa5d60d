"""Windows of episodes that are shorter than a window: in batches of a size that they have."""

import torch
from torch import Tensor

from vgbench.data.dataset import Dataset


class ShortWindows:
    """All windows of `window` states in the episodes that have fewer than a whole window, but `least` or more.

    Their batches are filled up with windows of that size from the other episodes, so that a few short episodes do not
    make batches of hardly any different states.

    Attributes:
        window: states of such a window: those of the shortest of these episodes.
        batches: in an epoch.
        unused: episodes of fewer than `least` states, which give no window.
    """

    def __init__(self, data: Dataset, whole: int, batch: int, least: int) -> None:
        """`whole` is the number of states of an ordinary window."""
        lengths = data.lengths.cpu()
        short, self._batch = (lengths >= least) & (lengths < whole), batch
        self.unused = int((lengths < least).sum())
        self.window = int(lengths[short].min()) if bool(short.any()) else whole
        self._short = _Numbered(lengths, short, self.window)
        self._long = _Numbered(lengths, lengths >= whole, self.window)
        self.batches = -(-self._short.count // batch)

    def drawn(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return trajectory and first state of the windows of an epoch, both [batches, batch]."""
        order = torch.randperm(self._short.count, generator=generator)
        more = torch.randint(self._long.count, (self.batches * self._batch - len(order),), generator=generator)
        pairs = zip(self._short.places(order), self._long.places(more), strict=True)
        trajectory, start = (torch.cat(pair).reshape(self._batch, self.batches).T.contiguous() for pair in pairs)
        return trajectory, start


class _Numbered:
    """The windows of some episodes, numbered one after another."""

    def __init__(self, lengths: Tensor, chosen: Tensor, window: int) -> None:
        counts = torch.where(chosen, lengths - window + 1, 0)
        self._ends, self.count = counts.cumsum(0), int(counts.sum())
        self._begins = self._ends - counts

    def places(self, index: Tensor) -> tuple[Tensor, Tensor]:
        trajectory = torch.searchsorted(self._ends, index, right=True)
        return trajectory, index - self._begins[trajectory]
