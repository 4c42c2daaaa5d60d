"""How pages are written: short lines and paragraphs, links in words, pages and pictures that exist."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REPORTED = {"paper_table_2.md", "ranking.md", "stochastic_wall.md"}
"""Pages that `vgbench report` writes for the most part."""
PAGES = sorted(path for path in DOCS.glob("*.md") if path.name not in REPORTED)
PAGES += [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name(page):
    return page.name


each_page = pytest.mark.parametrize("page", PAGES, ids=name)


def prose(page):
    """Text without code blocks and comments."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"<!--.*?-->", "", text)


def slug(heading):
    """The anchor that code hosts and the site give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@each_page
def test_lines_and_paragraphs_are_short(page):
    text = "\n".join(line for line in prose(page).splitlines() if not line.startswith(("|", "![")))
    assert [line for line in text.splitlines() if len(line) > 100] == []
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[*-]|\d+\.) )", text)
    assert [part for part in parts if len(part.split()) > 90] == []


@each_page
def test_links_have_words(page):
    for text in re.findall(r"(?<!!)\[([^\]]+)\]\([^)\s]+\)", prose(page)):
        assert not re.search(r"\.(md|json|py|cff|ipynb)$", text.strip("`")), f"{page.name}: [{text}]"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))], ids=name)
def test_relative_links_and_pictures_resolve_in_a_clone(page):
    found = [target for target in LINK.findall(prose(page)) if "://" not in target]
    assert [target for target in found if not (page.parent / target.partition("#")[0]).exists()] == []
    for target in found:
        path, _, heading = target.partition("#")
        if heading and (not path or path.endswith(".md")):
            text = (page.parent / path if path else page).read_text(encoding="utf-8")
            assert heading in map(slug, re.findall(r"^#+ (.+)$", text, re.M)), target


@pytest.fixture
def links(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "hooks")
    return runpy.run_path(str(DOCS / "hooks" / "links.py"))


def test_the_site_links_to_the_pages_that_are_made_from_what_a_clone_links_to(links):
    text = "See [it](../vgbench/api/network.py), [these](../registry.yaml#recipes) and [a notebook](tutorial.ipynb)."
    expected = "See [it](kinds/network.md), [these](registry.md#recipes) and [a notebook](tutorial.md)."
    assert links["for_site"](text, "data.md") == expected
    # The page of the notebook offers the notebook.
    assert links["for_site"]("[Notebook](tutorial.ipynb)", "tutorial.md") == "[Notebook](tutorial.ipynb)"


def test_links_out_of_the_site_are_text_there(links):
    text = "Of [records](../results/causes/README.md) and [`results/causes`](../results/causes), [pages](runs.md#key)."
    expected = "Of records (`results/causes/README.md`) and `results/causes`, [pages](runs.md#key)."
    assert links["for_site"](text, "data.md") == expected
    assert links["for_site"]("| [.84](../results/x) |", "data.md") == "| .84 |"


def test_each_page_that_the_site_makes_stands_for_something_in_the_tree(links):
    named = re.findall(r": ([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    assert {path for path in named if not (DOCS / path).exists()} == set(links["PAGES"].values())
    assert [path for path in links["PAGES"] if not (DOCS / path).exists()] == []
