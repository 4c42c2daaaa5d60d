"""Freed memory is used again instead of being asked for anew."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import torch
from vgbench.hardware import keep_freed_memory

kept = keep_freed_memory()
for _ in range(20):
    torch.ones(2**24)  # 64 MiB; what is freed is cut up a few times before a piece fits
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    torch.ones(2**24)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environ):
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD"))}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=plain | environ, capture_output=True, text=True, check=True, timeout=120
    )
    kept, count = run.stdout.split()
    return kept == "True", int(count)


@pytest.mark.skipif(sys.platform != "linux" or not os.confstr("CS_GNU_LIBC_VERSION"), reason="a setting of glibc")
def test_an_array_takes_the_pages_of_the_one_before():
    kept, count = faults()
    assert kept and count < 1000  # 8 x 16384 pages of 4 KiB


@pytest.mark.skipif(sys.platform != "linux" or not os.confstr("CS_GNU_LIBC_VERSION"), reason="a setting of glibc")
def test_the_environments_own_settings_hold():
    kept, count = faults(MALLOC_TRIM_THRESHOLD_="131072")
    assert not kept and count > 8 * 200  # huge pages of 2 MiB would need 32 for each
