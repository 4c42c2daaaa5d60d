"""Metric residual networks (Liu, Feng, Liu and Abbeel 2023, arXiv 2208.08133)."""

from collections.abc import Callable
from typing import Any

from pydantic import Field
from torch import Tensor, linalg, nn

import vgbench.api
from vgbench.api import Distance


class MRN(Distance):
    """d(x, y) = rms(s(x) - s(y)) + max over i of relu(a_i(x) - a_i(y)): a metric, and what is asymmetric on top of it.

    s and a are the two halves of one small network's output, or, with `hidden=0`, of the points themselves. Each term
    obeys the triangle inequality whatever the network is, so d is a quasi-pseudometric from the first step of training
    on, and with enough components it can come near any other. The paper's s-term is the mean of the squares; its root
    is taken here, since squared distances break the triangle inequality.

    Shapes: x [..., D] and y [..., D], broadcasting, give [...].

    Example: with `hidden=0`, x = (3, 3, 1, 0) and y = (0, 0, 0, 2): rms(3, 3) + max(1, 0) = 4; back, 3 + 2 = 5.
    """

    api = 1
    version = 1
    symmetric = False
    quasimetric = True

    class Params(vgbench.api.Params):
        """Size of the network in front."""

        hidden: int = Field(128, ge=0, description="width of the network's hidden layer; 0: the point's own halves")
        components: int = Field(32, ge=1, description="numbers in each of s and a (where there is a network)")

    def __init__(self, params: Any, dim: int) -> None:
        """Build the network.

        Raises:
            ValueError: the points are to be halved, and `dim` is odd.
        """
        super().__init__(params, dim)
        if params.hidden:
            last = nn.Linear(params.hidden, 2 * params.components)
            self.embed = nn.Sequential(nn.Linear(dim, params.hidden), nn.ReLU(), last)
        elif dim % 2:
            raise ValueError(f"mrn.hidden=0 cuts points in halves, but they have {dim} numbers")
        else:
            self.embed = nn.Sequential()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance [...] from x [..., D] to y [..., D]; each point passes through the network once."""
        return self._between(self.embed(x), self.embed(y))

    def prepare(self, goal: Tensor) -> Callable[[Tensor], Tensor]:
        """Return f(z [B, K, D]) -> [B, K] for goals [B, D], which pass through the network here."""
        target = self.embed(goal).unsqueeze(1)
        return lambda z: self._between(self.embed(z), target)

    @staticmethod
    def _between(x: Tensor, y: Tensor) -> Tensor:
        symmetric, directed = (x - y).chunk(2, dim=-1)
        # The gradient of `vector_norm` at 0 is 0; that of a root of a mean would be NaN there.
        metric: Tensor = linalg.vector_norm(symmetric, dim=-1) / symmetric.shape[-1] ** 0.5
        return metric + directed.relu().amax(dim=-1)
