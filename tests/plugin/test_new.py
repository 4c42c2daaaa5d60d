"""A plugin of each kind as `vgbench new` writes it: installed, listed, run, untouched."""

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from vgbench.plugin.entry import GROUPS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def new(vgbench_cli, tmp_path, monkeypatch):
    """Write a project, and put it on the path with the metadata that an installer would make of its pyproject.toml."""
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    modules = []

    def make(kind, name):
        result = vgbench_cli("new", kind, name)
        assert result.exit_code == 0, result.stderr
        folder = tmp_path / f"vgbench-{name.replace('_', '-')}"
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        info = folder / "src" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        lines = [f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}"]
        (info / "METADATA").write_text("\n".join([*lines, f"Summary: {project['description']}\n"]))
        points = project["entry-points"].items()
        text = "".join(f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in names.items()) for group, names in points)
        (info / "entry_points.txt").write_text(text)
        monkeypatch.syspath_prepend(folder / "src")
        modules.append(f"vgbench_{name}")
        return folder, result.stdout

    yield make
    for module in modules:
        sys.modules.pop(module, None)


def next_commands(printed):
    """Arguments of the commands under `next:`, by their verb."""
    lines = printed.split("next:\n")[1].splitlines()
    return {words[1]: words[1:] for words in map(shlex.split, lines)}


