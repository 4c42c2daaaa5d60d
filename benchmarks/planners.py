"""The peers' planners on a `Work`, each by the interface that its users have."""

import contextlib
import importlib.util
import io
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.work import ACTIONS, DIM, LIMIT, NOISE, Work

Distance = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Solver:
    """A peer at work: `run` makes one plan; `cost` is the cost [K] that it sees of sequences [K, H, A].

    `plan` [H, A] is made of our noise, where the peer lets itself be given noise.
    """

    run: Callable[[], Any]
    cost: Callable[[Tensor], Tensor]
    plan: Callable[[], Tensor] | None = None


def pytorch_mppi(work: Work, distance: Distance) -> Solver:
    """`MPPI.command` of pytorch-mppi, with one step of the plan left to be shifted by nobody."""
    from pytorch_mppi import MPPI

    mppi = MPPI(
        dynamics=work.model.predict,
        running_cost=lambda state, action: distance(state),
        nx=DIM,
        # A covariance.
        noise_sigma=NOISE**2 * torch.eye(ACTIONS),
        num_samples=work.samples,
        horizon=work.horizon,
        lambda_=work.temperature,
        u_min=torch.full((ACTIONS,), -LIMIT),
        u_max=torch.full((ACTIONS,), LIMIT),
        U_init=torch.zeros(work.horizon, ACTIONS),
    )
    start, zeros = work.problem["latent"][0], torch.zeros(work.horizon, ACTIONS)

    @torch.inference_mode()
    def run() -> Tensor:
        # The same beginning every time, as `Side.run` has to have.
        mppi.U = zeros
        mppi.command(start, shift_nominal_trajectory=False)
        return mppi.U

    @torch.inference_mode()
    def given(noise: Tensor) -> Tensor:
        draw, mppi._sample_noise = mppi._sample_noise, lambda shape: noise  # it offers no other way in
        try:
            return run()
        finally:
            mppi._sample_noise = draw

    def cost(actions: Tensor) -> Tensor:
        given(actions)
        return mppi.cost_total  # its control cost is 0 around the plan 0

    return Solver(run, cost, lambda: given(NOISE * work.noise))


class _WorldModel:
    """What stable-worldmodel asks of a model."""

    def __init__(self, work: Work, distance: Distance) -> None:
        self._predict, self._distance = work.model.predict, distance

    def get_cost(self, info: dict[str, Tensor], actions: Tensor) -> Tensor:
        """Cost [B, K] of sequences [B, K, H, A]."""
        shape = actions.shape
        state, total = info["latent"].flatten(0, 1), 0
        for step in range(shape[2]):
            state = self._predict(state, actions[:, :, step].flatten(0, 1))
            total = total + self._distance(state)
        return total.reshape(shape[:2])


def stable_worldmodel(work: Work, distance: Distance) -> Solver:
    """`MPPISolver.solve` of stable-worldmodel with one iteration that weighs all samples."""
    solver_class = _stable_worldmodel_solver()
    from gymnasium.spaces import Box

    model = _WorldModel(work, distance)
    options = {"num_samples": work.samples, "var_scale": NOISE, "n_steps": 1, "topk": None}
    solver = solver_class(model, temperature=work.temperature, **options)
    config = types.SimpleNamespace(horizon=work.horizon, action_block=1)
    solver.configure(action_space=Box(-LIMIT, LIMIT, (1, ACTIONS)), n_envs=1, config=config)
    info = {"latent": work.problem["latent"][:1]}

    def run() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints how long it took
            return solver.solve(info)

    @torch.inference_mode()
    def cost(actions: Tensor) -> Tensor:
        latent = info["latent"].unsqueeze(1).expand(1, len(actions), DIM)
        return model.get_cost({"latent": latent}, actions.unsqueeze(0))[0]

    return Solver(run, cost)


def _stable_worldmodel_solver() -> Any:
    """Its class, without what its package imports beside: data sets, environments and torchvision."""
    name = "stable_worldmodel"
    found = importlib.util.find_spec(name)
    assert found is not None and found.submodule_search_locations is not None
    if name not in sys.modules:
        bare = types.ModuleType(name)
        bare.__path__, bare.__spec__ = list(found.submodule_search_locations), found
        sys.modules[name] = bare
    from stable_worldmodel.solver.mppi import MPPISolver

    return MPPISolver


def torchrl(work: Work, distance: Distance) -> Solver:
    """`CEMPlanner` of TorchRL with one iteration; noise and clipping as the others'."""
    from tensordict import TensorDict
    from torchrl.modules.planners import CEMPlanner

    env = _latent_env(work, distance)
    # Two at least: one has no spread.
    top = max(2, work.samples // 10)
    planner = CEMPlanner(env, work.horizon, optim_steps=1, num_candidates=work.samples, top_k=top)
    start = work.problem["latent"][:1]

    @torch.inference_mode()
    def run() -> Any:
        return planner(TensorDict({"latent": start, "done": torch.zeros(1, 1, dtype=torch.bool)}, [1]))

    @torch.inference_mode()
    def cost(actions: Tensor) -> Tensor:
        count = len(actions)
        state = TensorDict({"latent": start.expand(count, DIM)}, [count])
        total = torch.zeros(count)
        for step in range(work.horizon):
            state = env.step(state.set("action", actions[:, step]))["next"].select("latent", "reward")
            total = total - state["reward"].squeeze(-1)
        return total

    return Solver(run, cost)


def _latent_env(work: Work, distance: Distance) -> Any:
    """The model as an environment of TorchRL; the reward is minus the distance."""
    from tensordict import TensorDict
    from torchrl.data import Bounded, Composite, Unbounded
    from torchrl.envs import EnvBase

    class Latent(EnvBase):
        def __init__(self) -> None:
            super().__init__(device="cpu", batch_size=[])
            # So that one environment steps batches of any number of candidates.
            self._batch_locked = False
            self.observation_spec = Composite(latent=Unbounded((DIM,)))
            self.state_spec = Composite(latent=Unbounded((DIM,)))
            self.action_spec = Bounded(-LIMIT, LIMIT, (ACTIONS,))
            self.reward_spec = Unbounded((1,))

        def _reset(self, tensordict: Any, **kwargs: Any) -> Any:
            raise NotImplementedError("planners bring the state")

        def _set_seed(self, seed: Any) -> None:
            pass

        def _step(self, tensordict: Any) -> Any:
            latent = work.model.predict(tensordict["latent"], tensordict["action"])
            done = torch.zeros(*tensordict.shape, 1, dtype=torch.bool)
            content = {"latent": latent, "reward": -distance(latent).unsqueeze(-1), "done": done}
            return TensorDict(content | {"terminated": done}, tensordict.shape)

    return Latent()
