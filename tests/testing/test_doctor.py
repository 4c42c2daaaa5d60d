"""`vgbench doctor`: what it finds in installations that are broken in one way each."""

import json
import sys
from importlib.metadata import distribution, version

import pytest

OBJECTIVE = """
    from vgbench.api import Loss, Objective

    print("hello from a plugin")

    class Mine(Objective):
        def loss(self, batch, model, noise):
            return Loss(batch.latents.sum())

    class Old(Mine):
        api = 0

    class New(Mine):
        api = 7

    class Both(Mine):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
"""
PROJECT = """
[project]
name = "vgx-mine"
version = "0.1"
[project.entry-points."vgbench.objectives"]
"""


@pytest.fixture
def doctor(vgbench_cli, tmp_path, monkeypatch):
    """Return the exit code and the record."""
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))

    def run():
        result = vgbench_cli("doctor", "--format", "json")
        assert result.exit_code in (0, 1), result.stderr
        record = result.json()
        assert record["ok"] == (result.exit_code == 0) == (not record["problems"])
        return record

    return run


def test_a_sound_installation(doctor, vgbench_cli):
    record = doctor()
    assert record["ok"] and {row["status"] for row in record["plugins"]} == {"ok"}
    needed = {row["name"]: row for row in record["requirements"]}
    assert needed["torch"]["status"] == "ok" and needed["torch"]["version"] == record["versions"]["torch"]
    assert {"dev", "ray", "tensorboard", "wandb"} <= {row["name"] for row in record["extras"]}
    assert record["machine"]["threads"] >= 1 and record["cache"]["files"] == 0
    printed = vgbench_cli("doctor")
    assert printed.exit_code == 0 and printed.stdout.endswith("no problems found\n")


def test_every_plugin_is_loaded_and_each_that_is_broken_gets_a_command(doctor, tmp_plugin, vgbench_cli):
    names = {"good": "Mine", "old": "Old", "new": "New", "both": "Both", "gone": "Gone"}
    tmp_plugin(OBJECTIVE, objectives=names)
    tmp_plugin("import does_not_exist.at_all", distances={"needy": "D"}, dist="vgx-needy", version="2")
    hook = "from vgbench.api import hookimpl\nclass H:\n    @hookimpl\n    def vgbench_run_begun(self): pass\n"
    tmp_plugin(hook, loggers={"watch": "H"}, dist="vgx-hook")
    record = doctor()
    found = {row["name"]: row for row in record["plugins"] if row["dist"] != "vgbench"}
    assert {name: row["status"] for name, row in found.items()} == {
        "good": "ok",
        "old": "other_api",
        "new": "other_api",
        "both": "broken",
        "gone": "broken",
        "needy": "broken",
        "watch": "broken",
    }
    assert {row["status"] for row in record["plugins"] if row["dist"] == "vgbench"} == {"ok"}
    assert found["old"]["fix"] == "pip install --upgrade vgx-mine"
    assert found["new"]["fix"] == "pip install --upgrade vgbench"
    assert "expected (self, params, shapes)" in found["both"]["cause"]
    assert "AttributeError" in found["gone"]["cause"] and "pip uninstall vgx-mine" in found["gone"]["fix"]
    assert found["needy"]["fix"] == "pip install does_not_exist"
    assert "no hook 'vgbench_run_begun'. Did you mean 'vgbench_run_ended'?" in found["watch"]["cause"]
    assert [p["what"] for p in record["problems"]] == [r["cause"] for r in found.values() if r["status"] != "ok"]
    printed = vgbench_cli("doctor")
    assert printed.exit_code == 1 and "problems found: 6" in printed.stdout
    assert "made for another API version" in printed.stdout and "fix  pip install does_not_exist" in printed.stdout


def test_names_claimed_twice_are_told_and_no_problem(doctor, tmp_plugin):
    tmp_plugin(OBJECTIVE, objectives={"iql": "Mine", "mine": "Mine"}, dist="vgx-a", version="1")
    tmp_plugin(OBJECTIVE, objectives={"mine": "Mine"}, dist="vgx-b", version="2")
    record = doctor()
    assert record["ok"]
    assert record["duplicates"] == [
        {
            "kind": "objective",
            "name": "iql",
            "claimed_by": ["vgbench 0.1.0", "vgx-a 1"],
            "winner": "vgbench 0.1.0",
            "others": ["vgx-a:iql"],
        },
        {
            "kind": "objective",
            "name": "mine",
            "claimed_by": ["vgx-a 1", "vgx-b 2"],
            "winner": None,
            "others": ["vgx-a:mine", "vgx-b:mine"],
        },
    ]
    assert any("vgbench 0.1.0 wins, ask for vgx-a:iql" in note for note in record["notes"])


