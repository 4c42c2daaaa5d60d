"""What vgbench asks of any objective and any distance. The package has to be installed: plugins are found by name."""

import pytest

conformance = pytest.importorskip("vgbench.testing", reason="this vgbench has no conformance checks").conformance

test_objective = conformance("objective", "qrl")
test_distance = conformance("distance", "mrn")
