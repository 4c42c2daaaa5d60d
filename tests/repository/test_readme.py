"""What the README promises: its plugin example works as it stands, its table and pictures are those of the records."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from vgbench.cli.result import print_result

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language, containing):
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in b]
    assert len(found) == 1
    return found[0]


def test_the_plugin_example_trains_from_a_package_of_its_own(tmp_path, vgbench_process):
    site = tmp_path / "site"
    (site / "my_package-0.1.dist-info").mkdir(parents=True)
    (site / "my_package.py").write_text(block("python", "class Approach"))
    toml = block("toml", "entry-points")
    group, line = re.search(r'entry-points."(.*)"\]\n(.*)', toml).groups()
    (site / "my_package-0.1.dist-info" / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    (site / "my_package-0.1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: my-package\nVersion: 0.1\n"
    )
    command = re.search(r"`vgbench (run --env wall --objective approach.*?)`", README, re.DOTALL).group(1)
    small = ["--scale", "smoke", "--format", "json"]
    variables = {"PYTHONPATH": str(site), "VGBENCH_CACHE": str(tmp_path / "cache")}
    done = vgbench_process(*shlex.split(command), *small, **variables)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["objectives"] == {"approach": 1.0, "vcreg": 1.0}


def test_the_plugin_example_is_short():
    code = [line for line in block("python", "class Approach").splitlines() if line.strip()]
    assert len(code) <= 20 and len(block("toml", "entry-points").splitlines()) <= 6


def test_the_first_lines_answer_what_why_how_and_what_for():
    first = "\n".join(README.splitlines()[:40])
    for question in ("What is it?", "Why trust it?", "How do I start?", "What does it give?"):
        assert f"| {question} |" in first
    assert "vgbench run --env maze --objective iql --distance iqe --scale smoke" in first
    for picture in re.findall(r"!\[[^\]]+\]\((.+?)\)", README):
        assert (ROOT / picture).stat().st_size < 300_000


@pytest.fixture(scope="module")
def hook():
    sys.path.insert(0, str(ROOT / "docs" / "hooks"))
    try:
        import readme

        yield readme
    finally:
        sys.path.pop(0)


def test_the_table_is_that_of_the_records(hook):
    """After a change under results/paper_table_2: python docs/hooks/readme.py"""
    made = hook.markdown(hook.records())
    assert hook.with_table(README, made) == README
    assert (ROOT / "docs/figures/table.svg").read_text(encoding="utf-8").endswith(f"{hook.digest(made)}\n")


def test_rates_of_the_table_are_those_of_result_files():
    """By the files themselves: successes of all seeds over their tasks."""
    table = README.split("<!-- results -->")[1].split("<!-- end -->")[0].strip().splitlines()
    columns = [part.strip() for part in table[0].strip("|").split("|")]
    shown = 0
    for line in table[2:-1]:
        recipe, *cells = (part.strip() for part in line.strip("|").split("|"))
        for protocol, cell in zip(columns[1::2], cells[::2], strict=True):
            place = ROOT / "results/paper_table_2/quick/tuned" / protocol / recipe.strip("`")
            results = [json.loads(path.read_text()) for path in sorted(place.glob("s*/result.json"))]
            assert (cell == "\N{EN DASH}") == (not results), (recipe, protocol)
            if results:
                rate = sum(result["success_rate"] for result in results) / len(results)
                assert float(cell.split()[0]) == pytest.approx(rate, abs=0.00501)
                assert ("seeds" in cell) == (len(results) > 1)
                shown += 1
    assert shown >= 30


def test_the_expected_output_is_that_of_the_record(capsys):
    place = ROOT / "results/paper_table_2/quick/tuned/maze/vf_quasi/s0"
    result, run = (json.loads((place / f"{name}.json").read_text()) for name in ("result", "run"))
    print_result(result | {"run_dir": str(place)})
    printed = capsys.readouterr().out.splitlines()
    begin, rest = block("text", "scale quick").split("...\n")
    assert begin.splitlines() == printed[: begin.count("\n")]
    assert run["key"] in rest
