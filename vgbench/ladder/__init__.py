"""Success of controllers between random actions and an expert, on the same tasks. See `climb`; `verdicts` reads one."""

from vgbench.ladder.climb import climb
from vgbench.ladder.place import Place, find_place
from vgbench.ladder.words import verdicts

__all__ = ["Place", "climb", "find_place", "verdicts"]
