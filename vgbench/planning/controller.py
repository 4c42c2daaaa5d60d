"""Model predictive control in the latent space: one plan for a block of tasks."""

import operator
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from vgbench.api import ActionSet, Plan, Planner
from vgbench.errors import RunFailed
from vgbench.model.batching import Rows, padded
from vgbench.model.jepa import JEPA
from vgbench.model.onednn import packed
from vgbench.planning.batch_invariance import batch_invariant
from vgbench.planning.plans import map_plan
from vgbench.planning.problem import Counter, PlanningProblem, Simulate, Simulation, simulate_latents
from vgbench.plugin.attribution import describe_plugin
from vgbench.rng import KeyedNoise, Stream
from vgbench.settings import MpcSettings

UNINFORMED = "uninformed"
"""Name of the baseline that is the run's own planner with random numbers for costs."""


def plan_horizon(planner: Planner, settings: MpcSettings) -> int:
    """Return the number of steps of a plan. A baseline has no horizon of its own: it plans what will be executed."""
    return settings.replan_every if planner.baseline else planner.horizon


def block_rows(settings: MpcSettings, device: str, padded: bool = True) -> int:
    """Return the number of candidate sequences in a block: a GPU wants many.

    On a CPU 1024 rows run faster than 256, but where the last block is padded it costs four times as much: towards the
    end few tasks are left.
    """
    return settings.block_rows or ((256 if padded else 1024) if device == "cpu" else 32768)


