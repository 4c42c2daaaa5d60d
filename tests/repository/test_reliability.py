"""The figures of docs/reliability.md are those of the record."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_campaigns_is_that_of_the_record():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| ([\w-]+) \| (\d+) \| (\d+) \| (.+) \|$", text, re.M)
    record = (ROOT / "results" / "reliability" / "campaigns.jsonl").read_text(encoding="utf-8")
    rows = []
    for line in record.splitlines():
        about = json.loads(line)
        outcomes = about["outcomes"]
        words = ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items()) if what != "FAILED")
        rows.append((about["campaign"], str(sum(outcomes.values())), str(outcomes.get("FAILED", 0)), words))
    assert told == rows
