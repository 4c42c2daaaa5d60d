"""What authors of plugins get for their own tests: fixtures and the one-line conformance test, through real pytest."""

import os
import subprocess
import sys
import textwrap
from importlib.metadata import distributions

import pytest
import torch

from vgbench.errors import UsageError
from vgbench.testing import conformance


def test_pytest_start_imports_nothing_heavy():
    code = """
import sys
import vgbench.testing.pytest_plugin
print(*({"torch", "numpy", "pydantic", "vgbench.api", "vgbench_plugins", "mujoco", "scipy", "rich"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_conformance_under_pytest(tmp_path, tmp_plugin):
    code = """
        from vgbench.api import Plan, Planner

        class Mine(Planner):
            '''Noise that is not clipped.'''
            baseline = True

            def plan(self, problem, state):
                return Plan(5 * problem.noise(problem.horizon, problem.action_dim))
    """
    site = tmp_plugin(code, planners={"mine": "Mine"})
    (tmp_path / "test_mine.py").write_text(
        textwrap.dedent("""
        from vgbench.testing import conformance

        test_as_it_is = conformance("planner", "mine")
        test_excused = conformance("planner", "mine", expected_failures={"bounds": "not clipped"})
        test_too_much = conformance("planner", "mine", expected_failures={"bounds": "so", "rows": "no reason"})

        def test_fixtures(toy_batch, chain, quadratic, tmp_plugin):
            batch, model, noise = toy_batch
            assert batch.latents.shape == (8, 6, 16)
        """)
    )
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(tmp_path / "test_mine.py")]
    variables = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=variables)
    out = done.stdout
    assert done.returncode == 1, out + done.stderr
    failed = sorted(line.split()[1].rpartition("::")[2] for line in out.splitlines() if line.startswith("FAILED"))
    assert failed == ["test_as_it_is[bounds]", "test_too_much[rows]"]
    assert "XFAIL test_mine.py::test_excused[bounds] - not clipped: bounds: Plans lie in the action set" in out
    assert "rows was expected to fail (no reason), but it is ok: take it out" in out
    assert "which never asks for the cost" in out and "waits for bounds, which failed" in out
    assert "expected `api = 1` in the class; saw no declaration" in out  # a warning


def test_an_unknown_check_is_refused_at_once():
    with pytest.raises(UsageError, match=r"no check 'bound' of kind planner\. Did you mean 'bounds'"):
        conformance("planner", "random", expected_failures={"bound": "because"})
    with pytest.raises(UsageError, match="Did you mean 'planner'"):
        conformance("planer", "random")


def test_tmp_plugin_is_undone(tmp_path):
    from vgbench.testing.distributions import Distributions

    before = list(sys.path)
    with Distributions(tmp_path) as made:
        made.make("x = 1", dist="vgx-gone", objectives={"gone": "x"})
        import vgx_gone

        assert vgx_gone.x == 1
        assert "vgx-gone" in {d.metadata["Name"] for d in distributions()}
    assert sys.path == before and "vgx_gone" not in sys.modules
    assert "vgx-gone" not in {d.metadata["Name"] for d in distributions()}
    with Distributions(tmp_path) as made, pytest.raises(UsageError, match="Did you mean 'objectives'"):
        made.make(objective={"mine": "Mine"})


def test_quadratic_is_what_it_says(quadratic):
    posed = quadratic((3, 5), horizon=2)
    actions = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    far = [(posed.goal[0] - torch.tensor(place)).square().sum() for place in ([1.0, 0.0], [1.0, 1.0])]
    expected = torch.stack([sum(far), torch.tensor(50.0)])
    torch.testing.assert_close(posed.cost(actions)[:, 0], expected)
    assert posed.asked == [1]
    torch.testing.assert_close(quadratic((5,), horizon=2).noise(3), quadratic((3, 5), horizon=2).noise(3)[1:])


def test_the_chain_is_a_world_to_train_on(chain, toy_batch):
    batch, model, _ = toy_batch
    assert batch.actions.shape == (8, 5, 1) and batch.predictions.shape == (8, 5, 16)
    place = batch.observations["bumps"][..., :13].argmax(dim=-1)
    assert (place[:, 1:] - place[:, :-1]).abs().max() <= 1  # a step is at most one place
    goals = batch.goals("segment", 2, "same_layout")
    assert goals.points.shape == (8, 3, 16) and goals.same[:, -1, 0].all()
    x, y, z = torch.randn(3, 20, 16)
    d = model.distance
    assert (d(x, z) <= d(x, y) + d(y, z) + 1e-5).all()
    torch.testing.assert_close(d(x, y), d.level(0, x, y) + d.level(1, x, y))
    assert (chain.environment.success(*[{"place": torch.tensor([[v]])} for v in (3.0, 3.4)])).all()
