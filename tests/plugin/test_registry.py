"""Finding plugins: by entry points alone, importing only what was chosen."""

import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

from vgbench.errors import UsageError
from vgbench.plugin.entry import GROUPS
from vgbench.plugin.registry import Registry, load_plugin

ROOT = Path(__file__).resolve().parents[2]

OBJECTIVE = """
    from vgbench.api import Loss, Objective

    class Mine(Objective):
        def loss(self, batch, model, noise):
            return Loss(batch.latents.sum())
"""


def names(kind):
    return [entry.address for entry in Registry().entries(kind)]


def test_installed_entry_points_are_those_of_pyproject():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    installed = distribution("vgbench").entry_points
    for group in GROUPS.values():
        found = {point.name: point.value for point in installed if point.group == group}
        assert found == declared[group], "entry points are written at install time: run `pip install -e .` again"


@pytest.mark.parametrize("kind", GROUPS)
def test_built_in_plugins_load_and_are_what_they_say(kind):
    entries = Registry().entries(kind)
    assert entries
    for entry in entries:
        assert load_plugin(entry) is not None
        assert entry.dist == "vgbench"


def test_third_party_plugin_is_found_and_loaded(tmp_plugin):
    tmp_plugin(OBJECTIVE, objectives={"mine-own": "Mine"}, dist="vgx-mine", version="1.2")
    entry = Registry().find("objective", "mine_own")
    assert (entry.name, entry.source, entry.about) == ("mine_own", "vgx-mine 1.2", "of vgx-mine")
    assert Registry().find("objective", "mine-own") == entry
    assert load_plugin(entry).__name__ == "Mine"


def test_listing_imports_no_plugin(tmp_plugin):
    tmp_plugin("raise RuntimeError('imported')", objectives={"mine": "Mine"})
    assert "mine" in names("objective")
    assert "vgx_mine" not in sys.modules


