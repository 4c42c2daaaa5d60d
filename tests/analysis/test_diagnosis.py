"""`vgbench diagnose` and `vgbench ladder`: figures by hand, whole commands on tiny runs, and refusals."""

import json
import re
import shutil
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vgbench.analysis import prediction as dynamics
from vgbench.analysis import probe
from vgbench.analysis import value_order as order
from vgbench.analysis import value_shape as shape
from vgbench.analysis.diagnosis import text
from vgbench.analysis.ladder import verdicts
from vgbench.analysis.ladder.controllers import with_model
from vgbench.analysis.ladder.setup import set_up
from vgbench.analysis.sampling import GoalSample
from vgbench.api import Environment, StateGrid
from vgbench.experiments.trained import load_trained
from vgbench.planning.episodes import Episodes
from vgbench.planning.problem import Counter, PlanningProblem, aggregate, simulate_latents
from vgbench.settings import MpcSettings
from vgbench_plugins.distances.two_level import TwoLevel
from vgbench_plugins.environments.wall import Wall
from vgbench_plugins.objectives.iql import IQL
from vgbench_plugins.objectives.two_level_iql import TwoLevelIQL

TINY = [
    "data.trajectories=8",
    "train.steps=2",
    "train_predictor.steps=2",
    "evaluation.tasks=3",
    "mpc.max_steps=4",
    "mpc.block_rows=64",
    "strided.stem=4",
    "strided.channels=4",
    "mlp.hidden=[16]",
    "model.latent_dim=16",
    "iqe.component_dim=4",
]


@pytest.fixture
def run_folder(run_once):
    """A run of the wall, trained for two steps."""
    sets = [part for value in TINY for part in ("--set", value)]
    what = ["run", "--env", "wall", "--recipe", "vf_quasi", "--scale", "smoke", "--device", "cpu", *sets]
    return run_once("run to be diagnosed", *what)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("mppi.temperature=0.9", "planner"),
        ("mpc.max_steps=5", "settings mpc"),
        ("model.action_scale=component", "model.action_scale"),
    ],
)
def test_runs_of_one_ladder_share_all_but_their_models(run_folder, vgbench_cli, value, what):
    sets = [part for one in (*TINY, value) for part in ("--set", one)]
    words = ["run", "--env", "wall", "--recipe", "vf_quasi", "--scale", "smoke", "--device", "cpu", *sets]
    assert vgbench_cli(*words, "--out", "other").exit_code == 0
    refused = vgbench_cli("ladder", "--run", run_folder, "--run", "other", "--tasks", "2")
    assert refused.exit_code == 2 and f"its {what} is not that of {run_folder}" in refused.stderr, refused.stderr


def test_a_ladder_has_the_tasks_that_its_runs_share(run_folder, vgbench_cli, tmp_path):
    sets = [part for one in TINY for part in ("--set", one)]
    words = ["run", "--env", "wall", "--recipe", "vf_quasi", "--scale", "smoke", "--device", "cpu", *sets]
    made = ["tasks", "--env", "wall", "--scale", "smoke", "--task-seed", "7", "--out", "tasks.json"]
    assert vgbench_cli(*made).exit_code == 0
    assert vgbench_cli(*words, "--tasks", "tasks.json", "--out", "other").exit_code == 0
    refused = vgbench_cli("ladder", "--run", run_folder, "--run", "other", "--tasks", "2")
    assert refused.exit_code == 2 and "its task seed is not that of" in refused.stderr, refused.stderr
    assert vgbench_cli(*words, "--seed", "3", "--data-seed", "0", "--out", "alike").exit_code == 0
    both = vgbench_cli("ladder", "--run", run_folder, "--run", "alike", "--tasks", "2", "--format", "json")
    assert both.exit_code == 0 and len({row.get("run") for row in both.json()["rows"]} - {None}) == 2, both.stderr


