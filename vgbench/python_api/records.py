"""`vgbench.compare`, `vgbench.report` and `vgbench.load`: what runs have left behind, from Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from vgbench.api import Tasks, Trajectories
    from vgbench.experiments.trained import Trained
    from vgbench.model.jepa import JEPA


@dataclass(frozen=True)
class LoadedRun:
    """A run folder. Records are read at once; model, data and tasks when they are asked for.

    Attributes:
        folder: the run folder.
        run: content of run.json.
        result: content of result.json.
        rows: one record for each task, in their order.
    """

    folder: Path
    run: dict[str, Any]
    result: dict[str, Any]
    rows: list[dict[str, Any]]

    def arrays(self) -> "dict[str, np.ndarray]":
        """Return the rows by their fields, [tasks] each; what a task does not have is nan, or None for words."""
        import numpy as np

        names = dict.fromkeys(name for row in self.rows for name in row)
        found = {}
        for name in names:
            values = [row.get(name) for row in self.rows]
            words = any(isinstance(value, str) for value in values)
            found[name] = np.array(values, dtype=object if words else None)
            if found[name].dtype == object and not words:
                found[name] = np.array([np.nan if value is None else value for value in values], dtype=float)
        return found

    def frame(self) -> Any:
        """Return the rows as a pandas DataFrame.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as err:
            raise UsageError("frame() needs pandas: pip install pandas (arrays() has the same without it)") from err
        return pd.DataFrame(self.rows)

    @cached_property
    def trained(self) -> "Trained":
        """The run with its checkpoints.

        Raises:
            UsageError: they are not there.
        """
        from vgbench.experiments.trained import load_trained

        return load_trained(self.folder, "folder")

    @property
    def model(self) -> "JEPA":
        """The trained model, without gradient."""
        return self.trained.model

    @property
    def data(self) -> "Trajectories":
        """The training set, collected again if it is not in the cache."""
        return self.trained.data.trajectories

    @property
    def tasks(self) -> "Tasks":
        """The tasks that it was evaluated on."""
        return self.trained.tasks


def load(folder: str | Path) -> LoadedRun:
    """Load a finished run for looking at it.

    Raises:
        UsageError: there is no such folder.
        VgbenchError: it is no finished run, or a file is damaged.

    Example::

        run = vgbench.load("runs/mine")
        steps = run.arrays()["steps"]
        latents = run.model.encode(...)
    """
    from vgbench.storage.episode_rows import read_episodes
    from vgbench.storage.records import read_result, read_run

    path = Path(folder)
    if not path.is_dir():
        raise UsageError(f"folder={path}: there is no such folder; expected the folder of a run")
    run = read_run(path, ("title",))
    result = read_result(path, run)
    return LoadedRun(path, run, result, read_episodes(path / "episodes.jsonl", result))


def compare(*what: str | Path, inside: str | Path | None = None) -> list[dict[str, Any]]:
    """Compare methods task by task: `vgbench compare`. Each argument is a folder, a glob, or a recipe `inside` of one.

    Returns:
        A record for each two methods, protocol, stratum and score: rates, difference with interval, corrected p-values.

    Raises:
        UsageError: there is nothing to compare.

    Example::

        for row in vgbench.compare("runs/mine-*", "runs/theirs-*"):
            print(row["protocol"], row["score"], row["difference"], row["difference95"], row["sign"])
    """
    from vgbench.reports import pairs

    if len(what) < 2:
        raise UsageError("expected two methods or more: folders of runs, or recipes with inside=DIR")
    groups = [pairs.group(str(one), Path(inside) if inside else None) for one in what]
    return [row.plain() for row in pairs.compare(pairs.named(groups))]


def report(
    *folders: str | Path,
    suite: str | None = None,
    scale: str | None = None,
    variants: Sequence[str] = (),
    recipes: str | Path | None = None,
) -> dict[str, Any]:
    """Make a table of runs: `vgbench report --format json`, see docs/runs.md for its fields.

    Args:
        folders: of run folders.
        suite: rows, columns, published numbers and claims; by default what the folders have.
        scale: of the runs; by default the only one that they have, quick if they have several.
        variants: of the runs; by default all that there are.
        recipes: a file with recipes of your own.

    Raises:
        UsageError: a folder or a name does not exist, or no run of the folders can be shown.
    """
    from vgbench.reports.export import plain
    from vgbench.reports.make import make

    paths = [Path(folder) for folder in folders]
    table, findings, left_out = make(paths, suite, scale, list(variants), Path(recipes) if recipes else None)
    return plain(table, findings, left_out)
