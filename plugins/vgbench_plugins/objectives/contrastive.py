"""Contrastive distances: successive states near, random ones far."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

import vgbench.api
from vgbench.api import Batch, Loss, Model, Noise, Objective


class Contrastive(Objective):
    """Pulls successive states together and pushes random pairs of the batch apart.

    With d+ = d(z_t, z_{t+1}) and d- = d(z_t, z_j), j a random state of the batch::

        margin:   mean (d+)^2 + mean relu(margin - d-)^2
        infonce:  mean of -log( e^{-d+/T} / (e^{-d+/T} + sum_j e^{-d-_j/T}) ), T = temperature

    Each z_t has `negatives` of them, drawn by index from all states of the batch but z_t and z_{t+1}; that they are few
    keeps the memory at B * T * negatives distances. A negative may be near all the same, or in the same window. Where
    layouts differ, most random pairs can be told apart by their walls: `negative_scope=same_layout` draws, for each
    window, states of windows with the same layout (its own at least), and leaves out the pair by index.

    The distances are positively homogeneous, so margin and temperature set their unit and not the minimum's shape.

    Example: d+ = 2, d- = 0.25 and margin 1 give 4 + 0.75^2 = 4.5625.

    Source: the paper's contrastive baseline, whose form it does not give; margin is the literal reading (Hadsell et
    al. 2006), infonce is van den Oord et al. 2018.
    """

    trains = frozenset({"encoder", "head", "distance"})

    class Params(vgbench.api.Params):
        """Form of the loss and choice of pairs."""

        form: Literal["margin", "infonce"] = Field(
            "margin", description="squares with a margin (the literal reading), or cross entropy over -d / temperature"
        )
        margin: float = Field(1.0, gt=0.0, description="distance beyond which negatives rest (form=margin)")
        temperature: float = Field(1.0, gt=0.0, description="divides distances in the cross entropy (form=infonce)")
        negatives: int = Field(8, ge=1, description="random states for each pair of successive ones")
        negative_scope: Literal["batch", "same_layout"] = Field(
            "batch", description="where negatives come from: the batch, or its windows with the same layout"
        )
        stride: int = Field(1, ge=1, description="steps between the states of a positive pair")

    remedies: ClassVar[Mapping[str, str]] = {"stride": "a smaller stride"}

    @property
    def distance_range(self) -> float | None:
        """Largest distance that the loss asks for: the margin."""
        return float(self.params.margin) if self.params.form == "margin" else None

    @property
    def stride(self) -> int:
        """Steps between the states of a positive pair."""
        return int(self.params.stride)

    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Return the value of the loss on `batch.points` [B, T + 1, D'].

        Logs:
            positive_mean: mean distance of successive states
            negative_mean: mean distance of random pairs
            share_within: share of random pairs nearer than the margin (form=margin)
            share_first: share of states nearer to their successor than to all their random states (form=infonce)

        Raises:
            ValueError: the batch holds nothing but one pair.
        """
        params = self.params
        batch = batch.strided(self.stride)
        anchors = batch.points[:, :-1]
        positive = model.distance(anchors, batch.points[:, 1:])
        others, apart = self._negatives(batch, noise)
        negative = model.distance(anchors.unsqueeze(2), others)
        logs: dict[str, Tensor | float] = {
            "positive_mean": positive.detach().mean(),
            "negative_mean": _mean(negative.detach(), apart),
        }
        if params.form == "margin":
            missing = (params.margin - negative).relu()
            logs["share_within"] = _mean((missing.detach() > 0).float(), apart)
            return Loss(positive.square().mean() + _mean(missing.square(), apart), logs)
        if apart is not None:
            # At an infinite distance its term e^(-d / T) is 0, so it takes no part in the sum.
            negative = negative.masked_fill(~apart, torch.inf)
        logits = -torch.cat([positive.unsqueeze(2), negative], dim=2).flatten(0, 1) / params.temperature
        logs["share_first"] = (logits.detach().argmax(dim=1) == 0).float().mean()
        # The positive pair is class 0 of each row; cross_entropy takes the logarithm of the sum without overflow.
        return Loss(cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.int64)), logs)

    def _negatives(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor | None]:
        """Points of the negatives, [B, T or 1, negatives, D'], and which are no state of the pair (None: all)."""
        count, (windows, states, _) = self.params.negatives, batch.points.shape
        if self.params.negative_scope == "batch":
            return batch.points.flatten(0, 1)[_others(windows, states, count, noise)], None
        goals = batch.goals("segment", count, "same_layout")
        same = goals.same[:, :, 1:]  # the first goal is no random one
        return goals.points[:, None, 1:], ~(same[:, :-1] | same[:, 1:])


def _mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of the valid values; 0 if there is none."""
    return values.mean() if valid is None else (values * valid).sum() / valid.sum().clamp_min(1)


def _others(windows: int, states: int, count: int, noise: Noise) -> Tensor:
    """Indices [windows, states - 1, count] into the flattened batch: for each pair, any states but its two."""
    total = windows * states
    if total < 3:
        raise ValueError("contrastive: one pair alone has no negatives; the batch needs more windows")
    drawn = (noise.uniform(windows, states - 1, count) * (total - 2)).to(torch.int64)
    first = torch.arange(total, device=drawn.device).reshape(windows, states, 1)[:, :-1]
    return torch.where(drawn >= first, drawn + 2, drawn)  # skips the pair, whose two states lie side by side
