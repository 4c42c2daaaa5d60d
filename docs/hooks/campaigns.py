"""Table of docs/reliability.md, from what the campaigns have written.

`python docs/hooks/campaigns.py` writes it into the page again; a test holds the page to the record.
"""

import json
import re
from collections import Counter
from pathlib import Path

from tables import table

ROOT = Path(__file__).resolve().parents[2]
PAGE, RECORD = ROOT / "docs" / "reliability.md", ROOT / "results" / "reliability" / "campaigns.jsonl"
HEADERS = ["campaign", "date", "attempts", "of", "failed", "what became of them"]


def with_table(text: str, record: str) -> str:
    """The page's text with the table written anew."""
    rows = []
    for line in record.splitlines():
        about = json.loads(line)
        told: Counter[str] = Counter()
        for what, count in about["outcomes"].items():
            # Each place has a line of its own in the record.
            told["not noticed" if what.startswith("not noticed: ") else what] += count
        words = ", ".join(f"{count} {what}" for what, count in sorted(told.items()) if what != "FAILED")
        counts = (str(told.total()), str(about["planned"]), str(told["FAILED"]))
        rows.append([about["campaign"], about["date"], *counts, words])
    head = re.escape(f"| {' | '.join(HEADERS)} |\n")
    text, count = re.subn(rf"^{head}(\|.*\n)+\n", lambda _: table(HEADERS, rows), text, flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"{PAGE}: no table that begins with {' | '.join(HEADERS)}")
    return text


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), RECORD.read_text(encoding="utf-8")), encoding="utf-8")
