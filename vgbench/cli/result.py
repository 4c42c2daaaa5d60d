"""What a finished run prints: success beside its baselines, the published and the recorded number, and what is next."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.cli.common import verbosity
from vgbench.errors import VgbenchError
from vgbench.text import interval_text, rate_text, scores_text, share_text, task_name

if TYPE_CHECKING:
    from vgbench.experiments.recorded import Recorded
    from vgbench.storage.records import RunRecord

MEANINGLESS = "smoke scale: results are not meaningful"
_WIDTH = 10  # of the first column


def print_result(result: Mapping[str, Any], other: str = "RUN") -> None:
    """Print the result of a run, with commands to give next (`other`: a run to compare it with); its folder is last."""
    method = result.get("recipe") or f"{' + '.join(result['objectives'])} with {result['distance']}"
    method = ", ".join([method, *result.get("reweighted", [])])  # what makes it another method than the recipe
    where = task_name(result.get("environment", ""), result.get("protocol") or result["title"])
    print(f"{where}, {method}, scale {result['scale']}")
    if result["scale"] == "smoke":
        print(MEANINGLESS)
    _line("success", f"{rate_text(result)}{scores_text(result)}")
    strata = result.get("strata", {})
    width = max(map(len, strata), default=0)
    for name, rate in strata.items():
        print(f"  {name:<{width}}  {rate_text(rate)}{scores_text(rate)}")
    for baseline in result.get("baselines", ()):
        _line("baseline", f"{rate_text(baseline)}{scores_text(baseline)}  ({baseline['planner']})")
    folder = str(result["run_dir"])
    if result["scale"] != "smoke":
        for name, text in beside(Path(folder)):
            _line(name, text)
    stages = result.get("stages", {})
    width = max(map(len, (*stages, "total")))
    for name, times in (*stages.items(), ("total", result)):
        print(f"{name:<{width}}{times['seconds']:>9.1f} s{times['cpu_seconds']:>10.1f} CPU-s")
    mine, other = shlex.quote(folder), shlex.quote(other)
    print_next(f"plot {mine}", f"diagnose {mine}", f"compare {mine} {other}")
    print(folder)


def print_next(*commands: str) -> None:
    """Print commands to give next, a line each, unless -q was given."""
    if verbosity() >= 0:
        for index, command in enumerate(commands):
            _line("" if index else "next", f"vgbench {command}")


def _line(name: str, text: str) -> None:
    print(f"{name:<{_WIDTH}}{text}")


def beside(folder: Path) -> list[tuple[str, str]]:
    """Return what to print beside a run's success: the published number of its row, and the repository's record of it.

    Args:
        folder: of the finished run.

    Returns:
        Pairs of a name, "paper" or "recorded", and a text, then what sets this run apart from the row; empty for a run
        that belongs to no row.
    """
    from vgbench.experiments import recorded
    from vgbench.storage.records import read

    try:
        record = read(folder)
    except VgbenchError:
        return []
    row = recorded.row(record.variant, record.protocol, record.recipe, record.scale)
    lines = [("paper", text) for text in _published(record)]
    lines += [("recorded", _recorded(row))] if row else []
    other = _other_values(record) if lines else ""
    return [*lines, *([("", other)] if other else [])]


def _published(record: "RunRecord") -> list[str]:
    """Published rates of a run's recipe on its protocol, in words."""
    from vgbench.config.catalogue_files import load_catalogue
    from vgbench.reports.table import Published

    found = []
    for suite in load_catalogue().suites.values():
        rate = suite.published.get(record.recipe, {}).get(record.protocol)
        if rate is not None:
            published = Published(rate, suite.published_n[record.protocol])
            about = f"{published.n} tasks ({suite.reference or suite.name}; scale paper)"
            found.append(f"{share_text(rate)} {interval_text(published.interval)}  {about}")
    return found


def _recorded(row: "Recorded") -> str:
    seeds = f"seed{'' if len(row.seeds) == 1 else 's'} {', '.join(map(str, row.seeds))}"
    return f"{rate_text(row.rate)}, {seeds} (this repository, results/)"


def _other_values(record: "RunRecord") -> str:
    """Say that a run has other values than the row of its recipe, and which; empty if it has not."""
    from vgbench.reports.staleness import compare

    found = compare(record, record.variant)
    values = [*found.asked, *found.differences]
    if not values:
        return ""
    more = f" and {len(values) - 2} more" if len(values) > 2 else ""
    return f"this run has other values: {', '.join(values[:2])}{more}"
