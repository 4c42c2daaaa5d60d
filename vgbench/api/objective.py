"""The objective: one loss term on the state encoder (or on the predictor)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from torch import Tensor, nn

from vgbench.api.distance import Distance
from vgbench.api.plugin import Plugin

Part = Literal["encoder", "head", "distance", "predictor", "own"]
Need = Literal["asymmetric", "quasimetric", "levels"]
StopGradient = Literal["none", "last", "later"]


@dataclass(frozen=True)
class Loss:
    """Value of a loss (a scalar with gradient) and what to log with it (scalars without)."""

    value: Tensor
    logs: dict[str, Tensor | float] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectiveShapes:
    """Sizes that an objective's own modules may need."""

    latent_dim: int
    action_dim: int


@dataclass(frozen=True, eq=False)
class Goals:
    """G goals for each of the B windows.

    Attributes:
        points: [B, G, D'] head(E(goal)), with gradient.
        same: [B, T + 1, G] bool, whether the state of the window *is* the goal: the same trajectory and time.
            Decided by index, never by comparing frames or latents.
    """

    points: Tensor
    same: Tensor


class Noise(Protocol):
    """Keyed randomness: a stream that depends only on its key (seed, step, ...). Each call draws anew."""

    def normal(self, *shape: int) -> Tensor:
        """Draw independent standard normals."""

    def uniform(self, *shape: int) -> Tensor:
        """Draw from the uniform distribution on [0, 1)."""


class Model(Protocol):
    """The JEPA, as objectives use it."""

    @property
    def encoder(self) -> nn.Module:
        """Normalised observations to latents."""

    @property
    def predictor(self) -> nn.Module:
        """Latents and actions to next latents; use `predict`, which scales its inputs."""

    @property
    def head(self) -> nn.Module:
        """Latents to the points between which distances are taken."""

    @property
    def distance(self) -> Distance:
        """The distance between points."""

    def encode(self, observations: dict[str, Tensor]) -> Tensor:
        """Return latents [N, D] of raw observations [N, ...]."""

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Return next latents [N, D] after normalised actions [N, A]."""


class Batch(ABC):
    """B windows of T + 1 consecutive states. Results are computed once and shared by all objectives."""

    @property
    @abstractmethod
    def actions(self) -> Tensor:
        """Actions [B, T, A], in units of their standard deviation."""

    @property
    @abstractmethod
    def observations(self) -> dict[str, Tensor]:
        """Raw observations [B, T + 1, ...]."""

    @property
    @abstractmethod
    def latents(self) -> Tensor:
        """E(o), [B, T + 1, D]; with gradient in a stage that trains the encoder."""

    @property
    @abstractmethod
    def points(self) -> Tensor:
        """head(E(o)), [B, T + 1, D']: what distances are taken between."""

    @property
    @abstractmethod
    def predictions(self) -> Tensor:
        """Latents [B, T, D] rolled out from the first one over the whole window, without teacher forcing."""

    @abstractmethod
    def ema_latents(self, momentum: float) -> Tensor:
        """Return latents [B, T + 1, D] of the encoder's exponential moving average, without gradient."""

    @abstractmethod
    def strided(self, stride: int) -> "Batch":
        """Return windows of the same trajectories with `stride` steps between their states.

        They have as many states as these windows, or as many as the trajectories hold, and no actions or predictions.
        Asked for the stride that it has (1 for the batch that a loss is given), a batch returns itself.
        """

    @abstractmethod
    def goals(self, last: Literal["segment", "episode"], random: int, scope: Literal["batch", "same_layout"]) -> Goals:
        """Return goals of each window: the last state of its segment or episode, then `random` states of the batch.

        `scope="same_layout"` draws them from windows with the same static state (walls) only.
        """

    @abstractmethod
    def goal_distances(self, goals: Goals) -> Tensor:
        """Return d(point, goal) for every state of a window and every goal of it, [B, T + 1, G], with gradient."""


class ValueTerms(NamedTuple):
    """Definition of a value function: diagnosis compares the learned one with its fixed point.

    Attributes:
        gamma: discount from a state to the next that is compared, in (0, 1).
        tau: expectile of the regression, in (0, 1); None where it is none.
        stride: steps between the states that are compared.
        n_step: states that a backup goes ahead, `stride` steps each.
        level: of the distance, that is this value (see `Distance.level`); None: the whole distance is.
    """

    gamma: float
    tau: float | None = None
    stride: int = 1
    n_step: int = 1
    level: int | None = None


class Objective(Plugin, nn.Module, ABC):
    """One term of the training loss. A run takes a weighted list of them.

    Example: pull successive states to distance 1::

        class Regressive(Objective):
            trains = frozenset({"encoder", "head", "distance"})

            def loss(self, batch, model, noise):
                d = model.distance(batch.points[:, :-1], batch.points[:, 1:])
                return Loss((d - 1).square().mean(), {"distance": d.detach().mean()})

    Its own modules (`self.something = nn.Linear(...)`) are trained if `trains` holds "own", and checkpointed always.
    """

    trains: ClassVar[frozenset[Part]] = frozenset({"encoder", "head", "distance"})
    """The parts that the gradient of this loss may change. One that has "predictor" here makes training joint."""

    needs: ClassVar[frozenset[Need]] = frozenset()
    """What the distance must offer, else the run is refused: not symmetric, the triangle inequality, several levels."""

    remedies: ClassVar[Mapping[str, str]] = {}
    """What to change of its parameters in trouble, as phrases for messages: `{"diverged": "a smaller gamma or tau"}`.

    Keys: `diverged` (loss or gradient are not finite), `distance_range` (it asks for distances that the distance never
    reaches), `stride` (it compares states further apart than trajectories are long).
    """

    min_length: int = 2
    """Fewest states that a window must have; an instance may ask for more (`self.min_length = ...`)."""

    def __init__(self, params: Any, shapes: ObjectiveShapes) -> None:
        """Keep the validated parameters; build own modules here, if any."""
        super().__init__()
        self.params = params

    @property
    def distance_range(self) -> float | None:
        """Largest distance that the loss requires (1 / (1 - gamma) for a value), or None; for levels, of each."""
        return None

    @property
    def value_terms(self) -> tuple[ValueTerms, ...]:
        """Value function that the loss learns, if any; for a distance of levels, one for each."""
        return ()

    @property
    def stride(self) -> int:
        """Steps between the states of the windows that `loss` looks at (see `Batch.strided`)."""
        return 1

    @property
    def stop_gradient_targets(self) -> StopGradient:
        """States of a window that are targets only, so that no gradient reaches them: a claim, verified by the checks.

        `last`: the last one (a value's backup); `later`: all but the first (a roll-out's targets). Goals do not count.
        """
        return "none"

    @abstractmethod
    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Return the value of the loss on a batch.

        Explain each logged value in a section `Logs:` of this docstring, one line `name: meaning` for each;
        `vgbench show objective NAME` prints them.
        """

    def after_step(self, model: Model) -> None:
        """Run after each optimiser step (dual variables, own averages); nothing by default."""
