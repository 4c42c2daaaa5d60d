"""Head: a multi-layer perceptron from latents to the points between which distances are taken."""

from pydantic import Field, PositiveInt
from torch import Tensor, nn

import vgbench.api
from vgbench.api import Network, NetworkShapes


class Projector(Network):
    """Hidden layers with relu, linear to `out_dim`: a second space for the cost, on top of the latents.

    The paper's appendix "Separate predictive and planning representations" has predictions in one space and the cost
    in a second one; for the cost of a *predicted* latent to be computable, the second encoder acts on latents of the
    first: V(s, g) = -d(F(E(s)), F(E(g))), planned with d(F(z^_t), F(E(g))).
    """

    role = "head"

    class Params(vgbench.api.Params):
        """Layers."""

        hidden: tuple[PositiveInt, ...] = Field((1024, 512), description="widths of the hidden layers, first to last")
        out_dim: int = Field(512, ge=1, description="dimension of the points")

    def build(self, shapes: NetworkShapes) -> nn.Module:
        """Build the module of latents [..., latent_dim] to points [..., out_dim]."""
        layers: list[nn.Module] = []
        width = shapes.latent_dim
        for hidden in self.params.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        return ProjectorHead(nn.Sequential(*layers, nn.Linear(width, self.params.out_dim)), self.params.out_dim)


class ProjectorHead(nn.Module):
    """`layers` applied to the last dimension; `out_dim` is the points' dimension."""

    def __init__(self, layers: nn.Module, out_dim: int) -> None:
        super().__init__()
        self.layers = layers
        self.out_dim = out_dim

    def forward(self, latents: Tensor) -> Tensor:
        """Return points [..., out_dim]."""
        points: Tensor = self.layers(latents)
        return points
