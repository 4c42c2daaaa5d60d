"""Markdown tables."""

from collections.abc import Iterable, Sequence
from typing import Any


def cell(value: Any) -> str:
    """Value in a table's cell, where a bar or a line break would end it."""
    return " ".join(str(value).replace("|", "\\|").split())


def code(value: Any) -> str:
    """Value in code, or nothing; a bar in code ends no cell."""
    text = " ".join(str(value).split())
    return f"`{text}`" if text else ""


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Table with a blank line behind it."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"