@pytest.mark.parametrize(
    ("declared", "differences"),
    [
        ('mine = "vgx_mine:Mine"', []),
        ("", ["objective 'mine' is installed and no longer in pyproject.toml"]),
        (
            'mine = "vgx_mine:Old"\nmore = "vgx_mine:Mine"',
            [
                "objective 'mine' is vgx_mine:Old in pyproject.toml and installed as vgx_mine:Mine",
                "objective 'more' is in pyproject.toml and not installed",
            ],
        ),
        (None, ["there is no pyproject.toml any more"]),
    ],
)
def test_an_editable_install_gone_stale(doctor, tmp_plugin, tmp_path, declared, differences):
    site = tmp_plugin(OBJECTIVE, objectives={"mine": "Mine"})
    project = tmp_path / "my project"
    project.mkdir()
    if declared is not None:
        (project / "pyproject.toml").write_text(PROJECT + declared)
    url = {"url": project.as_uri(), "dir_info": {"editable": True}}
    (site / "vgx_mine-0.1.dist-info" / "direct_url.json").write_text(json.dumps(url))
    rows = [row for row in doctor()["stale"] if row["dist"] == "vgx-mine"]
    assert [row["differences"] for row in rows] == ([differences] if differences else [])
    assert all(row["fix"] == f'pip install -e "{project}"' for row in rows)


def test_what_vgbench_needs_and_its_extras_are_read_from_its_own_metadata(doctor, tmp_path, monkeypatch):
    info = tmp_path / "site" / "vgbench-0.1.0.dist-info"
    info.mkdir(parents=True)
    wanted = [
        "pluggy",
        "numpy>=99",
        "no-such-package>=1",
        "pyyaml",
        'not-here; extra == "more"',
        'rich; extra == "have"',
    ]
    lines = ["Metadata-Version: 2.1", "Name: vgbench", "Version: 0.1.0", "Provides-Extra: more", "Provides-Extra: have"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {text}" for text in wanted)]) + "\n")
    (info / "entry_points.txt").write_text(distribution("vgbench").read_text("entry_points.txt"))
    monkeypatch.syspath_prepend(info.parent)
    record = doctor()
    assert {row["name"]: row["status"] for row in record["requirements"]} == {
        "pluggy": "ok",
        "numpy": "version",
        "no-such-package": "missing",
        "pyyaml": "ok",
    }
    assert [p["fix"] for p in record["problems"]] == ['pip install "numpy>=99"', 'pip install "no-such-package>=1"']
    # With the version of torch that is here: pip must not replace it.
    fix = f'pip install "vgbench[more]" "torch=={version("torch")}"'
    assert record["extras"] == [
        {"name": "more", "installed": False, "missing": ["not-here"], "broken": [], "fix": fix},
        {"name": "have", "installed": True, "missing": [], "broken": [], "fix": ""},
    ]


def test_a_package_that_cannot_be_imported(doctor, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "platformdirs.py").write_text("raise ImportError('damaged')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "platformdirs")
    problem = next(p for p in doctor()["problems"] if p["what"].startswith("platformdirs"))
    assert "cannot be imported: ImportError: damaged" in problem["what"]
    assert problem["fix"].startswith('pip install --force-reinstall "platformdirs')


def test_an_extra_that_is_installed_and_cannot_be_imported(doctor, tmp_path, monkeypatch):
    """As timm with a torchvision of another build: what it raises is no ImportError."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "gymnasium.py").write_text("raise RuntimeError('operator does not exist')")
    pytest.importorskip("gymnasium")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "gymnasium")
    row = next(row for row in doctor()["extras"] if row["name"] == "gymnasium")
    assert row["broken"] == ["gymnasium cannot be imported: RuntimeError: operator does not exist"]
    assert not row["installed"] and not row["missing"] and "constraints.txt" in row["fix"]


def test_a_cache_that_cannot_be_written_and_a_variable_that_names_nobody(doctor, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("VGBENCH_PLUGINS", "vgx-nowhere")
    record = doctor()
    assert [(p["what"][:46], p["fix"]) for p in record["problems"]] == [
        ("VGBENCH_PLUGINS names vgx-nowhere, which has n", "pip install vgx-nowhere"),
        ("nothing can be written to the cache folder " + str(tmp_path)[:3], "export VGBENCH_CACHE=/a/folder/of/yours"),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "1000"}, None)],
)
def test_threads_that_wait_sleep_unless_the_environment_says_how_they_wait(vgbench_start, tmp_path, given, said):
    # A process of its own: what imports PyTorch comes too late.
    process = vgbench_start("doctor", "--format", "json", cwd=tmp_path, cold=True, **given)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["machine"]["thread_variables"].get("OMP_WAIT_POLICY") == said
