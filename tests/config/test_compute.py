"""Device, precision, compilation, threads and memory: options, errors before any work, and what a run's key holds."""

import json
import os
import re
import sys
from dataclasses import replace

import pytest
import torch

import vgbench
from vgbench import hardware
from vgbench.config import compute
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.errors import UsageError
from vgbench.storage.yaml_file import dump
from vgbench.training import stage_cache

SMOKE = ("--protocol", "wall_small", "--recipe", "vf", "--scale", "smoke")


@pytest.fixture
def gpus(monkeypatch):
    """Let PyTorch report CUDA devices of a compute capability: what is asked of it when a run is resolved."""

    def have(count, capability=(9, 0), name="NVIDIA H100"):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: name)

    return have


def spec(**asked):
    return resolve(RunRequest(protocol="wall_small", recipe="vf", scale="smoke", **asked))


def refused(**asked):
    with pytest.raises(UsageError) as err:
        spec(**asked)
    return str(err.value)


# errors


def test_cuda_without_a_device_names_the_build_and_where_to_get_another(gpus, monkeypatch):
    gpus(0)
    monkeypatch.setattr(torch.version, "cuda", None)
    said = refused(device="cuda")
    assert said.startswith(f"--device cuda: PyTorch {torch.__version__} is a CPU-only build")
    assert "https://pytorch.org/get-started/locally" in said and "--device cpu" in said
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    said = refused(device="cuda:1")
    assert "a build for CUDA 12.8, but finds no CUDA device" in said and "nvidia-smi" in said


def test_a_device_beyond_the_last_one(gpus):
    gpus(2)
    assert spec(device="cuda:1").device == "cuda:1"
    assert refused(device="cuda:2") == "--device cuda:2: there are 2, cuda:0 to cuda:1"
    gpus(1)
    assert refused(device="cuda:1") == "--device cuda:1: there is only cuda:0"


@pytest.mark.parametrize("device", ["cuda:x", "cuda:", "cuda:-1", "cpu:0", "gpu", "mps"])
def test_what_is_no_device(gpus, device):
    gpus(2)
    assert refused(device=device).startswith(f"--device: unknown value '{device}'. ")


def test_a_precision_that_the_device_lacks(gpus):
    assert "TF32 is a mode of CUDA devices" in refused(device="cpu", precision="tf32")
    gpus(1, (7, 5), "Tesla T4")
    for precision in ("tf32", "bfloat16"):
        said = refused(device="cuda", precision=precision)
        assert f"--precision {precision}: cuda (Tesla T4) has compute capability 7.5" in said and "8.0" in said
    assert spec(device="cuda").compute.precision == "float32"
    gpus(1, (8, 0))
    assert spec(precision="tf32").compute.precision == "tf32"  # auto finds the device
    assert "Did you mean 'bfloat16'" in refused(device="cpu", precision="bfloat")


def test_threads_out_of_range_say_how_many_cores_there_are():
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for count in (most + 1, -1):
        said = refused(device="cpu", threads=count)
        assert said.startswith(f"--threads {count}: this process may use {most} core")
    assert spec(device="cpu", threads=most).compute.threads == most


@pytest.mark.parametrize("size", ["2", "much", "0GiB", "-1GiB"])
def test_memory_that_is_no_size(size):
    assert refused(device="cpu", memory=size).startswith(f"--memory {size}: expected a number above 0 and a unit")


def test_compiling_needs_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    said = refused(device="cpu", compile=True)
    assert said.startswith("--compile: ") and str(tmp_path / "none") in said and "variable CXX" in said
    assert not spec(device="cpu", compile=False).compute.compile
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install one" in refused(device="cpu", compile=True)


def test_errors_come_before_any_work(vgbench_cli, tmp_path):
    for asked in (("--memory", "1KiB"), ("--threads", "9999"), ("--precision", "tf32"), ("--device", "cuda:99")):
        device = () if "--device" in asked else ("--device", "cpu")
        result = vgbench_cli("run", *SMOKE, *device, *asked)
        assert result.exit_code == 2 and f"\nerror: {' '.join(asked)}: " in f"\n{result.stderr}", result.stderr
    for asked in (("--memory", "1KiB"), ("--threads", "9999"), ("--precision", "tf32")):
        result = vgbench_cli("suite", "paper_table_2", "--scale", "smoke", "--only", "vf", "--device", "cpu", *asked)
        assert result.exit_code == 2 and " ".join(asked) in result.stderr
    assert list(tmp_path.iterdir()) == []


# what a run is


def test_the_defaults_leave_the_key_as_it_was():
    plain = spec(device="cpu")
    written_out = spec(device="cpu", precision="float32", compile=False, threads=0)
    assert written_out.key() == plain.key()
    assert not {"precision", "compile", "threads", "memory"} & set(plain.identity())


