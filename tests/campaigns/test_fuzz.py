"""Damaged, hostile and merely odd files for everything that is read: refused in a line, in seconds and a gigabyte."""

import contextlib
import json
import shutil

import h5py
import numpy as np
import pytest
import torch
import yaml

pytestmark = pytest.mark.slow

RECIPES = {
    "mine": {"summary": "a", "objectives": ["iql"], "distance": "iqe", "training": "separate", "set": {"iql.tau": 0.7}},
    "other": {"extends": "mine", "objectives": ["iql", "prediction"], "training": "joint", "set": {"iql.gamma": 0.9}},
    "third": {"extends": "vf", "set": {"mlp.hidden": [8]}},
}


@pytest.mark.parametrize("kind", ["config", "recipes"])
def test_yaml(campaign, tools, whole, tmp_path, kind):
    fuzz = campaign(f"fuzz-{kind}", small=8, full=2000)
    source = (whole / "here" / "config.yaml").read_bytes()
    path = tmp_path / "fuzzed.yaml"
    for case, rng in fuzz.cases():
        base = yaml.safe_load(source) if kind == "config" else {"recipes": RECIPES}
        if rng.random() < 0.6:
            path.write_bytes(tools.dumped(tools.changed(base, rng), rng, "yaml", tools.scrambled))
        else:
            path.write_bytes(tools.scrambled(source if kind == "config" else yaml.safe_dump(base).encode(), rng))
        how = ["--config", path] if kind == "config" else ["--recipes", path, "--env", "wall", "--scale", "smoke"]
        how += [] if kind == "config" else ["--recipe", rng.choice(["mine", "other", "third"])]
        ended = tools.forked(tools.command("run", *how, "--dry-run"), tmp_path / "work", cpu=tools.HANG)
        tools.judge(fuzz, case, kind, ended, tools.HANG)


def test_tasks(campaign, tools, whole, tmp_path):
    """Both with the hash of what is in the file, and with that of what was."""
    from vgbench.data.task_manifest import digest

    fuzz = campaign("fuzz-tasks", small=8, full=1500)
    source = (whole / "here" / "tasks.json").read_bytes()
    path = tmp_path / "tasks.json"
    for case, rng in fuzz.cases():
        if rng.random() < 0.7:
            content = tools.changed({k: v for k, v in json.loads(source).items() if k != "sha256"}, rng)
            try:
                content["sha256"] = digest(content)
            except (ValueError, TypeError):
                content["sha256"] = "0" * 64
            path.write_bytes(json.dumps(content).encode())
        else:
            path.write_bytes(tools.scrambled(source, rng))
        work = tools.command(*tools.SMOKE, "--tasks", path, "--dry-run")
        tools.judge(fuzz, case, "tasks", tools.forked(work, tmp_path / "work", cpu=tools.HANG), tools.HANG)


def hostile(path, rng, changed):
    """Change a data set as somebody might who knows HDF5."""
    with h5py.File(path, "r+") as file:
        name = rng.choice(
            [
                *(n for n in ("actions", "lengths") if n in file),
                *(f"{g}/{n}" for g in ("states", "static", "observations") if g in file for n in file[g]),
            ]
        )
        array = file[name][()]
        kind = rng.randrange(12)
        if kind < 8:
            del file[name]
        if kind == 0:
            file[name] = h5py.ExternalLink("/etc/passwd", "/x")
        elif kind == 1:
            file[name] = h5py.SoftLink(rng.choice(["/", "/actions", "/nowhere", f"/{name}"]))
        elif kind == 2:
            file.create_dataset(name, shape=(10**9, 10), dtype="f4", chunks=(1024, 1))
        elif kind == 3:
            file.create_group(name)
        elif kind == 4:
            file[name] = rng.choice([1.0, "text", h5py.Empty("f4"), np.array([b"x" * 9])])
        elif kind == 5:
            file[name] = array.astype(rng.choice(["f8", "i4", "bool", "c8", "f2"]))
        elif kind == 6:
            file[name] = rng.choice(
                [array[:-1], array[:, :-1], array[..., None], array * np.float32(np.nan), array[:0]]
            )
        elif kind == 7:
            layout = h5py.VirtualLayout(array.shape, array.dtype)
            layout[...] = h5py.VirtualSource("/nowhere.h5", "x", array.shape)
            file.create_virtual_dataset(name, layout)
        elif kind == 8:
            key = rng.choice(list(file.attrs))
            file.attrs[key] = rng.choice(
                [0, -1, "x", "[" * 5000, "{}", np.zeros(3), b"\xff", json.dumps({"trajectories": 1e9})]
            )
        elif kind == 9:
            spec = changed(json.loads(file.attrs["specification"]), rng)
            file.attrs["specification"] = json.dumps(spec)
        elif kind == 10:
            del file.attrs[rng.choice(list(file.attrs))]
        else:
            file.move(name, rng.choice(["x", "states/x", "static/x", "observations/x"]))
        if rng.random() < 0.8:  # somebody who knows how checksums are made
            from vgbench.data import files

            if "sha256" in file.attrs:
                with contextlib.suppress(TypeError):  # what it says of itself is no text any more
                    file.attrs["sha256"] = files.header_hash(file)


