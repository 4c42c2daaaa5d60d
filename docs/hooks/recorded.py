"""Writes vgbench/recorded.json: what the repository's records of the paper's table say of success and of time.

`vgbench run` prints the record of the same row beside a result, and estimates are scaled by what records took. Give
`python docs/hooks/recorded.py` after a change under results/paper_table_2.
"""

import json
from pathlib import Path
from typing import Any

from vgbench.config.resolve import RunRequest, resolve
from vgbench.errors import VgbenchError
from vgbench.experiments.cost import flops_by_stage, predictor_evaluations
from vgbench.experiments.recorded import PATH
from vgbench.intervals import rate_interval
from vgbench.storage.records import RunRecord, leaves, read

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results" / "paper_table_2"
RATE = 75e9
"""Floating-point operations that matrix products do per CPU-second on the machine of the records, one thread."""


def groups() -> dict[tuple[str, ...], list[RunRecord]]:
    """Finished records by variant, protocol, recipe and scale."""
    found: dict[tuple[str, ...], list[RunRecord]] = {}
    for path in sorted(leaves(RESULTS)):
        record = read(path)
        if not record.error:
            row = (record.variant or "", record.protocol, record.recipe, record.scale)
            found.setdefault(row, []).append(record)
    return found


def success(records: list[RunRecord]) -> dict[str, Any]:
    """Success of all seeds together."""
    rows = [record.episodes.success for record in records]
    shared = len({record.tasks for record in records}) < len(records)
    low, high, _ = rate_interval(rows, shared)
    solved, n = sum(map(sum, rows)), sum(map(len, rows))
    rate = {"success_rate": round(solved / n, 4), "successes": int(solved), "n": n}
    return rate | {"ci95": [round(low, 4), round(high, 4)], "seeds": sorted(record.seed for record in records)}


def cost(path: Path) -> dict[str, Any]:
    """CPU-seconds and floating-point operations of a record by stage, and the share of planning that was needed."""
    result = json.loads((path / "result.json").read_text(encoding="utf-8"))
    times = {name: round(stage["cpu_seconds"], 1) for name, stage in result["stages"].items()}
    try:
        spec = resolve(RunRequest(config=path / "config.yaml"))
        flops = {name: float(f"{value:.3g}") for name, value in flops_by_stage(spec).items()}
        share = round(result["predictor_evaluations"] / predictor_evaluations(spec), 3)
    except VgbenchError:  # not a run of the present code
        return {"cpu_seconds": times}
    return {"cpu_seconds": times, "flops": flops, "planning_share": share}


def made() -> dict[str, Any]:
    """Content of the file."""
    rows = []
    for (variant, protocol, recipe, scale), records in groups().items():
        about = {"variant": variant, "protocol": protocol, "recipe": recipe, "scale": scale}
        rows.append(about | success(records) | cost(records[0].path))
    return {"matmul_flops_per_cpu_second": RATE, "rows": rows}


if __name__ == "__main__":
    content = made()
    lines = ",\n".join(f"  {json.dumps(row)}" for row in content.pop("rows"))
    head = json.dumps(content)[1:-1]
    PATH.write_text(f'{{{head}, "rows": [\n{lines}\n]}}\n', encoding="utf-8")
