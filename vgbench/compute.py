"""How a run computes: what of it changes results is part of the run's identity, the rest is the machine's matter."""

import re
from dataclasses import dataclass
from typing import Any

PRECISIONS = ("float32", "tf32", "bfloat16")

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@dataclass(frozen=True)
class Compute:
    """Precision and compilation, which change the last bits of results; threads and memory, which are no part of them.

    Attributes:
        precision: "float32"; "tf32": matrix products and convolutions of a CUDA device; "bfloat16": the networks'.
        compile: whether networks go through `torch.compile`.
        threads: of PyTorch; 0: chosen.
        memory: bytes that a block of plans may take; None: chosen.
    """

    precision: str = "float32"
    compile: bool = False
    threads: int = 0
    memory: int | None = None

    def identity(self) -> dict[str, Any]:
        """Return what of it decides results; nothing at the defaults, so that runs older than these choices agree."""
        plain = Compute()
        own = {"precision": self.precision, "compile": self.compile}
        return {name: value for name, value in own.items() if value != getattr(plain, name)}


def read_size(text: str) -> int:
    """Bytes of `2GiB`, `500 MB`, `1.5GiB` (KiB = 1024 B, KB = 1000 B).

    Raises:
        ValueError: it is no such size, or none above 0.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)", text.strip())
    unit = _UNITS.get(found[2].upper()) if found else None
    size = int(float(found[1]) * unit) if found and unit else 0
    if size < 1:
        raise ValueError("expected a number above 0 and a unit, such as 2GiB or 500MB")
    return size


def show_size(size: int) -> str:
    """Write bytes as people do, and as `read_size` takes them, rounded up: `1.5GiB`, `20MiB`."""
    unit = next((u for u in ("TiB", "GiB", "MiB", "KiB") if size >= _UNITS[u.upper()]), "B")
    tenths = -(-size * 10 // _UNITS[unit.upper()])
    return f"{tenths / 10:g}{unit}"
