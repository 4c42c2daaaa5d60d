"""Which folder somebody meant who named one that does not exist."""

import difflib
from pathlib import Path


def near_folder(path: Path, usual: Path = Path("runs")) -> str:
    """Return " Did you mean 'runs/NAME'?": the same name under `usual`, or the nearest one beside it or there; or "".

    It begins with a space, to stand behind another sentence.
    """
    if not path.is_absolute() and (usual / path).is_dir():
        return f" Did you mean {str(usual / path)!r}?"
    for parent in dict.fromkeys((path.parent, (usual / path).parent)):
        there = sorted(found.name for found in parent.iterdir() if found.is_dir()) if parent.is_dir() else []
        near = difflib.get_close_matches(path.name, there, n=1, cutoff=0.6)
        if near:
            return f" Did you mean {str(parent / near[0])!r}?"
    return ""
