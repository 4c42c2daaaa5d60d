"""Built-in loggers that are used on request."""

import json
import sys

import pytest

from vgbench.errors import UsageError
from vgbench.plugin.loggers import Loggers
from vgbench.plugin.registry import Registry

SMOKE = ("run", "--env", "wall", "--recipe", "vf_quasi", "--scale", "smoke", "--out", "here", "--format", "json")
RESULT = {"success_rate": 0.75, "successes": 3, "n": 4, "ci95": [0.3, 0.95], "baseline": {"success_rate": 0.25}}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("VGBENCH_LOGGERS", raising=False)


def play(loggers, folder, status="done"):
    """A short run, as a logger sees it."""
    (folder / "run.json").write_text(json.dumps({"key": "abcd1234", "created": "now", "identity": {"device": "cpu"}}))
    loggers.call("vgbench_run_started", title="maze-vf", folder=str(folder))
    loggers.call("vgbench_stage_started", stage="encoder", total=20, done=0, unit="step")
    for step in range(1, 21):
        logs = {"loss": 1 / step} if step % 10 == 0 else {}
        loggers.call("vgbench_stage_progress", stage="encoder", done=step, logs=logs)
    loggers.call("vgbench_stage_ended", stage="encoder")
    loggers.call("vgbench_run_stopped", status=status)
    if status == "done":
        loggers.call("vgbench_run_ended", result=RESULT)
    return loggers


def test_a_run_tells_its_events_to_a_file_and_survives_those_that_fail(vgbench_cli, tmp_path, tmp_plugin):
    code = """
        from vgbench.api import hookimpl

        class AtTheEnd:
            @hookimpl
            def vgbench_run_ended(self, result):
                raise RuntimeError("disk full")

        class OnRequest(AtTheEnd):
            on_request = True

            @hookimpl
            def vgbench_there_is_no_such_hook(self):
                pass
    """
    tmp_plugin(code, loggers={"late": "AtTheEnd", "quiet": "OnRequest"})
    result = vgbench_cli(*SMOKE, "--logger", "jsonl")
    assert result.exit_code == 0
    problem = "late: RuntimeError in vgbench_run_ended: disk full (vgx-mine 0.1)"
    assert json.loads((tmp_path / "here" / "run.json").read_text())["plugin_errors"] == [problem]
    assert result.stderr.count("logger 'late' is switched off") == 1 and "quiet" not in result.stderr
    events = [json.loads(line) for line in (tmp_path / "here" / "events.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "run_started" and events[-1]["event"] == "run_ended"
    assert events[-1]["result"] == result.json()
    stages = [event["stage"] for event in events if event["event"] == "stage_started"]
    baselines = ["baseline-random", "baseline-uninformed"]
    assert stages == ["collect", "encoder", "encode", "predictor", "episodes", *baselines]
    logged = [json.loads(line) for line in (tmp_path / "here" / "train.jsonl").read_text().splitlines()]
    seen = [e for e in events if e["event"] == "stage_progress" and "loss" in e["logs"]]
    assert [(e["stage"], e["done"], e["logs"]["loss"]) for e in seen] == [
        (row["stage"], row["step"], row["loss"]) for row in logged
    ]
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)


def test_nothing_is_written_unless_asked(tmp_path):
    assert play(Loggers().load(Registry()), tmp_path).errors == []
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_run_that_goes_on_appends(tmp_path):
    play(Loggers().load(Registry(), ["jsonl"]), tmp_path, "interrupted")
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"cut off')
    play(Loggers().load(Registry(), ["jsonl"]), tmp_path)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines if line != '{"cut off']
    assert events.count("run_started") == events.count("run_stopped") == 2 and events.count("run_ended") == 1
    assert events.count("stage_progress") == 2 * 3  # the first, and two with figures


@pytest.mark.parametrize("there", [False, True])
def test_events_are_not_written_through_a_link(tmp_path, there):
    victim = tmp_path / "victim"
    if there:
        victim.write_text("mine")
    (tmp_path / "events.jsonl").symlink_to(victim)
    loggers = play(Loggers().load(Registry(), ["jsonl"]), tmp_path)
    assert len(loggers.errors) == 1 and "events.jsonl" in loggers.errors[0]  # it is switched off
    assert victim.read_text() == "mine" if there else not victim.exists()


def test_the_variable_asks_too(tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_LOGGERS", "jsonl, progress,")
    play(Loggers().load(Registry()), tmp_path)
    assert (tmp_path / "events.jsonl").exists()


def test_an_unknown_name_is_refused_before_anything_is_written(vgbench_cli, tmp_path, monkeypatch):
    result = vgbench_cli(*SMOKE, "--logger", "json")
    assert result.exit_code == 2 and "--logger json: no logger named 'json'. Did you mean 'jsonl'?" in result.stderr
    monkeypatch.setenv("VGBENCH_LOGGERS", "tensorbord")
    result = vgbench_cli(*SMOKE)
    assert result.exit_code == 2 and "VGBENCH_LOGGERS: tensorbord: no logger named" in result.stderr
    result = vgbench_cli("suite", "paper_table_2", "--scale", "smoke", "--dry-run")
    assert result.exit_code == 2 and "VGBENCH_LOGGERS: tensorbord: no logger named" in result.stderr
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")], ids=["tensorboard", "wandb"]
)
def test_one_that_needs_an_extra_says_which(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    how = rf'pip install -c constraints\.txt "\.\[{name}\]" in a checkout'
    with pytest.raises(UsageError, match=f"--logger {name}: this needs {name}: {how}"):
        Loggers().load(Registry(), [name])
    assert Loggers().load(Registry()).errors == []


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert play(Loggers().load(Registry(), ["tensorboard"]), tmp_path).errors == []
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert sorted(read.Tags()["scalars"]) == ["encoder/loss", "result/baseline", "result/success_rate"]
    assert [(e.step, e.value) for e in read.Scalars("encoder/loss")] == [
        (10, pytest.approx(0.1)),
        (20, pytest.approx(0.05)),
    ]
    assert read.Scalars("result/success_rate")[0].value == 0.75


def test_wandb_writes_offline(tmp_path, monkeypatch, capfd):
    wandb = pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert play(Loggers().load(Registry(), ["wandb"]), tmp_path).errors == []
    assert wandb.run is None  # finished
    assert capfd.readouterr().out == ""  # stdout is for results
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = file.read_bytes()
    for text in (b"maze-vf", b"encoder/loss", b"success_rate"):
        assert text in content
