"""What vgbench asks of any objective and any distance. The package has to be installed: plugins are found by name."""

from vgbench.testing import conformance

test_objective = conformance("objective", "qrl")
test_distance = conformance("distance", "mrn")
