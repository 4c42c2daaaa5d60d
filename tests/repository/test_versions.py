"""`.ci/versions.py`, which tries the lower bounds and other versions of Python: what it would install."""

import importlib.util
import json
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def versions():
    spec = importlib.util.spec_from_file_location("ci_versions", ROOT / ".ci" / "versions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_dependency_has_a_lower_bound_that_is_tried(versions):
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    tried = versions.lower_bounds(torch=True).split()
    assert [line.replace("==", ">=") for line in tried] == wanted


def test_pytorch_stays_that_of_the_constraints_unless_it_is_asked_for(versions):
    tried = versions.lower_bounds(torch=False).split()
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().split() if line.startswith("torch=="))
    assert [line for line in tried if line.startswith("torch==")] == [pinned]


def test_an_interpreter_that_is_not_there(versions):
    assert versions.interpreter("3.99") is None
    assert versions.interpreter(f"{sys.version_info.major}.{sys.version_info.minor}") == Path(sys.executable)


@pytest.mark.parametrize("cuda", [False, True])
def test_pytorch_s_lower_bound_is_tried_where_there_is_one_for_the_cpu_or_said_not_to_be(versions, tmp_path, cuda):
    """The interpreter is a script that says what pip would: which requirements the wheel that it found has."""
    wheel = {"metadata": {"requires_dist": ["nvidia-cublas"] if cuda else ["sympy"]}}
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{json.dumps({'install': [wheel]})}'\n")
    python.chmod(0o755)
    constraints, torch, words = versions.lowest(python, False, tmp_path)
    bound = f"torch=={versions.bound_of_torch()}"
    assert torch is not cuda and (bound in constraints.read_text().split()) is not cuda
    assert ("NOT TRIED: torch" in words) is cuda
    assert versions.lowest(python, True, tmp_path)[1:] == (True, "")
