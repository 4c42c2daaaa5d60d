"""A damaged record is named and left out of a report, and the others are reported."""

import json
import os
import resource

import pytest


def edited(name, change):
    def damage(folder, edit):
        edit(folder / name, change)

    return damage


def written(name, content):
    return lambda folder, edit: (folder / name).write_bytes(content)


DAMAGE = {
    "run.json is no UTF-8": written("run.json", b'{"format": "\xff"}'),
    "run.json is deep": written("run.json", b'{"a":' * 100_000),
    "run.json is a list": written("run.json", b"[]"),
    "run.json is a folder": lambda folder, edit: ((folder / "run.json").unlink(), (folder / "run.json").mkdir()),
    "an identity that is none": edited("run.json", lambda run: run.update(identity=[1])),
    "an identity without names": edited("run.json", lambda run: run["identity"].update(environment={"nom": 1})),
    "settings that are none": edited("run.json", lambda run: run["identity"].update(settings={"mpc": 3})),
    "a seed that is none": edited("run.json", lambda run: run["identity"]["seeds"].update(task={})),
    "plugins that are none": edited("run.json", lambda run: run.update(plugins=[{"kind": 3}])),
    "a recipe that is none": edited("run.json", lambda run: run.update(recipe=["vf"])),
    "a status that is none": edited("run.json", lambda run: run.update(status={"x": 1})),
    "a baseline that is a number": edited("result.json", lambda result: result.update(baseline=1e300)),
    "a count that is a text": edited("result.json", lambda result: result.update(n="80")),
    "rows without a task": edited("episodes.jsonl", lambda row: row.pop("task")),
    "rows of texts": edited("episodes.jsonl", lambda row: row.update(steps="many")),
    "rows that are lists": written("episodes.jsonl", b"[]\n" * 80),
    "rows that are no UTF-8": written("episodes.jsonl", b"\xff\n"),
    "rows that are deep": written("episodes.jsonl", b"[" * 100_000),
    "rows that are a folder": lambda folder, edit: (
        (folder / "episodes.jsonl").unlink(),
        (folder / "episodes.jsonl").mkdir(),
    ),
}


def replaced(name, make):
    """A record with something else in the place of one of its files."""

    def damage(folder, edit):
        (folder / "SHA256SUMS").unlink(missing_ok=True)
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return damage


def sparse(path):
    with path.open("wb") as file:
        file.truncate(200 * 2**20)


for name in ("run.json", "result.json", "episodes.jsonl", "SHA256SUMS"):
    DAMAGE[f"{name} is a pipe"] = replaced(name, os.mkfifo)
    DAMAGE[f"{name} is without end"] = replaced(name, lambda path: path.symlink_to("/dev/zero"))
    DAMAGE[f"{name} is 200 MiB of nothing"] = replaced(name, sparse)


def test_a_large_file_is_refused_before_it_takes_memory(record, report):
    record(seed=0)
    DAMAGE["episodes.jsonl is 200 MiB of nothing"](record(seed=1), None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "File too large" in report()["stderr"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.timeout(60)
def test_one_damaged_record_is_left_out_by_name(record, report, edit, case):
    record(seed=0)
    damaged = record(seed=1)
    DAMAGE[case](damaged, edit)
    content = report()
    assert [run["seed"] for run in content["cells"]["vf_quasi", "maze"]["runs"]] == [0]
    left_out = [line for line in content["stderr"].splitlines() if "skipped" in line and f"{damaged.name}" in line]
    assert len(left_out) == 1, content["stderr"]


def test_a_record_may_not_show_files_from_elsewhere(record, vgbench_cli, tmp_path):
    folder = record()
    secret = tmp_path / "secret.svg"
    secret.write_text("<svg>SECRET</svg>")
    (folder / "plots").mkdir()
    (folder / "plots" / "link.svg").symlink_to(secret)
    about = {"kind": "Training", "text": "x", "legend": ""}
    for file in ("../../../../../../secret.svg", str(secret), "link.svg"):
        pictures = [{"file": file, **about}]
        group = {"stamp": "x", "pictures": pictures, "left_out": []}
        (folder / "plots" / "plots.json").write_text(json.dumps({"format": 1, "model": group}))
        result = vgbench_cli("report", "--html", "page.html")
        assert result.exit_code == 0, result.stderr
        assert "SECRET" not in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("command", ["report", "runs"])
def test_a_disk_named_by_mistake_is_not_searched_to_its_end(vgbench_cli, tmp_path, monkeypatch, command):
    monkeypatch.setattr("vgbench.storage.records.MOST_FOLDERS", 20)
    for number in range(30):
        (tmp_path / "disk" / f"{number % 5}" / f"{number}").mkdir(parents=True)
    done = vgbench_cli(command, "disk")
    assert (
        done.exit_code == 2 and "DIR disk: more than 20 folders lie in it; give the folder of the runs" in done.stderr
    )
