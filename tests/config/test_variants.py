"""Variants, values for joint training, and the head's own stage: what resolves, and what a run makes of it."""

import json

import pytest
import torch

from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.resolve import RunRequest, resolve, resolve_data
from vgbench.errors import UsageError
from vgbench.plugin.registry import Registry, load_plugin
from vgbench.settings import GROUPS
from vgbench.storage import yaml_file
from vgbench.training import stage_cache

BOOK = load_catalogue()
SMOKE = {"protocol": "wall_big", "scale": "smoke", "device": "cpu"}


def values(**fields):
    return {name: value.value for name, value in resolve(RunRequest(device="cpu", **fields)).values.items()}


def test_one_variant_is_the_default():
    assert sum(variant.default for variant in BOOK.variants.values()) == 1
    made = resolve(RunRequest(recipe="vf", **SMOKE))
    assert made.variant == BOOK.variant(None).name and made.selections["variant"].source == "default"


@pytest.mark.parametrize("scale", ["smoke", "quick", "paper"])
def test_variants_decide_what_is_open_at_every_scale(scale):
    literal, pldm = (values(protocol="wall_big", recipe="vf", scale=scale, variant=r) for r in ("literal", "pldm"))
    assert (literal["mppi.noise_as"], pldm["mppi.noise_as"]) == ("std", "variance")
    assert pldm["wall.layout"] == "fixed" and literal["wall.layout"] != "fixed"
    assert (literal["mppi.warm_start"], pldm["mppi.warm_start"]) == ("shift", "hold")
    assert (literal["wall.norms"], pldm["wall.norms"]) == ("clip", "truncate")  # "clipped"; PLDM draws again
    assert pldm["mppi.initial_noise"] == 15  # PLDM starts from 15 random vectors
    others = {name for name in literal if literal[name] != pldm[name]}
    wall = {"wall.layout", "wall.fixed_layout", "wall.norms"}
    assert others == wall | {"mppi.noise_as", "mppi.warm_start", "mppi.initial_noise"}


def test_a_run_says_in_what_its_variant_departs_from_the_paper(vgbench_cli):
    said = vgbench_cli("run", "--env", "maze", "--recipe", "vf", "--scale", "smoke", "--dry-run").stderr.splitlines()
    assert said[0].startswith("note: variant tuned departs from the paper in ")
    assert "whiten (model.image_norm=whiten)" in said[0] and "vgbench show variant tuned" in said[0]
    # A choice that the user has taken back is no departure, nor is one that has no part in the run.
    own = vgbench_cli(
        *("run", "--env", "maze", "--recipe", "vf", "--scale", "smoke", "--dry-run"),
        *("--set", "model.image_norm=channel"),
    )
    assert "whiten" not in own.stderr.splitlines()[0] and "joint_norm" not in own.stderr
    literal = vgbench_cli("run", "--env", "maze", "--recipe", "vf", "--variant", "literal", "--dry-run")
    assert "departs" not in literal.stderr


def test_a_variant_is_shown_beside_the_one_that_it_extends(vgbench_cli):
    about = vgbench_cli("show", "variant", "tuned", "--format", "json").json()
    assert about["extends"] == "literal" and all(choice["why"] for choice in about["choices"])
    rows = {(row["name"], row["for"]): row for row in about["values"]}
    assert rows["model.image_norm", "all runs on maze, maze_far, maze_giant"]["value"] == "whiten"
    assert rows["model.image_norm", "all runs on maze, maze_far, maze_giant"]["instead_of"] == "channel"
    assert {row["choice"] for row in about["values"]} == {choice["choice"] for choice in about["choices"]}
    table = vgbench_cli("show", "variant", "tuned").stdout
    assert "INSTEAD_OF" in table and "WORTH" in table


def test_variants_may_depend_on_protocol_and_recipe():
    maze = values(protocol="maze", recipe="pred_vcreg", variant="pldm", scale="paper")
    assert (maze["vcreg.std_coeff"], maze["mpc.replan_every"], maze["mpc.power"]) == (35.026, 4, 2.0)
    wall = values(protocol="wall_big", recipe="pred_vcreg", variant="pldm", scale="paper")
    assert (wall["vcreg.std_coeff"], wall["vcreg.axes"], wall["mpc.power"]) == (3.0, "batch_time", 2.0)
    assert values(protocol="wall_big", recipe="vf", variant="pldm")["mpc.power"] == 1.0


def test_every_value_of_a_variant_is_a_parameter():
    for variant in BOOK.variants.values():
        for address in variant.addresses():
            owner, _, param = address.rpartition(".")
            plugins = [e for e in Registry().entries() if e.name == owner and e.kind != "logger"]
            known = load_plugin(plugins[0]).Params if plugins else GROUPS[owner]
            assert param in known.model_fields, address


