"""Arrays of a data file that are read piece by piece, for sets that memory does not hold."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vgbench.plugin import guard

LARGE = 256 * 2**20
"""Bytes from which an array stays in its file."""
BLOCK = 16 * 2**20
"""Bytes that are read at a time where all of an array is looked at."""

_LOCK = threading.Lock()
"""HDF5 takes one call at a time; the thread that reads ahead and the one that trains both make them."""


class StoredArray:
    """The rows of N trajectories in a file, read when asked for: as NumPy's array [N, T, ...], indexed by both.

    `array[trajectory, time]` reads states; `array[trajectory]` of an array of numbers reads nothing and is the array of
    these trajectories alone.
    """

    def __init__(self, path: Path, name: str, starts: np.ndarray, counts: np.ndarray, rows: "_Rows") -> None:
        """Trajectory i is the rows `starts[i]` to `starts[i] + counts[i]` of the data set `name`."""
        self._path, self._name, self._starts, self._counts, self._rows = path, name, starts, counts, rows

    @classmethod
    def opened(cls, path: Path, name: str, starts: np.ndarray, counts: np.ndarray) -> "StoredArray":
        """Make one of a whole data set."""
        return cls(path, name, starts, counts, _Rows(path, name))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, with the length of the longest trajectory."""
        return (len(self._starts), int(self._counts.max()), *self._rows.tail)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its numbers."""
        return self._rows.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that it would take in memory."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        """Number of trajectories."""
        return len(self._starts)

    def __getitem__(self, key: Any) -> Any:
        """Read states at pairs of indices; or choose trajectories."""
        if isinstance(key, np.ndarray) and key.ndim == 1:
            return StoredArray(self._path, self._name, self._starts[key], self._counts[key], self._rows)
        first, *others = key if isinstance(key, tuple) else (key,)
        time, *rest = others or [slice(None)]
        trajectory, time = self._index(first, len(self)), self._index(time, self.shape[1])
        if isinstance(first, slice) or (isinstance(others[0] if others else slice(None), slice)):
            shape = trajectory.shape + time.shape
            trajectory, time = (x.reshape(-1) for x in np.meshgrid(trajectory, time, indexing="ij"))
        else:
            trajectory, time = np.broadcast_arrays(trajectory, time)
            shape = trajectory.shape
        found = self.take(trajectory.reshape(-1), time.reshape(-1)).reshape(*shape, *self._rows.tail)
        return found[(..., *rest)] if rest else found

    @staticmethod
    def _index(key: Any, size: int) -> np.ndarray:
        index = np.arange(size)[key] if isinstance(key, slice) else np.asarray(key, np.int64)
        return np.where(index < 0, index + size, index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read all of it."""
        found: np.ndarray = self[:, :]
        return found if dtype is None else found.astype(dtype)

    def take(self, trajectory: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Read states [M, ...] at pairs of indices, both [M] int64; behind the end of a trajectory stands its last."""
        return self._rows.take(self._starts[trajectory] + np.minimum(time, self._counts[trajectory] - 1))

    def blocks(self) -> Iterator[np.ndarray]:
        """Read all states, one trajectory after another, a piece at a time."""
        step = max(1, BLOCK // max(1, int(np.prod(self._rows.tail)) * self.dtype.itemsize))
        for start, count in zip(self._starts, self._counts, strict=True):
            for at in range(0, int(count), step):
                yield self._rows.take(np.arange(start + at, start + min(at + step, int(count))))


class _Rows:
    """A data set [rows, ...] of a file, opened again in another process."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        self._process, self._data = 0, None
        with _LOCK:
            data = self._opened()
            self.tail: tuple[int, ...] = data.shape[1:]
            self.dtype: np.dtype[Any] = data.dtype

    def _opened(self) -> Any:
        if self._process != os.getpid():
            # Without a cache of its own: a piece of a chunk is read as it is, not the whole chunk.
            self._data = h5py.File(self._path, "r", rdcc_nbytes=0)[self._name]
            self._process = os.getpid()
        return self._data

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Read rows [M]; those that follow one another are read at once."""
        found = np.empty((len(rows), *self.tail), self.dtype)
        if not len(rows):
            return found
        ends = np.flatnonzero(np.diff(rows) != 1) + 1
        with _LOCK:
            data = self._opened()
            for low, high in zip([0, *ends], [*ends, len(rows)], strict=True):
                first = int(rows[low])
                data.read_direct(found, np.s_[first : first + int(high - low)], np.s_[int(low) : int(high)])
        return found


Key = tuple[np.ndarray, ...]


class ReadAhead:
    """Reads what is needed next in a thread of its own, while something else is computed."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._pool: ThreadPoolExecutor | None = None
        # What was begun last, and the one before, which is about to be asked for.
        self._waiting: deque[tuple[Key, Future[Any]]] = deque(maxlen=2)

    def start(self, key: Key, read: Callable[[], Any]) -> None:
        """Begin to `read` what will be asked for by this key."""
        self._pool = self._pool or ThreadPoolExecutor(1, "vgbench-read-ahead")

        def unwatched() -> Any:
            with guard.aside():
                return read()

        self._waiting.append((key, self._pool.submit(unwatched)))

    def take(self, key: Key) -> Any:
        """Return what was read for this key, or None if nothing was."""
        for index, (known, reading) in enumerate(self._waiting):
            if all(map(np.array_equal, known, key)):
                del self._waiting[index]
                return reading.result()
        return None