def out_of_memory(err: BaseException) -> bool:
    """Whether an exception says that memory has run out; PyTorch's allocator for the CPU has no class for it."""
    if isinstance(err, torch.OutOfMemoryError | MemoryError):
        return True
    words = ("not enough memory", "can't allocate memory", "CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(err, RuntimeError) and any(word in str(err) for word in words)


def _say(text: str) -> None:
    print(f"note: {text}", file=sys.stderr, flush=True)


@dataclass
class Controller:
    """Makes plans for many tasks with one planner, in blocks.

    Blocks have a constant number of tasks, the last one padded, unless it was tried that plans do not depend on it.

    Attributes:
        model: predicts and judges; None where `simulate` does, and for a baseline, which must not see a cost.
        action_set: in normalised units.
        max_tasks: tasks in a block that memory has room for; None: any number.
        pad_last_block: whether the last block is filled up to the size of the others; None: to be tried.
        simulate: takes the place of the model: other dynamics, or another distance.
        uninformed: costs are random numbers, and nothing is predicted: what the planner reaches knowing nothing.
        note: is told when a block was too large.
    """

    planner: Planner
    model: JEPA | None
    action_set: ActionSet
    settings: MpcSettings
    seed: int
    stream: Stream = Stream.PLANNER
    device: str = "cpu"
    evaluations: int = 0
    max_tasks: int | None = None
    pad_last_block: bool | None = None
    simulate: Simulate | None = None
    uninformed: bool = False
    note: Callable[[str], None] = field(default=_say, repr=False)

    def __post_init__(self) -> None:
        """Hide from a baseline what things cost."""
        if self.planner.baseline or self.uninformed:
            self.model = self.simulate = None

    @property
    def block(self) -> int:
        """Tasks in a block."""
        return self._tasks(padded=self.pad_last_block is not False)

    def _tasks(self, padded: bool) -> int:
        rows = 1 if self.planner.baseline else self.planner.candidates
        wanted = max(1, block_rows(self.settings, self.device, padded) // rows)
        return wanted if self.max_tasks is None else max(1, min(wanted, self.max_tasks))

    @cached_property
    def predicting(self) -> JEPA | None:
        """The model as plans use it; its weights are expected to stay as they are."""
        # Where gradients are wanted, packed layers compute as plain ones: packing would gain nothing.
        if self.model is None or self.planner.gradient:
            return self.model
        return packed(self.model)

    def plan(self, tasks: Rows, state: Rows, step: int, executed: int) -> Plan:
        """Plan for one block of tasks: `tasks` has `id` [B], and what the simulation needs (`latent`, `goal`)."""
        ids, left = tasks["id"], self.settings.max_steps - step
        horizon = min(plan_horizon(self.planner, self.settings), left)
        noise = KeyedNoise(self.seed, ids, step, self.stream)
        counter = Counter(self.planner.candidates, self.planner)
        steps_left, simulation = torch.full_like(ids, left), self._simulation(tasks)
        costs = KeyedNoise(self.seed, ids, step, Stream.RANDOM_COST) if self.uninformed else None
        problem = PlanningProblem(
            self.action_set, steps_left, horizon, executed, noise, self.settings, counter, simulation, costs
        )
        context = torch.enable_grad() if self.planner.gradient else torch.inference_mode()
        try:
            with context:
                plan = self.planner.plan(problem, state)
        except (ArithmeticError, ValueError, IndexError):  # a planner may not expect such costs
            counter.check()
            raise
        counter.check()
        self.evaluations += counter.evaluations
        return self._checked(plan, len(ids), horizon)

    def _simulation(self, tasks: Rows) -> Simulation | None:
        if self.planner.gradient:
            # What was encoded in inference mode cannot take part in a backward pass; a copy can.
            tasks = {name: value.clone() for name, value in tasks.items()}
        if self.simulate is not None:
            return self.simulate(tasks)
        return None if self.predicting is None else simulate_latents(self.predicting, tasks)

    def _checked(self, plan: Plan, tasks: int, horizon: int) -> Plan:
        """Detach a plan, and refuse one that cannot be executed or remembered."""
        if not isinstance(plan, Plan) or not isinstance(plan.actions, Tensor):
            got = plan.actions if isinstance(plan, Plan) else plan
            raise self._refused(
                f"plan returned a {type(got).__name__}, expected vgbench.api.Plan with actions [B, H, A]"
            )
        shape = tuple(plan.actions.shape)
        steps = shape[1] if len(shape) == 3 else 0
        if shape != (tasks, steps, self.action_set.dim) or not 1 <= steps <= horizon:
            want = f"[{tasks}, 1 to {horizon}, {self.action_set.dim}]"
            raise self._refused(f"it must return actions of shape {want}, but they are {list(shape)}")
        if not bool(torch.isfinite(plan.actions).all()):
            raise self._refused("it returned actions that are not finite")
        for what, tensors in (("state", plan.state), ("info", plan.info)):
            for key, value in tensors.items():
                if not isinstance(value, Tensor) or not value.ndim or len(value) != tasks:
                    raise self._refused(f"{what} {key!r} must be a tensor with a row for each of {tasks} tasks")
        return map_plan(plan, Tensor.detach)

    def _refused(self, what: str) -> RunFailed:
        return RunFailed(f"{describe_plugin(self.planner, 'planner')}: {what}")

    def blocks(self, tasks: Rows, state: Rows, first: int, step: int, executed: int) -> Iterator[tuple[int, Plan]]:
        """Yield (rows done, plan) block by block, beginning with row `first`; padded rows are cut off.

        A block that does not fit into memory is halved, and from there on all are of that size.
        """
        count, start = len(tasks["id"]), first
        if self.pad_last_block is None and start < count:
            self.pad_last_block = not self._independent(tasks)
        while start < count:
            size = self.block
            done = min(start + size, count)
            keep = done - start
            rows = size if self.pad_last_block else keep
            before = self.evaluations
            plan = self._fitting(padded(tasks, start, rows), padded(state, start, rows), step, executed)
            if plan is None:
                continue
            # What was predicted for rows that fill up a block was predicted for no task.
            self.evaluations = before + (self.evaluations - before) * keep // rows
            yield done, map_plan(plan, operator.itemgetter(slice(keep)))
            start = done

    def _independent(self, tasks: Rows) -> bool:
        """Whether plans do not depend on the size of their block."""
        if self.predicting is None:
            return False
        evaluations, size, latent_dim = self.evaluations, self._tasks(padded=False), tasks["latent"].shape[1]
        try:
            return batch_invariant(self.plan, self.predicting, size, latent_dim, self.settings.max_steps)
        finally:
            # What was predicted to try it was predicted for no task.
            self.evaluations = evaluations

    def _fitting(self, tasks: Rows, state: Rows, step: int, executed: int) -> Plan | None:
        """Plan for one block; None, with smaller blocks from now on, if memory does not suffice.

        Raises:
            RunFailed: it does not even for one task.
        """
        try:
            return self.plan(tasks, state, step, executed)
        except (RuntimeError, MemoryError) as err:
            if not out_of_memory(err):
                raise
            why = str(err).splitlines()[0] if str(err) else type(err).__name__
        # Out here the exception is gone, and with it the tensors that its traceback held on to.
        if self.device != "cpu":
            # The allocator keeps what the large block used, in pieces that smaller blocks may not be able to use.
            torch.cuda.empty_cache()
        size, rows = len(tasks["id"]), self.planner.candidates
        if size == 1:
            who = describe_plugin(self.planner, "planner")
            raise RunFailed(
                f"memory does not suffice to plan one task, {rows} candidates of {self.planner.horizon} steps ({why}); "
                f"lower candidates or horizon of {who}, free memory of {self.device}, or take another --device"
            )
        self.max_tasks = size // 2
        self.note(
            f"memory did not suffice to plan {size} tasks at a time ({rows} candidates each): from step {step} on they "
            f"are planned {self.max_tasks} at a time. That changes the last bits of costs at most; --memory or "
            "mpc.block_rows makes blocks smaller from the start"
        )
        return None