@pytest.mark.skipif(sys.platform != "linux", reason="wants g++")
def test_precision_and_compilation_are_part_of_a_run_threads_and_memory_are_not(monkeypatch):
    monkeypatch.setattr(compute, "no_compiler", lambda device: None)
    plain = spec(device="cpu")
    same = (spec(device="cpu", threads=1), spec(device="cpu", memory="3GiB"))
    other = (spec(device="cpu", precision="bfloat16"), spec(device="cpu", compile=True))
    assert {s.key() for s in same} == {plain.key()}
    assert len({s.key() for s in (plain, *other)}) == 3
    # So is trained work that runs may share.
    assert all(stage_cache.stages(s) == stage_cache.stages(plain) for s in same)
    assert all(stage_cache.stages(s)["encoder"] != stage_cache.stages(plain)["encoder"] for s in other)


def test_which_of_several_devices_computes_makes_no_other_run(gpus):
    gpus(3)
    first, third = spec(device="cuda"), spec(device="cuda:2")
    assert first.key() == third.key() and stage_cache.stages(first) == stage_cache.stages(third)
    assert first.key() != replace(first, device="cpu").key()


def test_a_runs_own_file_means_the_same_run(tmp_path):
    asked = spec(device="cpu", precision="bfloat16", memory="1.3GiB")
    path = tmp_path / "config.yaml"
    path.write_text(dump(asked.to_config()))
    again = resolve(RunRequest(config=path))
    assert again.key() == asked.key() and again.compute == asked.compute
    # Flags win over it.
    assert resolve(RunRequest(config=path, precision="float32")).key() == spec(device="cpu").key()


def test_a_file_may_say_all_of_it(tmp_path):
    path = tmp_path / "mine.yaml"
    lines = ("protocol: wall_small", "recipe: vf", "device: cpu", "precision: bfloat16", "threads: 1", "memory: 2GiB")
    path.write_text("\n".join(lines))
    found = resolve(RunRequest(config=path))
    assert (found.compute.precision, found.compute.threads, found.compute.memory) == ("bfloat16", 1, 2**31)
    assert found.selections["precision"].source == f"--config {path}"
    path.write_text("\n".join([*lines, "compile: maybe"]))
    with pytest.raises(UsageError, match="compile: expected true or false"):
        resolve(RunRequest(config=path))


def test_threads_are_chosen_by_cores_but_never_more_than_pytorch_has():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert hardware.thread_count(0) == 1
        torch.set_num_threads(4096)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        assert 1 <= hardware.thread_count(0) == hardware.physical_cores() <= cores
        assert hardware.thread_count(2) == 2
    finally:
        torch.set_num_threads(before)


# runs


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def test_a_run_says_which_device_auto_chose_and_records_how_it_computed(vgbench_cli, gpus, monkeypatch):
    gpus(0)
    monkeypatch.setattr(torch.version, "cuda", None)
    before = torch.get_num_threads()
    how = ("--precision", "bfloat16", "--threads", "1", "--memory", "1MiB")
    result = vgbench_cli("run", *SMOKE, *how, "--format", "json")
    assert result.exit_code == 0, result.stderr
    chosen = f"note: computing on the CPU: PyTorch {torch.__version__} is a CPU-only build"
    assert result.stderr.count(chosen) == 1
    record = result.json()
    assert (record["precision"], record["compile"], record["threads"]) == ("bfloat16", False, 1)
    assert record["device"] == "cpu" and record["planned_at_a_time"] == 1
    assert torch.get_num_threads() == before
    named = vgbench_cli("run", *SMOKE, *how, "--device", "cpu")
    assert named.exit_code == 0 and "computing on" not in named.stderr


def test_python_takes_the_same_choices(tmp_path):
    with pytest.raises(UsageError, match="threads='2': expected a whole number"):
        vgbench.run(protocol="wall_small", recipe="vf", threads="2")
    with pytest.raises(UsageError, match="compile=1: expected True or False"):
        vgbench.run(protocol="wall_small", recipe="vf", compile=1)
    with pytest.raises(UsageError, match="--memory 3 parsecs"):
        vgbench.run(protocol="wall_small", recipe="vf", memory="3 parsecs", device="cpu")


SHORT = """
    import torch
    from torch import nn
    from vgbench.api import Network

    class Inner(nn.Linear):
        def forward(self, latents, actions):
            if not torch.is_grad_enabled() and len(latents) > 70:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
            return super().forward(torch.cat([latents, actions], dim=-1))

    class Short(Network):
        role = "predictor"

        def build(self, shapes):
            return Inner(shapes.latent_dim + shapes.action_dim, shapes.latent_dim)
"""


