"""Memory that is freed stays with the process, to be used again for the next step's arrays.

By default glibc gives arrays of more than 32 MiB back to the system when they are freed, and asks for them anew in the
next step; every page of them then has to be cleared and mapped again, which shows in training steps and in rollouts.
"""

import ctypes
import os
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT, _KEPT_BEFORE_2_36 = 2**30, 2**25
_TRIMMED = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Tell glibc to keep what is freed, up to 2 GiB; return whether it does.

    Nothing is changed on other systems, under another allocator's name, or where the environment sets glibc's own
    variables (`MALLOC_...`, `GLIBC_TUNABLES`), which then hold.
    """
    environ = os.environ
    chosen = any(name.startswith("MALLOC_") for name in environ) or "glibc.malloc" in environ.get("GLIBC_TUNABLES", "")
    if sys.platform != "linux" or chosen or environ.get("LD_PRELOAD"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = mallopt(_MMAP_THRESHOLD, _KEPT) or mallopt(_MMAP_THRESHOLD, _KEPT_BEFORE_2_36)
    return bool(kept and mallopt(_TRIM_THRESHOLD, _TRIMMED))