def test_a_users_values_stand_above_the_variant(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("set: {mppi.warm_start: none}")
    got = values(protocol="wall_big", recipe="vf", variant="pldm", config=file, set=["wall.layout=per_dataset"])
    assert (got["mppi.warm_start"], got["wall.layout"]) == ("none", "per_dataset")


def test_an_unknown_variant_and_a_contradicted_file_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"--variant pldn.*Did you mean 'pldm'"):
        resolve(RunRequest(recipe="vf", variant="pldn", **SMOKE))
    file = tmp_path / "config.yaml"
    file.write_text(yaml_file.dump(resolve(RunRequest(recipe="vf", variant="literal", **SMOKE)).to_config()))
    again = resolve(RunRequest(config=file, variant="literal"))
    assert again.variant == "literal"
    with pytest.raises(UsageError, match=r"--variant pldm contradicts --config .*wall\.layout"):
        resolve(RunRequest(config=file, variant="pldm"))


def test_data_are_collected_under_a_variant():
    assert resolve_data(RunRequest(protocol="wall_big", variant="pldm")).environment.params.layout == "fixed"


def test_the_heads_stage_resolves_and_comes_back_from_its_file(tmp_path):
    made = resolve(RunRequest(recipe="two_space", **SMOKE))
    assert [c.name for c in made.objectives_of("head_objectives")] == ["iql"] and made.networks[
        "head"
    ].name == "projector"
    assert made.values["train_head.steps"].value == 6
    file = tmp_path / "config.yaml"
    file.write_text(yaml_file.dump(made.to_config()))
    again = resolve(RunRequest(config=file))
    assert again.key() == made.key() and again.recipe == "two_space"
    plain = resolve(RunRequest(recipe="pred_vcreg", **SMOKE))
    assert "train_head.steps" not in plain.values and plain.key() != made.key()
    with pytest.raises(UsageError, match="train_head"):
        resolve(RunRequest(recipe="pred_vcreg", set=["train_head.steps=3"], **SMOKE))


def test_a_head_stage_that_cannot_be_is_refused(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("head: projector\nhead_objectives: [vcreg]\nobjectives: [prediction, vcreg]\ndistance: euclidean")
    with pytest.raises(
        UsageError, match=r"head_objectives.*none of these objectives \(vcreg\) trains the head or distance"
    ):
        resolve(RunRequest(config=file, **SMOKE))
    file.write_text(
        "head: projector\nhead_objectives: [iql]\nobjectives: [prediction, regressive]\ndistance: euclidean"
    )
    with pytest.raises(UsageError, match=r"objective 'regressive'.*trains the head together with the encoder"):
        resolve(RunRequest(config=file, **SMOKE))


def run(tmp_path, name, recipe, share=None):
    from vgbench.experiments import runner
    from vgbench.plugin.loggers import Loggers

    small = ["data.trajectories=20", "train.steps=3", "train.batch=4", "evaluation.tasks=2", "mpc.max_steps=4"]
    spec = resolve(RunRequest(recipe=recipe, set=small, **SMOKE))
    result = runner.run(spec, tmp_path / name, loggers=Loggers(), share=share)
    stages = {
        p.stem: torch.load(p, weights_only=True)["content"] for p in (tmp_path / name / "checkpoints").glob("*.pt")
    }
    return result, stages, [json.loads(line) for line in (tmp_path / name / "episodes.jsonl").read_text().splitlines()]


def test_two_spaces_share_the_first_with_pred_vcreg_and_train_the_head_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    alone, stages, rows = run(tmp_path, "alone", "two_space")
    before, after = stages["joint"]["model"], stages["head"]["model"]
    changed = {name.partition(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert changed == {"head"}
    first, shared, _ = run(tmp_path, "first", "pred_vcreg", tmp_path / "share")
    assert all(torch.equal(shared["joint"]["model"][name], before[name]) for name in shared["joint"]["model"])
    second, adopted, again = run(tmp_path, "second", "two_space", tmp_path / "share")
    assert second["stages"]["joint"]["shared"] is True and "shared" not in second["stages"]["head"]
    assert all(torch.equal(adopted["head"]["model"][name], after[name]) for name in after)
    assert again == rows and second["successes"] == alone["successes"]
    # The other way round: a run without a head takes over what one with a head has trained.
    run(tmp_path, "third", "two_space", tmp_path / "other")
    fourth, _, _ = run(tmp_path, "fourth", "pred_vcreg", tmp_path / "other")
    assert fourth["stages"]["joint"]["shared"] is True and fourth["successes"] == first["successes"]


def test_stages_of_equal_hash():
    two, one = (stage_cache.stages(resolve(RunRequest(recipe=r, **SMOKE))) for r in ("two_space", "pred_vcreg"))
    assert two["joint"] == one["joint"] and set(two) == {"joint", "head"} and set(one) == {"joint"}
    wide = stage_cache.stages(resolve(RunRequest(recipe="two_space", set=["projector.hidden=[8]"], **SMOKE)))
    assert wide["joint"] == two["joint"] and wide["head"] != two["head"]