def test_index_and_catalogue_import_nothing_heavy():
    code = """
import sys
from vgbench.config.catalogue_files import load_catalogue
from vgbench.plugin.registry import Registry
Registry().entries(), load_catalogue()
print(*({"torch", "numpy", "mujoco", "h5py", "pydantic", "vgbench_plugins", "vgbench.api", "rich"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_unknown_name_gets_the_nearest_one():
    with pytest.raises(UsageError, match=r"no objective named 'iqll'\. Did you mean 'iql'\? Known: .*iql, prediction"):
        Registry().find("objective", "iqll")


def test_a_name_like_no_other_may_be_of_a_package_that_is_to_be_installed():
    with pytest.raises(UsageError, match="If a package brings it, `pip install` that first"):
        Registry().find("objective", "my-package:mine")


def test_name_of_another_kind_is_said():
    with pytest.raises(UsageError, match="There is a distance of that name"):
        Registry().find("objective", "euclidean")
    with pytest.raises(UsageError, match="There is an objective of that name"):
        Registry().find("planner", "iql")


@pytest.mark.parametrize(
    ("code", "attr", "message"),
    [
        ("import does_not_exist", "Broken", "ModuleNotFoundError: No module named 'does_not_exist'"),
        ("", "Broken", "AttributeError: .*Broken"),
        ("1 / 0", "Broken", "ZeroDivisionError"),
        ("raise SystemExit(3)", "Broken", "SystemExit: 3"),
        ("def f(:", "Broken", "SyntaxError"),
    ],
)
def test_broken_plugin_is_named_with_its_package_and_cause(tmp_plugin, code, attr, message):
    tmp_plugin(code, objectives={"broken": attr}, dist="vgx-broken")
    entry = Registry().find("objective", "broken")
    expected = rf"objective 'broken' from vgx-broken 0\.1 failed to import \(vgx_broken:Broken\): {message}"
    with pytest.raises(UsageError, match=expected) as caught:
        load_plugin(entry)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class Mine: pass", "must be a subclass of vgbench.api.Objective"),
        ("Mine = 3", "must be a subclass of vgbench.api.Objective"),
        ("from vgbench.api import Distance as Mine", "must be a subclass of vgbench.api.Objective"),
        ("from vgbench.api import Objective\nclass Mine(Objective): pass", "does not define loss"),
        (
            "from vgbench.api import Objective\nclass Mine(Objective):\n    api = 2",
            "API 2; this is API 1: upgrade vgbench",
        ),
        (
            "from vgbench.api import Objective\nclass Mine(Objective):\n    api = 0",
            "API 0; this is API 1: upgrade vgx-mine",
        ),
        (
            "from vgbench.api import Objective\nclass Mine(Objective):\n    Params = int\n    def loss(self): pass",
            "Params must be a subclass of vgbench.api.Params",
        ),
    ],
)
def test_plugin_that_is_none_is_refused(tmp_plugin, code, message):
    tmp_plugin(code, objectives={"mine": "Mine"})
    with pytest.raises(UsageError, match=message):
        load_plugin(Registry().find("objective", "mine"))


def test_built_in_wins_and_the_other_stays_reachable(tmp_plugin):
    tmp_plugin(OBJECTIVE, objectives={"iql": "Mine"}, dist="vgx-iql")
    registry = Registry()
    assert registry.find("objective", "iql").dist == "vgbench"
    other = registry.find("objective", "vgx-iql:iql")
    assert (other.dist, other.address) == ("vgx-iql", "vgx-iql:iql")
    assert registry.find("objective", "VGX_iql:iql") == other
    assert registry.rivals(registry.find("objective", "iql")) == (other,)


def test_two_strangers_of_one_name_have_to_be_told_apart(tmp_plugin):
    tmp_plugin(OBJECTIVE, objectives={"mine": "Mine"}, dist="vgx-a", version="1")
    tmp_plugin(OBJECTIVE, objectives={"mine": "Mine"}, dist="vgx-b", version="2")
    with pytest.raises(UsageError, match="comes from vgx-a 1 and vgx-b 2: say which one, vgx-a:mine or vgx-b:mine"):
        Registry().find("objective", "mine")
    assert Registry().find("objective", "vgx-b:mine").version == "2"


@pytest.mark.parametrize(
    ("value", "expected"), [("none", set()), ("", set()), ("vgx-a", {"a"}), ("VGX_a, vgx-b", {"a", "b"})]
)
def test_environment_variable_limits_third_parties(tmp_plugin, monkeypatch, value, expected):
    tmp_plugin(OBJECTIVE, objectives={"a": "Mine"}, dist="vgx-a")
    tmp_plugin(OBJECTIVE, objectives={"b": "Mine"}, dist="vgx-b")
    monkeypatch.setenv("VGBENCH_PLUGINS", value)
    found = Registry().entries("objective")
    assert {entry.name for entry in found if entry.dist != "vgbench"} == expected
    assert "iql" in {entry.name for entry in found}


def test_environment_variable_with_an_unknown_package_is_reported(monkeypatch):
    monkeypatch.setenv("VGBENCH_PLUGINS", "vgx-nowhere")
    assert Registry().problems == ("VGBENCH_PLUGINS names vgx-nowhere, which has no plugins here",)


def test_unreadable_entry_points_take_nobody_else_down(tmp_plugin):
    tmp_plugin(raw="[vgbench.objectives]\nthis is not an entry point\n", dist="vgx-odd")
    registry = Registry()
    assert "iql" in names("objective")
    assert any("vgx-odd" in problem for problem in registry.problems)


def test_without_the_distribution_the_command_to_install_it_is_given(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from vgbench.plugin.registry import Registry; Registry()"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert f"-m pip install -e {ROOT}" in done.stderr


def test_a_broken_logger_never_stops_a_run(tmp_plugin, vgbench_process, tmp_path):
    code = """
        from vgbench.api import hookimpl

        class Raises:
            def __init__(self):
                raise RuntimeError("boom")

            @hookimpl
            def vgbench_stage_ended(self):
                pass

        class Unknown:
            @hookimpl
            def vgbench_stage_started(self, no_such_argument):
                pass
        """
    site = tmp_plugin(code, loggers={"raises": "Raises", "unknown": "Unknown"})
    variables = {"PYTHONPATH": str(site), "VGBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = vgbench_process("run", "--env", "wall", "--recipe", "vf", "--scale", "smoke", **variables)
    assert done.returncode == 0, done.stderr
    assert "'raises' is switched off: RuntimeError: boom (vgx-mine 0.1)" in done.stderr
    assert "'unknown' is switched off" in done.stderr


def test_a_group_that_does_not_exist_is_told_with_the_one_that_was_meant(tmp_plugin):
    """Else a typing error in pyproject.toml would install, and be found nowhere."""
    raw = "[vgbench.planner]\nnear = vgx_odd:Near\nfar = vgx_odd:Far\n[vgbench_other.things]\nx = a:b\n"
    tmp_plugin(raw=raw, dist="vgx-odd", version="0.3")
    (problem,) = Registry().problems
    assert problem.startswith("vgx-odd 0.3 registers near, far in vgbench.planner, which is no group of plugins. ")
    assert "Did you mean 'vgbench.planners'?" in problem
    assert Registry().remedies[problem].startswith("correct [project.entry-points] in the pyproject.toml of vgx-odd")


def test_a_way_of_drawing_that_mujoco_does_not_have_here_is_told_and_not_in_the_way(vgbench_process):
    """The mazes are drawn without OpenGL, so MUJOCO_GL cannot matter to them."""
    what = ["run", "--env", "maze", "--recipe", "vf", "--scale", "smoke", "--device", "cpu", "--dry-run"]
    done = vgbench_process(*what, cold=True, MUJOCO_GL="nonsense")
    assert done.returncode == 0, done.stderr
    assert "note: MUJOCO_GL=nonsense asks MuJoCo to draw in a way that does not work here" in done.stderr
    assert "glfw or disabled" in done.stderr


def test_other_errors_of_an_import_are_told_whatever_mujoco_gl_says(tmp_plugin, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    tmp_plugin("raise RuntimeError('mine alone')", objectives={"mine": "Mine"})
    with pytest.raises(UsageError, match="RuntimeError: mine alone"):
        load_plugin(Registry().find("objective", "mine"))
