"""Episodes: the same bits in any batch, in blocks of any number of tasks, and after an interruption."""

import itertools

import pytest
import torch

from vgbench.api import NetworkShapes, NormBall, Plan, Planner, Tasks
from vgbench.errors import RunFailed
from vgbench.model.jepa import JEPA
from vgbench.planning.controller import Controller
from vgbench.planning.episodes import Episodes, Planned, observe_latents
from vgbench.planning.evaluation import Evaluation
from vgbench.planning.plans import join_plans
from vgbench.planning.problem import Counter, PlanningProblem, Simulation, simulate_latents
from vgbench.plugin.loggers import Loggers
from vgbench.settings import MpcSettings
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.networks.mlp import MLP
from vgbench_plugins.planners.gradient import Gradient
from vgbench_plugins.planners.mppi import MPPI
from vgbench_plugins.planners.random import Random

SETTINGS = MpcSettings(max_steps=10, replan_every=3, block_rows=64)


@pytest.fixture
def play(small, tmp_path):
    model = small.model().eval().requires_grad_(False)
    environment = small.data.environment
    tasks = environment.sample_tasks(9, 5, small.data.trajectories)
    actions = environment.spec.actions.scaled(1 / small.data.action_scale)
    made = iter(range(100))

    def run(count=9, planner=None, settings=SETTINGS, name="episodes", folder=None, stop=None):
        path = folder or tmp_path / str(next(made))
        (path / "checkpoints").mkdir(parents=True, exist_ok=True)
        some = Tasks({k: v[:count] for k, v in tasks.start.items()}, {k: v[:count] for k, v in tasks.goal.items()})
        planner = planner or MPPI(MPPI.Params(samples=32, horizon=5))
        controller = Controller(planner, None if planner.baseline else model, actions, settings, seed=4)
        args = (controller, small.data.action_scale, RunFolder(path), Loggers(), stop or Stop())
        return Evaluation(name, environment, some, *args).run()

    run.model, run.environment, run.tasks, run.path = model, environment, tasks, tmp_path
    return run


@pytest.mark.parametrize("count", [1, 4])
def test_a_tasks_episode_does_not_depend_on_the_other_tasks(play, count):
    assert play(count) == play(9)[:count]


def test_the_block_of_tasks_does_not_change_the_noise(play):
    """Another block size may change last bits, but every plan is made from the same noise."""
    one = play(settings=SETTINGS.model_copy(update={"block_rows": 32}))
    many = play(settings=SETTINGS.model_copy(update={"block_rows": 320}))
    for a, b in zip(one, many, strict=True):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("looks", [0, 1, 2, 6, 11])
def test_an_interrupted_evaluation_ends_with_the_same_rows(play, stop_after, looks):
    """`looks` 0 to 4 stop between the blocks of the first plan, the others later."""
    folder = play.path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        play(folder=folder, stop=stop_after(looks))
    assert play(folder=folder) == play()
    lines = (folder / "episodes.jsonl").read_text().splitlines()
    assert len(lines) == 9


def test_rows_tell_how_near_each_task_came(play):
    rows = play()
    assert [row["task"] for row in rows] == list(range(9))
    for row in rows:
        assert row["min_distance"] <= min(row["start_distance"], row["final_distance"])
        assert row["success"] == (row["final_distance"] < play.environment.success_radius)
        assert 1 <= row["ess"] <= 32


def test_a_solved_task_leaves_and_its_steps_are_counted(play, small):
    """Tasks in one room, 3 steps to the right of their goal."""
    environment = small.data.environment
    layout = torch.tensor([[40.0, 22.0]] * 2)
    start = {"position": torch.tensor([[10.0, 30.0], [10.0, 50.0]]), "layout": layout}
    goal = {"position": torch.tensor([[20.0, 30.0], [30.0, 50.0]]), "layout": layout}
    (play.path / "x" / "checkpoints").mkdir(parents=True)

    class Right(Planner):
        baseline = True

        def plan(self, problem, state):
            right = torch.tensor([1e6, 0.0]).expand(len(problem.steps_left), problem.horizon, 2)
            return Plan(problem.action_set.clip(right))

    actions = environment.spec.actions.scaled(1 / small.data.action_scale)
    controller = Controller(Right(Planner.Params()), None, actions, SETTINGS, seed=0)
    args = (controller, small.data.action_scale, RunFolder(play.path / "x"), Loggers(), Stop())
    rows = Evaluation("episodes", environment, Tasks(start, goal), *args).run()
    # 3.67 px a step: within sqrt(2) px of 10 px after 3 steps (11.01), of 20 px after 6 (22.02 - no: after 5.4).
    assert rows[0]["success"] and rows[0]["steps"] == 3
    assert rows[1]["steps"] == 10 and not rows[1]["success"]  # 18.35, then 22.02: jumps over the goal
    assert rows[1]["min_distance"] == pytest.approx(20 - 5 * 3.67, abs=1e-3)


