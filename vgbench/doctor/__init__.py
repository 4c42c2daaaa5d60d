"""Looks an installation over, for `vgbench doctor`: plugins, entry points, packages, machine, cache."""

from vgbench.doctor.examine import examine

__all__ = ["examine"]
