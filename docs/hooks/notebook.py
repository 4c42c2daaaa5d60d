"""The tutorial as a page of the site, from docs/tutorial.ipynb."""

import json
from pathlib import Path

NOTEBOOK = Path(__file__).resolve().parents[1] / "tutorial.ipynb"
_HEAD = "[This page as a notebook](tutorial.ipynb){ .md-button }\n\n"


def page() -> str:
    """Cells in their order; code without its output, which differs from machine to machine."""
    first, *others = [_cell(cell) for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]]
    title, _, rest = first.partition("\n\n")
    return "\n\n".join([title, _HEAD + rest, *others]) + "\n"


def _cell(cell: dict[str, list[str]]) -> str:
    text = "".join(cell["source"])
    return f"```python\n{text}\n```" if str(cell["cell_type"]) == "code" else text
