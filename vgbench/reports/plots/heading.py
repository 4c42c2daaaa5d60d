"""What a picture says of its run, so that it still does once it is copied out of its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.errors import VgbenchError
from vgbench.storage.files import read_json

BASELINES = {"random": "random actions", "uninformed": "planner without a model"}
"""Baselines in words."""


@dataclass(frozen=True)
class Heading:
    """What identifies a run.

    Attributes:
        title: protocol, recipe and seed; as much of it as is known.
        planner: the planner's name; empty if it is not known.
        recipe: the recipe's name; empty if it has none.
    """

    title: str
    planner: str
    recipe: str

    def label(self) -> str:
        """Return the name of the run's own curve."""
        parts = [self.recipe, f"{self.planner} on the learned model" if self.planner else "planner"]
        return ": ".join(part for part in parts if part)


def heading(run: Path) -> Heading:
    """Return the heading of a run folder, from its run.json; damaged parts are left out."""
    try:
        about: Mapping[str, Any] = read_json(run / "run.json", (), "")
    except VgbenchError:
        return Heading(run.name, "", "")
    identity = about.get("identity")
    seeds, planner = (identity.get(name) if isinstance(identity, dict) else None for name in ("seeds", "planner"))
    seed = seeds.get("train") if isinstance(seeds, dict) else None
    words = [str(about[name]) for name in ("protocol", "recipe") if about.get(name)]
    words += [f"seed {seed}"] if seed is not None else []
    if about.get("scale") == "smoke":
        words.append("scale smoke (not meaningful)")
    name = str(planner.get("name", "")) if isinstance(planner, dict) else ""
    return Heading(", ".join(words) or str(about.get("title", run.name)), name, str(about.get("recipe") or ""))


def baseline_files(run: Path) -> dict[str, Path]:
    """Return the files of the baselines' episodes by the words for each: of older runs there is one, without a name."""
    files = {path.stem.removeprefix("baseline-"): path for path in sorted(run.glob("baseline-*.jsonl"))}
    if not files and (run / "baseline.jsonl").exists():
        files = {"random": run / "baseline.jsonl"}
    return {BASELINES.get(name, name): path for name, path in files.items()}
