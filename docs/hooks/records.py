"""Tables of docs/runs.md, from the types of the files of a run folder.

`python docs/hooks/records.py` writes them into the page again; a test holds the page to them.
"""

import re
from pathlib import Path

from tables import table

from vgbench.storage.record_types import FILES
from vgbench.storage.schema import fields

PAGE = Path(__file__).resolve().parents[1] / "runs.md"


def with_tables(text: str) -> str:
    """The page's text with the table under each file's heading written from the types."""
    for name in FILES:
        made = table(["field", "what"], [(f"`{field}`", words) for field, words in fields(name).items()])
        text, count = re.subn(
            rf"(?<=^## `{re.escape(name)}`\n\n)(\|.*\n)+\n", lambda _, made=made: made, text, flags=re.MULTILINE
        )
        if count != 1:
            raise SystemExit(f"{PAGE}: no heading and table for {name}")
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
