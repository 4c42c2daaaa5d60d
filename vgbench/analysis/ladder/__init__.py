"""The oracle ablation: success with exact or learned dynamics and true or learned values, on the same tasks.

`run_ablation` plays it, `verdicts` reads it.
"""

from vgbench.analysis.ladder.run import run_ablation
from vgbench.analysis.ladder.setup import LadderSetup, set_up
from vgbench.analysis.ladder.verdicts import verdicts

__all__ = ["LadderSetup", "run_ablation", "set_up", "verdicts"]
