"""A data set of LeRobot (v2 or v3) as a recording: rows in Parquet files, images in them or in videos."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from vgbench.data.importing import fields as roles
from vgbench.data.importing.parquet import library, read_table
from vgbench.data.importing.recording import BadEpisode, Episode, Recording, named
from vgbench.data.importing.videos import Videos
from vgbench.errors import UsageError
from vgbench.storage.files import JSON_BYTES, parse_json, read_whole, within

NUMBERS = ("float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8")


class LeRobot(Recording):
    """Episodes of as many frames as actions, of which the last leads nowhere."""

    def __init__(self, path: Path, map_: str | None) -> None:
        """Read what the folder says of itself, and which rows are of which episode.

        Raises:
            UsageError: it is damaged, incomplete or of another version.
        """
        library()  # before anything is read
        self._path = path
        info = self._info(path)
        self._features: dict[str, Any] = info["features"]
        known = [n for n, f in self._features.items() if f.get("dtype") in (*NUMBERS, "image", "video")]
        mapped = roles.read_map(map_, known)
        seen = mapped.get("observations") or [n for n in known if n.split(".")[0] == "observation"]
        acted = roles.actions(known, mapped)
        if not seen or acted is None:
            raise UsageError(f"{path}: expected features observation.* and action; there is {', '.join(known)}")
        self._seen, self._acted = named(seen), acted
        self._places = self._episodes()
        self._videos = self._video_files(info, seen)
        self._others = [n for n in known if n not in (*seen, acted) and self._features[n]["dtype"] in NUMBERS]
        self.fields = {**self._seen, "actions": acted, "episodes": "episode_index"}
        self.layout = f"LeRobot {info['codebase_version']}: {len(self._places)} episodes at {info.get('fps', '?')} Hz"
        self.rows = True
        self.notes = ["the last action of an episode leads to no state that was recorded; it is left out"]
        self._open: tuple[Path, Any] | None = None

    @staticmethod
    def _info(path: Path) -> dict[str, Any]:
        where = path / "meta" / "info.json"
        try:
            info = parse_json(read_whole(where, JSON_BYTES))
            version = str(info["codebase_version"])
            features = info["features"]
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise UsageError(f"{where} is not what LeRobot writes: {type(err).__name__}: {err}") from err
        if not isinstance(features, dict) or not all(isinstance(about, dict) for about in features.values()):
            raise UsageError(f"{where} is not what LeRobot writes: features has to give a mapping for each feature")
        if version[:2] not in ("v2", "v3"):
            raise UsageError(f"{where}: codebase_version {version}; expected v2 or v3")
        return dict(info)

    def _video_files(self, info: dict[str, Any], seen: list[str]) -> Videos | None:
        """Where videos are, if there are any: looked for before anything is read."""
        keys = [name for name in seen if self._features[name]["dtype"] == "video"]
        if not keys:
            return None
        others = "+".join(name for name in seen if name not in keys)
        without = f", or leave it out with --map observations={others}" if others else ""
        found = Videos(self._path, info, keys)
        for key in keys:
            found.check(key, [number for number, *_ in self._places], without)
        return found

    def _episodes(self) -> list[tuple[int, Path, int, int]]:
        """Number, file and rows of each episode."""
        found: list[tuple[int, Path, int, int]] = []
        paths = sorted((self._path / "data").rglob("*.parquet"))
        if not paths:
            raise UsageError(f"{self._path}: there are no Parquet files in {self._path / 'data'}")
        for path in paths:
            index = self._column(read_table(self._path, path, ["episode_index"]), "episode_index").reshape(-1)
            ends = [*(np.flatnonzero(np.diff(index)) + 1), len(index)]
            for low, high in zip([0, *ends[:-1]], ends, strict=True):
                if high > low:
                    found.append((int(index[low]), path, int(low), int(high)))
        return sorted(found, key=lambda each: each[0])

    @staticmethod
    def _column(table: Any, name: str) -> np.ndarray:
        return np.asarray(table.column(name).to_pylist())

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self._places)

    def episode(self, number: int) -> Episode:
        """Read one."""
        index, path, low, high = self._places[number]
        if self._open is None or self._open[0] != path:
            self._open = path, read_table(self._path, path)  # episodes of a file follow one another
        table = self._open[1].slice(low, high - low)
        videos = [name for name in self._seen.values() if self._features[name]["dtype"] == "video"]
        fields = [name for name in self._seen.values() if name not in videos]
        absent = [name for name in (*fields, self._acted) if name not in table.column_names]
        if absent:
            raise BadEpisode(f"field {absent[0]!r}", f"{path.name} has no such column")
        seen = {
            name: self._videos.frames(field, index, high - low)
            if self._videos is not None and field in videos
            else self._rows(table, field)
            for name, field in self._seen.items()
        }
        others = {name: self._rows(table, name) for name in self._others if name in table.column_names}
        return Episode(seen, self._rows(table, self._acted), others)

    def _rows(self, table: Any, field: str) -> np.ndarray:
        feature = self._features[field]
        if feature["dtype"] == "image":
            return np.stack([self._image(cell, field) for cell in table.column(field).to_pylist()])
        try:
            return self._column(table, field).astype(feature["dtype"])
        except (ValueError, TypeError) as err:
            raise BadEpisode(f"field {field!r}", f"not {feature['dtype']} as meta/info.json says: {err}") from err

    def _image(self, cell: Any, field: str) -> np.ndarray:
        """Image [height, width, channels] of a cell: bytes of a PNG or JPEG file, or where it lies."""
        from PIL import Image

        try:
            content = cell.get("bytes") or read_whole(within(self._path, cell["path"]))
            with warnings.catch_warnings():
                # Between its two limits PIL only warns.
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                return np.asarray(Image.open(io.BytesIO(content)))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning, SyntaxError, MemoryError) as err:
            raise BadEpisode(f"field {field!r}", f"an image cannot be read: {err or type(err).__name__}") from err
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as err:
            raise BadEpisode(f"field {field!r}", f"an image cannot be read: {err}") from err
