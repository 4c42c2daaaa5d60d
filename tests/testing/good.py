"""A small plugin of every kind that keeps its contract; the broken ones are made of these by replacing a few words."""

OBJECTIVE = '''
import torch
from pydantic import ConfigDict, Field, field_serializer
from torch import nn

import vgbench.api
from vgbench.api import Loss, Objective


class Mine(Objective):
    """Successive states one apart, and the action between them."""

    api = 1
    trains = frozenset({"encoder", "head", "distance", "own"})

    class Params(vgbench.api.Params):
        target: float = Field(1.0, gt=0.0, description="distance of successive states")

    made = 0

    def __init__(self, params, shapes):
        super().__init__(params, shapes)
        self.read = nn.Linear(2 * shapes.latent_dim, shapes.action_dim)
        Mine.made += 1
        self.number = Mine.made

    @property
    def stop_gradient_targets(self):
        return "last"

    def loss(self, batch, model, noise):
        """Value of the loss.

        Logs:
            distance: mean distance of successive states
        """
        points, latents = batch.points, batch.latents
        d = model.distance(points[:, :-1], points[:, 1:].detach())
        answer = self.read(torch.cat([latents[:, :-1], latents[:, 1:].detach()], dim=-1))
        value = (d - self.params.target).square().mean() + (answer - batch.actions).square().mean()
        return Loss(value, {"distance": d.detach().mean()})
'''

DISTANCE = '''
import torch
from torch import nn
from torch.nn.functional import softplus

from vgbench.api import Distance


class Mine(Distance):
    """What has to be climbed, with learned weights."""

    api = 1
    quasimetric = True
    levels = 2
    made = 0

    def __init__(self, params, dim):
        super().__init__(params, dim)
        self.weight = nn.Parameter(torch.rand(dim))
        Mine.made += 1
        self.number = Mine.made

    def forward(self, x, y):
        return self.climb(x, y).sum(-1)

    def climb(self, x, y):
        return (y - x).relu() * softplus(self.weight)

    def level(self, index, x, y):
        half = slice(self.dim // 2) if index == 0 else slice(self.dim // 2, None)
        return self.climb(x, y)[..., half].sum(-1)

    def prepare(self, goal):
        target = goal.clone().unsqueeze(1)
        return lambda z: self(z, target)
'''

PLANNER = '''
import torch
from pydantic import ConfigDict, Field, field_serializer

import vgbench.api
from vgbench.api import Plan, Planner


class Mine(Planner):
    """The mean of good random sequences around the last plan."""

    api = 1

    class Params(vgbench.api.Params):
        samples: int = Field(256, ge=1, description="candidate sequences")
        horizon: int = Field(6, ge=1, description="steps planned")

    made = 0

    def __init__(self, params):
        super().__init__(params)
        Mine.made += 1
        self.number = Mine.made

    @property
    def candidates(self):
        return self.params.samples

    def plan(self, problem, state):
        noise = problem.noise(self.params.samples, problem.horizon, problem.action_dim)
        kept = state["kept"][:, problem.executed:][:, :problem.horizon] if state else noise[:, 0, :0]
        missing = problem.horizon - kept.shape[1]
        kept = torch.cat([kept, noise.new_zeros(len(noise), missing, problem.action_dim)], dim=1)
        actions = problem.action_set.clip(kept[:, None] + noise)
        cost = problem.cost(actions).nan_to_num(torch.inf, torch.inf)
        weights = torch.softmax(-cost, dim=1)
        plan = (weights[..., None, None] * actions).sum(dim=1)
        return Plan(plan, {"kept": plan})
'''

