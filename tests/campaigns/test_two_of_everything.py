"""Two commands at a time: of the same, one does the work and the other waits or says who has it; a reader reads on."""

import os
import shutil
import threading
import time

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.slow


def rows(folder):
    """What the runs of a folder came to."""
    names = ("episodes.jsonl", "train.jsonl", "sweep.csv")
    found = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.name in names}
    assert found, folder
    return found


def side_by_side(tools, work, commands, apart):
    """Start two commands in a folder, the second some seconds after the first; return how they ended."""
    found = {}

    def one(index):
        def started():
            os.chdir(work)
            tools.command(*commands[index], VGBENCH_CACHE=str(work / "cache"))()

        time.sleep(index * apart)
        found[index] = tools.forked(started, work / f"log{index}")

    threads = [threading.Thread(target=one, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_two_at_once(campaign, tools, whole, tmp_path):
    pairs = campaign("two-at-once", small=8, full=80)
    cells = ["--scale", "smoke", "--workers", "1", *tools.SMALLER, "--out", "out"]
    short = ["--scale", "smoke", "--tasks", "1", "--set", "mpc.max_steps=4", "--set", "mppi.samples=8"]
    train = ["train", "--data", "data.h5", "--recipe", "vf", "--scale", "smoke", "--threads", "1", *tools.SMALLER]
    grid = ["--recipe", "vf", "--protocol", "wall_big", "--grid", "mppi.horizon=4,5"]
    commands = {
        "run": [*tools.SMOKE, "--out", "out"],
        "collect": ["collect", "--env", "wall", "--scale", "smoke", "--out", "out.h5"],
        "tasks": ["tasks", "--env", "wall", "--scale", "smoke", "--out", "out.json"],
        "import": ["import", "steps.npz", "--out", "out.h5"],
        "ladder": ["ladder", "--protocol", "wall_big", *short, "--out", "out.json"],
        "suite": ["suite", "mine.yaml", *cells],
        "sweep": ["sweep", *grid, *cells],
        "train": [*train, "--out", "out"],
    }
    once = {"collect", "tasks", "import"}
    data = next((whole / "cache" / "data").glob("*.h5"))
    mine = {"summary": "one", "recipes": ["vf_quasi"], "protocols": ["wall_big"], "seeds": [0]}
    suites = yaml.safe_dump({"suites": {"mine": mine}})
    known = {}
    want = (whole / "here" / "episodes.jsonl").read_text()
    for case, rng in pairs.cases():
        name = sorted(commands)[case % len(commands)]
        work = tmp_path / str(case)
        work.mkdir()
        shutil.copyfile(data, work / "data.h5")
        (work / "mine.yaml").write_text(suites)
        arrays = {n: np.ones((60, k), "f4") for n, k in (("observations", 6), ("actions", 2))}
        np.savez(work / "steps.npz", **arrays, terminals=np.arange(60) % 15 == 14)

        found = side_by_side(tools, work, [commands[name]] * 2, rng.choice([0.0, 0.05, 0.3]))
        codes = sorted(ended.code for ended in found.values())
        bad = next((ended for ended in found.values() if ended.complaint()), None)
        left = [path.name for path in work.rglob("*.partial")]
        if bad or left or codes[0] != 0 or (name in once and codes != [0, 2]):
            pairs.fail(case, f"two of {name}: exit {codes}, left over {left}", bad or found[0])
        elif name == "run" and (work / "out" / "episodes.jsonl").read_text() != want:
            pairs.fail(case, "two runs: other rows", found[0])
        elif name in ("suite", "sweep", "train") and known.setdefault(name, rows(work / "out")) != rows(work / "out"):
            pairs.fail(case, f"two of {name}: other rows than the first two", found[0])
        else:
            pairs.outcomes[f"{name}: exit {codes}"] += 1
        shutil.rmtree(work)


def test_two_that_differ(campaign, tools, whole, tmp_path):
    """One writes what the other reads, or both make the same data and stages: the rows are those of one alone."""
    pairs = campaign("two-that-differ", small=4, full=160)
    cells = ["--scale", "smoke", "--workers", "1", *tools.SMALLER]
    suite, run = ["suite", "mine.yaml", *cells, "--out", "out/table"], [*tools.SMOKE, "--out", "out/run"]
    again = ["evaluate", "here", "--task-seed", "3", "--out", "out/again"]
    grid = ["sweep", "--recipe", "vf", "--protocol", "wall_big", "--grid", "mppi.horizon=4,5", *cells]
    writers = {
        "run": run,
        "suite": suite,
        "sweep": [*grid, "--out", "out/grid"],
        "evaluate": again,
        "tasks": ["tasks", "--env", "wall", "--scale", "smoke", "--out", "out/tasks.json"],
        "collect": ["collect", "--env", "wall", "--scale", "smoke", "--out", "out/data.h5"],
    }
    readers = {
        "report": ["report", "out", "--scale", "smoke"],
        "page": ["report", "out", "--scale", "smoke", "--html", "page.html"],
        "runs": ["runs", "out"],
        "status": ["suite", "mine.yaml", "--scale", "smoke", "--status", "--out", "out/table"],
        "failures": ["failures", "out/run"],
        "rescore": ["rescore", "out/run"],
        "compare": ["compare", "out/again", "here"],
        "diagnose": ["diagnose", "here", "--goals", "2", "--states", "32"],
    }
    mine = {"summary": "one", "recipes": ["vf_quasi"], "protocols": ["wall_big"], "seeds": [0]}
    known = {"run": {"episodes.jsonl": (whole / "here" / "episodes.jsonl").read_text()}}
    for case, rng in pairs.cases():
        writer = sorted(writers)[case % len(writers)]
        other = rng.choice(sorted({**writers, **readers} if case % 2 else readers))
        work = tmp_path / str(case)
        (work / "out").mkdir(parents=True)
        shutil.copytree(whole / "here", work / "here")
        if rng.random() < 0.5:
            shutil.copytree(whole / "cache", work / "cache")
        (work / "mine.yaml").write_text(yaml.safe_dump({"suites": {"mine": mine}}))
        both = [writers[writer], {**writers, **readers}[other]]
        found = side_by_side(tools, work, both, rng.choice([0.0, 0.3, 1.0, 2.0]))
        what, bad = f"{writer} and {other}", next((ended for ended in found.values() if ended.complaint()), None)
        left = [path.name for path in work.rglob("*.partial")]
        if bad or left:
            pairs.fail(case, f"{what}: left over {left}", bad or found[0])
        elif found[0].code != 0 and writer != other:
            pairs.fail(case, f"{what}: the first is disturbed", found[0])
        elif found[1].code != 0 and other in writers and writer != other:
            pairs.fail(case, f"{what}: the second is disturbed", found[1])
        else:
            place = work / "out" / {"suite": "table", "sweep": "grid", "evaluate": "again"}.get(writer, writer)
            names = ("episodes.jsonl", "sweep.csv")
            made = {str(p.relative_to(place)): p.read_text() for p in place.rglob("*") if p.name in names}
            if place.is_dir() and known.setdefault(writer, made) != made:
                pairs.fail(case, f"{what}: other rows than alone", found[0])
            else:
                pairs.outcomes["both went through" if found[1].code == 0 else f"{other}: exit {found[1].code}"] += 1
        shutil.rmtree(work)
