"""Blocks: the same bits for a row whatever else is in the batch."""

import pytest
import torch
from torch import nn

from vgbench.model.batching import in_blocks


@pytest.mark.parametrize("count", [1, 5, 16, 37])
def test_rows_do_not_depend_on_the_batch(count):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(300, 200), nn.ReLU(), nn.Linear(200, 50))
    x = torch.randn(37, 300)
    with torch.inference_mode():
        everything = in_blocks(lambda rows: net(rows["x"]), {"x": x}, 16)
        some = in_blocks(lambda rows: net(rows["x"]), {"x": x[:count]}, 16)
        assert torch.allclose(everything, net(x), atol=1e-5)
    assert torch.equal(everything[:count], some)


def test_every_block_has_the_same_number_of_rows():
    seen = []
    in_blocks(lambda rows: seen.append(len(rows["x"])) or rows["x"], {"x": torch.zeros(37, 2)}, 16)
    assert seen == [16, 16, 16]
