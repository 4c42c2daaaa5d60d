"""The folder of what can be computed again: collected data, latents, pictures of a report."""

import os
from pathlib import Path

import platformdirs


def cache_root() -> Path:
    """Return `$VGBENCH_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("VGBENCH_CACHE") or platformdirs.user_cache_dir("vgbench"))