def test_hdf5(campaign, tools, whole, tmp_path):
    fuzz = campaign("fuzz-hdf5", small=8, full=2000)
    source = next((whole / "cache" / "data").glob("*.h5"))
    path = tmp_path / "fuzzed.h5"
    for case, rng in fuzz.cases():
        if rng.random() < 0.5:
            path.write_bytes(tools.scrambled(source.read_bytes(), rng))
        else:
            shutil.copyfile(source, path)
            hostile(path, rng, tools.changed)
        work = tools.command("tasks", "--env", "wall", "--scale", "smoke", "--data", path, "--out", "t.json")
        tools.judge(fuzz, case, "HDF5", tools.forked(work, tmp_path / "work", cpu=tools.HANG), tools.HANG)


@pytest.fixture(scope="module")
def episodes(tools, tmp_path_factory):
    """A data set of episodes of different lengths (format 2), as `import` writes it."""
    work, numbers = tmp_path_factory.mktemp("episodes"), np.random.default_rng(0)
    arrays = {n: numbers.uniform(-1, 1, (90, k)).astype("f4") for n, k in (("observations", 6), ("actions", 2))}
    np.savez(work / "steps.npz", **arrays, terminals=np.isin(np.arange(90), [19, 49, 89]))
    ended = tools.forked(tools.command("import", "steps.npz", "--out", "out.h5"), work)
    assert ended.code == 0, ended.err
    with h5py.File(work / "out.h5") as file:
        assert file.attrs["format"] == 2 and "lengths" in file
    return work / "out.h5"


def test_episodes(campaign, tools, whole, episodes, tmp_path):
    """Format 2 of HDF5; now and then the fingerprint is that of what is there, as somebody would make it."""
    from vgbench.data import episode_file, files

    fuzz = campaign("fuzz-hdf5-episodes", small=6, full=1000)
    path = tmp_path / "fuzzed.h5"
    for case, rng in fuzz.cases():
        if rng.random() < 0.3:
            path.write_bytes(tools.scrambled(episodes.read_bytes(), rng))
        else:
            shutil.copyfile(episodes, path)
            hostile(path, rng, tools.changed)
            with contextlib.suppress(Exception):  # what cannot be read has no fingerprint; the command has to say so
                found = files.fingerprint(episode_file.read(path))
                with h5py.File(path, "r+") as file:
                    file.attrs["fingerprint"] = found
                    file.attrs["sha256"] = files.header_hash(file)
        words = ["train", "--data", path, "--recipe", "vf", "--scale", "smoke", "--threads", "1", *tools.SMALLER]
        words += rng.choice([["--dry-run"], ["--out", "model"]])
        shutil.rmtree(tmp_path / "work", ignore_errors=True)
        ended = tools.forked(tools.command(*words), tmp_path / "work", cpu=3 * tools.HANG)
        tools.judge(fuzz, case, f"episodes, {words[-1]}", ended, tools.HANG)


def odd_weights(value, rng):
    """Change a tensor, a number or a name somewhere in what a checkpoint holds, as somebody might who knows PyTorch."""
    if isinstance(value, dict) and value and rng.random() < 0.95:
        key = rng.choice(list(value))
        kind = rng.randrange(8)
        if kind == 0:
            return {k: v for k, v in value.items() if k != key}
        if kind == 1:
            return {f"{k}s" if k == key else k: v for k, v in value.items()}
        return value | {key: odd_weights(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], odd_weights(value[at], rng), *value[at + 1 :]]
    if isinstance(value, torch.Tensor) and rng.random() < 0.8:
        shapes = [
            value[..., None],
            value.flatten()[:1],
            value * float("nan"),
            value.double(),
            value.bool(),
            value[None],
        ]
        return rng.choice([*shapes, torch.zeros(1).expand(10**9), torch.empty(3, device="meta")])
    return rng.choice([None, -1, 10**30, 1e308, "x", [], {}, float("nan"), True, torch.zeros(0), torch.zeros(2, 3)])


