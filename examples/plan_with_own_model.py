"""Swing a pendulum up with a torch model of your own and a planner of vgbench; no environment, no training.

A planner sees a problem (what actions cost, which are admissible, where randomness comes from) and nothing else.
Anything that can predict and price a sequence of actions can be such a problem, here a module that steps a pendulum.

python examples/plan_with_own_model.py
"""

import torch
from torch import Tensor, nn

from vgbench.api import Box
from vgbench.plugin.registry import Registry, load_plugin

STEPS, HORIZON, SAMPLES, STEP = 140, 24, 128, 0.05  # steps, steps, sequences, seconds


class Pendulum(nn.Module):
    """Your model: states [..., 2] (angle from upright in rad, speed in rad/s) and torques [..., 1] to next states."""

    def __init__(self, mass: float) -> None:
        super().__init__()
        self.mass = mass

    def forward(self, state: Tensor, torque: Tensor) -> Tensor:
        angle, speed = state.unbind(-1)
        speed = speed + STEP * (15 * angle.sin() + 3 / self.mass * torque.squeeze(-1))
        return torch.stack([angle + STEP * speed, speed], dim=-1)


class SwingUp:
    """The problem as a planner sees it (`vgbench.api.Problem`), for B pendulums at once."""

    def __init__(self, model: nn.Module, state: Tensor, step: int, horizon: int, executed: int) -> None:
        self.model, self.state = model, state
        self.action_set = Box((-2.0,), (2.0,))  # too weak to lift it directly: it has to swing
        self.action_dim, self.horizon, self.executed = 1, horizon, executed
        self.steps_left = torch.full((len(state),), STEPS - step)
        # One stream per pendulum: its plan does not depend on how many others there are.
        self._streams = [torch.Generator().manual_seed(1000 * step + task) for task in range(len(state))]

    def noise(self, *shape: int) -> Tensor:
        return torch.stack([torch.randn(*shape, generator=stream) for stream in self._streams])

    def cost(self, actions: Tensor) -> Tensor:
        """Cost [B, K] of sequences [B, K, H, 1]: squared angle and some of the speed, summed over the prediction."""
        state = self.state[:, None].expand(-1, actions.shape[1], -1)
        total = torch.zeros(actions.shape[:2])
        for step in range(actions.shape[2]):
            state = self.model(state, actions[:, :, step])
            total = total + (1 - state[..., 0].cos()).square() + 0.02 * state[..., 1].square()
        return total


def swing_up(tasks: int = 4) -> Tensor:
    """Angles [STEPS + 1, tasks] from upright, in [-pi, pi], with MPPI replanning at every step."""
    model, world = Pendulum(mass=1.0), Pendulum(mass=1.1)  # the model need not be exact
    planner = load_plugin(Registry().find("planner", "mppi"))  # or one from a package of your own
    mppi = planner(planner.Params(samples=SAMPLES, horizon=HORIZON, noise=1.5, noise_hold=4))
    state = torch.stack([torch.linspace(2.6, 3.6, tasks), torch.zeros(tasks)], dim=-1)  # hanging, more or less
    angles, memory = [state[:, 0]], {}
    with torch.inference_mode():
        for step in range(STEPS):
            problem = SwingUp(model, state, step, min(HORIZON, STEPS - step), executed=min(step, 1))
            plan = mppi.plan(problem, memory)
            memory = plan.state
            state = world(state, plan.actions[:, 0])
            angles.append(state[:, 0])
    return torch.remainder(torch.stack(angles) + torch.pi, 2 * torch.pi) - torch.pi


if __name__ == "__main__":
    angles = swing_up()
    for step in range(0, STEPS + 1, 20):
        print(f"{step * STEP:4.1f} s  degrees from upright: " + "  ".join(f"{a:6.1f}" for a in angles[step].rad2deg()))
    upright = int((angles[-20:].abs().amax(dim=0) < 0.35).sum())
    print(f"{upright} of {angles.shape[1]} pendulums stood upright for the last second")
