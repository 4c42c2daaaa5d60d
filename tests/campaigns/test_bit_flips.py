"""One bit of one file of a run folder or of the cache is turned: it is refused by name, or makes no difference."""

import json
import random
import shutil
from pathlib import Path

import pytest
import yaml

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


def test_bit_flips_of_stages(campaign, tools, whole, tmp_path):
    """Of a suite's folder, its shared stages and the folder of a trained model: the same rows, or refused by name."""
    flips = campaign("bit-flips-of-stages", small=2, full=300)
    begun = tmp_path / "begun"
    begun.mkdir()
    mine = {"summary": "one", "recipes": ["vf"], "protocols": ["wall_big"], "seeds": [0]}
    (begun / "mine.yaml").write_text(yaml.safe_dump({"suites": {"mine": mine}}))
    shutil.copyfile(next((whole / "cache" / "data").glob("*.h5")), begun / "data.h5")
    cells = ["suite", "mine.yaml", "--scale", "smoke", "--workers", "1", *tools.SMALLER, "--out", "table"]
    train = ["train", "--data", "data.h5", "--recipe", "vf", "--scale", "smoke", "--threads", "1", *tools.SMALLER]
    train += ["--out", "model"]
    for words in (cells, train):
        ended = tools.forked(tools.command(*words, VGBENCH_CACHE="cache"), begun)
        assert ended.code == 0, ended.err
    every = [path.relative_to(begun) for top in ("table", "model") for path in sorted((begun / top).rglob("*"))]
    files = [name for name in every if (begun / name).is_file() and (begun / name).stat().st_size]
    names = {str(name) for name in files}
    assert any(".shared" in name and name.endswith(".pt") for name in names), names
    assert {"model/training.json", "table/suite.json", "table/.token"} <= names, names
    want = rows_of(begun)
    # Mixed, so that the first ones are not all of the same folder.
    random.Random(0).shuffle(files)
    for case, rng in flips.cases():
        work = tmp_path / "work"
        shutil.copytree(begun, work)
        name = files[case % len(files)]
        place = flip(work / name, rng)
        again = cells if name.parts[0] == "table" else train
        if ".shared" in name.parts or case // len(files) % 2:
            # A run that is not complete takes its stages from the shared ones.
            for path in [*work.rglob("result.json"), *work.rglob("SHA256SUMS"), *work.rglob("training.json")]:
                if path.relative_to(work).parts[0] == name.parts[0] and path != work / name:
                    path.unlink()
            for path in work.glob("table/wall_big/*/*/checkpoints/*.pt"):
                if ".shared" in name.parts:
                    path.unlink()
        ended = tools.forked(tools.command(*again, VGBENCH_CACHE="cache"), work)
        told = ended.err + ended.out + "".join(path.read_text() for path in work.rglob("log.txt"))
        if complaint := ended.complaint():
            flips.fail(case, f"bit {place} of {name}: {complaint}", ended)
        elif ended.code == 0 and (rows_of(work) == want or name.name == "train.jsonl"):
            flips.outcomes["harmless, or made again"] += 1
        elif ended.code != 0 and name.name in told:
            flips.outcomes["refused by name"] += 1
        else:
            flips.fail(case, f"bit {place} of {name}: other rows without a word, or not named", ended)
        shutil.rmtree(work)


def test_bit_flips_of_kept_latents(campaign, tools, tmp_path):
    """Another run with the same frozen encoder: they are made again, and said to be, and its rows are the same."""
    from vgbench.training import latent_cache

    flips = campaign("bit-flips-of-latents", small=2, full=60)
    begun = tmp_path / "begun"
    run = ["run", "--env", "wall", "--recipe", "frozen_pred", "--scale", "smoke", "--threads", "1", *tools.SMALLER]

    def played(out):
        def work():
            latent_cache.WORTH = 0.0  # seconds of encoding from which on they are kept
            tools.command(*run, "--out", out, VGBENCH_CACHE="cache")()

        return work

    ended = tools.forked(played("here"), begun)
    assert ended.code == 0, ended.err
    want = (begun / "here" / "episodes.jsonl").read_text(), (begun / "here" / "train.jsonl").read_text()
    for case, rng in flips.cases():
        work = tmp_path / "work"
        shutil.copytree(begun, work)
        (kept,) = (work / "cache" / "latents").glob("*.pt")
        place = flip(kept, rng)
        ended = tools.forked(played("again"), work)
        again = work / "again"
        if complaint := ended.complaint():
            flips.fail(case, f"bit {place} of latents: {complaint}", ended)
        elif ended.code != 0 or f"{kept.name} cannot be used" not in ended.err:
            flips.fail(case, f"bit {place} of latents: nothing is said of it", ended)
        elif ((again / "episodes.jsonl").read_text(), (again / "train.jsonl").read_text()) != want:
            flips.fail(case, f"bit {place} of latents: other rows", ended)
        else:
            flips.outcomes["named, and made again"] += 1
        shutil.rmtree(work)


def rows_of(folder):
    names = ("episodes.jsonl", "train.jsonl")
    tops = (folder / "table", folder / "model")
    return {str(p.relative_to(folder)): p.read_text() for top in tops for p in top.rglob("*") if p.name in names}
