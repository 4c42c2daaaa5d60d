"""docs/your_method.md and docs/cluster.md: the file is one, and the commands exist with their options."""

import re
import shlex
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def commands(page):
    """Lines of `vgbench` in the page's shell blocks, continued lines joined, without comments and variables."""
    text = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    lines = [re.sub(r"^\s*(?:[A-Z_]+=\S+\s+)*", "", line).partition(" #")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line.startswith("vgbench ")]


def test_the_file_of_the_page_is_a_suite(vgbench_cli, tmp_path):
    (text,) = blocks("your_method.md", "yaml")
    (tmp_path / "mine.yaml").write_text(text)
    done = vgbench_cli("suite", "mine.yaml", "--dry-run", "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert len(done.json()["runs"]) == 3 * 2 * 3


@pytest.mark.parametrize("line", [*commands("your_method.md"), *commands("cluster.md")])
def test_every_command_of_the_pages_is_one_with_these_options(vgbench_cli, line):
    _, name, *words = shlex.split(line)
    shown = vgbench_cli(name, "--help")
    assert shown.exit_code == 0, line
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= set(
        re.findall(r"--[a-z-]+", shown.stdout)
    )


def test_every_variable_of_the_environment_is_in_the_table():
    text = (DOCS / "cluster.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "vgbench").rglob("*.py"))
    used = set(re.findall(r"VGBENCH_[A-Z]+(?:_[A-Z]+)*", code)) - {"VGBENCH_OBSERVERS"}  # an older name
    assert used == set(re.findall(r"^\| `(VGBENCH_[A-Z_]+)` \|", text, re.MULTILINE))
