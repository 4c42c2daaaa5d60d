"""For authors of plugins: named checks of every kind's contract, and fixtures for their tests.

One line tests a plugin that is installed::

    from vgbench.testing import conformance

    test_conformance = conformance("objective", "mine")

`vgbench check KIND NAME` does the same on the command line. The fixtures (`tmp_plugin`, `chain`, `toy_batch`,
`quadratic`) are in `vgbench.testing.pytest_plugin`, which pytest finds by itself where vgbench is installed.
"""

from vgbench.testing.check import Check, CheckResult, Skip, expect
from vgbench.testing.conformance import conformance
from vgbench.testing.session import Session, checks

__all__ = ["Check", "CheckResult", "Session", "Skip", "checks", "conformance", "expect"]