ENVIRONMENT = '''
import numpy as np
import torch

from vgbench.api import ArraySpec, Box, Environment, EnvironmentSpec, StateGrid, Tasks, Trajectories


class Mine(Environment):
    """A point on a line from 0 to 10, in one of two colours."""

    api = 1
    capabilities = frozenset({"cost_to_go", "expert", "labels", "map_place", "pair_labels", "state_grid", "track"})
    pair_label_names = ("near", "far")
    map_extent = (0.0, 10.0, 0.0, 1.0)
    success_radius = 0.5
    spec = EnvironmentSpec(
        state={"x": ArraySpec((1,)), "layout": ArraySpec((1,))},
        observations={"view": ArraySpec((2,))},
        actions=Box((-1.0,), (1.0,)),
    )
    made = 0

    def __init__(self, params):
        super().__init__(params)
        Mine.made += 1
        self.number = Mine.made

    def step(self, state, action, noise=None):
        move = self.spec.actions.clip(action)
        return {"x": (state["x"] + move).clamp(0.0, 10.0), "layout": state["layout"]}

    def observe(self, state):
        return {"view": torch.cat([state["x"], state["layout"]], dim=1)}

    def goal_distance(self, state, goal):
        return (state["x"] - goal["x"]).abs().squeeze(-1)

    def cost_to_go(self, state, goal):
        return (state["x"] - goal["x"]).abs().squeeze(-1)

    def expert(self, state, goal):
        return self.spec.actions.clip(goal["x"] - state["x"])

    def map_place(self, state):
        return torch.cat([state["x"], torch.zeros_like(state["x"])], dim=1)

    track = map_place

    def labels(self, data):
        return {"far": data.states["x"].max(axis=(1, 2)) > 5}

    def pair_labels(self, state, goal):
        return ((state["x"] - goal["x"]).abs().squeeze(-1) > 5).long()

    def state_grid(self, state):
        number = torch.arange(11)
        neighbours = torch.stack([number - 1, torch.where(number < 10, number + 1, -1)], dim=1)

        def locate(states):
            index = states["x"].round().long()
            return index, torch.ones(len(index), 1)

        return StateGrid({"x": number[:, None].float(), "layout": state["layout"].expand(11, 1)}, neighbours, locate)

    def collect(self, trajectories, length, seed, progress=None):
        rng = np.random.default_rng(seed)
        actions = rng.uniform(-1, 1, (trajectories, length - 1, 1)).astype(np.float32)
        layout = np.arange(trajectories, dtype=np.float32)[:, None] % 2
        state = {"x": torch.tensor(rng.uniform(0, 10, (trajectories, 1)), dtype=torch.float32), "layout": layout}
        states = [state["x"]]
        for time in range(length - 1):
            state = self.step(state, torch.from_numpy(actions[:, time]))
            states.append(state["x"])
        return Trajectories({"x": torch.stack(states, dim=1).numpy()}, {"layout": layout}, actions, {"n": trajectories})

    def sample_tasks(self, count, seed, data):
        rng = np.random.default_rng(seed)
        ends = torch.tensor(rng.uniform([7, 0], [10, 3], (count, 2)), dtype=torch.float32)
        layout = torch.zeros(count, 1)
        return Tasks({"x": ends[:, :1], "layout": layout}, {"x": ends[:, 1:], "layout": layout})

    def check_tasks(self, tasks, data):
        return {"share": 0.0}
'''

NETWORK = '''
import torch
from pydantic import Field
from torch import nn

import vgbench.api
from vgbench.api import Network


class Mine(Network):
    """Two layers on vectors."""

    api = 1
    role = "encoder"

    class Params(vgbench.api.Params):
        width: int = Field(32, ge=1, description="of the hidden layer")

    made = 0

    def build(self, shapes):
        names = list(shapes.observations)
        if any(spec.kind != "vector" for spec in shapes.observations.values()):
            raise ValueError("vectors only")
        Mine.made += 1
        size = sum(shapes.observations[name].shape[0] for name in names)
        return Encoder(names, size, self.params.width, shapes.latent_dim)


class Encoder(nn.Module):
    def __init__(self, names, size, width, out):
        super().__init__()
        self.names, self.number = names, Mine.made
        self.first, self.last = nn.Linear(size, width), nn.Linear(width, out)

    def forward(self, observations):
        x = torch.cat([observations[name] for name in self.names], dim=1)
        x = torch.relu(self.first(x))
        return self.last(x)
'''

HEAD = '''
from torch import nn

from vgbench.api import Network


class Mine(Network):
    """A linear head."""

    api = 1
    role = "head"

    def build(self, shapes):
        return Head(shapes.latent_dim)


class Head(nn.Module):
    out_dim = 5

    def __init__(self, size):
        super().__init__()
        self.layer = nn.Linear(size, 5)

    def forward(self, latents):
        return self.layer(latents)
'''

HOOK = '''
from vgbench.api import hookimpl


class Mine:
    """Counts stages."""

    def __init__(self):
        self.stages = 0

    @hookimpl
    def vgbench_stage_started(self, stage):
        self.stages += 1
'''

SOURCES = {
    "objective": OBJECTIVE,
    "distance": DISTANCE,
    "planner": PLANNER,
    "environment": ENVIRONMENT,
    "network": NETWORK,
    "head": HEAD,
    "logger": HOOK,
}
"""By kind; `head` is a network, too."""
