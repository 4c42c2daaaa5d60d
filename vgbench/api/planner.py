"""The planner: minimises a cost over action sequences. It sees a `Problem`, never an environment or a network."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from torch import Tensor

from vgbench.api.environment import ActionSet
from vgbench.api.plugin import Plugin

PlannerState = dict[str, Tensor]
"""What a planner remembers between two plans (a warm start); every tensor has leading B."""


class Problem(Protocol):
    """B planning problems of one shape. Actions are in normalised units throughout.

    Attributes:
        action_set: admissible actions.
        action_dim: A.
        horizon: H, the number of steps to plan: at most the planner's own horizon, and at most the steps left.
        steps_left: [B], steps until the episode ends.
        executed: number of actions executed since the previous plan (0: there is none yet).
    """

    action_set: ActionSet
    action_dim: int
    horizon: int
    steps_left: Tensor
    executed: int

    def cost(self, actions: Tensor) -> Tensor:
        """Return costs [B, K] of sequences [B, K, H, A]; differentiable if the planner declares `gradient`."""

    def noise(self, *shape: int) -> Tensor:
        """Draw standard normals [B, *shape], keyed by (seed, task, step): the only randomness. Each call draws anew."""


@dataclass(frozen=True)
class Plan:
    """Planned actions [B, H, A], the state to keep, and diagnostics [B] by name (effective sample size, ...)."""

    actions: Tensor
    state: PlannerState = field(default_factory=dict)
    info: dict[str, Tensor] = field(default_factory=dict)


class Planner(Plugin, ABC):
    """Chooses actions for B tasks at once; row b of everything depends on row b of the problem only.

    Example: the best of K random sequences::

        class Shooting(Planner):
            class Params(vgbench.api.Params):
                samples: int = Field(256, ge=1, description="candidate sequences")
                horizon: int = Field(16, ge=1, description="steps planned")

            @property
            def candidates(self):
                return self.params.samples

            def plan(self, problem, state):
                noise = problem.noise(self.params.samples, problem.horizon, problem.action_dim)
                actions = problem.action_set.clip(noise)
                best = problem.cost(actions).argmin(dim=1)
                return Plan(actions[torch.arange(len(best)), best])

    `Params` should have `horizon`. The core knows no other parameter: what it must know of a plan's cost it asks for by
    `candidates`, `cost_calls`, `sequences_per_plan` and `with_budget`.
    """

    gradient: ClassVar[bool] = False
    """Whether `problem.cost` must be differentiable."""

    baseline: ClassVar[bool] = False
    """Whether this planner ignores the cost: a baseline for others to beat."""

    discrete: ClassVar[bool] = False
    """Whether it plans in a finite set of actions, too (`vgbench.api.Discrete`): its plans are actions of the set."""

    not_discrete: ClassVar[str] = "it does not declare `discrete`"
    """Why it does not, for the message that refuses it there."""

    def __init__(self, params: Any) -> None:
        """Keep the validated parameters."""
        self.params = params

    @property
    def horizon(self) -> int:
        """Number of steps that the planner looks ahead."""
        return int(getattr(self.params, "horizon", 1))

    @property
    def hold(self) -> int:
        """Steps for which its candidates hold each action, by default 1; a random baseline holds its own as long."""
        return 1

    def beside(self, planner: "Planner") -> "Planner":
        """Return this planner as a baseline for another one: by default itself, whatever the other one does."""
        return self

    @property
    def candidates(self) -> int:
        """Most sequences per task in one call of `problem.cost`, which the size of blocks depends on: by default 1."""
        return 1

    @property
    def cost_calls(self) -> int:
        """Calls of `problem.cost` in one plan, for estimates: by default 1."""
        return 1

    @property
    def sequences_per_plan(self) -> int:
        """Sequences per task in all calls of `problem.cost` of a plan, for estimates: by default `candidates` each."""
        return self.candidates * self.cost_calls

    def with_budget(self, candidates: int) -> "Planner":
        """Return this planner with another number of candidates; by default itself.

        Raises:
            ValueError: the other parameters do not allow that number.
        """
        return self

    @abstractmethod
    def plan(self, problem: Problem, state: PlannerState) -> Plan:
        """Plan for every task; `state` is what the previous call returned for these tasks, or empty."""
