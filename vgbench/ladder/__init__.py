"""Success of controllers between random actions and an expert, on the same tasks. See `climb`."""

from vgbench.ladder.climb import climb
from vgbench.ladder.place import Place, find_place

__all__ = ["Place", "climb", "find_place"]