def test_a_baseline_never_sees_a_cost(play):
    rows = play(planner=Random(Random.Params()), name="baseline")
    assert len(rows) == 9 and "ess" not in rows[0]


@pytest.mark.parametrize("aggregate", ["sum", "mean", "last", "discounted"])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_cost_is_the_distance_along_the_predicted_states(play, small, aggregate, power):
    settings = SETTINGS.model_copy(update={"aggregate": aggregate, "power": power, "discount": 0.9})
    model = play.model
    torch.manual_seed(1)
    latent, goal, actions = torch.randn(2, 32), torch.randn(2, 32), torch.randn(2, 3, 4, 2)
    counter = Counter(candidates=3)
    simulation = simulate_latents(model, {"latent": latent, "goal": goal})
    left = torch.tensor([4, 4])
    problem = PlanningProblem(NormBall(2, 2.0), left, 4, 0, None, settings, counter, simulation)
    cost = problem.cost(actions)
    for b in range(2):
        for k in range(3):
            z, d = latent[b : b + 1], []
            for h in range(4):
                z = model.predict(z, actions[b, k, h : h + 1])
                d.append(float(model.distance(z, goal[b : b + 1])) ** power)
            expected = {
                "sum": sum(d),
                "mean": sum(d) / 4,
                "last": d[-1],
                "discounted": sum(x * 0.9**i for i, x in enumerate(d)),
            }[aggregate]
            assert float(cost[b, k]) == pytest.approx(expected, rel=1e-4)
    assert counter.evaluations == 24
    with pytest.raises(RunFailed, match="declares candidates=3"):
        problem.cost(torch.randn(2, 4, 4, 2))
    *_, reached = model.rollout(latent[1:], actions[1:, 2])
    assert torch.allclose(reached, z, atol=1e-5)


class Fixed(Planner):
    """Returns what it was given."""

    baseline = True

    def __init__(self, make, **info):
        super().__init__(Planner.Params())
        self.make, self.info = make, info

    def plan(self, problem, state):
        tasks = len(problem.steps_left)
        return Plan(self.make(tasks, problem.horizon), {}, {k: torch.full((tasks,), v) for k, v in self.info.items()})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda b, h: torch.zeros(b, 0, 2), "must return actions of shape"),
        (lambda b, h: torch.zeros(b, h + 1, 2), "must return actions of shape"),
        (lambda b, h: torch.zeros(b + 1, h, 2), "must return actions of shape"),
        (lambda b, h: torch.zeros(b, h, 3), "must return actions of shape"),
        (lambda b, h: torch.full((b, h, 2), torch.nan), "are not finite"),
    ],
    ids=["no-step", "too-long", "too-many", "wrong-dim", "nan"],
)
def test_a_plan_that_cannot_be_executed_names_the_planner(play, make, message):
    with pytest.raises(RunFailed, match=rf"planner Fixed: it .*{message}"):
        play(planner=Fixed(make), name="baseline")


def test_a_planners_figures_never_replace_the_rows_own(play):
    rows = play(planner=Fixed(lambda b, h: torch.zeros(b, h, 2), success=1.0, spread=float("inf")), name="baseline")
    assert all(row["success"] is False and row["spread"] is None for row in rows)


def test_a_gradient_planner_gets_a_gradient_and_its_plan_is_detached(play):
    class Descent(Planner):
        gradient = True

        def plan(self, problem, state):
            actions = torch.zeros(len(problem.steps_left), 1, problem.horizon, 2, requires_grad=True)
            (slope,) = torch.autograd.grad(problem.cost(actions).sum(), actions)
            assert slope.abs().sum() > 0
            return Plan((actions - slope).squeeze(1), {"nominal": actions.squeeze(1)})

    class Params(Planner.Params):
        horizon: int = 3

    assert len(play(planner=Descent(Params()))) == 9


@pytest.fixture
def episodes(play, small):
    """The loop itself, and who acts in it: MPPI on the model."""
    environment, tasks = play.environment, play.tasks
    actions = environment.spec.actions.scaled(1 / small.data.action_scale)
    controller = Controller(MPPI(MPPI.Params(samples=32, horizon=5)), play.model, actions, SETTINGS, seed=4)
    act = Planned(controller, observe_latents(play.model, environment, tasks))
    return Episodes(environment, tasks, SETTINGS, small.data.action_scale, 4), act


