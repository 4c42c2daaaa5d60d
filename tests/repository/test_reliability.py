"""The figures of docs/reliability.md are those that the campaigns have written."""

import json
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_campaigns_is_that_of_the_record():
    """`python docs/hooks/campaigns.py` writes it anew."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| ([\w-]+) \| (\d{4}-\d\d-\d\d) \| (\d+) \| (\d+) \| (\d+) \| (.+) \|$", text, re.M)
    lines = (ROOT / "results" / "reliability" / "campaigns.jsonl").read_text(encoding="utf-8").splitlines()
    record = [json.loads(line) for line in lines]
    assert [row[0] for row in told] == [about["campaign"] for about in record] == sorted({row[0] for row in told})
    for (_, date, attempts, planned, failed, words), about in zip(told, record, strict=True):
        outcomes = Counter(about["outcomes"])
        for what in [what for what in outcomes if what.startswith("not noticed: ")]:  # each place has its own
            outcomes["not noticed"] += outcomes.pop(what)
        assert date == about["date"]
        assert int(attempts) == sum(outcomes.values()) <= int(planned) == about["planned"]
        assert int(failed) == outcomes.pop("FAILED", 0)
        assert words == ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items()))
