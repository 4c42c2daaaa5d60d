"""Everything that a plugin may import from vgbench, and all that it needs.

One module per kind of plugin; each base class opens with a whole example.
"""

from vgbench.api.capabilities import (
    HasCostToGo,
    HasExpert,
    HasLabels,
    HasMapPlace,
    HasPairLabels,
    HasStateGrid,
    HasTrack,
    HasValueFixedPoint,
    StateGrid,
)
from vgbench.api.data import State, Tasks, Trajectories
from vgbench.api.distance import Distance
from vgbench.api.environment import (
    ActionSet,
    ArraySpec,
    Box,
    Discrete,
    Environment,
    EnvironmentSpec,
    NormBall,
)
from vgbench.api.gymnasium import GymnasiumEnvironment
from vgbench.api.hooks import hookimpl
from vgbench.api.network import Network, NetworkShapes
from vgbench.api.objective import Batch, Goals, Loss, Model, Noise, Objective, ObjectiveShapes, ValueTerms
from vgbench.api.params import Params
from vgbench.api.planner import Plan, Planner, PlannerState, Problem
from vgbench.api.plugin import Plugin

__all__ = [
    "ActionSet",
    "ArraySpec",
    "Batch",
    "Box",
    "Discrete",
    "Distance",
    "Environment",
    "EnvironmentSpec",
    "Goals",
    "GymnasiumEnvironment",
    "HasCostToGo",
    "HasExpert",
    "HasLabels",
    "HasMapPlace",
    "HasPairLabels",
    "HasStateGrid",
    "HasTrack",
    "HasValueFixedPoint",
    "Loss",
    "Model",
    "Network",
    "NetworkShapes",
    "Noise",
    "NormBall",
    "Objective",
    "ObjectiveShapes",
    "Params",
    "Plan",
    "Planner",
    "PlannerState",
    "Plugin",
    "Problem",
    "State",
    "StateGrid",
    "Tasks",
    "Trajectories",
    "ValueTerms",
    "hookimpl",
]
