"""What would make the program wait for a GPU: counted by the operations that PyTorch dispatches, so on a CPU, too."""

import traceback
from collections import Counter as ProgressReporter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vgbench.api import Box, NormBall
from vgbench.errors import RunFailed
from vgbench.planning.controller import Controller
from vgbench.planning.evaluation import Evaluation
from vgbench.plugin.loggers import Loggers
from vgbench.settings import MpcSettings
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder
from vgbench.training.stage import Stage
from vgbench.training.trainer import Trainer
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.planners.cem import CEM
from vgbench_plugins.planners.icem import ICEM
from vgbench_plugins.planners.mppi import MPPI

# A value that Python asks for (item, bool, float), a shape that depends on values, and Python's numbers made a tensor,
# which would be copied to the device.
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "lift_fresh", "unique_dim", "_unique2")


class Waits(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = ProgressReporter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        masks = name.startswith("index") and any(
            isinstance(i, torch.Tensor) and i.dtype == torch.bool for i in (args[1] if len(args) > 1 else ()) or ()
        )
        # Adam counts its steps in tensors that stay on the CPU, whatever the device: reading them waits for nothing.
        if (name in WAITS or masks) and not any(
            "/optim/" in frame.f_code.co_filename for frame, _ in traceback.walk_stack(None)
        ):
            self.seen["mask" if masks else name] += 1
        return func(*args, **(kwargs or {}))


def test_the_count_sees_what_it_is_for():
    x = torch.arange(4.0)
    with Waits() as waits:
        assert bool(x.sum() > 0) and float(x[1]) == 1.0
        x[x > 1]
        torch.tensor([1.0])
    assert waits.seen["_local_scalar_dense"] == 2 and waits.seen["mask"] == 1 and waits.seen["lift_fresh"] == 1


@pytest.mark.parametrize("actions", [NormBall(2, 2.45), Box((-1.0, -1.0), (1.0, 1.0))])
@pytest.mark.parametrize(("made", "distance"), [(MPPI, "iqe"), (MPPI, "euclidean"), (CEM, "iqe"), (ICEM, "euclidean")])
def test_a_plan_waits_once_for_its_costs_and_once_for_its_actions(small, actions, made, distance):
    model = small.model().eval().requires_grad_(False)
    if distance == "euclidean":
        model.distance = Euclidean(Euclidean.Params(), 32)
    found = []
    for horizon, iterations in ((3, 1), (12, 1), (12, 4)):
        planner = made(made.Params(samples=16, horizon=horizon, iterations=iterations))
        controller = Controller(planner, model, actions, MpcSettings(max_steps=20), seed=0)
        tasks = {"id": torch.arange(3), "latent": torch.randn(3, 32), "goal": torch.randn(3, 32)}
        state = controller.plan(tasks, {}, 0, 0).state
        with Waits() as waits:
            controller.plan(tasks, state, 1, 1)
        found.append(dict(waits.seen))
    assert found[0] == found[1] == found[2] == {"_local_scalar_dense": 2}


def train(small, folder, steps, *terms):
    model = small.model()
    stage = Stage("encoder", terms, small.train(steps=steps, window=5), 0)
    trainer = Trainer(stage, model, small.data, RunFolder(folder), Loggers(), Stop())
    trainer.at_once = False  # as on a GPU
    return model, trainer


def test_a_training_step_waits_for_nothing_until_figures_are_logged(small, tmp_path):
    """18 and 20 steps log at step 10 and at their end: two steps more are no wait more."""
    found = []
    for steps in (18, 20):
        (tmp_path / str(steps) / "checkpoints").mkdir(parents=True)
        terms = small.iql(goal_scope="same_layout"), small.prediction(target="ema", momentum=0.9)
        _, trainer = train(small, tmp_path / str(steps), steps, *terms)
        with Waits() as waits:
            trainer.run()
        found.append(dict(waits.seen))
    assert found[0] == found[1]


def test_looking_later_changes_no_weight_and_finds_the_step_that_went_wrong(small, tmp_path):
    weights = []
    for name, at_once in (("a", True), ("b", False)):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        model, trainer = train(small, tmp_path / name, 12, small.iql())
        trainer.at_once = at_once
        trainer.run()
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*weights)

    (tmp_path / "c" / "checkpoints").mkdir(parents=True)
    term = small.iql()
    plain = term.objective.loss
    steps = iter(range(100))

    def spoilt(batch, model, noise):
        loss = plain(batch, model, noise)
        return type(loss)(loss.value * (float("nan") if next(steps) == 13 else 1.0), loss.logs)

    term.objective.loss = spoilt
    model, trainer = train(small, tmp_path / "c", 30, term)
    with pytest.raises(RunFailed, match=r"step 13 of stage 'encoder': the loss of .*iql.* is nan"):
        trainer.run()
    assert not list((tmp_path / "c" / "checkpoints").iterdir())  # nothing spoilt is kept


def test_an_executed_action_waits_once_and_a_plan_three_times(small, tmp_path):
    """Of 8 actions, 4 from each plan: is the distance finite; of a plan: costs, actions, and how many are solved."""
    environment, model = small.data.environment, small.model().eval().requires_grad_(False)
    actions = environment.spec.actions.scaled(1 / small.data.action_scale)
    tasks = environment.sample_tasks(9, 5, small.data.trajectories)
    (tmp_path / "checkpoints").mkdir()
    settings = MpcSettings(max_steps=8, replan_every=4, block_rows=512)
    controller = Controller(MPPI(MPPI.Params(samples=16, horizon=4)), model, actions, settings, seed=4)
    controller.pad_last_block = True  # as on a GPU, where other sizes of blocks are not tried
    args = (controller, small.data.action_scale, RunFolder(tmp_path), Loggers(), Stop(), True)
    with Waits() as waits:
        Evaluation("episodes", environment, tasks, *args).run()
    assert waits.seen == {"_local_scalar_dense": 8 + 2 * 3}
