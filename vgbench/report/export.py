"""A report for programs: CSV and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from vgbench.report.claims import Finding
from vgbench.report.table import Table, TableCell
from vgbench.storage.records import RunRecord


def table_csv(table: Table) -> str:
    """Return a line for each cell."""
    rows = [_plain_cell(cell) for cell in table.cells.values()]
    names = ("recipe", "protocol", "state", "success_rate", "low", "high", "interval", "seeds", "published", "mark")
    for row in rows:
        row["low"], row["high"] = row.pop("ci95") or (None, None)
        row["seeds"] = " ".join(str(run["seed"]) for run in row["runs"])
        row["published"] = row["published"] and row["published"]["rate"]
    return _csv(names, [[row[name] for name in names] for row in rows])


def claims_csv(findings: Iterable[Finding]) -> str:
    """Return a line for each comparison."""
    rows = [_plain_finding(finding) for finding in findings]
    names = ["claim", "protocol", "against", "a", "b", "rate_a", "rate_b", "holm_tasks", "holm_seeds", "sign"]
    names += ["verdict", "scope"]
    return _csv(names, [[row[name] for name in names] for row in rows])


def _csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()


def plain(table: Table, findings: Iterable[Finding], left_out: Sequence[str]) -> dict[str, Any]:
    """Return everything, for JSON."""
    return {
        "format": 1,
        "suite": table.suite.name,
        "scale": table.scale,
        "variant": table.variant,
        "recipes": list(table.suite.recipes),
        "protocols": list(table.suite.protocols),
        "cells": [_plain_cell(cell) for cell in table.cells.values()],
        "baselines": {protocol: table.baselines(protocol) for protocol in table.suite.protocols},
        "claims": [_plain_finding(finding) for finding in findings],
        "tasks": [
            about | {"hashes": {sha: [r.path.as_posix() for r in runs] for sha, runs in about["hashes"].items()}}
            for about in table.task_hashes()
        ],
        "left_out": list(left_out),
    }


def _plain_cell(cell: TableCell) -> dict[str, Any]:
    published = cell.published
    known = None if published is None else {"rate": published.rate, "n": published.n, "ci95": list(published.interval)}
    return {
        "recipe": cell.recipe,
        "protocol": cell.protocol,
        "state": cell.state,
        "success_rate": cell.rate if cell.records else None,
        "ci95": list(cell.interval) if cell.records else None,
        "interval": cell.kind if cell.records else None,
        "t95": list(cell.student) if cell.records and cell.student else None,
        "bootstrap95": list(cell.bootstrap) if cell.records and cell.bootstrap else None,
        "runs": [_plain_run(record) for record in cell.records],
        "published": known,
        "mark": cell.mark or None,
        "differences": list(cell.stale),
        "younger_parameters": list(cell.younger),
        "aside": [{"seed": r.seed, "key": r.key, "path": r.path.as_posix(), "why": why} for r, why in cell.aside],
    }


def _plain_run(record: RunRecord) -> dict[str, Any]:
    baseline = record.baseline
    return {
        "seed": record.seed,
        "key": record.key,
        "path": record.path.as_posix(),
        "success_rate": record.rate,
        "successes": record.episodes.successes,
        "n": len(record.episodes),
        "baseline": {"planner": record.baseline_planner, "successes": baseline.successes, "n": len(baseline)}
        if baseline
        else None,
        "device": record.identity.get("device"),
    }


def _plain_finding(f: Finding) -> dict[str, Any]:
    same = ("protocol", "a", "b", "p_tasks", "p_seeds", "holm_tasks", "holm_seeds", "verdict", "n")
    return {name: getattr(f, name) for name in same} | {
        "claim": f.claim.name,
        "text": f.claim.text,
        "direction": f.claim.direction,
        "against": f.claim.against,
        "seeds": list(f.seeds),
        "rate_a": f.rates[0] if f.rates else None,
        "rate_b": f.rates[1] if f.rates else None,
        "difference95": list(f.interval) if f.interval else None,
        "sign": f.sign or None,
        "scope": f.scope or None,
        "reason": f.reason or None,
    }


def dump(content: Any) -> str:
    """JSON text."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