@pytest.mark.parametrize("kind", GROUPS)
def test_a_new_plugin_is_listed_and_runs_untouched(new, vgbench_cli, tmp_path, kind):
    _, printed = new(kind, f"my_{kind}")
    listed = [row for row in vgbench_cli("list", kind, "--format", "json").json() if row["name"] == f"my_{kind}"]
    assert [(row["dist"], row["version"]) for row in listed] == [(f"vgbench-my-{kind}", "0.1.0")]
    shown = vgbench_cli("show", kind, f"my_{kind}", "--format", "json").json()
    assert all(row["meaning"] for row in shown["parameters"]) and bool(shown["parameters"]) == (kind != "logger")
    commands = next_commands(printed)
    assert commands["check"] == ["check", kind, f"my_{kind}"]
    result = vgbench_cli(*commands["run"], "--out", "here", "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert result.json()["n"] == 4
    record = json.loads((tmp_path / "here" / "run.json").read_text())
    used = {(plugin["kind"], plugin["name"], plugin["dist"]) for plugin in record["plugins"]}
    assert record["plugin_errors"] == []
    if kind == "logger":
        assert set(json.loads((tmp_path / "here" / "my_logger.json").read_text())) == set(result.json()["stages"])
    else:
        assert (kind, f"my_{kind}", f"vgbench-my-{kind}") in used


@pytest.mark.parametrize("kind", GROUPS)
def test_what_is_written_is_clean_and_asks_for_this_vgbench(new, kind):
    folder, _ = new(kind, "mine")
    written = tomllib.loads((folder / "pyproject.toml").read_text())
    assert written["project"]["entry-points"] == {GROUPS[kind]: {"mine": "vgbench_mine:Mine"}}
    assert written["project"]["dependencies"] == ["vgbench>=0.1,<0.2"]
    rules = ["--config", str(ROOT / "pyproject.toml"), "--ignore", "TID253"]
    for command in (["check", *rules], ["format", "--check", *rules[:2]]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    for path in [*folder.rglob("*.py"), folder / "README.md", folder / "pyproject.toml"]:
        assert not re.search(r"\$\w", path.read_text()), path  # no placeholder is left
    assert 'conformance("' in (folder / "tests" / "test_mine.py").read_text()


def test_dashes_and_underscores_are_one(vgbench_cli, tmp_path):
    (tmp_path / "projects").mkdir()
    result = vgbench_cli("new", "objectives", "my-own_loss", "--into", "projects")
    assert result.exit_code == 0, result.stderr
    names = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "projects").rglob("*") if path.is_file())
    start = "projects/vgbench-my-own-loss"
    assert names == [
        f"{start}/README.md",
        f"{start}/pyproject.toml",
        f"{start}/src/vgbench_my_own_loss/__init__.py",
        f"{start}/tests/test_my_own_loss.py",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["objective", "iql"], r"NAME 'iql': there is objective 'iql' \(vgbench 0\.1\.0\) already"),
        (["objective", "Mine"], "names are lower case; did you mean 'mine'"),
        (["objective", "9lives"], r"NAME '9lives': expected lower-case words .* e\.g\. lives"),
        (["objective", "a b"], r"e\.g\. a_b"),
        (["objective", "a__b"], r"e\.g\. a_b"),
        (["objective", "../up"], r"e\.g\. up"),
        (["objective", ""], r"NAME '': expected .* e\.g\. mine"),
        (["objective", "class"], r"no word of Python's own; e\.g\. my_class"),
        (["objective", "none"], r"e\.g\. my_none"),
        (["objective", "plugins"], "its package would be called vgbench_plugins, which is installed"),
        (["objective", "train"], "stands for something else in --set train.param=value"),
        (["objectve", "mine"], r"KIND: unknown value 'objectve'\. Did you mean 'objective'"),
        (["recipe", "mine"], "KIND: unknown value 'recipe'"),
        (["objective", "mine", "--into", "nowhere"], "--into nowhere: there is no such folder"),
        (["objective", "there"], "vgbench-there exists already"),
    ],
)
def test_what_will_not_do_is_refused_and_nothing_written(vgbench_cli, tmp_path, arguments, message):
    (tmp_path / "vgbench-there").mkdir()
    result = vgbench_cli("new", *arguments)
    assert result.exit_code == 2 and re.search(message, result.stderr), result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["vgbench-there"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_named(vgbench_cli, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    result = vgbench_cli("new", "objective", "mine", "--into", "closed")
    assert result.exit_code == 2 and "closed/vgbench-mine: cannot write there" in result.stderr


def test_a_write_that_fails_half_way_leaves_nothing(vgbench_cli, tmp_path, monkeypatch):
    real = Path.write_text

    def full(path, *arguments, **options):
        if path.name == "README.md":
            raise OSError(28, "No space left on device")
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    result = vgbench_cli("new", "objective", "mine")
    assert result.exit_code == 2 and "cannot write there: No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_new_plugin_installs_from_its_folder(vgbench_cli, vgbench_process, tmp_path):
    """Through the build system that it names, into a folder of its own."""
    assert vgbench_cli("new", "objective", "mine").exit_code == 0
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, "./vgbench-mine"]
    subprocess.run(install, cwd=tmp_path, check=True)
    variables = {"PYTHONPATH": str(site), "VGBENCH_CACHE": str(tmp_path / "cache")}
    listed = json.loads(vgbench_process("list", "objective", "--format", "json", **variables).stdout)
    row = next(row for row in listed if row["name"] == "mine")
    assert (row["dist"], row["version"], row["summary"]) == ("vgbench-mine", "0.1.0", "Mine, an objective for vgbench")
    run = ["run", "--env", "wall", "--objective", "mine", "--distance", "euclidean", "--scale", "smoke"]
    done = vgbench_process(*run, **variables)
    assert done.returncode == 0, done.stderr
    tested = [sys.executable, "-m", "pytest", "-q", tmp_path / "vgbench-mine"]
    done = subprocess.run(tested, env=os.environ | variables, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_wheel_has_the_templates(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT]
    subprocess.run(build, check=True)
    from zipfile import ZipFile

    names = ZipFile(next(tmp_path.glob("vgbench-*.whl"))).namelist()
    here = {f"vgbench/plugin/templates/{path.name}" for path in (ROOT / "vgbench" / "plugin" / "templates").iterdir()}
    assert here and here <= set(names)


def test_a_new_suite_runs_untouched_with_a_new_objective(new, vgbench_cli, tmp_path):
    new("objective", "my_term")
    made = vgbench_cli("new", "suite", "my_table", "--objective", "my_term")
    assert made.exit_code == 0 and "vgbench suite my_table.yaml --dry-run" in made.stdout, made.stderr
    done = vgbench_cli("suite", "my_table.yaml", "--dry-run", "--format", "json")
    assert done.exit_code == 0, done.stderr
    # Three recipes, three seeds, two protocols; that of the claims is one that the audit admits.
    assert len(done.json()["runs"]) == 18
    page = (ROOT / "docs" / "ranking.md").read_text()
    suite = yaml.safe_load((tmp_path / "my_table.yaml").read_text())["suites"]["my_table"]
    for protocol in {name for claim in suite["claims"] for name in claim["protocols"]}:
        assert re.search(rf"^\| {protocol} \|.*\| admitted \|$", page, re.MULTILINE)
    refused = vgbench_cli("new", "objective", "other", "--objective", "my_term")
    assert refused.exit_code == 2 and "--objective my_term: only for a suite" in refused.stderr
    refused = vgbench_cli("new", "suite", "other", "--objective", "my loss!")
    assert refused.exit_code == 2 and "expected the name of an objective" in refused.stderr


def test_half_a_suite_is_not_left_on_a_full_disk(vgbench_cli, tmp_path):
    """A limit on the size of files stands for the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        failed = vgbench_cli("new", "suite", "my_table")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert failed.exit_code == 2 and "my_table.yaml: cannot write there: File too large" in failed.stderr
    assert not (tmp_path / "my_table.yaml").exists()
    (tmp_path / "my_table.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert vgbench_cli("new", "suite", "my_table").exit_code == 2
    assert not (tmp_path / "elsewhere.yaml").exists()
