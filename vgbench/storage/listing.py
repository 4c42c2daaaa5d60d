"""Runs below a folder, whatever their state: what `vgbench runs` lists. A damaged one is listed with what is wrong."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.errors import VgbenchError
from vgbench.storage import checksums
from vgbench.storage.files import read_json
from vgbench.storage.records import leaves, read_run

_PARTS = frozenset(
    ("run.json", "config.yaml", "checkpoints", "train.jsonl", "episodes.jsonl", "result.json", checksums.NAME)
)
"""Of these a folder has one if it is, or was, a run's."""


@dataclass(frozen=True)
class Listed:
    """A run folder.

    Attributes:
        status: `done`, `failed`, `interrupted`, `started`, `waiting` (a suite has not begun it), or `damaged`.
        rate: success rate with its interval, for a run that is done.
        created: when the folder was made, ISO 8601.
        bytes: size of all its files; `checkpoints`, of those that could be deleted.
        why: what is wrong, or what was noted as the failure.
    """

    path: Path
    status: str
    title: str = ""
    rate: float | None = None
    interval: tuple[float, float] | None = None
    created: str = ""
    bytes: int = 0
    checkpoints: int = 0
    why: str = ""

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        about = {name: getattr(self, name) for name in ("status", "title", "created", "bytes", "checkpoints")}
        found = {"path": self.path.as_posix(), **about, "success_rate": self.rate}
        return found | {"ci95": list(self.interval) if self.interval else None, "why": self.why or None}


def listed(folder: Path, skipped: Callable[[str], object] = lambda line: None) -> Iterator[Listed]:
    """Yield every run folder at or below a folder, in order of their names; one that lost its run.json is damaged.

    `skipped` hears of links to folders, which are not followed.

    Raises:
        UsageError: the folder cannot be read.
    """
    for path in leaves(folder, skipped):
        if _is_run(path):
            yield _listed(path)


def _is_run(path: Path) -> bool:
    """Whether a folder is a run's, or was one; what cannot be read may be."""
    try:
        return not _PARTS.isdisjoint(path.name for path in path.iterdir())
    except OSError:
        return True


def _listed(path: Path) -> Listed:
    size, checkpoints = _size(path), _size(path / "checkpoints")
    about: dict[str, Any] = {"bytes": size, "checkpoints": checkpoints}
    # Not by a Path's methods, which raise where one may not look.
    if not os.path.exists(path / "run.json"):  # noqa: PTH110
        begun = os.path.exists(path / "config.yaml")  # noqa: PTH110
        return Listed(path, "waiting" if begun else "damaged", why="" if begun else "there is no run.json", **about)
    try:
        run = read_run(path, ("title", "created"))
        about |= {"title": str(run["title"]), "created": str(run["created"])}
        if run["status"] != "done":
            return Listed(path, str(run["status"]), why=str(run.get("error") or ""), **about)
        result = read_json(path / "result.json", ("success_rate", "ci95"), "")
        low, high = result["ci95"]
        return Listed(path, "done", rate=float(result["success_rate"]), interval=(float(low), float(high)), **about)
    except (VgbenchError, TypeError, ValueError) as err:
        return Listed(path, "damaged", why=" ".join(str(err).split()), **about)


def _size(folder: Path) -> int:
    """Bytes of the files below a folder; those that vanish meanwhile count for nothing."""
    total = 0
    for path in folder.rglob("*") if os.path.isdir(folder) else ():  # noqa: PTH112
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except OSError:
            continue
    return total