def test_a_run_is_diagnosed_and_put_on_a_ladder(run_folder, vgbench_cli):
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    few = ["--goals", "2", "--states", "64"]
    done = vgbench_cli("diagnose", run_folder, *few, "--format", "json")
    assert done.exit_code == 0, done.stderr
    record = done.json()
    written = json.loads((run_folder / "diagnosis.json").read_text())
    assert len(written.pop("sha256")) == 64
    assert record == written
    assert record["goals"] == 2 and record["states"] == 64 and record["meaningless"]
    blocks = record["blocks"]
    assert not any("skipped" in block for block in blocks.values())
    assert blocks["descent"]["true"]["coverage"]["mean"] == 1 and blocks["descent"]["true"]["minima"]["mean"] == 0
    # Steps of a random walk are solved in order by the loss's own fixed point.
    assert blocks["fixed_point"]["its_own_spearman_with_cost"]["mean"] > 0.9
    assert blocks["metric"]["triangle_violations"] == 0  # IQE is a quasimetric, trained or not
    assert set(blocks["rank"]["groups"]) == {"all", *Wall.pair_label_names}
    assert len(blocks["prediction"]["latent"]) == blocks["prediction"]["horizon"] == 4
    assert set(blocks["planning"]["recorded"]) == {"ess", "cost", "cost_mean"}
    assert set(blocks["probe"]["arrays"]) == {"position"}
    after = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    assert {path.name for path in set(after) - set(before)} == {"diagnosis.json"}
    assert all(after[path] == content for path, content in before.items())

    elsewhere = run_folder.parent / "again.json"
    shown = vgbench_cli("diagnose", run_folder, *few, "--out", elsewhere)
    again = json.loads(elsewhere.read_text())
    assert again.pop("sha256") and again == record
    assert "Spearman" in shown.stdout and "smoke" in shown.stderr

    done = vgbench_cli("ladder", "--run", run_folder, "--tasks", "2", "--budget", "8", "--format", "json")
    assert done.exit_code == 0, done.stderr
    rows = {row["name"]: row for row in done.json()["rows"]}
    assert len(rows) == 10 and all(row["n"] == 2 for row in rows.values())
    assert done.json()["planner"]["params"]["samples"] == 8
    assert "mean" in rows["exact model, learned value"]["table_error"]
    assert "position" in rows["learned model, true value"]["probe_error"]
    # With another number of candidates the run plans again, as an evaluation with that number does.
    fewer = ("--set", "mppi.samples=8", "--set", "evaluation.tasks=2", "--out", run_folder.parent / "fewer")
    assert vgbench_cli("evaluate", run_folder, *fewer).exit_code == 0
    want = [json.loads(line) for line in (run_folder.parent / "fewer" / "episodes.jsonl").read_text().splitlines()]
    setup, [trained] = set_up(None, [run_folder], 2, 8)
    episodes = Episodes(setup.environment, setup.tasks, setup.settings, setup.data.action_scale, setup.spec.task_seed)
    found = episodes.rows(episodes.play(with_model(setup, trained)))
    assert [row["final_distance"] for row in found] == [row["final_distance"] for row in want]
    assert rows["the run itself"]["successes"] == sum(row["success"] for row in want)
    assert "recorded" not in rows["the run itself"]
    own = vgbench_cli("ladder", "--run", run_folder, "--tasks", "2", "--format", "json").json()["rows"]
    (itself,) = [row for row in own if row["name"] == "the run itself"]
    recorded = [json.loads(line) for line in (run_folder / "episodes.jsonl").read_text().splitlines()][:2]
    assert itself["recorded"] and itself["successes"] == sum(row["success"] for row in recorded)

    (run_folder / "checkpoints" / "predictor.pt").unlink()
    refused = vgbench_cli("diagnose", run_folder)
    assert (
        refused.exit_code == 2
        and "predictor.pt (only baseline-random.pt, baseline-uninformed.pt, encoder.pt" in refused.stderr
    )
    shutil.rmtree(run_folder / "checkpoints")
    refused = vgbench_cli("ladder", "--run", run_folder)
    assert refused.exit_code == 2 and "--run" in refused.stderr and "no checkpoint at all" in refused.stderr
    command = f"`vgbench run --config {run_folder}/config.yaml --out runs/{run_folder.name}-again`"
    assert command in refused.stderr


