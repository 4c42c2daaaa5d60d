"""Pictures that a report drew, kept by their content, so that the next report does not draw them again."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vgbench.reports.plots.run_plots import DRAWING, GROUPS, INDEX
from vgbench.storage.cache import cache_root

DAYS = 30
"""Pictures that no report has shown for so long are deleted."""


def pictures_folder() -> Path:
    """Return where pictures of reports are kept."""
    return cache_root() / "pictures"


@contextmanager
def kept_pictures(run: Path) -> Iterator[Path]:
    """Give a folder for the pictures of a run folder as it is now, which may hold them already.

    Its name is a hash of all that they show. If the cache cannot be written, it is a temporary folder.
    """
    folder = pictures_folder() / _digest(run)
    if _usable(folder):
        yield folder
    else:
        with TemporaryDirectory() as place:
            yield Path(place)


def _digest(run: Path) -> str:
    """Hash of what the pictures show, and of those that were drawn into the run folder: a report shows those."""
    # Messages about what cannot be drawn name the folder.
    state = hashlib.sha256(f"{DRAWING}:{run}".encode())
    for group in GROUPS:
        state.update(group.stamp(run).encode())
    plots = run / "plots"
    for path in sorted(plots.iterdir()) if plots.is_dir() else ():
        about = path.lstat()
        state.update(f"{path.name}:{about.st_size}:{about.st_mtime_ns}".encode())
    return state.hexdigest()[:24]


def _usable(folder: Path) -> bool:
    """Make the folder; return whether it can be written, and note that it was used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():  # what is drawn is written into no other folder
            return False
        if (folder / INDEX).exists():
            os.utime(folder / INDEX)
        return os.access(folder, os.W_OK)
    except OSError:
        return False


def prune() -> None:
    """Delete pictures that were not shown for long; what cannot be deleted stays."""
    last = time.time() - DAYS * 24 * 3600
    folder = pictures_folder()
    for place in folder.iterdir() if folder.is_dir() else ():
        index = place / INDEX
        try:
            old = (index if index.exists() else place).stat().st_mtime < last
        except OSError:
            continue
        if old:
            shutil.rmtree(place, ignore_errors=True)
