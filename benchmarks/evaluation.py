"""A whole evaluation, against one pytorch-mppi controller per task, as the paper's code base plans (PLDM).

The peer gets the same tasks, model, cost, K, H, temperature and replanning. Encoding and the environment's steps are
batched for it as for ours, which is kinder than its users are; only planning goes task by task. It plays every task to
the last step, or (`until success`) lets a task go at its first success, as ours does.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.harness import Case, Check, Options, Record, Side, difference
from benchmarks.sorted_iqe import implementations
from vgbench.api import Tasks
from vgbench.errors import UsageError
from vgbench.evaluation import Evaluation
from vgbench.interrupt import Stop
from vgbench.noise import KeyedNoise, Stream
from vgbench.observers import Observers
from vgbench.planning import Controller
from vgbench.settings import MpcSettings
from vgbench.statistics import t_interval
from vgbench.store import RunFolder
from vgbench.trained import Trained, load_trained
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.planners.mppi import MPPI

MARGIN = 0.03
"""Success of ours may lie this much below the peer's at most, with its whole interval."""


def cases(options: Options) -> Iterator[Case]:
    """The run's own tasks and settings; at smaller sizes fewer tasks and steps."""
    if options.run is None and options.size != "tiny":
        raise UsageError("benchmark 'evaluation' plans with a trained run: give its folder by --run")
    with tempfile.TemporaryDirectory() as folder:
        trained = load_trained(Path(options.run or _smoke(Path(folder) / "run")), "--run")
        tasks, steps = options.pick((len(trained.tasks), 10**9), (8, 40), (2, 8))
        yield case(Play(trained, min(tasks, len(trained.tasks)), steps))


def _smoke(folder: Path) -> Path:
    """A run that shows that the benchmark runs, and no more."""
    import vgbench

    vgbench.run(protocol="wall_small", recipe="vf_quasi", scale="smoke", out=folder)
    return folder