def test_expert_and_true_value_solve_the_wall_and_random_actions_do_not(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    sets = ["--set", "data.trajectories=20", "--set", "mppi.horizon=12"]
    done = vgbench_cli("ladder", "--protocol", "wall_big", "--tasks", "6", "--budget", "24", *sets, "--format", "json")
    assert done.exit_code == 0, done.stderr
    rates = {row["name"]: row["success_rate"] for row in done.json()["rows"]}
    assert list(rates) == [
        "random actions",
        "random actions, held for 8 steps",
        "uninformed planner",
        "straight line",
        "exact model, straight",
        "exact model, true value",
        "expert",
    ]
    assert rates["expert"] == rates["exact model, true value"] == 1
    assert rates["random actions"] < 0.5


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["diagnose", "nowhere"], "no such folder"),
        (["diagnose", "."], "no run.json"),
        (["ladder"], "--protocol NAME"),
        (["ladder", "--protocol", "wall_bug"], "wall_big"),
        (["ladder", "--protocol", "wall_big", "--tasks", "0"], "--tasks 0"),
        (["ladder", "--protocol", "wall_big", "--budget", "0"], "--budget 0"),
        (["ladder", "--protocol", "wall_big", "--out", "missing/x.json"], "--out missing/x.json"),
    ],
)
def test_what_is_wrong_is_said(vgbench_cli, arguments, said):
    done = vgbench_cli(*arguments)
    assert done.exit_code == 2 and said in done.stderr


def test_an_environment_without_capabilities_is_served_as_far_as_it_goes(
    tmp_plugin, vgbench_cli, tmp_path, monkeypatch
):
    """The environment in the docstring of `Environment`, as a stranger would install it."""
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    example = re.search(r"::\n\n(.*?)\n\n    Optional", Environment.__doc__, re.DOTALL).group(1)
    head = "import numpy as np\nimport torch\nfrom vgbench.api import *\n\n\n"
    tmp_plugin(head + textwrap.dedent(example), environments={"line": "Line"})
    what = ["run", "--env", "line", "--encoder", "vector", "--recipe", "vf", "--scale", "smoke", "--device", "cpu"]
    sets = ["--set", "data.length=20", "--set", "mpc.max_steps=20", "--out", tmp_path / "run"]
    done = vgbench_cli(*what, *sets)
    assert done.exit_code == 0, done.stderr
    done = vgbench_cli("diagnose", tmp_path / "run", "--goals", "3", "--states", "50")
    assert done.exit_code == 0, done.stderr
    for capability in ("cost_to_go", "value_fixed_point", "state_grid"):
        assert f"skipped: Line has no capability '{capability}'" in done.stdout
    blocks = json.loads((tmp_path / "run" / "diagnosis.json").read_text())["blocks"]
    assert blocks["scale"]["max"] > 0 and blocks["probe"]["arrays"]["x"]["held_out"] < 5
    done = vgbench_cli("ladder", "--run", tmp_path / "run", "--tasks", "3", "--format", "json")
    assert done.exit_code == 0, done.stderr
    rows = {row["name"]: row for row in done.json()["rows"]}
    assert rows["straight line"]["success_rate"] == 1  # goals are 6 to 18 to the right, in 20 steps of at most 1
    assert "cost_to_go" in rows["exact model, true value"]["skipped"] and "expert" in rows["expert"]["skipped"]


@pytest.fixture
def views():
    """Three goals in one layout of the wall, whose learned distance a test sets to a function of the true cost."""
    wall = Wall(Wall.Params(layout="fixed"))
    tasks = wall.sample_tasks(3, 0, wall.collect(4, 64, 0))
    params = IQL.Params(gamma=0.9, tau=0.6)
    iql = SimpleNamespace(cls=IQL, params=params, make=lambda *more: IQL(iql.params, *more))
    settings = {"model": SimpleNamespace(latent_dim=8)}
    spec = SimpleNamespace(stages=[SimpleNamespace(objectives=[iql])], settings=settings)
    trained = SimpleNamespace(environment=wall, spec=spec)

    def make(function):
        found = []
        for row in range(3):
            goal = {name: value[row : row + 1] for name, value in tasks.goal.items()}
            grid = wall.state_grid(goal)
            view = GoalSample(goal, grid.states, grid, torch.zeros(len(grid), 2), None, None, torch.arange(0, 2700, 3))
            view.cost = wall.cost_to_go(grid.states, view.goals(len(grid))).double()
            view.distance = function(view.cost)
            found.append(view)
        return trained, found

    return make


