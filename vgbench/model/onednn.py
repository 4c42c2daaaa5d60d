"""Dense layers with weights in oneDNN's own order, for planning on a CPU.

A planner asks for the same products thousands of times. oneDNN lays a weight out once and fuses the ReLU behind it;
the usual path (MKL) lays it out again at each call. The two round differently, in the last bits. And with oneDNN a
row's result has the same bits however many rows there are and threads compute them, which
`vgbench.planning.batch_invariance` tries before it is relied on.
"""

import copy
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from vgbench.model.jepa import JEPA

ROWS = 256
"""What the layout of the weights is chosen for: one number, so that there is one layout."""

_PARTS = ("predictor", "action_encoder", "head")


def packed(model: JEPA) -> JEPA:
    """Return a model that predicts faster with the weights of `model`; or `model` itself.

    It is faster without gradient and outside of autocast, and must not outlive a change of the weights. Networks on a
    GPU, compiled ones, and those in another number format stay as they are.
    """
    if not _usable():
        return model
    result = _replica(model)
    for name in _PARTS:
        # `nn.Module.compile` leaves no public mark.
        if getattr(getattr(model, name), "_compiled_call_impl", None) is None:
            _pack(getattr(result, name))
    return result


def wholly_packed(model: JEPA) -> bool:
    """Whether there are packed layers, and nothing else that predicts has weights."""
    modules = [module for name in _PARTS for module in getattr(model, name).modules()]
    weighted = [module for module in modules if next(module.parameters(recurse=False), None) is not None]
    return bool(weighted) and all(isinstance(module, PackedLinear) for module in weighted)


class PackedLinear(nn.Linear):
    """An `nn.Linear` that became one with a second copy of its weight."""

    packed_weight: Tensor
    after: str

    def forward(self, inputs: Tensor) -> Tensor:
        """Product, and the activation that was fused."""
        # The packed weight is detached and float32, so gradients and autocast need the plain one.
        if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
            plain = super().forward(inputs)
            return plain.relu_() if self.after == "relu" else plain
        result: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self.packed_weight, self.bias, self.after, [], "")
        return result


def _replica(module: Any) -> Any:
    """Copy of a module tree that shares all that the modules hold; a deep copy could fail on some of it."""
    result = copy.copy(module)
    children = module._modules.items()
    result._modules = {name: None if child is None else _replica(child) for name, child in children}
    return result


def _pack(module: nn.Module) -> None:
    """Let the linear layers below `module` use packed weights."""
    for child in module.children():
        # The exact type: a subclass may compute something else.
        if type(child) is nn.Linear and child.weight.dtype == torch.float32 and child.weight.device.type == "cpu":
            _become_packed(child)
        else:
            _pack(child)
    # Of a Sequential alone it is known that its children follow one another.
    if type(module) is nn.Sequential:
        _fuse(module)


def _become_packed(layer: Any) -> None:
    layer.__class__ = PackedLinear
    # A plain attribute and no buffer: checkpoints stay as they are.
    layer.packed_weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), ROWS)
    layer.after = "none"


def _fuse(layers: nn.Sequential) -> None:
    """Let packed layers apply the ReLU that follows them."""
    for index in range(len(layers) - 1):
        layer, following = layers[index], layers[index + 1]
        if isinstance(layer, PackedLinear) and type(following) is nn.ReLU:
            layer.after = "relu"
            # Something stays in its place, so that the layers after it keep their names.
            layers[index + 1] = nn.Identity()


@cache
def _usable() -> bool:
    """Whether this PyTorch has oneDNN's linear layer (no public function has it), and it computes the same."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    # The generator that all of PyTorch shares stays as it is. `skip_init` would load symbolic shapes for a third of a
    # second.
    with torch.random.fork_rng(devices=()):
        layer: Any = nn.Linear(32, 16)
    with torch.inference_mode():
        for parameter in layer.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).sin().reshape(parameter.shape))
        inputs = torch.linspace(-1, 1, 8 * 32).reshape(8, 32)
        wanted = layer(inputs).relu()
        _become_packed(layer)
        layer.after = "relu"
        # The two round differently, so they can only be asked to agree up to the last bits of float32.
        return torch.allclose(layer(inputs), wanted, atol=1e-5)
