"""Planning speed as a share of what the machine's matrix products allow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("distance", ["iqe", "euclidean"])
def test_a_plan_reaches_most_of_the_rate_of_its_matrix_products(distance):
    command = [sys.executable, "-m", "benchmarks.planning", "--distance", distance]
    folder = Path(__file__).parents[2]
    environ = os.environ | {"OMP_NUM_THREADS": "1"}  # two threads measure the neighbours on a shared machine
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=500, check=True)
    assert json.loads(done.stdout)["ratio"] >= 0.7, done.stdout
