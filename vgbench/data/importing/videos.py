"""Frames of the videos of a LeRobot data set, decoded one after another."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vgbench.data.importing.parquet import read_table
from vgbench.data.importing.recording import BadEpisode
from vgbench.errors import UsageError
from vgbench.extras import needed
from vgbench.storage.files import within


def library() -> Any:
    """Return the package `av`."""
    return needed("av", "PyAV", "LeRobot", "lerobot")


class Video:
    """One file. Frames are asked for in their order, as episodes are; going back begins again."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        self._path, self._at = path, 0
        self._left: Iterator[Any] | None = None

    def frames(self, first: int, count: int, field: str) -> np.ndarray:
        """Decode `count` frames [count, height, width, 3] from number `first` on.

        Raises:
            BadEpisode: there are fewer, or the file is damaged.
        """
        av = library()
        if self._left is None or first < self._at:
            self._left, self._at = self._decoded(av), 0
        found: list[np.ndarray] = []
        try:
            while len(found) < count:
                frame = next(self._left, None)
                if frame is None:
                    raise BadEpisode(
                        f"field {field!r}", f"{self._path.name} has {self._at} frames; {first + count} are needed"
                    )
                self._at += 1
                if self._at > first:
                    found.append(frame.to_ndarray(format="rgb24"))
        except (av.error.FFmpegError, OSError, ValueError) as err:
            raise BadEpisode(f"field {field!r}", f"{self._path.name} cannot be decoded: {err}") from err
        return np.stack(found)

    def _decoded(self, av: Any) -> Iterator[Any]:
        with av.open(str(self._path)) as file:
            yield from file.decode(video=0)


class Videos:
    """Where the frames of each episode lie, for each feature that is a video."""

    def __init__(self, path: Path, info: dict[str, Any], keys: list[str]) -> None:
        """Read where they are.

        Raises:
            UsageError: it cannot be told.
        """
        self._path, self._info, self._open = path, info, dict[str, tuple[Path, Video]]()
        self._starts: dict[tuple[str, int], tuple[str, int]] = {}
        template = info.get("video_path")
        where = path / "meta" / "info.json"
        if not isinstance(template, str):
            raise UsageError(f"{where}: no video_path, though {keys[0]!r} is a video")
        if not re.fullmatch(r"([^{}]|\{\w+(:0?\d{1,2}d)?\})*", template):
            raise UsageError(f"{where}: video_path {template!r} has more than names and widths, as {{chunk_index:03d}}")
        self._chunk = info.get("chunks_size", 1000)
        if isinstance(self._chunk, bool) or not isinstance(self._chunk, int) or self._chunk < 1:
            raise UsageError(f"{where}: chunks_size {self._chunk!r}: expected episodes in a folder, at least 1")
        if str(info["codebase_version"]).startswith("v3"):
            self._of_files(template, keys)

    def _of_files(self, template: str, keys: list[str]) -> None:
        """Read the tables of episodes, as version 3 has them."""
        fps = self._info.get("fps")
        if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < math.inf:
            info = self._path / "meta" / "info.json"
            raise UsageError(f"{info}: fps {fps!r}: expected frames in a second, a number above 0")
        for file in sorted((self._path / "meta" / "episodes").rglob("*.parquet")):
            table = read_table(self._path, file)
            for key in keys:
                names = [f"videos/{key}/{what}" for what in ("chunk_index", "file_index", "from_timestamp")]
                if any(name not in table.column_names for name in names):
                    raise UsageError(f"{file} has no column {names[0]!r}, which says where the video of an episode is")
                columns = [table.column(name).to_pylist() for name in ("episode_index", *names)]
                for episode, chunk, number, begin in zip(*columns, strict=True):
                    where = template.format(video_key=key, chunk_index=chunk, file_index=number)
                    self._starts[key, episode] = where, round(begin * fps)

    def check(self, key: str, episodes: list[int], without: str) -> None:
        """See that the videos are there.

        Raises:
            UsageError: one is missing; `without` says how to do without.
        """
        for episode in episodes:
            path = self._file(key, episode)
            if not path.is_file():
                raise UsageError(
                    f"{self._path}: feature {key!r} is a video, but there is no {path}; download the videos of the "
                    f"data set, too{without}"
                )

    def _file(self, key: str, episode: int) -> Path:
        try:
            return within(self._path, self._place(key, episode)[0])
        except (ValueError, KeyError, IndexError) as err:
            raise UsageError(f"{self._path / 'meta' / 'info.json'}: video_path: {err}") from err

    def _place(self, key: str, episode: int) -> tuple[str, int]:
        if str(self._info["codebase_version"]).startswith("v3"):
            return self._starts.get((key, episode), (f"video of episode {episode} in meta/episodes", 0))
        chunk = episode // self._chunk
        return self._info["video_path"].format(video_key=key, episode_chunk=chunk, episode_index=episode), 0

    def frames(self, key: str, episode: int, count: int) -> np.ndarray:
        """Decode the frames of an episode, [count, height, width, 3]."""
        path, first = self._file(key, episode), self._place(key, episode)[1]
        if self._open.get(key, (None,))[0] != path:
            self._open[key] = path, Video(path)
        return self._open[key][1].frames(first, count, key)
