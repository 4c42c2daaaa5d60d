"""docs/data.md: its files are written and its commands given, in the order of the page."""

import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vgbench.storage.files import read_json

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
BLOCK = re.compile(r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.M | re.S)


def test_the_page_on_data_can_be_followed_to_its_end(tmp_path, monkeypatch, vgbench_cli, tmp_plugin):
    pytest.importorskip("gymnasium")
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    said, given, wrapper = "", [], ""
    for block in BLOCK.finditer(PAGE):
        if block["title"]:
            (tmp_path / block["title"]).write_text(block["text"], encoding="utf-8")
            wrapper = block["text"] if block["title"] == "my_world.py" else wrapper
        if block["language"] == "toml":
            name, value = re.search(r'^(\w+) = "my_world:(\w+)"$', block["text"], re.M).groups()
            tmp_plugin(wrapper, dist="my-world", environments={name: value})
        for line in block["text"].strip().splitlines():
            if block["language"] == "text":
                assert line in said
            elif block["language"] == "console":
                given.append(line)
                program, *arguments = shlex.split(line)
                if program == "pip":
                    continue  # the entry point is made above
                if program == "python":
                    runpy.run_path(arguments[0])
                    continue
                done = vgbench_cli(*arguments)
                assert done.exit_code == 0, f"{line}\n{done.stdout}{done.stderr}"
                said += done.stdout
    assert len(given) == 12
    # The wrapper is what the page says it is: ten lines, without blank ones.
    assert len([line for line in wrapper.splitlines() if line.strip()]) == 10
    # An env without a map: its pictures show the goal below what the encoder sees, framed in yellow.
    drawn = vgbench_cli("plot", "dot", "--task", 0, "--format", "gif", "--out", "pictures")
    assert drawn.exit_code == 0, drawn.stderr
    with Image.open(next((tmp_path / "pictures").glob("*.gif"))) as film:
        below = np.asarray(film.convert("RGB"))[448:, 392:].astype(int)
    assert (np.abs(below[0] - (240, 228, 66)) < 24).all() and (below[4:-4, 4:-4, 0] > 100).any()
    assert read_json(next(tmp_path.glob("model-evaluated-*")) / "result.json", ("n",), "")["environment"] == "dot"
    report = read_json(tmp_path / "model" / "offline.json", ("blocks",), "")
    documented = re.findall(r"^\| `(\w+)` \| ", PAGE, re.M)
    assert list(report["blocks"]) == documented
    for option in re.findall(r"(?<!-)--[a-z][a-z-]+", PAGE):
        commands = ("import", "train", "offline", "run", "evaluate")
        assert any(option in vgbench_cli(command, "--help").stdout for command in commands), option