def test_rank_correlation_sees_order_and_nothing_else(views):
    concave = order.rank(*views(lambda cost: cost.sqrt()))
    for figures in concave["groups"].values():
        assert figures["spearman"]["mean"] == pytest.approx(1) and figures["kendall"]["mean"] == pytest.approx(1)
    assert order.rank(*views(lambda cost: -cost))["groups"]["all"]["spearman"]["mean"] == pytest.approx(-1)
    value = order.rank(*views(lambda cost: (1 - 0.9 ** cost.ceil()) / 0.1))["optimal_value"]
    assert value["pearson"]["mean"] == pytest.approx(1) and value["error_of_bound"]["mean"] == pytest.approx(
        0, abs=1e-4
    )
    generator = torch.Generator().manual_seed(0)
    noise = order.rank(*views(lambda cost: torch.rand(len(cost), generator=generator).double()))
    low, high = noise["groups"]["all"]["spearman"]["ci95"]
    assert -0.15 < low <= high < 0.15


def test_a_goal_that_all_states_are_equally_far_from_counts_as_no_order(views):
    """One of three goals has collapsed: the mean is 2 / 3, not that of the two others."""
    numbers = iter(range(3))
    block = order.rank(*views(lambda cost: cost.sqrt() if next(numbers) else torch.ones_like(cost)))
    for figures in block["groups"].values():
        for name in ("spearman", "kendall"):
            assert figures[name]["mean"] == pytest.approx(2 / 3, abs=1e-4)
            assert (figures[name]["goals"], figures[name]["collapsed"]) == (3, 1)
    assert block["optimal_value"]["pearson"]["collapsed"] == 1
    lines = "\n".join(order.rank_lines(block))
    assert "one learned distance for all states, counted as 0: 1 of 3, 1 of 3 (near, same room)" in lines
    assert "collapsed" not in order.rank(*views(lambda cost: cost.sqrt()))["groups"]["all"]["spearman"]


def test_backups_of_several_steps_have_no_fixed_point_here(views):
    trained, found = views(lambda cost: cost)
    trained.spec.stages[0].objectives[0].params = IQL.Params(gamma=0.9, tau=0.6, n_step=3)
    block = order.fixed_point(trained, found)
    assert "n_step" in block["skipped"] and "3 states" in block["skipped"]
    # The value of the shortest way is that of any number of steps.
    assert order.rank(trained, found)["optimal_value"]["gamma"] == 0.9


def test_each_level_is_held_against_its_own_value(views):
    """Points are (near, far) value of the shortest way, the goal's 0; each level is the distance of one half."""
    trained, found = views(lambda cost: cost)
    params = TwoLevelIQL.Params(gamma=0.9, tau=0.6, stride=5)
    trained.spec.stages[0].objectives = [
        SimpleNamespace(cls=TwoLevelIQL, params=params, make=lambda *more: TwoLevelIQL(params, *more))
    ]
    trained.model = SimpleNamespace(distance=TwoLevel(TwoLevel.Params(base="euclidean", weight=3.0), 2))
    for view in found:
        value = [(1 - 0.9**steps) / 0.1 for steps in (view.cost.ceil(), (view.cost / 5).ceil())]
        view.points, view.goal_point = torch.stack(value, dim=1).float(), torch.zeros(1, 2)
        view.distance = value[0] + 3 * value[1]
    block = order.rank(trained, found)
    near, far = block["optimal_value"]["levels"]
    assert (near["level"], near["stride"], far["level"], far["stride"]) == (0, 1, 1, 5)
    for level in (near, far):
        assert level["pearson"]["mean"] == pytest.approx(1)
        assert level["error_of_bound"]["mean"] == pytest.approx(0, abs=1e-4)
    assert sum(line.startswith(("level 0: against", "level 1: against")) for line in order.rank_lines(block)) == 2


