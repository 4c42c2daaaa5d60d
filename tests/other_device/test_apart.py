"""The checks of this folder, in a process of their own.

PyTorch counts its devices at the first gradient of a process; one that is offered later has none.
"""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = ("check_device.py", "check_runs.py")


@pytest.mark.parametrize(
    ("file", "which"),
    [*((file, "not slow and not gpu") for file in FILES), pytest.param(FILES[1], "slow", marks=pytest.mark.slow)],
)
def test_the_checks_pass_in_a_process_of_their_own(file, which):
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", which, HERE / file]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1], timeout=1800)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr
