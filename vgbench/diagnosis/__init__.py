"""Where a trained run falls short: its value, its model or its planner. See `diagnose`."""

from vgbench.diagnosis.diagnose import diagnose
from vgbench.diagnosis.words import text

__all__ = ["diagnose", "text"]
