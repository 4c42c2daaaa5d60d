"""Values that have no effect beside the others, and sizes of data that cannot be: refused before a run begins."""

import itertools

import pytest

from vgbench.api import Params
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.protocols import SCALES
from vgbench.config.resolve import RunRequest, resolve
from vgbench.errors import UsageError
from vgbench.experiments.sweep import of_registry
from vgbench.storage import yaml_file

BOOK = load_catalogue()
OF_ONE = [name for name, protocol in BOOK.protocols.items() if protocol.environment]
LAYOUTS = {"data_properties": "wall.training_layouts", "data_properties_maze": "maze.training_layouts"}


def spec(*sets, **fields):
    return resolve(RunRequest(recipe="vf", device="cpu", set=list(sets), **fields))


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["maze.map=medium", "maze.training_layouts=7"], "training_layouts=7 expects map=random, not medium"),
        (["maze.map=giant", "maze.open=[0.5, 0.7]"], r"open=\[0.5, 0.7\] expects map=random, not giant"),
        (["maze.map=large", "maze.longest=12"], "longest=12 expects map=random, not large"),
        (["maze.expert_share=0.3"], "expert_share=0.3 expects policy=mixed, not random"),
        (["wall.expert_share=0.3", "wall.policy=expert"], "expert_share=0.3 expects policy=mixed, not expert"),
        (["wall.crossing=0.1", "wall.policy=stitch"], "crossing=0.1 expects policy=random, not stitch"),
        (["wall.directed=0.1", "wall.policy=mixed"], "directed=0.1 expects policy=random, not mixed"),
        (["wall.heading=fixed", "wall.policy=coverage"], "heading=fixed expects policy=random or mixed, not coverage"),
        (["wall.fixed_layout=[30, 30]"], r"fixed_layout=\[30.0, 30.0\] expects layout=fixed, not per_dataset"),
        (["rooms.crossing=0.1", "rooms.policy=expert"], "crossing=0.1 expects policy=random, not expert"),
        (["rooms.heading=fixed", "rooms.policy=expert"], "heading=fixed expects policy=random, not expert"),
    ],
)
def test_a_value_without_effect_is_refused(sets, words):
    with pytest.raises(UsageError, match=rf"^--set [a-z]+\.[a-z_]+=.*: {words}; it has no effect in environment "):
        spec(*sets, env=sets[0].partition(".")[0])


def test_it_is_one_message_of_the_command_line(vgbench_cli):
    done = vgbench_cli(
        "collect", "--out", "x.h5", "--env", "maze", "--set", "maze.map=medium", "--set", "maze.longest=9"
    )
    assert done.exit_code == 2 and "--set maze.longest=9: longest=9 expects map=random, not medium" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_values_with_an_effect_are_taken():
    assert spec("wall.crossing=0.1", "wall.heading=fixed", env="wall").values["wall.crossing"].value == 0.1
    assert spec("maze.policy=mixed", "maze.expert_share=0.3", env="maze").values["maze.expert_share"].value == 0.3
    # At its default it changes nothing, whoever wrote it.
    assert spec("maze.map=medium", "maze.training_layouts=5", env="maze")


def test_values_of_protocols_variants_and_files_may_stand_beside_any_others(tmp_path):
    far = spec("maze.map=medium", "maze.strata=[5-8 seen]", protocol="maze_far", scale="smoke")
    assert far.values["maze.training_layouts"].value == 25
    assert spec("wall.layout=per_trajectory", protocol="wall_big", variant="pldm").values["wall.fixed_layout"]
    path = tmp_path / "c.yaml"
    path.write_text(yaml_file.dump({"recipe": "vf", "set": {"wall.crossing": 0.1, "wall.policy": "expert"}}))
    assert resolve(RunRequest(config=path, env="wall", device="cpu"))


def test_a_value_for_several_runs_needs_an_effect_in_one_of_them(vgbench_cli):
    grid = ("sweep", "--recipe", "vf", "--protocol", "wall_big", "--scale", "smoke", "--dry-run", "--grid")
    assert vgbench_cli(*grid, "wall.policy=random,expert", "--set", "wall.crossing=0.1").exit_code == 0
    done = vgbench_cli(*grid, "wall.policy=expert,stitch", "--set", "wall.crossing=0.1")
    assert done.exit_code == 2 and "--set wall.crossing=0.1: crossing=0.1 expects policy=random" in done.stderr


def test_a_parameter_cannot_take_the_name():
    with pytest.raises(TypeError, match="'without_effect', a name that Params uses"):
        type("Own", (Params,), {"__annotations__": {"without_effect": int}})


@pytest.mark.parametrize(
    "sets", [["maze.training_layouts=41"], ["wall.training_layouts=41", "wall.layout=per_trajectory"]]
)
def test_more_layouts_than_trajectories_are_refused_before_a_run_begins(sets, vgbench_cli):
    env = sets[0].partition(".")[0]
    words = (
        rf"data\.trajectories=40, data\.length=\d+: {env}\.training_layouts=41 expects at least 41 trajectories, not 40"
    )
    with pytest.raises(UsageError, match=words):
        spec(*sets, env=env, scale="smoke")
    assert spec(*sets, "data.trajectories=41", env=env, scale="smoke")
    given = [part for text in sets for part in ("--set", text)]
    done = vgbench_cli("run", "--recipe", "vf", "--env", env, "--scale", "smoke", "--dry-run", *given)
    assert done.exit_code == 2 and "expects at least 41 trajectories" in done.stderr


@pytest.mark.parametrize(("protocol", "scale"), list(itertools.product(OF_ONE, SCALES)))
def test_every_protocol_resolves_at_every_scale(protocol, scale):
    assert spec(protocol=protocol, scale=scale).protocol == protocol


@pytest.mark.parametrize(("name", "scale"), list(itertools.product(LAYOUTS, SCALES)))
def test_sweeps_have_a_trajectory_of_each_layout_at_every_scale(name, scale):
    sweep = BOOK.sweep(name)
    base = RunRequest(protocol=sweep.protocol, scale=scale, device="cpu")
    points = of_registry(sweep, base)
    axis = [point for point in points if point.over == LAYOUTS[name]]
    assert len(axis) == sum(len(c.values) for c in sweep.curves if c.over == LAYOUTS[name]) > 0
    # At other scales the curves change their own value alone.
    assert all(("data.trajectories" in point.values) == (scale == "smoke") for point in axis)


def test_a_sweep_over_policies_begins_from_the_same_run_as_the_others():
    points = of_registry(BOOK.sweep("data_properties"), RunRequest(protocol="wall_big"))
    policies = [(p.recipe, p.values["wall.policy"]) for p in points if p.over == "wall.policy"]
    recipes = ("vf_quasi", "vf_quasi_pred", "pred_vcreg")
    assert policies == list(itertools.product(recipes, ("random", "navigate", "stitch")))
    same = {p.place for p in points if p.recipe == "vf_quasi" and p.values.get("wall.policy") == "random"}
    assert same == {"vf_quasi-data.trajectories=1000"}