def test_some_of_the_tasks_are_played_as_among_all(play, episodes):
    """Noise and goals go by the tasks' numbers, not by their rows."""
    loop, act = episodes
    some = loop.play(act, loop.start(torch.tensor([7, 2])))
    rows = {row["task"]: row for row in loop.rows(some)}
    everything = play()
    assert [rows[task] for task in (2, 7)] == [everything[task] for task in (2, 7)]


def test_an_observer_sees_every_step_with_its_plan(play, episodes, small):
    loop, act = episodes
    seen = []
    end = loop.play(act, on_step=seen.append, until=8)
    assert end.step == 8 and len(seen) == 8 and [step.index for step in seen] == [0, 1, 2, 0, 1, 2, 0, 1]
    for step, following in itertools.pairwise(seen):
        stays = (~step.solved).nonzero().squeeze(1)
        assert torch.equal(following.ids, step.ids[stays])
        assert torch.equal(following.before["position"], step.after["position"][stays])
    for step in seen:
        action = step.plan.actions[step.rows, step.index] * small.data.action_scale
        assert torch.equal(play.environment.step(step.before, action)["position"], step.after["position"])


def test_a_plan_shorter_than_the_interval_is_executed_as_far_as_it_goes(play, episodes):
    loop, _ = episodes
    asked = []

    def act(progress):
        asked.append((progress.step, progress.executed))
        return Plan(torch.zeros(len(progress.active), 2, 2))

    loop.play(act)
    assert asked == [(0, 0), (2, 2), (4, 2), (6, 2), (8, 2)]


def test_a_controller_plans_on_any_dynamics_and_distance(episodes):
    """A point that is pushed about: neither encoder nor model takes part."""
    goals = torch.tensor([[3.0, 0.0], [0.0, -2.0]])

    def simulate(tasks):
        start, goal = tasks["at"], goals[tasks["id"]]
        return Simulation(
            lambda actions: iter((start[:, None, None] + actions.cumsum(dim=2)).unbind(2)),
            lambda reached: (reached - goal[:, None]).norm(dim=-1),
        )

    controller = Controller(
        MPPI(MPPI.Params(samples=200, horizon=5)), None, NormBall(2, 1.0), SETTINGS, seed=0, simulate=simulate
    )
    tasks = {"id": torch.arange(2), "at": torch.zeros(2, 2)}
    plan = join_plans([plan for _, plan in controller.blocks(tasks, {}, 0, 0, 0)])
    assert (plan.actions.sum(dim=1) * goals).sum(dim=-1).gt(1.0).all()


def test_a_gradient_planner_plans_from_latents_of_inference_mode(play, episodes, small):
    """A distance that keeps its inputs for the backward pass, which tensors of inference mode forbid."""
    model = small.model().eval().requires_grad_(False)
    model.distance.prepare = lambda goal: lambda points: (points * goal[:, None]).square().sum(dim=-1)
    controller = Controller(Gradient(Gradient.Params(horizon=3, iterations=2)), model, NormBall(2, 1.0), SETTINGS, 0)
    rows = observe_latents(model, play.environment, play.tasks)(play.tasks.start, torch.arange(9))
    assert rows["goal"].is_inference() or rows["latent"].is_inference()
    plans = [plan for _, plan in controller.blocks({"id": torch.arange(9)} | rows, {}, 0, 0, 0)]
    assert sum(len(plan.actions) for plan in plans) == 9 and not plans[0].actions.requires_grad


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("distance", [IQE, Euclidean])
def test_plans_of_quick_size_have_the_same_bits_in_any_batch(distance, threads):
    """512 latents, the paper's predictor, 256 samples: shapes at which a library changes its kernels with the rows."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(0)
        predictor = MLP(MLP.Params(residual=True)).build(NetworkShapes({}, 512, 2))
        model = JEPA(torch.nn.Identity(), predictor, torch.nn.Identity(), torch.nn.Identity())
        model.distance = distance(distance.Params(), 512)
        model.eval().requires_grad_(False)
        controller = Controller(MPPI(MPPI.Params()), model, NormBall(2, 2.45), MpcSettings(max_steps=99), 0)
        latent, goal = torch.randn(11, 512), torch.randn(11, 512)

        def plan(*tasks):
            index = torch.tensor(tasks)
            problem = {"id": index, "latent": latent[index], "goal": goal[index]}
            return torch.cat([made.actions for _, made in controller.blocks(problem, {}, 0, 0, 0)])

        everything = plan(*range(11))
        assert torch.equal(everything[[10, 3, 6]], plan(10, 3, 6))
        assert torch.equal(everything[[5]], plan(5))
    finally:
        torch.set_num_threads(before)
