"""`python -m benchmarks`: every benchmark at its smallest size, its record, and checks that notice a wrong side."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from benchmarks import __main__ as command
from benchmarks import equal, guard, iqe, noise_bias, planners, replayed, solve
from benchmarks import gpu as script
from benchmarks.harness import Case, Check, Side, difference, measure, summary
from benchmarks.sorted_iqe import sorted_iqe
from benchmarks.work import DIM, Work
from vgbench.errors import UsageError
from vgbench_plugins.distances.iqe import IQE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def everything(made_once):
    """Record of all benchmarks, in one process, and the folder of their pictures."""

    def make(folder):
        # A home of its own, for the cache of `evaluation`'s smoke run.
        environ = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": str(folder)}
        call = [sys.executable, "-m", "benchmarks", "--tiny", "--repeats", "2", "--format", "json", "--plots", folder]
        done = subprocess.run(call, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr + done.stdout
        (folder / "record.json").write_text(done.stdout)

    folder = made_once("benchmarks", make)
    return json.loads((folder / "record.json").read_text()), folder


def test_the_record_tells_where_it_was_made(everything):
    record, _ = everything
    assert record["format"] == 1 and record["size"] == "tiny" and record["repeats"] == 2
    assert record["machine"]["threads"] == 1 and record["machine"]["torch"] == torch.__version__
    assert len(record["machine"]["git"]["commit"]) == 40
    assert [benchmark["name"] for benchmark in record["benchmarks"]] == list(command.NAMES)


@pytest.mark.parametrize("name", list(command.NAMES))
def test_the_sides_of_a_benchmark_do_the_same_work(name, everything):
    record, folder = everything
    absent = {peer["name"] for peer in record["peers"] if peer["version"] is None}
    benchmark = next(benchmark for benchmark in record["benchmarks"] if benchmark["name"] == name)
    assert benchmark["cases"]
    for case in benchmark["cases"]:
        assert set(case["absent"]) <= absent
        sides = {side["name"]: side for side in case["sides"]}
        assert not sides or sides["vgbench"]["ratio"]["median"] == 1.0
        for side in sides.values():
            assert side["seconds"]["q1"] <= side["seconds"]["median"] <= side["seconds"]["q3"]
            assert side["ratio"] is not None and side["rounds"] == 2
        peers = {side["name"] for side in case["sides"] if side["kind"] == "peer"}
        checked = {check["side"] for check in case["checks"] if check["passed"] and check["error"] is not None}
        assert peers <= checked, "a peer that nothing was compared with"
    if name == "startup":
        assert (folder / "planning-growth.svg").exists()
        memory = next(case for case in benchmark["cases"] if case["case"] == "peak memory")["facts"]["peak_mib"]
        assert {"collect", "encoder", "predictor", "episodes"} <= set(memory["smoke run"])
        assert all(50 < value < 4096 for value in memory["smoke run"].values())


def test_a_wrong_cost_is_noticed():
    work = Work(samples=16, horizon=3, distance="euclidean")
    pytest.importorskip("pytorch_mppi")
    _, distance = work.peer_distance()
    right = planners.pytorch_mppi(work, distance)
    wrong = planners.pytorch_mppi(work, lambda z: 1.01 * distance(z))
    found = list(solve.checks(work, {"right": right, "wrong": wrong}))
    assert {check.side for check in found if not check.passed} == {"wrong"}


def test_a_distance_with_exchanged_points_is_noticed():
    torch.manual_seed(0)
    ours = IQE(IQE.Params(), DIM)
    weight = ours.raw.detach().sigmoid()
    sides = {
        "right": lambda x, y: sorted_iqe(x, y, 8, weight),
        "exchanged": lambda x, y: sorted_iqe(y, x, 8, weight),
    }
    for case in (iqe.planning(ours, sides, 5), iqe.training(ours, sides, 2, 3, 2)):
        record = measure(case, 1)
        passed = {check["side"]: check["passed"] for check in record["checks"]}
        assert passed == {"right": True, "exchanged": False}
        ratios = {side["name"]: side["ratio"] for side in record["sides"]}
        assert ratios["right"] is not None and ratios["exchanged"] is None
        assert command.status({"benchmarks": [{"cases": [record]}]}) == 1


def rows(*pairs):
    return [{"solved": solved, "of": 100, "seconds": seconds} for solved, seconds in pairs]


def test_the_fastest_settings_near_the_best_and_the_best_play_again():
    assert equal.finalists(rows((90, 4.0), (89, 1.0), (100, 9.0), (98, 2.0))) == [3, 0, 2]  # 89 is 11 of 100 below
    assert equal.finalists(rows((92, 30.0), *((91, 20.0 - i) for i in range(9)))) == [9, 8, 7, 6, 5, 4, 0]


def test_the_fastest_settings_that_are_good_enough_are_chosen():
    assert equal.chosen(rows((100, 9.0), (98, 4.0), (97, 1.0))) == 1  # 97 is more than 2 of 100 below the best
    assert equal.chosen(rows((98, 4.0), (100, 4.3), (99, 4.5))) == 1  # 4.0 and 4.3 are alike
    assert equal.chosen(rows((99, 4.2), (99, 4.0))) == 1


@pytest.mark.parametrize("error", [0.2, float("nan"), float("inf")])
def test_only_a_small_number_passes(error):
    assert not Check("side", "what", error, 0.1).passed
    json.dumps(Check("side", "what", error, 0.1).record(), allow_nan=False)


def test_difference():
    assert difference(torch.tensor([1.0, -4.0]), torch.tensor([1.0, -3.0])) == 0.25
    assert difference(torch.zeros(2), torch.zeros(3)) == float("inf")
    assert difference(torch.ones(1), torch.tensor([torch.nan])) == float("inf")


def test_sides_take_turns_and_are_compared_round_by_round():
    calls, now = [], [0.0]

    def side(name, *spent):
        times = iter((0.0, *spent))  # the first call warms up
        return Side(name, lambda: (calls.append(name), now.__setitem__(0, now[0] + next(times))))

    ours, peer = side("a", 1.0, 10.0, 2.0), side("b", 2.0, 30.0, 8.0)
    ours = Side("a", ours.run, "ours")
    record = measure(Case("case", {}, [ours, peer], clock=lambda: now[0]), 3)
    assert calls == ["a", "b", "a", "b", "b", "a", "a", "b"]
    first, second = record["sides"]
    assert first["seconds"] == {"median": 2.0, "q1": 1.5, "q3": 6.0}
    assert second["ratio"] == {"median": 3.0, "q1": 2.5, "q3": 3.5}  # of 2, 3 and 4
    assert summary([7.0]) == {"median": 7.0, "q1": 7.0, "q3": 7.0}


def test_rates_count_the_work_that_a_side_did():
    now = [0.0]
    ours = Side("ours", lambda: now.__setitem__(0, now[0] + 2.0), "ours")
    half = Side("half", lambda: now.__setitem__(0, now[0] + 2.0), work=50)
    first, second = measure(Case("case", {}, [ours, half], work=100, clock=lambda: now[0]), 2)["sides"]
    assert first["per_second"]["median"] == 50 and second["per_second"]["median"] == 25
    assert second["ratio"]["median"] == 2 and second["seconds"]["median"] == 2


def test_the_sorting_iqe_by_hand():
    x, y = torch.tensor([0.0, 1.0, 5.0]), torch.tensor([2.0, 3.0, 4.0])
    assert sorted_iqe(x, y, 3, torch.tensor(0.3)) == 3.0
    assert sorted_iqe(y, x, 3, torch.tensor(0.3)) == 1.0
    # Two components of 1: lengths 2 and 4; a quarter of the way from the mean 3 to the maximum 4.
    assert sorted_iqe(torch.zeros(2), torch.tensor([2.0, 4.0]), 1, torch.tensor(0.25)) == 3.25


def test_noise_makes_the_value_optimistic():
    row = noise_bias.measure(draws=2, count=1, noises=(3.0,))["rows"][0]
    # An expectile above the middle counts the lucky draws more; the mean over them has no luck.
    assert row["joint"] + 1 < row["averaged"] < row["bound"]


def test_an_expectile_takes_the_door_of_chance_where_a_mean_over_luck_does_not():
    rows = noise_bias.measure_gamble(1, {"mean": (0.5, 0.9), "vf": (0.8, 0.98)})["rows"]
    mean, vf = rows
    assert mean["stratum"] == vf["stratum"] == "trap"
    # The expectile of one half is the mean, of luck and actions alike.
    assert mean["bias"] == 0 and mean["takes_joint"] == mean["takes_averaged"]
    assert vf["joint"] + 0.1 < vf["averaged"] and (vf["takes_joint"], vf["takes_averaged"]) == (1.0, 0.0)


def test_a_mean_over_draws_by_hand():
    ends = csr_array(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]))
    assert noise_bias.mean_over(ends, 2).toarray().tolist() == [[0.5, 0.5], [0.0, 1.0]]


def test_without_a_run_what_plans_with_one_is_left_out(capsys):
    assert command.parse(["--quick"]).names == [name for name in command.NAMES if name not in ("evaluation", "equal")]
    assert "without --run, no evaluation and no equal" in capsys.readouterr().err
    assert command.parse(["--tiny"]).names == list(command.NAMES)
    assert command.parse(["--run", str(ROOT)]).names == list(command.NAMES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["solv"], "Did you mean 'solve'?"),
        (["--format", "yaml"], "--format: unknown value 'yaml'"),
        (["--repeats", "0"], "--repeats is 0, expected 1 or more"),
        (["--threads", "0"], "--threads is 0, expected 1 to"),
        (["--run", "nowhere"], "--run nowhere: there is no such folder"),
        (["solve", "equal", "--quick"], "benchmark 'equal' plans with a trained run: give its folder by --run"),
    ],
)
def test_wrong_options(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    assert command.main() == 2
    assert said in capsys.readouterr().err


def test_runs_played_again_are_compared_task_by_task():
    then, now = [True, True, False, False], [True, False, False, False]
    found = replayed.compared(then, now)
    assert (found["tasks"], found["then"], found["now"], found["changed"]) == (4, 2, 1, 1)
    # Differences 0, -1, 0, 0: mean -1/4, standard error 1/4, and 3.1824 is Student's quantile for 3 degrees of freedom.
    assert found["mean"] == -0.25 and found["ci95"] == [-1.0456, 0.5456] and not found["not_worse"]
    assert replayed.compared(then, then)["not_worse"]


def test_the_listing_tells_how_to_get_a_peer(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--list", "--format", "json"])
    assert command.main() == 0
    record = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in record["benchmarks"]] == list(command.NAMES)
    assert all(peer["install"].startswith("pip install ") for peer in record["peers"])


def _solved(share, size="quick"):
    limit = {"name": "matrix products", "kind": "limit", "ratio": {"median": share}}
    sides = [{"name": "vgbench", "kind": "ours", "ratio": {"median": 1.0}}, limit]
    return {
        "size": size,
        "benchmarks": [{"name": "solve", "cases": [{"case": "500 x 10", "sides": sides, "checks": []}]}],
    }


@pytest.mark.parametrize(("share", "code"), [(0.95, 0), (0.61, 0), (0.59, 1), (1.2, 0)])
def test_a_share_that_fell_fails(share, code):
    record = _solved(share)
    record["against"] = guard.compare(record, _solved(0.9))
    assert command.status(record) == code


def test_records_of_different_sizes_are_not_compared():
    with pytest.raises(UsageError, match="no limit in common"):
        guard.compare(_solved(0.9), _solved(0.9, size="full"))


def test_an_older_record_is_read_before_anything_is_measured(tmp_path):
    path = tmp_path / "other.json"
    for text in ("{", "[]", '{"a": 1}'):
        path.write_text(text)
        with pytest.raises(UsageError, match="--against"):
            command.parse(["solve", "--against", str(path)])


def gpu(out, *arguments):
    environ = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": str(out.parent)}
    call = [sys.executable, "-m", "benchmarks.gpu", "--out", out, "--device", "cpu", "--scale", "smoke", *arguments]
    return subprocess.run(call, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=500)


def test_what_a_gpu_is_measured_by_runs_on_a_cpu(tmp_path):
    done = gpu(tmp_path / "out")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "gpu.json").read_text())
    parts = record["parts"]
    assert list(parts) == ["tests", "solve", "epoch", "cell"] and record["device"] == "cpu"
    assert parts["tests"]["collected"] >= 5
    one, block = parts["solve"]["one task"], parts["solve"]["a block of tasks"]
    assert one["tasks"] == 1 < block["tasks"] and one["median_seconds"] > 0
    epoch = parts["epoch"]
    assert epoch["steps"] == epoch["of"] > 0 and not epoch["out_of_time"]
    cell = parts["cell"]
    assert cell["exit"] == 0 and cell["result"]["n"] == 4 and not cell["out_of_time"]
    assert json.loads((tmp_path / "out" / "cell" / "result.json").read_text())["recipe"] == "vf_quasi"


def test_a_cell_that_is_not_done_in_time_is_saved_and_told(tmp_path):
    done = gpu(tmp_path / "out", "--seconds", "1")
    assert done.returncode == 0, done.stderr
    parts = json.loads((tmp_path / "out" / "gpu.json").read_text())["parts"]
    assert parts["cell"]["out_of_time"] and "result" not in parts["cell"]
    assert parts["epoch"]["out_of_time"] and parts["epoch"]["steps"] < parts["epoch"]["of"]


def test_an_epoch_is_measured_anew_and_not_begun_once_its_time_is_over(tmp_path, monkeypatch):
    """Steps of an earlier call are not taken in this one's time; of a time that is over before, none is taken."""
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    spec = script.resolve(script.RunRequest(**script.CELL, scale="smoke", device="cpu"))
    for _ in range(2):
        found = script.epoch(spec, tmp_path, time.monotonic() + 300)
        assert found["steps"] == found["of"] and found["training_seconds"] > 0.01
    found = script.epoch(spec, tmp_path, time.monotonic())
    assert found["steps"] == 0 < found["of"] and found["out_of_time"]


def test_the_gpu_s_script_refuses_what_is_not_there(tmp_path):
    done = gpu(tmp_path / "out", "--scale", "smoky")
    assert done.returncode == 2 and "smoke" in done.stderr
    done = gpu(tmp_path / "out", "--device", "cuda:7")
    assert done.returncode == 2 and "--device cuda:7" in done.stderr
