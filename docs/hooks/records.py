"""Tables of docs/runs.md, from the types of the files of a run folder and the fields of the report.

`python docs/hooks/records.py` writes them into the page again; a test holds the page to them.
"""

import re
from pathlib import Path

from tables import table

from vgbench.reports.claim_fields import CLAIM
from vgbench.reports.fields import CELL
from vgbench.storage.record_types import FILES
from vgbench.storage.schema import fields

PAGE = Path(__file__).resolve().parents[1] / "runs.md"


def with_tables(text: str) -> str:
    """The page's text with the table under each heading of a file, or of a part of the report, written anew."""
    parts = {f"## `{name}`": fields(name) for name in FILES}
    parts |= {f"### `{name}[]`": {f.name: f.about for f in of} for name, of in (("cells", CELL), ("claims", CLAIM))}
    for name, found in parts.items():
        made = table(["field", "what"], [(f"`{field}`", words) for field, words in found.items()])
        text, count = re.subn(
            rf"(?<=^{re.escape(name)}\n\n)(\|.*\n)+\n", lambda _, made=made: made, text, flags=re.MULTILINE
        )
        if count != 1:
            raise SystemExit(f"{PAGE}: no heading and table for {name}")
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
