"""How pages are written: short lines and paragraphs, links in words, pages and pictures that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORTED = {"paper_table_2.md", "ranking.md"}
"""Pages that `vgbench report` writes for the most part."""
PAGES = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in REPORTED)
PAGES += [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def prose(page):
    """Text without code blocks and comments."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"<!--.*?-->", "", text)


@each_page
def test_lines_and_paragraphs_are_short(page):
    text = "\n".join(line for line in prose(page).splitlines() if not line.startswith(("|", "![")))
    assert [line for line in text.splitlines() if len(line) > 100] == []
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[*-]|\d+\.) )", text)
    assert [part for part in parts if len(part.split()) > 90] == []


@each_page
def test_links_have_words_and_targets(page):
    for text, target in re.findall(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", prose(page)):
        assert not re.search(r"\.(md|json|py|cff|ipynb)$", text.strip("`")), f"{page.name}: [{text}]"
        path = (page.parent / target.partition("#")[0]).resolve()
        made = path.parent.name == "kinds" or path.name in ("cli.md", "registry.md", "python.md", "tutorial.md")
        assert "://" in target or target.startswith("#") or made or path.exists(), f"{page.name}: {target}"
    for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", prose(page)):
        assert (page.parent / target).exists()