def test_odd_checkpoints(campaign, tools, whole, tmp_path):
    """Whole archives without a hash, as earlier versions wrote them, with something else inside."""
    fuzz = campaign("fuzz-checkpoints-odd", small=4, full=500)
    readers = [["run", "--config", "here/config.yaml", "--out", "here"], ["failures", "here", "--first", "1"]]
    readers += [["diagnose", "here", "--goals", "2", "--states", "32"], ["evaluate", "here", "--out", "out"]]
    for case, rng in fuzz.cases():
        work = tmp_path / str(case)
        shutil.copytree(whole, work)
        words = rng.choice(readers)
        (work / "here" / "SHA256SUMS").unlink()
        if words[0] == "run":
            (work / "here" / "result.json").unlink()
        path = rng.choice(sorted((work / "here" / "checkpoints").glob("*.pt")))
        content = odd_weights(torch.load(path, weights_only=True), rng)
        with contextlib.suppress(NotImplementedError):  # what PyTorch itself does not write
            torch.save(content, path)
        ended = tools.forked(tools.command(*words, VGBENCH_CACHE="cache"), work, cpu=3 * tools.HANG)
        tools.judge(fuzz, case, f"odd {path.name}, {words[0]}", ended, tools.HANG)
        shutil.rmtree(work)


def test_checkpoints(campaign, tools, whole, tmp_path):
    """Without result.json, so that the run goes on from them."""
    fuzz = campaign("fuzz-checkpoints", small=3, full=500)
    for case, rng in fuzz.cases():
        work = tmp_path / str(case)
        shutil.copytree(whole, work)
        (work / "here" / "result.json").unlink()
        path = rng.choice(sorted((work / "here" / "checkpoints").glob("*.pt")))
        path.write_bytes(tools.scrambled(path.read_bytes(), rng))
        ended = tools.forked(tools.command(*tools.SMOKE, "--out", "here", VGBENCH_CACHE="cache"), work)
        tools.judge(fuzz, case, path.name, ended, tools.HANG)
        if ended.code == 0 and path.read_bytes() != (whole / "here" / "checkpoints" / path.name).read_bytes():
            want, found = ((folder / "here" / "episodes.jsonl").read_text() for folder in (whole, work))
            if found != want:
                fuzz.fail(case, f"{path.name}: other rows without a word", ended)
        shutil.rmtree(work)


READERS = [["report", "runs", "--scale", "smoke", "--format", form] for form in ("table", "md", "json")]
READERS += [["report", "runs", "--scale", "smoke", "--html", "page.html"], ["runs", "runs"]]
READERS += [["compare", "runs/one", "runs/other"], ["rescore", "runs/one"], ["failures", "runs/one"]]


def test_records(campaign, tools, whole, tmp_path):
    """One odd record beside a whole one: what is told of a folder is of the other."""
    fuzz = campaign("fuzz-records", small=6, full=2500)
    one, other = (tmp_path / "runs" / name for name in ("one", "other"))
    shutil.copytree(whole / "here", other)
    for case, rng in fuzz.cases():
        shutil.rmtree(one, ignore_errors=True)
        shutil.copytree(whole / "here", one)
        names = ["run.json", "result.json", "episodes.jsonl", "train.jsonl", "baseline-random.jsonl", "tasks.json"]
        path = one / rng.choice([*names, "config.yaml", "SHA256SUMS"])
        if path.name != "SHA256SUMS" and rng.random() < 0.8:
            (one / "SHA256SUMS").unlink()
        if path.suffix == ".json" and rng.random() < 0.7:
            content = json.loads(path.read_bytes())
            content.pop("sha256", None)
            path.write_bytes(tools.dumped(tools.changed(content, rng), rng, "json", tools.scrambled))
        elif path.suffix == ".jsonl" and rng.random() < 0.7:
            rows = tools.changed([json.loads(line) for line in path.read_text().splitlines()], rng)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            path.write_bytes(tools.scrambled(path.read_bytes(), rng))
        form = rng.choice(READERS)
        ended = tools.forked(tools.command(*form), tmp_path, cpu=3 * tools.HANG)
        tools.judge(fuzz, case, f"{path.name}, {form}", ended, tools.HANG)
        if ended.code != 0 and form[1] == "runs":
            fuzz.fail(case, f"{path.name}, {form}: nothing is told of the others for one bad record", ended)


def test_suite_folders(campaign, tools, tmp_path):
    fuzz = campaign("fuzz-suites", small=3, full=500)
    base = {"format": 2, "kind": "suite", "name": "paper_table_2", "scale": "smoke", "commands": [], "versions": {}}
    base |= {"runs": [{"labels": {"protocol": "maze", "recipe": "vf", "seed": 0}, "key": "x", "folder": "maze/vf/s0"}]}
    path = tmp_path / "work" / "out" / "suite.json"
    path.parent.mkdir(parents=True)
    for case, rng in fuzz.cases():
        path.write_bytes(tools.dumped(tools.changed(base, rng), rng, "json", tools.scrambled))
        how = ["--scale", "smoke", "--only", "vf,wall_small", "--seeds", "1", "--out", "out", "--dry-run"]
        work = tools.command("suite", *rng.choice([["paper_table_2", *how], ["--status", "out"]]))
        tools.judge(fuzz, case, "suite.json", tools.forked(work, tmp_path / "work", cpu=3 * tools.HANG), tools.HANG)
