"""Makes docs/metrics.md, what each logged value of training means: `python docs/hooks/metrics.py`; a test holds it."""

from pathlib import Path

from tables import cell, code, table

from vgbench.config.describe import describe
from vgbench.plugin.entry import HOME
from vgbench.plugin.logs import OF_EVERY_STAGE
from vgbench.plugin.registry import Registry

PAGE = Path(__file__).resolve().parents[1] / "metrics.md"
_OPENING = """# Logged metrics

Training writes these values to `train.jsonl` every tenth step, and to TensorBoard and Weights &
Biases if asked to; `vgbench plot` draws them. A loss on distances need not fall: the learned
distances grow during training. Judge a run by its success rate and by `vgbench diagnose`.

`vgbench show objective NAME` prints the same lines, also for objectives of other packages. An
objective declares them in a section `Logs:` of the docstring of its `loss`;
`vgbench check objective NAME` warns if one is missing.

Made by `python docs/hooks/metrics.py`.

## Every stage

"""


def page() -> str:
    """Return the page's text."""
    text = _OPENING + table(
        ["metric", "meaning"], [(code(name), cell(words)) for name, words in OF_EVERY_STAGE.items()]
    )
    for entry in Registry().entries("objective"):
        if entry.dist != HOME:
            continue
        about = describe("objective", entry.name)
        text += f"## `{entry.name}`\n\n{about['summary']}\n\n"
        rows = [(code(row["name"]), cell(row["meaning"])) for row in about["logs"]]
        text += table(["metric", "meaning"], rows) if rows else "Logs nothing but its loss.\n\n"
    return text.rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