@dataclass
class Play:
    """The first `count` tasks of a run, at most `steps` steps each; `success` holds what came of them, by side."""

    trained: Trained
    count: int
    steps: int
    success: dict[str, list[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what the peer cannot do."""
        planner = self.trained.spec.planner
        if planner.cls is not MPPI:
            raise UsageError(f"--run: its planner is {planner.name}; benchmark 'evaluation' holds mppi against a peer")

    @cached_property
    def settings(self) -> MpcSettings:
        """Of the run, cut to the steps played."""
        settings: Any = self.trained.spec.settings["mpc"]
        return settings.model_copy(update={"max_steps": min(self.steps, settings.max_steps)})

    @cached_property
    def tasks(self) -> Tasks:
        """Those that are played."""
        both = (self.trained.tasks.start, self.trained.tasks.goal)
        return Tasks(*({name: x[: self.count] for name, x in part.items()} for part in both))

    @cached_property
    def planner(self) -> MPPI:
        """Ours, with the run's values."""
        return MPPI(self.trained.spec.planner.params)

    @cached_property
    def action_set(self) -> Any:
        """The environment's, in normalised units."""
        return self.trained.environment.spec.actions.scaled(1 / self.trained.data.action_scale)

    @property
    def controller(self) -> Controller:
        """Ours, fresh."""
        seed = self.trained.spec.task_seed
        return Controller(self.planner, self.trained.model, self.action_set, self.settings, seed)

    @cached_property
    def goals(self) -> Tensor:
        """Points of the goals, [B, D']."""
        seen = self.trained.environment.goal_observation(self.tasks.goal)
        return self.trained.model.encode_blocks(seen, points=True)

    def distance(self) -> tuple[str, Callable[[Tensor, Tensor], Tensor]]:
        """Distance (state, goal) of points as the peer's users write it."""
        ours = self.trained.model.distance
        if isinstance(ours, IQE):
            return list(implementations(ours.dim, ours.params.component_dim, ours.raw).items())[-1]
        return "vector norm", lambda x, y: torch.linalg.vector_norm(x - y, dim=-1)

    def ours(self, whole: bool = False) -> None:
        """Play all tasks with our evaluation."""
        trained = self.trained
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "checkpoints").mkdir()
            common = (RunFolder(Path(folder)), Observers(), Stop(), whole)
            scale = trained.data.action_scale
            rows = Evaluation("episodes", trained.environment, self.tasks, self.controller, scale, *common).run()
        self.success["vgbench"] = [row["success"] for row in rows]

    def peer(self, name: str, whole: bool) -> None:
        """Play all tasks with a controller for each."""
        trained, environment, settings = self.trained, self.trained.environment, self.settings
        torch.manual_seed(trained.spec.task_seed)  # it draws from the global generator
        controllers = [self.mppi(task) for task in range(self.count)]
        state, active, step = dict(self.tasks.start), list(range(self.count)), 0
        solved = torch.zeros(self.count, dtype=torch.bool)
        while step < settings.max_steps and active:
            latent = trained.model.encode_blocks(environment.observe(state))
            rows = zip(active, latent, strict=True)
            plans = torch.stack([self.command(controllers[task], z, step) for task, z in rows])
            for index in range(min(settings.replan_every, settings.max_steps - step, plans.shape[1])):
                noise = None
                if environment.spec.noise_dim:
                    keyed = KeyedNoise(trained.spec.task_seed, torch.tensor(active), step, Stream.ENVIRONMENT)
                    noise = keyed.normal(environment.spec.noise_dim)
                state = environment.step(state, plans[:, index] * trained.data.action_scale, noise)
                step += 1
                reached = environment.success(state, {key: x[active] for key, x in self.tasks.goal.items()})
                solved[torch.tensor(active)[reached]] = True
                if not whole:
                    state, plans = {key: x[~reached] for key, x in state.items()}, plans[~reached]
                    active = [task for task, done in zip(active, reached.tolist(), strict=True) if not done]
                if not active:
                    break
        self.success[name] = solved.tolist()

    @torch.inference_mode()
    def command(self, mppi: Any, latent: Tensor, step: int) -> Tensor:
        """Plan [H, A] of one task, clipped as ours is."""
        horizon = min(self.planner.horizon, self.settings.max_steps - step)
        warm_start = self.planner.params.warm_start
        if warm_start == "none":
            mppi.U = torch.zeros_like(mppi.U)
        elif step and (warm_start == "shift" or horizon < mppi.T):
            for _ in range(self.settings.replan_every):
                mppi.shift_nominal_trajectory()
        if horizon != mppi.T:
            mppi.change_horizon(horizon)
        for _ in range(self.planner.params.iterations):
            mppi.command(latent, shift_nominal_trajectory=False)
        return self.action_set.clip(mppi.U)

    def mppi(self, task: int) -> Any:
        """Controller of one task, in our units: the run's ball of actions and its way to read the temperature."""
        from pytorch_mppi import MPPI as Peer

        params, action_set, model = self.planner.params, self.action_set, self.trained.model
        _, distance = self.distance()
        goal, settings = self.goals[task], self.settings

        class Controlled(Peer):
            def _bound_action(self, action: Tensor) -> Tensor:
                return action_set.clip(action)

            def _sample_noise(self, shape: tuple[int, ...]) -> Tensor:
                hold, steps = params.noise_hold, shape[-1]
                short = super()._sample_noise((*shape[:-1], -(-steps // hold)))
                return short.repeat_interleave(hold, dim=-2)[..., :steps, :]

            def _compute_weighting(self, costs: Tensor) -> Tensor:
                if params.lambda_as == "relative":
                    self.lambda_ = params.lambda_ * float(costs.std(correction=0).clamp_min(1e-30))
                return super()._compute_weighting(costs)

        def cost(state: Tensor, action: Tensor, step: int) -> Tensor:
            value = distance(model.head(state), goal) ** settings.power
            return value * settings.discount**step if settings.aggregate == "discounted" else value

        horizon = min(self.planner.horizon, settings.max_steps)
        return Controlled(
            dynamics=lambda state, action, step: model.predict(state, action),
            running_cost=cost,
            nx=self.trained.spec.settings["model"].latent_dim,
            noise_sigma=self.planner.noise_std**2 * torch.eye(action_set.dim),
            num_samples=params.samples,
            horizon=horizon,
            lambda_=params.lambda_,
            step_dependent_dynamics=True,
            U_init=torch.zeros(horizon, action_set.dim),
        )


def case(play: Play) -> Case:
    """Ours, and the peer in both ways."""
    if play.settings.aggregate not in ("sum", "discounted"):
        raise UsageError("--run: benchmark 'evaluation' knows mpc.aggregate=sum and discounted only")
    sides = [Side("vgbench", play.ours, "ours", "until success")]
    written, _ = play.distance()
    for name, whole in (("pytorch-mppi", True), ("pytorch-mppi until success", False)):
        if peers.PYTORCH_MPPI.present:
            what = f"one controller per task; {written}; {'to the last step' if whole else 'until success'}"
            sides.append(Side(name, lambda name=name, whole=whole: play.peer(name, whole), setting=what))  # type: ignore[misc]
    params, spec = play.planner.params, play.trained.spec
    return Case(
        f"{spec.protocol}, {play.count} tasks",
        {"protocol": spec.protocol, "recipe": spec.recipe, "scale": spec.scale, "tasks": play.count}
        | {"samples": params.samples, "horizon": params.horizon, "iterations": params.iterations}
        | {"max_steps": play.settings.max_steps, "replan_every": play.settings.replan_every},
        sides,
        play.count,
        "task",
        lambda: checks(play),
        lambda sides: facts(play),
        peers.missing(peers.PYTORCH_MPPI),
        most=3,
    )


def checks(play: Play) -> Iterator[Check]:
    """The first plan of the first task is the same, given the same noise, and so are the costs that it rests on."""
    if not peers.PYTORCH_MPPI.present:
        return
    latent = play.trained.model.encode_blocks(play.trained.environment.observe(play.tasks.start))[:1]
    task = {"id": torch.zeros(1, dtype=torch.int64), "latent": latent, "goal": play.goals[:1]}
    plan = play.controller.plan(task, {}, 0, 0)
    noise = KeyedNoise(play.trained.spec.task_seed, task["id"], 0, Stream.PLANNER)
    mppi, params = play.mppi(0), play.planner.params
    if params.initial_noise or params.iterations > 1:
        return  # the peer starts from zeros, and draws once
    draws = noise.normal(params.samples, -(-mppi.T // params.noise_hold), play.action_set.dim)[0]
    draws = draws.repeat_interleave(params.noise_hold, dim=1)[:, : mppi.T] * play.planner.noise_std
    mppi._sample_noise = lambda shape: draws
    actions = play.command(mppi, latent[0], 0)
    theirs = torch.stack([mppi.cost_total.min(), mppi.cost_total.mean()])
    costs = difference(torch.cat([plan.info["cost"], plan.info["cost_mean"]]), theirs)
    for name in ("pytorch-mppi", "pytorch-mppi until success"):
        yield Check(name, "least and mean cost of the same action sequences", costs, 1e-4)
        yield Check(name, "first plan from the same noise", difference(plan.actions[0], actions), 1e-2)


def facts(play: Play) -> Record:
    """Success of every side in its last round, and the paired difference from ours with its interval."""
    ours = play.success["vgbench"]
    found: Record = {"success": {name: sum(rows) / len(rows) for name, rows in play.success.items()}}
    for name, theirs in play.success.items():
        if name == "vgbench" or len(ours) < 2:
            continue
        differences = [float(a) - float(b) for a, b in zip(ours, theirs, strict=True)]
        low, high = t_interval(differences)
        equal = low > -MARGIN
        interval = [round(low, 4), round(high, 4)]
        found[f"ours minus {name}"] = {"mean": sum(differences) / len(ours), "ci95": interval, "not_worse": equal}
    return found
