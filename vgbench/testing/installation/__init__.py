"""Looks an installation over, for `vgbench doctor`: plugins, entry points, packages, machine, cache."""

from vgbench.testing.installation.report import examine

__all__ = ["examine"]
