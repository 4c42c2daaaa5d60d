"""What a picture of a run is, for those that draw them and those that show them."""

from collections.abc import Iterator
from dataclasses import dataclass

LOGS = "What the objectives reported"
"""Kind of the pictures that are details."""


@dataclass(frozen=True)
class Plot:
    """One picture of a run.

    Attributes:
        file: its name in the folder of pictures; the suffix tells the format (`.svg`, `.webp`).
        kind: heading under which it stands beside others.
        text: what is seen, and how to read it.
        legend: what colours and signs mean, where that is the same for all pictures of a kind.
        content: bytes of the file; empty for a picture that is already in its folder.
    """

    file: str
    kind: str
    text: str
    legend: str = ""
    content: bytes = b""


@dataclass(frozen=True)
class SkippedPlot:
    """Why there is no picture of a kind."""

    kind: str
    why: str


Drawn = Iterator[Plot | SkippedPlot]
"""What a module that draws yields, picture by picture."""
