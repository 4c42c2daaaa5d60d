"""A report for programs: CSV and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vgbench.reports import ranking
from vgbench.reports.claim_fields import CLAIM, CLAIM_COLUMNS
from vgbench.reports.claims import Finding
from vgbench.reports.fields import CELL, columns, values
from vgbench.reports.table import Table


def table_csv(table: Table) -> str:
    """Return a line for each cell."""
    names = [name for field in CELL for name in field.parts]
    return _csv(names, (columns(CELL, cell) for cell in table.cells.values()))


def claims_csv(findings: Iterable[Finding]) -> str:
    """Return a line for each comparison."""
    return _csv(CLAIM_COLUMNS, (columns(CLAIM, finding) for finding in findings))


def _csv(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    # `extrasaction`: a comparison has more fields than CLAIM_COLUMNS.
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def plain(table: Table, findings: Sequence[Finding], left_out: Sequence[str]) -> dict[str, Any]:
    """Return everything, for JSON."""
    return {
        "format": 2,  # 1 had one `variant`
        "suite": table.suite.name,
        "scale": table.scale,
        "variants": list(table.variants),
        "recipes": list(table.suite.recipes),
        "protocols": list(table.suite.protocols),
        "cells": [values(CELL, cell) for cell in table.cells.values()],
        "baselines": {
            protocol: [
                {"variant": variant, **row} for variant in table.variants for row in table.baselines(protocol, variant)
            ]
            for protocol in table.suite.protocols
        },
        "families": dict(table.suite.families),
        "ranking": ranking.plain(table, findings),
        "claims": [values(CLAIM, finding) for finding in findings],
        "tasks": [
            about | {"hashes": {sha: [r.path.as_posix() for r in runs] for sha, runs in about["hashes"].items()}}
            for about in table.task_hashes()
        ],
        "left_out": list(left_out),
    }


def dump(content: Any) -> str:
    """Return JSON text."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
