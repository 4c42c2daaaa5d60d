"""One bit of one file of a run folder or of the cache is turned: it is refused by name, or makes no difference."""

import json
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def results(folder):
    """What a run came to, without times and places."""
    result = json.loads((folder / "result.json").read_text())
    plain = {k: v for k, v in result.items() if k not in ("seconds", "cpu_seconds", "stages", "run_dir", "notes")}
    names = [
        "train.jsonl",
        "tasks.json",
        *sorted(path.name for path in folder.glob("*s*.jsonl") if "train" not in path.name),
    ]
    return plain, {name: (folder / name).read_text() for name in names}


def flip(path, rng):
    data = bytearray(path.read_bytes())
    place = rng.randrange(len(data) * 8)
    data[place // 8] ^= 1 << place % 8
    path.write_bytes(data)
    return place


def test_bit_flips(campaign, tools, whole, tmp_path):
    """Of a complete run, or of one that lacks its result and goes on from its checkpoints."""
    flips = campaign("bit-flips", small=8, full=300)
    want = results(whole / "here")
    for case, rng in flips.cases():
        work = tmp_path / str(case)
        shutil.copytree(whole, work, ignore=shutil.ignore_patterns("*.partial"))
        files = sorted(p for p in work.rglob("*") if p.is_file() and p.stat().st_size and not p.name.startswith("."))
        path = files[case % len(files)]
        unfinished = case // len(files) % 2 == 1 and path.name not in ("result.json", "SHA256SUMS")
        if unfinished:
            for name in ("result.json", "SHA256SUMS"):
                (work / "here" / name).unlink()
            if path.suffix != ".pt" and path.name.startswith(("episodes", "baseline")):
                continue  # written anew from its checkpoint
        place = flip(path, rng)
        what = f"bit {place} of {path.relative_to(work)} of a{'n unfinished' if unfinished else ' complete'} run"
        command = [*tools.SMOKE, "--out", "here" if path.suffix != ".h5" else "fresh"]
        ended = tools.forked(tools.command(*command, VGBENCH_CACHE="cache"), work)
        if complaint := ended.complaint():
            flips.fail(case, f"{what}: {complaint}", ended)
        elif ended.code == 0:
            found = results(work / command[-1])
            if path.name == "train.jsonl" and unfinished:
                found[1].pop("train.jsonl"), (same := dict(want[1])).pop("train.jsonl")
                good = found[0] == want[0] and found[1] == same and "train.jsonl is damaged" in ended.err
            else:
                good = (found[0], found[1]) == want
            flips.outcomes["harmless"] += good
            if not good:
                flips.fail(case, f"{what}: other results without a word", ended)
        elif path.name in ended.err or path.name == "SHA256SUMS":
            flips.outcomes["refused by name"] += 1
        else:
            flips.fail(case, f"{what}: refused, but the file is not named", ended)
        shutil.rmtree(work)


def test_bit_flips_in_records(campaign, tools, tmp_path):
    """A report over a damaged record and a whole one leaves the damaged one out, by name, or shows what it showed."""
    flips = campaign("bit-flips-in-records", small=6, full=300)
    arguments = ["report", "runs", "--scale", "smoke", "--format", "json"]
    work = tmp_path / "work"
    work.mkdir()
    wanted = ["--protocol", "wall_big", "--recipe", "vf_quasi", "--scale", "smoke", "--device", "cpu", "--threads", "1"]
    ended = tools.forked(tools.command("run", *wanted, "--seeds", "0-1", "--out", "runs"), work)
    assert ended.code == 0, ended.err
    shutil.copytree(work / "runs" / "s0", tmp_path / "whole")
    want = json.loads(tools.forked(tools.command(*arguments), work).out)["cells"]
    assert any(cell["state"] == "done" and cell["success_rate"] is not None for cell in want), want
    for case, rng in flips.cases():
        one = work / "runs" / "s0"
        shutil.rmtree(one)
        shutil.copytree(tmp_path / "whole", one)
        files = sorted(p for p in one.iterdir() if p.is_file() and p.stat().st_size and not p.name.startswith("."))
        path = files[case % len(files)]
        what = f"bit {flip(path, rng)} of {path.name}"
        ended = tools.forked(tools.command(*arguments), work)
        if complaint := ended.complaint():
            flips.fail(case, f"{what}: {complaint}", ended)
        elif f"skipped {Path('runs') / 's0'}" in ended.err:
            flips.outcomes["left out by name"] += 1
        elif json.loads(ended.out)["cells"] == want:
            flips.outcomes["harmless"] += 1
        else:
            flips.fail(case, f"{what}: another report without a word", ended)
