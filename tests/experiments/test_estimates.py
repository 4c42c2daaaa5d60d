"""Estimates of time: a range that records and this machine's speed inform; shipped records are those of results/."""

import itertools
import json
import runpy
import statistics
from pathlib import Path

import pytest
import torch

from vgbench.config.resolve import RunRequest, resolve
from vgbench.experiments.cost import estimate
from vgbench.experiments.recorded import PATH, content, row
from vgbench.experiments.time_range import Speed, measured
from vgbench.text import span

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "results" / "paper_table_2").rglob("result.json"))


def test_the_shipped_records_are_those_of_the_results():
    """`python docs/hooks/recorded.py` writes them again."""
    made = runpy.run_path(str(ROOT / "docs" / "hooks" / "recorded.py"))["made"]()
    assert json.loads(PATH.read_text()) == json.loads(json.dumps(made))
    assert PATH.stat().st_size < 64 * 1024


def test_a_row_of_the_shipped_records_holds_what_its_files_say():
    found = row("tuned", "wall_big", "regressive", "quick")
    paths = [p for p in RECORDS if p.parent.parts[-4:-1] == ("tuned", "wall_big", "regressive")]
    results = [json.loads(path.read_text()) for path in paths]
    assert (found.successes, found.n) == tuple(sum(result[key] for result in results) for key in ("successes", "n"))
    # Of the first seed.
    took = results[0]["stages"]["episodes"]["cpu_seconds"]
    assert found.cpu_seconds["episodes"] == pytest.approx(took, abs=0.06)
    assert row("tuned", "wall_big", "regressive", "paper") is None


def recorded_machine(load=1.0, threads=1):
    """A machine as fast as that of the records."""
    return Speed(content()[0] * threads / load, content()[0], threads)


def spec(**more):
    return resolve(RunRequest(**{"protocol": "wall_big", "recipe": "vf", "device": "cpu"} | more))


def test_the_range_for_a_recorded_run_holds_what_the_record_took():
    found = row("tuned", "wall_big", "vf", "quick")
    cost = estimate(spec(variant="tuned"), recorded_machine())
    took = sum(found.cpu_seconds.values())
    assert cost["recorded"] and cost["seconds_low"] < took < cost["seconds_high"] <= cost["seconds"]
    assert cost["seconds_high"] < 2.5 * cost["seconds_low"]


def test_load_makes_the_upper_end_longer_and_threads_both_shorter():
    quiet = estimate(spec(), recorded_machine())
    busy, two = estimate(spec(), recorded_machine(load=4)), estimate(spec(), recorded_machine(threads=2))
    assert busy["seconds_low"] == quiet["seconds_low"]
    assert busy["seconds_high"] == pytest.approx(4 * quiet["seconds_high"])
    assert quiet["seconds_low"] / 2 < two["seconds_low"] < quiet["seconds_low"]


def test_a_run_without_a_record_goes_by_those_of_its_protocol():
    cost = estimate(spec(recipe=None, objective=["iql", "regressive"], distance="euclidean"), recorded_machine())
    assert not cost["recorded"]
    times = [sum(r.cpu_seconds.values()) for r in content()[1] if (r.protocol, r.scale) == ("wall_big", "quick")]
    assert cost["seconds_low"] < statistics.median(times) < cost["seconds_high"] < 5 * statistics.median(times)


def test_sums_of_stages_make_the_worst_case():
    cost = estimate(spec(), recorded_machine())
    assert sum(cost["seconds_by_stage"].values()) < cost["seconds"] < 1.5 * sum(cost["seconds_by_stage"].values()) + 20
    assert cost["training_low"] < cost["seconds_low"] and cost["training_high"] < cost["seconds_high"]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (240, 720, "4 to 12 min"),
        (50, 210, "50 s to 3.5 min"),
        (60, 60.2, "60 s"),
        (9e3, 4e4, "2.5 to 11 h"),
        (3600, 3 * 86400, "60 min to 3 days"),
    ],
)
def test_ranges_of_times(low, high, text):
    assert span(low, high) == text


def test_a_machine_too_crowded_for_one_product_in_time_is_measured(monkeypatch):
    clock = itertools.count(0.0, 5.0)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    speed = measured(torch.device("cpu"), size=64)
    assert 0 < speed.rate < speed.per_thread and speed.load > 1