def test_memory_that_runs_out_in_planning_is_told_once_and_kept_with_the_run(vgbench_cli, tmp_plugin, tmp_path):
    """32 candidates a task and 4 tasks at a time are 128 rows; there is memory for 70, so for 2 tasks."""
    tmp_plugin(SHORT, networks={"short": "Short"})
    how = ("--predictor", "short", "--device", "cpu", "--set", "mpc.block_rows=128", "--out", "here")
    result = vgbench_cli("run", *SMOKE, *how, "--format", "json", "--logger", "jsonl")
    assert result.exit_code == 0, result.stderr
    said = [line for line in result.stderr.splitlines() if "memory did not suffice" in line]
    assert len(said) == 1 and "plan 4 tasks at a time" in said[0] and "2 at a time" in said[0]
    note = said[0].removeprefix("note: ")
    assert result.json()["notes"][-1] == note and result.json()["planned_at_a_time"] == 2
    # A run that goes on after its last episode has not planned again, and says what it had.
    for name in ("result.json", "SHA256SUMS"):
        (tmp_path / "here" / name).unlink()
    again = vgbench_cli("run", *SMOKE, *how, "--format", "json")
    assert again.exit_code == 0 and again.json()["planned_at_a_time"] == 2, again.stderr
    assert json.loads((tmp_path / "here" / "run.json").read_text())["notes"] == [note]
    events = [json.loads(line) for line in (tmp_path / "here" / "events.jsonl").read_text().splitlines()]
    assert [event["text"] for event in events if event["event"] == "noted"] == [note]


@pytest.mark.gpu
def test_a_run_on_a_gpu_waits_for_it_once_a_plan(tmp_path):
    """`set_sync_debug_mode("error")` raises at whatever waits: within the cost of a plan nothing may."""
    from vgbench.api import NormBall
    from vgbench.experiments.build import dry_build
    from vgbench.planning.problem import Counter, PlanningProblem, simulate_latents
    from vgbench.rng import KeyedNoise, Stream

    asked = spec(device="cuda", precision="tf32")
    model = dry_build(asked)[1].to("cuda").eval().requires_grad_(False)
    ids, dim = torch.arange(4, device="cuda"), asked.settings["model"].latent_dim
    goal, noise = torch.randn(4, dim, device="cuda"), KeyedNoise(0, ids, 0, Stream.PLANNER)
    simulation = simulate_latents(model, {"latent": goal, "goal": goal})
    left, mpc = torch.full_like(ids, 9), asked.settings["mpc"]
    problem = PlanningProblem(NormBall(2, 2.45), left, 5, 0, noise, mpc, Counter(16), simulation)
    planner = asked.planner.cls(asked.planner.params.model_copy(update={"samples": 16, "horizon": 5}))
    planner.plan(problem, {})  # allocations and libraries, once
    torch.cuda.set_sync_debug_mode("error")
    try:
        planner.plan(problem, {})
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("how", [{}, {"precision": "tf32"}, {"precision": "bfloat16"}, {"compile": True}])
def test_a_run_on_a_gpu(how, tmp_path):
    result = vgbench.run(
        protocol="wall_small", recipe="vf_quasi", scale="smoke", device="cuda", out=tmp_path / "r", **how
    )
    assert result.record["device"] == "cuda" and result.record["precision"] == how.get("precision", "float32")


# memory of the networks


@pytest.mark.parametrize("hidden", ["[512000,512000]", "[3000000,3000000]", "[1000000000]"])
def test_a_network_that_does_not_fit_is_refused_before_memory_is_taken(hidden, vgbench_process):
    """Terabytes, of two matrices or of one: the command itself stays small."""
    done = vgbench_process("run", *SMOKE, "--set", f"mlp.hidden={hidden}", "--dry-run")
    assert done.returncode == 2, done.stderr
    assert re.search(r"^error: network 'mlp' \(vgbench .*\): its weights take [\d.]+[TG]iB or more, and ", done.stderr)


def test_networks_that_fit_have_the_weights_that_they_had():
    """Looking at what is asked for draws nothing: weights made plainly, from the same seed."""
    from vgbench.api import NetworkShapes
    from vgbench.model.allocation import WithinMemory
    from vgbench_plugins.networks.mlp import MLP

    weights = []
    for looked_at in (False, True):
        torch.manual_seed(3)
        network, shapes = MLP(MLP.Params(hidden=(8, 4))), NetworkShapes({}, 6, 2)
        if looked_at:
            with WithinMemory(lambda: "mine"):
                made = network.build(shapes)
        else:
            made = network.build(shapes)
        weights.append(torch.cat([p.detach().flatten() for p in made.parameters()]))
    assert torch.equal(*weights)
