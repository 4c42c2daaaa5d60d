"""Trajectories that are kept from training, to judge a model on what it has not seen."""

import numpy as np

from vgbench.api import Trajectories
from vgbench.errors import UsageError


def split(data: Trajectories, share: float) -> tuple[Trajectories, Trajectories | None]:
    """Split a set into what is trained on and, where `share` is above 0, what is held out.

    Which ones are held out depends on their number and the share alone, so that runs of all seeds have the same.

    Raises:
        UsageError: there are too few.
    """
    if not share:
        return data, None
    count = max(1, round(share * len(data)))
    if len(data) - count < 2:
        raise UsageError(
            f"data.held_out={share:g}: of {len(data)} trajectories {count} would be held out; at least 2 have to remain"
            ". Give more trajectories (`vgbench import --length N` cuts long ones), or none held out: "
            "--set data.held_out=0"
        )
    order = np.random.default_rng(0).permutation(len(data))
    # Sorted, so that trajectories stay in the order of their file.
    return data.take(np.sort(order[count:])), data.take(np.sort(order[:count]))
