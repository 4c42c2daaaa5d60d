"""Other people's packages: broken ones harm nobody, and hundreds of them cost next to nothing."""

import os
import resource
import subprocess
import sys

import pytest

RUN = ["run", "--env", "wall", "--recipe", "vf", "--scale", "smoke", "--dry-run"]


def test_a_broken_package_harms_neither_list_nor_a_run_without_it(tmp_plugin, vgbench_cli):
    tmp_plugin(
        "1 / 0", objectives={"broken": "B"}, distances={"cracked": "C"}, planners={"torn": "T"}, dist="vgx-broken"
    )
    listed = vgbench_cli("list", "--format", "json")
    assert listed.exit_code == 0
    assert {row["name"] for row in listed.json() if row["dist"] == "vgx-broken"} == {"broken", "cracked", "torn"}
    assert vgbench_cli(*RUN).exit_code == 0
    assert "vgx_broken" not in sys.modules


def test_choosing_a_broken_plugin_names_package_version_and_cause(tmp_plugin, vgbench_cli):
    tmp_plugin("import not_to_be_found", objectives={"broken": "B"}, dist="vgx-broken", version="3.1")
    command = ["run", "--env", "wall", "--objective", "broken", "--distance", "iqe", "--scale", "smoke"]
    result = vgbench_cli(*command)
    assert result.exit_code == 2
    expected = "objective 'broken' from vgx-broken 3.1 failed to import (vgx_broken:B): ModuleNotFoundError: No module"
    assert expected in result.stderr and "Traceback" not in result.stderr
    assert "Traceback" in vgbench_cli(*command, "--debug").stderr


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("[vgbench.objectives]\nmine = vgx_mine\n", "must be a subclass of vgbench.api.Objective"),
        ("[vgbench.objectives]\nmine = vgx mine::Mine\n", "'vgx mine::Mine' is not `module:Class`"),
        ("[vgbench.objectives]\nmine = vgx_mine:Nowhere\n", "failed to import (vgx_mine:Nowhere): AttributeError"),
        ("[vgbench.objectives]\nmine = vgx_nowhere:Mine\n", "ModuleNotFoundError: No module named 'vgx_nowhere'"),
        ("[vgbench.objectives]\nmine = vgx_mine:D\n", "must be a subclass of vgbench.api.Objective"),
    ],
)
def test_an_entry_point_to_what_is_not_there_or_is_something_else(tmp_plugin, vgbench_cli, raw, message):
    tmp_plugin("from vgbench.api import Distance as D", raw=raw, dist="vgx-mine", version="0.3")
    result = vgbench_cli("run", "--env", "wall", "--objective", "mine", "--distance", "iqe", "--scale", "smoke")
    assert result.exit_code == 2 and "objective 'mine' from vgx-mine 0.3" in result.stderr
    assert message in result.stderr, result.stderr


def test_a_name_clash_is_shown_by_list_and_both_can_be_reached(tmp_plugin, vgbench_cli):
    code = """
        from vgbench.api import Loss, Objective

        class M(Objective):
            def loss(self, batch, model, noise):
                return Loss(batch.latents.sum())
    """
    tmp_plugin(code, objectives={"iql": "M"}, dist="vgx-iql", version="4")
    listed = vgbench_cli("list", "objective", "--format", "json")
    assert {(row["name"], row["dist"]) for row in listed.json()} >= {("iql", "vgbench"), ("vgx-iql:iql", "vgx-iql")}
    assert "objective 'iql' (vgx-iql 4) shares its name with another plugin; use vgx-iql:iql" in listed.stderr
    command = ["--env", "wall", "--distance", "iqe", "--scale", "smoke", "--dry-run", "--format", "json"]
    for name, dist in (("iql", "vgbench"), ("vgx-iql:iql", "vgx-iql")):
        result = vgbench_cli("run", "--objective", name, *command)
        assert result.exit_code == 0, result.stderr
        assert f"'{dist}" in result.stderr or name in result.stdout


def test_an_logger_that_calls_exit_does_not_end_the_run(tmp_plugin):
    from vgbench.plugin.loggers import Loggers
    from vgbench.plugin.registry import Registry

    code = """
        import sys
        from vgbench.api import hookimpl

        class Early:
            def __init__(self):
                sys.exit(3)

            @hookimpl
            def vgbench_run_started(self): pass

        class Late:
            @hookimpl
            def vgbench_run_started(self):
                sys.exit(3)

        class Nothing:
            pass
    """
    tmp_plugin(code, loggers={"early": "Early", "late": "Late", "nothing": "Nothing"})
    loggers = Loggers().load(Registry())
    loggers.call("vgbench_run_started", title="t", folder="f")
    loggers.call("vgbench_run_started", title="t", folder="f")
    assert loggers.errors == [
        "early: SystemExit: 3 (vgx-mine 0.1)",
        "nothing: logger 'nothing' (vgx-mine 0.1) is no logger: vgx_mine:Nothing must be a class with at least one "
        "method marked @vgbench.api.hookimpl (vgbench_run_started, vgbench_stage_started, vgbench_stage_progress, "
        "vgbench_stage_ended, vgbench_noted, vgbench_run_stopped, vgbench_run_ended)",
        "late: logger 'late' (vgx-mine 0.1): vgbench_run_started raised SystemExit: 3 (vgx_mine.py, line 15)",
    ]


def cpu_seconds(code, site):
    """CPU of a process, user and system; the least of three."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        variables = os.environ | {"PYTHONPATH": str(site)}
        done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent), done


def test_listing_two_hundred_packages_is_quick_and_imports_none(tmp_path):
    site = tmp_path / "site"
    for number in range(200):
        name, kind = f"vgx_many_{number}", ("objectives", "distances", "planners")[number % 3]
        info = site / f"{name}-0.1.dist-info"
        info.mkdir(parents=True)
        (site / f"{name}.py").write_text("raise RuntimeError('imported')\n" if number % 10 else "def (:\n")
        value = f"{name}:Mine" if number % 20 else "this is no entry point"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\nSummary: of {name}\n")
        (info / "entry_points.txt").write_text(f"[vgbench.{kind}]\nmany_{number} = {value}\n")
    code = (
        "import sys; sys.argv = ['vgbench', 'list']\n"
        "from vgbench.cli import app\n"
        "app(standalone_mode=False)\n"
        "heavy = [name for name in sys.modules if name.startswith('vgx_') or name in ('torch', 'numpy')]\n"
        "print(*heavy, file=sys.stderr)"
    )
    bare, _ = cpu_seconds("pass", site)
    spent, done = cpu_seconds(code, site)
    assert sum("many_" in line for line in done.stdout.splitlines()) == 200
    assert done.stderr.strip().splitlines()[-1:] in ([], [""]), done.stderr
    assert spent - bare < 1.0, f"{spent - bare:.2f} s of CPU above bare Python"
    print(f"{spent - bare:.2f} s above {bare:.2f} s")
