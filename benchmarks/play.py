"""Tasks of a trained run played by our evaluation, and by one pytorch-mppi controller per task, as PLDM's code plans.

The peer gets the same tasks, model, cost, noise, temperature and replanning. Encoding and the environment's steps are
batched for it as for ours, which is kinder than its users are; only planning goes task by task.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.sorted_iqe import implementations
from vgbench.api import Plan, Planner, Tasks
from vgbench.errors import UsageError
from vgbench.experiments.trained import Trained
from vgbench.planning.controller import Controller
from vgbench.planning.episodes import Episodes, Progress
from vgbench.planning.evaluation import Evaluation
from vgbench.plugin.loggers import Loggers
from vgbench.settings import MpcSettings
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.planners.mppi import MPPI


def run_planner(trained: Trained) -> MPPI:
    """Return the planner of a run.

    Raises:
        UsageError: it is none that the peer has.
    """
    planner, settings = trained.spec.planner, trained.spec.settings["mpc"]
    if planner.cls is not MPPI:
        raise UsageError(f"--run: its planner is {planner.name}; this benchmark holds mppi against a peer")
    if settings.aggregate not in ("sum", "discounted"):
        raise UsageError("--run: this benchmark knows mpc.aggregate=sum and discounted only")
    return MPPI(planner.params)


@dataclass
class Play:
    """Tasks of a trained run, at most `steps` steps each; `success` holds what came of them, by side.

    Attributes:
        planner: ours.
        peer: MPPI with the values that the peer gets.
    """

    trained: Trained
    tasks: Tasks
    planner: Planner
    peer: MPPI
    task_seed: int
    steps: int = 10**9
    success: dict[str, list[bool]] = field(default_factory=dict)

    @cached_property
    def settings(self) -> MpcSettings:
        """Of the run, cut to the steps played."""
        settings: Any = self.trained.spec.settings["mpc"]
        return settings.model_copy(update={"max_steps": min(self.steps, settings.max_steps)})

    @cached_property
    def action_set(self) -> Any:
        """The environment's, in normalised units."""
        return self.trained.environment.spec.actions.scaled(1 / self.trained.data.action_scale)

    @property
    def controller(self) -> Controller:
        """Ours, fresh."""
        return Controller(self.planner, self.trained.model, self.action_set, self.settings, self.task_seed)

    @cached_property
    def goals(self) -> Tensor:
        """Points of the goals, [B, D']."""
        seen = self.trained.environment.goal_observation(self.tasks.goal)
        return self.trained.model.encode_blocks(seen, points=True)

    def distance(self) -> tuple[str, Callable[[Tensor, Tensor], Tensor]]:
        """Distance (state, goal) of points as the peer's users write it."""
        ours = self.trained.model.distance
        if isinstance(ours, IQE):
            # The last one: torchqmet's where it is installed.
            name, iqe = list(implementations(ours.dim, ours.params.component_dim, ours.raw).items())[-1]
            return name, lambda x, y: ours.params.scale * iqe(x, y)
        return "vector norm", lambda x, y: torch.linalg.vector_norm(x - y, dim=-1)

    def ours(self, whole: bool = False) -> None:
        """Play all tasks with our evaluation."""
        trained = self.trained
        with tempfile.TemporaryDirectory() as folder:
            # `RunFolder.opened` would make it, but also lock the folder and write a run.json.
            (Path(folder) / "checkpoints").mkdir()
            common = (RunFolder(Path(folder)), Loggers(), Stop(), whole)
            scale = trained.data.action_scale
            rows = Evaluation("episodes", trained.environment, self.tasks, self.controller, scale, *common).run()
        self.success["vgbench"] = [row["success"] for row in rows]

    def theirs(self, name: str, whole: bool) -> None:
        """Play all tasks with a controller for each."""
        trained, environment, settings = self.trained, self.trained.environment, self.settings
        torch.manual_seed(self.task_seed)  # it draws from the global generator
        controllers = [self.mppi(task) for task in range(len(self.tasks))]

        def act(progress: Progress) -> Plan:
            latent = trained.model.encode_blocks(environment.observe(progress.state))
            rows = zip(progress.active.tolist(), latent, strict=True)
            return Plan(torch.stack([self.command(controllers[task], z, progress.step) for task, z in rows]))

        episodes = Episodes(environment, self.tasks, settings, trained.data.action_scale, self.task_seed, whole)
        self.success[name] = [row["success"] for row in episodes.rows(episodes.play(act))]

    @torch.inference_mode()
    def command(self, mppi: Any, latent: Tensor, step: int) -> Tensor:
        """Plan [H, A] of one task, clipped as ours is."""
        horizon = min(self.peer.horizon, self.settings.max_steps - step)
        warm_start = self.peer.params.warm_start
        if warm_start == "none":
            mppi.U = torch.zeros_like(mppi.U)
        # `hold` shifts only while the horizon shrinks, as PLDM does.
        elif step and (warm_start == "shift" or horizon < mppi.T):
            for _ in range(self.settings.replan_every):
                mppi.shift_nominal_trajectory()
        if horizon != mppi.T:
            mppi.change_horizon(horizon)
        # Not shifted by each round: that was done above, for each action executed.
        for _ in range(self.peer.params.iterations):
            mppi.command(latent, shift_nominal_trajectory=False)
        return self.action_set.clip(mppi.U)

    def mppi(self, task: int) -> Any:
        """Controller of one task, in our units: the run's ball of actions and its way to read the temperature."""
        from pytorch_mppi import MPPI as Peer

        params, action_set, model = self.peer.params, self.action_set, self.trained.model
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
                if params.temperature_as == "relative":
                    # Equal costs have no spread; with any temperature above 0 they weigh alike.
                    self.lambda_ = params.temperature * float(costs.std(correction=0).clamp_min(1e-30))
                return super()._compute_weighting(costs)

        def cost(state: Tensor, action: Tensor, step: int) -> Tensor:
            value = distance(model.head(state), goal) ** settings.power
            return value * settings.discount**step if settings.aggregate == "discounted" else value

        horizon = min(self.peer.horizon, settings.max_steps)
        return Controlled(
            dynamics=lambda state, action, step: model.predict(state, action),
            running_cost=cost,
            nx=self.trained.spec.settings["model"].latent_dim,
            # A covariance.
            noise_sigma=self.peer.noise_std**2 * torch.eye(action_set.dim),
            num_samples=params.samples,
            horizon=horizon,
            lambda_=params.temperature,
            step_dependent_dynamics=True,
            U_init=torch.zeros(horizon, action_set.dim),
        )
