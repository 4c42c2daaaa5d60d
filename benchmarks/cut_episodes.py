"""Cut each trajectory of a data set at a random state, which both parts keep: episodes of uneven length, no step lost.

    vgbench collect --protocol wall_big --data-seed 0 --out whole.h5
    python -m benchmarks.cut_episodes whole.h5 cut.h5 --seed 0

A method trained on both shows what uneven lengths cost it (results/cut_episodes). Goals of the same trajectory are
nearer in the cut set, so that is a part of the cost.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from vgbench.data import episode_file, files


def cut(whole: Path, path: Path, seed: int) -> np.ndarray:
    """Write the cut set and return the lengths [2 N] of its episodes, of 2 states at least."""
    data, spec = files.load(whole)
    rng = np.random.default_rng(seed)
    at = np.array([rng.integers(1, count - 1) for count in data.counts])  # the state that both parts have
    lengths = np.stack([at + 1, data.counts - at], axis=1).ravel()
    episode_file.write(path, lengths, _parts(episode_file.episodes_of(data), at), spec, data.card)
    return lengths


def _parts(
    episodes: Iterator[dict[str, Mapping[str, np.ndarray]]], at: np.ndarray
) -> Iterator[dict[str, Mapping[str, np.ndarray]]]:
    for episode, state in zip(episodes, at, strict=True):
        for states, steps in ((slice(state + 1), slice(state)), (slice(state, None), slice(state, None))):
            part = {"static": slice(None), "": steps}
            yield {
                group: {name: array[part.get(group, states)] for name, array in arrays.items()}
                for group, arrays in episode.items()
            }


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m benchmarks.cut_episodes", description=__doc__.partition("\n")[0])
    parser.add_argument("whole", type=Path)
    parser.add_argument("cut", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    made = cut(given.whole, given.cut, given.seed)
    print(f"{given.cut}: {len(made)} episodes of {made.min()} to {made.max()} states, {(made - 1).sum()} steps")
