"""Two of the same command at a time: one does the work, the other waits, or says who has it."""

import shutil
import threading

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
        work, found = tmp_path / str(case), {}
        work.mkdir()
        shutil.copyfile(data, work / "data.h5")
        (work / "mine.yaml").write_text(suites)
        arrays = {n: np.ones((60, k), "f4") for n, k in (("observations", 6), ("actions", 2))}
        np.savez(work / "steps.npz", **arrays, terminals=np.arange(60) % 15 == 14)
        barrier = rng.choice([0.0, 0.05, 0.3])

        def one(index, work=work, found=found, name=name, barrier=barrier):
            import time

            time.sleep(index * barrier)
            place = work / f"log{index}"
            place.mkdir()

            def started():
                import os

                os.chdir(work)
                tools.command(*commands[name], VGBENCH_CACHE=str(work / "cache"))()

            found[index] = tools.forked(started, place)

        threads = [threading.Thread(target=one, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
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
