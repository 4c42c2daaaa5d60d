"""Success of controllers between random actions and an expert, on the same tasks. See `climb`; `verdicts` reads one."""

from vgbench.analysis.ladder.run import climb
from vgbench.analysis.ladder.setup import LadderSetup, find_place
from vgbench.analysis.ladder.verdicts import verdicts

__all__ = ["LadderSetup", "climb", "find_place", "verdicts"]
