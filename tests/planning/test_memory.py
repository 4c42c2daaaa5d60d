"""Blocks of plans that do not fit into memory."""

import pytest
import torch

from vgbench.api import NormBall
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.errors import RunFailed, UsageError
from vgbench.experiments.build import dry_build
from vgbench.planning import memory
from vgbench.planning.controller import Controller, out_of_memory
from vgbench.settings import MpcSettings
from vgbench.text import read_size, show_size
from vgbench_plugins.planners.mppi import MPPI

CPU_WORDS = "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: not enough memory: you tried to ..."
KINDS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError(CPU_WORDS),
    MemoryError(),
]


class Short(torch.nn.Module):
    """A predictor that has memory for so many rows only."""

    def __init__(self, inner, rows, error=KINDS[0]):
        super().__init__()
        self.inner, self.rows, self.error, self.sizes = inner, rows, error, []

    def forward(self, latents, actions):
        self.sizes.append(len(latents))
        if len(latents) > self.rows:
            raise self.error
        return self.inner(latents, actions)


def plans(small, rows, error=KINDS[0], count=11, first=0, **more):
    """Plans of 11 tasks with 16 candidates, 8 tasks at a time where memory allows; notes; rows of each block."""
    model = small.model().eval().requires_grad_(False)
    model.predictor = Short(model.predictor, rows, error)
    notes = []
    settings = MpcSettings(max_steps=20, block_rows=128)
    planner = MPPI(MPPI.Params(samples=16, horizon=3))
    controller = Controller(planner, model, NormBall(2, 2.45), settings, seed=0, note=notes.append, **more)
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(2, count, 32, generator=generator)
    tasks = {"id": torch.arange(count), "latent": latents[0], "goal": latents[1]}
    found = list(controller.blocks(tasks, {}, first, 0, 0))
    return torch.cat([plan.actions for _, plan in found]), notes, [done for done, _ in found], controller


@pytest.mark.parametrize("error", KINDS, ids=["cuda", "cpu", "python"])
def test_a_block_that_does_not_fit_is_halved_and_planned_from_the_same_noise(small, error):
    plain, notes, ends, _ = plans(small, 10**6)
    assert notes == [] and ends == [8, 11]
    halved, notes, ends, controller = plans(small, 40, error)  # two tasks of 16 candidates
    assert ends == [2, 4, 6, 8, 10, 11]
    assert len(notes) == 2 and "plan 8 tasks at a time" in notes[0] and "planned 2 at a time" in notes[1]
    assert torch.allclose(plain, halved, atol=1e-4)
    assert controller.evaluations == 11 * 16 * 3  # neither those that failed nor the row that filled a block up


def test_a_resumed_plan_goes_on_at_its_row_whatever_the_block(small):
    """After 6 tasks (two at a time), with room for 8 at a time again."""
    plain = plans(small, 10**6)[0]
    rest, _, ends, _ = plans(small, 10**6, first=6)
    assert ends == [11] and torch.allclose(rest, plain[6:], atol=1e-4)


def test_one_task_that_does_not_fit_ends_the_run_with_advice(small):
    with pytest.raises(RunFailed, match=r"one task, 16 candidates of 3 steps \(CUDA out of memory.*lower candidates"):
        plans(small, 15)


def test_other_errors_are_no_lack_of_memory(small):
    with pytest.raises(RuntimeError, match="shape"):
        plans(small, 15, RuntimeError("mat1 and mat2 shape"))
    assert not out_of_memory(ValueError("not enough memory"))


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GiB", 2 * 2**30), ("1.5 MiB", 3 * 2**19), ("500MB", 500_000_000), ("7b", 7), ("2gib", 2 * 2**30)],
)
def test_sizes(text, size):
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "2", "GiB", "-2GiB", "0MB", "2 parsecs", "1e3GB", "2GiB3"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="2GiB or 500MB"):
        read_size(text)


def test_a_size_is_shown_as_it_is_read_and_never_too_small():
    assert show_size(2 * 2**30) == "2GiB" and show_size(1536 * 2**20) == "1.5GiB"
    for size in (1, 1023, 1025, 123_456_789, 2**31 + 1):
        assert size <= read_size(show_size(size)) <= 1.1 * size + 1


def test_the_budget_bounds_a_block_and_one_task_has_to_fit():
    def spec(*sets, **more):
        return resolve(RunRequest(protocol="wall_small", recipe="vf", scale="smoke", device="cpu", set=sets, **more))

    plain = spec()
    environment, model, _ = dry_build(plain)
    planner = plain.planner.cls(plain.planner.params)
    one = memory.task_bytes(plain, planner, model, environment)
    wide = MPPI(planner.params.model_copy(update={"samples": 3 * planner.candidates}))
    assert memory.task_bytes(plain, wide, model, environment) == 3 * one
    for factor, tasks in ((1, 1), (2.5, 2), (40, 40)):
        asked = spec(memory=f"{int(one * factor) + 1}B")
        dry_build(asked)
        assert memory.most_tasks(asked, planner, model, environment) == tasks
    with pytest.raises(
        UsageError, match=r"--memory .*: planning one task \(\d+ candidates of \d+ steps\) takes about"
    ) as err:
        dry_build(spec(memory=f"{one - 1}B"))
    least = str(err.value).split("takes about ")[1].split(";")[0]
    dry_build(spec(memory=least))  # what the message names will do
    # By default a share of what is free; rows that were asked for stand.
    assert memory.most_tasks(spec("mpc.block_rows=0"), planner, model, environment) > 100
    assert memory.most_tasks(spec("mpc.block_rows=64"), planner, model, environment) is None


def test_a_controller_keeps_to_the_tasks_that_memory_has_room_for(small):
    sizes = [plans(small, 10**6, max_tasks=most)[2] for most in (3, 100)]
    assert sizes == [[3, 6, 9, 11], [8, 11]]
