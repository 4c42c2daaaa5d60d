"""Two of the same command at a time: one does the work, the other waits, or says who has it."""

import shutil
import threading

import pytest

pytestmark = pytest.mark.slow


def test_two_at_once(campaign, tools, whole, tmp_path):
    pairs = campaign("two-at-once", small=3, full=60)
    commands = {
        "run": [*tools.SMOKE, "--out", "out"],
        "collect": ["collect", "--env", "wall", "--scale", "smoke", "--out", "out.h5"],
        "tasks": ["tasks", "--env", "wall", "--scale", "smoke", "--out", "out.json"],
    }
    want = (whole / "here" / "episodes.jsonl").read_text()
    for case, rng in pairs.cases():
        name = sorted(commands)[case % len(commands)]
        work, found = tmp_path / str(case), {}
        work.mkdir()
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
        if bad or left or codes[0] != 0 or (name != "run" and codes != [0, 2]):
            pairs.fail(case, f"two of {name}: exit {codes}, left over {left}", bad or found[0])
        elif name == "run" and (work / "out" / "episodes.jsonl").read_text() != want:
            pairs.fail(case, "two runs: other rows", found[0])
        else:
            pairs.outcomes[f"{name}: exit {codes}"] += 1
        shutil.rmtree(work)