def test_a_run_of_two_levels_is_diagnosed_by_level(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    sets = [*TINY[:-1], "two_level.base=euclidean", "two_level.weight=3", "two_level_iql.gamma=0.9", "train.window=9"]
    sets = [part for value in [*sets, "two_level_iql.stride=4"] for part in ("--set", value)]
    what = ["run", "--env", "wall", "--objective", "two_level_iql", "--distance", "two_level", "--scale", "smoke"]
    done = vgbench_cli(*what, "--device", "cpu", *sets, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    few = ["--goals", "2", "--states", "64"]
    done = vgbench_cli("diagnose", tmp_path / "run", *few, "--format", "json")
    assert done.exit_code == 0, done.stderr
    blocks = done.json()["blocks"]
    assert blocks["scale"]["bound"] == pytest.approx((1 + 3) / (1 - 0.9))
    assert [(s["level"], s["steps"]) for s in blocks["scale"]["step"]["levels"]] == [(0, 1), (1, 4)]
    fixed = blocks["fixed_point"]["levels"]
    assert [(f["level"], f["stride"], f["gamma"]) for f in fixed] == [(0, 1, 0.9), (1, 4, 0.9)]
    assert all(f["its_own_spearman_with_cost"]["mean"] > 0.8 for f in fixed)
    shown = vgbench_cli("diagnose", tmp_path / "run", *few).stdout
    assert "level 0: tau" in shown and "level 1: tau" in shown and "level 1: 4 step(s) of the data" in shown
    assert "of a bound of 40 (1 / (1 - gamma) of all levels together)" in shown


def test_plans_that_promise_no_improvement_have_no_share_of_it(run_folder):
    """A predictor that throws each latent far away."""
    trained = load_trained(run_folder)
    for weight in trained.model.predictor.parameters():
        weight.data.mul_(100)
    block = dynamics.planning(trained)
    assert block["promised"] > block["staying"] and block["kept"] is None
    assert "The plans promise no improvement" in "\n".join(dynamics.planning_lines(block))


def test_a_predictor_that_ignores_actions_is_named():
    errors = {"rollouts": 8, "horizon": 2, "cost": [1, 1], "cost_shuffled": [1, 1], "cost_unchanged": [2, 2]}
    record = {"title": "r", "goals": 1, "states": 8, "blocks": {"prediction": errors}}
    errors |= {"latent": [0.9, 0.8], "latent_shuffled": [0.9, 0.8]}
    assert "the predictor ignores them" in text(record)
    errors |= {"latent_shuffled": [1.1, 0.8]}
    assert "ignores" not in text(record)


@pytest.mark.parametrize(
    ("value", "model", "both", "said"),
    [
        (99, 98, 97, "no shortfall shown on these tasks"),
        (91, 99, 97, "the value falls short; of the model no shortfall shown"),  # its own row does not save the value
        (80, 98, 81, "the value falls short"),
        (99, 70, 71, "the model falls short"),
        (80, 70, 60, "the value and the model fall short"),
        (98, 98, 85, "neither half alone"),
        (98, None, 85, "a condition is missing"),
    ],
)
def test_a_ladder_says_which_half_falls_short(value, model, both, said):
    conditions = [
        ("exact", "true", 99, {}),
        ("exact", "learned", value, {"run": "r"}),
        ("learned", "learned", both, {"run": "r"}),
    ]
    conditions.append(("learned", "true, by a probe", model, {"run": "r"}))
    rows = [
        {"dynamics": dynamics, "value": value, "n": 100} | ({"skipped": "no"} if k is None else {"successes": k}) | more
        for dynamics, value, k, more in conditions
    ]
    (sentence,) = verdicts({"rows": rows})
    assert sentence.startswith("r: ") and said in sentence


def test_ten_tasks_are_too_few_to_tell():
    # 7 of 10 against 10 of 10: Newcombe's interval of the difference is about [-.05, .60].
    conditions = [("exact", "true", 10, {}), ("exact", "learned", 7, {"run": "r"})]
    conditions += [("learned", "true", 9, {"run": "r"}), ("learned", "learned", 7, {"run": "r"})]
    rows = [{"dynamics": d, "value": v, "n": 10, "successes": k, **more} for d, v, k, more in conditions]
    (sentence,) = verdicts({"rows": rows})
    assert sentence.startswith("r: too few tasks to tell (")


def test_descent_by_hand():
    """Seven states in a row, the goal at the left end: a bump between states 3 and 5 catches those to its right."""
    value = torch.tensor([0.0, 1.0, 2.0, 3.0, 5.0, 4.0, 6.0]).double()
    near = torch.tensor([[i - 1, i + 1 if i < 6 else -1] for i in range(7)])
    states = {"x": torch.arange(7.0).unsqueeze(1)}
    grid = StateGrid(states, near, lambda state: (torch.zeros(1), torch.zeros(1)))
    success = SimpleNamespace(success=lambda state, goal: state["x"].squeeze(1) < 0.5)
    view = GoalSample({"x": torch.zeros(1, 1)}, states, grid, torch.zeros(7, 1), value, None, torch.arange(7))
    figures = order._descend(SimpleNamespace(environment=success), view, grid, value)
    # State 4 has 3 beside it, which leads on; 5 is a minimum, and 6 falls into it.
    assert figures == {"coverage": pytest.approx(5 / 7), "minima": 1, "stuck": pytest.approx(1 / 7)}


@pytest.mark.parametrize("settings", [{}, {"aggregate": "mean"}, {"aggregate": "last", "power": 2.0}])
def test_costs_along_a_plan_are_the_planning_problems(small, settings):
    model, mpc = small.model().eval().requires_grad_(False), MpcSettings(**settings)
    trained = SimpleNamespace(model=model)
    generator = torch.Generator().manual_seed(0)
    latent, goal, actions = (torch.randn(*shape, generator=generator) for shape in ((4, 32), (4, 32), (4, 5, 2)))
    simulation = simulate_latents(model, {"latent": latent, "goal": goal})
    actions_set, left = small.data.environment.spec.actions, torch.full((4,), 9)
    problem = PlanningProblem(actions_set, left, 5, 0, None, mpc, Counter(1), simulation)
    predicted = dynamics.predict(trained, latent, actions)
    costs = aggregate(dynamics.distances(trained, predicted, goal).unbind(1), mpc)
    torch.testing.assert_close(costs.float(), problem.cost(actions.unsqueeze(1))[:, 0], rtol=1e-4, atol=1e-4)


def test_a_probe_reads_what_is_linear():
    generator = np.random.default_rng(0)
    place = generator.normal(size=(40, 30, 2)).astype(np.float32)
    mixing = torch.from_numpy(generator.normal(size=(2, 16)).astype(np.float32))

    class Data:
        device, length, ragged = torch.device("cpu"), 30, False
        trajectories = SimpleNamespace(states={"p": place})

        def __len__(self):
            return 40

        def state(self, row, time):
            return {"p": torch.from_numpy(place)[row, time]}

        def observations(self, row, time):
            return self.state(row, time)

    model = SimpleNamespace(encode_blocks=lambda seen: seen["p"] @ mixing + 3)
    array = SimpleNamespace(shape=(2,), description="")
    environment = SimpleNamespace(spec=SimpleNamespace(state={"p": array}))
    trained = SimpleNamespace(data=Data(), model=model, environment=environment)
    weights, names, errors = probe.fit_probe(trained, 0)
    assert names == ("p",) and errors["p"] < 0.02
    torch.testing.assert_close(
        probe.apply(weights, mixing.sum(0, keepdim=True) + 3), torch.ones(1, 2).double(), atol=0.01, rtol=0
    )


def test_a_directed_distance_is_asymmetric_and_a_square_breaks_the_triangle(small):
    generator = torch.Generator().manual_seed(0)
    here = torch.rand(400, 1, generator=generator)
    view = GoalSample({}, {}, None, here, here[:, 0], None, torch.arange(400))
    upward = SimpleNamespace(model=SimpleNamespace(distance=lambda x, y: (y - x).clamp_min(0).sum(-1)))
    figures = shape.metric(upward, [view], 0)
    assert figures["triangle_violations"] == 0
    assert figures["asymmetry_of_mean"] == pytest.approx(2)  # one way it is 0
    square = SimpleNamespace(model=SimpleNamespace(distance=lambda x, y: (y - x).square().sum(-1)))
    figures = shape.metric(square, [view], 0)
    # (x - z)^2 > (x - y)^2 + (y - z)^2 where y lies between x and z: one of three orders.
    assert figures["triangle_violations"] == pytest.approx(1 / 3, abs=0.04) and figures["asymmetry"] == 0


def test_states_without_a_way_to_the_goal_are_not_told_to_be_near_or_far():
    """Costs may be infinite; thirds and ranges are those of the others."""
    inf = float("inf")
    cost = torch.tensor([1.0, 2.0, 3.0, inf, inf, inf], dtype=torch.float64)
    view = SimpleNamespace(
        cost=cost,
        distance=torch.tensor([1.0, 2.0, 3.0, 90.0, 0.0, 50.0], dtype=torch.float64),
        sample=torch.arange(6),
        states={},
    )
    trained = SimpleNamespace(environment=object())
    labels, names = order._labels(trained, [view])
    assert names[-1] == "far third" and labels[0].tolist() == [0, 1, 2, 2, 2, 2]
    nowhere = SimpleNamespace(**(vars(view) | {"cost": torch.full((6,), inf, dtype=torch.float64)}))
    assert set(order._labels(trained, [nowhere])[0][0].tolist()) == {2}
    assert shape.far_of(view.cost, view.distance).tolist() == [3.0]
    assert shape.far_of(nowhere.cost, view.distance).tolist() == []
