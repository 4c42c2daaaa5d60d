"""What the documentation says holds: its plugin works as written, and a run folder is what its page describes."""

import fnmatch
import json
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

from vgbench.storage.record_types import FILES
from vgbench.storage.schema import json_schema

DOCS = Path(__file__).parents[2] / "docs"
PLUGIN = (DOCS / "plugin.md").read_text(encoding="utf-8")
DATA = (DOCS / "data.md").read_text(encoding="utf-8")
ENCODER = (DOCS / "encoder.md").read_text(encoding="utf-8")
RUNS = (DOCS / "runs.md").read_text(encoding="utf-8")

BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?(?P<more>[^\n]*)\n(?P<text>.*?)^```$', re.M | re.S
)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """`pip install -e .` in this process: entry points of pyproject.toml in a .dist-info, and the code on the path."""
    made = []

    def install(project):
        about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
        site = tmp_path / f"site-{len(made)}"  # a new one each time: a folder's entry points are read once
        info = site / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
        lines = []
        for group, points in about["entry-points"].items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(project)
        monkeypatch.syspath_prepend(site)
        forget()
        made.append(site)

    def forget():
        for name in ("my_plugins", "my_encoder"):
            sys.modules.pop(name, None)

    yield install
    forget()


@pytest.fixture
def follow(tmp_path, monkeypatch, vgbench_cli, install):
    """Follow a page: write its files and give its commands in their order; only pip and pytest are stood in for."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    return lambda page: _given(page, project, vgbench_cli, install)


def test_the_page_on_plugins_can_be_followed_to_its_end(follow):
    assert len(follow(PLUGIN)) == 10


def test_the_page_on_encoders_can_be_followed_to_its_end(follow, vgbench_cli, tmp_path):
    script = next(block for block in BLOCK.finditer(DATA) if block["title"] == "record.py")
    exec(script["text"])  # data.h5 of the page on data
    assert vgbench_cli("import", "own.npz", "--out", "data.h5").exit_code == 0
    given = follow(ENCODER)
    assert "vgbench check network pretrained" in given and "vgbench offline model" in given
    assert len([line for line in given if line.startswith("vgbench run")]) == 2 + importable("timm")
    result = json.loads((tmp_path / "project" / "there" / "result.json").read_text())
    assert any("stage 'encoder' is skipped" in note for note in result["notes"])


def importable(name):
    try:
        __import__(name)
    except (ImportError, RuntimeError):  # the latter: a torchvision that was built for another torch
        return False
    return True


def _given(page, project, vgbench_cli, install):
    last, given = "", []
    for block in BLOCK.finditer(page):
        if block["more"].strip() == "timm" and not importable("timm"):
            continue
        if block["title"]:
            name, _, continued = block["title"].partition(", ")
            with (project / name).open("a" if continued else "w", encoding="utf-8") as file:
                file.write(block["text"])
        elif block["language"] == "text":
            assert block["text"].strip() in last
        for line in block["text"].splitlines() if block["language"] == "console" else ():
            given.append(line)
            if line == "pip install -e .":
                install(project)
            elif line.startswith("pip install "):
                pass  # what can be imported shows below
            elif line.startswith("python ") and line.endswith(".py") and "-m" not in line:
                runpy.run_path(str(project / line.split()[-1]))
            elif line.startswith("python -m pytest "):
                names = runpy.run_path(str(project / line.split()[-1]))
                tests = [test for name, test in names.items() if name.startswith("test_")]
                assert len(tests) == 2
                for test in tests:
                    test()
            else:
                program, *arguments = shlex.split(line)
                assert program == "vgbench"
                done = vgbench_cli(*arguments)
                last = done.stdout + done.stderr
                assert done.exit_code == (2 if "fails" in block["more"] else 0), f"{line}\n{last}"
                if arguments[0] == "check":
                    assert " warn " not in last and " FAIL " not in last, last
                if arguments[:2] == ["list", "objective"]:
                    assert re.search(r"triplet +my-plugins 0\.1", last)
    return given


@pytest.fixture(scope="module")
def folder(made_once):
    """A run folder of the smallest run."""
    import vgbench

    def make(base):
        with pytest.MonkeyPatch.context() as there:
            there.setenv("VGBENCH_CACHE", str(base / "cache"))
            vgbench.run(env="wall", recipe="vf", scale="smoke", logger="jsonl", out=base / "run")

    return made_once("documented run", make) / "run"


def fields(name):
    """Documented fields of a file: pattern and what the page says."""
    part = RUNS.split(f"## `{name}`\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", part, re.M))


def paths(value, at=()):
    """Paths to the leaves of JSON values; items of a list of objects are named by `0`, plain lists are leaves."""
    if isinstance(value, dict) and value:
        return {path for key, inner in value.items() for path in paths(inner, (*at, key))}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {path for inner in value for path in paths(inner, (*at, "0"))}
    return {at}


def read(path):
    if "NAME" in path.name:
        return [record for found in path.parent.glob(path.name.replace("NAME", "*")) for record in read(found)]
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return [yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)]


def covers(pattern, path):
    """Whether a documented field, perhaps with `*`, is that of a path, or a part of it that is empty or a list here."""
    return any(fnmatch.fnmatchcase(".".join(path), wanted) for wanted in (pattern, pattern.removesuffix(".*")))


@pytest.mark.parametrize(
    "name",
    ["run.json", "result.json", "train.jsonl", "episodes.jsonl", "baseline-NAME.jsonl", "tasks.json", "config.yaml"],
)
def test_every_field_of_a_run_folder_is_documented_and_every_documented_one_is_there(folder, name):
    real = {path for record in read(folder / name) for path in paths(record)}
    documented = fields(name)
    assert [path for path in sorted(real) if not any(covers(pattern, path) for pattern in documented)] == []
    idle = [pattern for pattern in documented if not any(covers(pattern, path) for path in real)]
    assert [pattern for pattern in idle if "optional" not in documented[pattern]] == []


def test_the_tables_of_the_page_are_those_of_the_types(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "hooks")
    assert runpy.run_path(str(DOCS / "hooks" / "records.py"))["with_tables"](RUNS) == RUNS


@pytest.mark.parametrize("name", FILES)
def test_files_of_a_run_are_valid_by_their_json_schema_and_damaged_ones_are_not(folder, name):
    schema = json_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    records = read(folder / name)
    assert records
    for record in records:
        jsonschema.validate(record, schema)
    for field in schema["required"]:
        with pytest.raises(jsonschema.ValidationError, match=f"'{field}' is a required property"):
            jsonschema.validate({key: value for key, value in records[0].items() if key != field}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(records[0] | {schema["required"][0]: [None]}, schema)


def test_every_file_of_a_run_folder_is_documented(folder):
    table = RUNS.split("## `run.json`")[0]
    found = dict(re.findall(r"^\| `([^`]+)` \| .* \| (.*) \|$", table, re.M))
    documented = {name.replace("NAME", "*"): when for name, when in found.items()}
    real = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert [name for name in real if not any(fnmatch.fnmatchcase(name, p) for p in documented)] == []
    idle = [pattern for pattern in documented if not fnmatch.filter(real, pattern)]
    assert [pattern for pattern in idle if documented[pattern] != "optional"] == []


def test_the_pages_that_the_navigation_names_exist_or_are_generated():
    text = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r": ([\w/]+\.md)$", text, re.M))
    generated = {
        "cli.md",
        "registry.md",
        "python.md",
        "tutorial.md",
        *(name for name in named if name.startswith("kinds/")),
    }
    assert {path.name for path in DOCS.glob("*.md")} == named - generated
