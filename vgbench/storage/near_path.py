"""Which file or folder somebody meant who named one that does not exist."""

from collections.abc import Iterable
from pathlib import Path


def near_path(path: Path, there: Iterable[str], cutoff: float = 0.6) -> str:
    """Return " Did you mean 'FOLDER/NAME'?" with the nearest of the names beside a path, or "".

    It begins with a space, to stand behind another sentence.
    """
    # Here, not above: only a name that does not exist needs it.
    import difflib

    near = difflib.get_close_matches(path.name, sorted(there), n=1, cutoff=cutoff)
    return f" Did you mean {str(path.with_name(near[0]))!r}?" if near else ""


def near_folder(path: Path, usual: Path = Path("runs")) -> str:
    """Return such a question: the same name under `usual`, or the nearest folder beside it or there; or ""."""
    if not path.is_absolute() and (usual / path).is_dir():
        return f" Did you mean {str(usual / path)!r}?"
    for place in dict.fromkeys((path, usual / path)):
        parent = place.parent
        there = [found.name for found in parent.iterdir() if found.is_dir()] if parent.is_dir() else []
        if near := near_path(place, there):
            return near
    return ""
