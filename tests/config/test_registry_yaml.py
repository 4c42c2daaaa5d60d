"""registry.yaml against what is installed and against the paper."""

import itertools

import pytest

from vgbench.config.catalogue import SECTIONS, catalogue_file, read
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.protocols import SCALES
from vgbench.config.resolve import RunRequest, resolve
from vgbench.errors import UsageError
from vgbench.plugin.registry import Registry, load_plugin
from vgbench.settings import GROUPS
from vgbench.storage import yaml_file

BOOK = load_catalogue()
PROTOCOLS = ("wall_small", "wall_big", "maze")


def spec(**fields):
    return resolve(RunRequest(device="cpu", **fields))


def values(**fields):
    return {name: value.value for name, value in spec(**fields).values.items()}


def test_sections():
    assert tuple(yaml_file.load(catalogue_file())) == SECTIONS


def test_every_built_in_plugin_is_described_and_nothing_else_is():
    installed = {(entry.kind, entry.name) for entry in Registry().entries() if entry.dist == "vgbench"}
    described = {(kind, name) for kind, of_kind in BOOK.components.items() for name in of_kind}
    assert described == installed
    assert all(component.summary for of_kind in BOOK.components.values() for component in of_kind.values())


def test_networks_are_tagged_with_their_role():
    for entry in Registry().entries("network"):
        assert load_plugin(entry).role in BOOK.component("network", entry.name).tags


def test_names_are_lower_snake_and_sorted():
    for section in (BOOK.recipes, BOOK.protocols, BOOK.suites, *BOOK.components.values()):
        assert all(name.isidentifier() and name == name.lower() for name in section)
        assert list(section) == sorted(section)


@pytest.mark.parametrize(("recipe", "protocol", "scale"), list(itertools.product(BOOK.recipes, PROTOCOLS, SCALES)))
def test_every_combination_resolves(recipe, protocol, scale):
    made = spec(recipe=recipe, protocol=protocol, scale=scale)
    assert (made.recipe, made.protocol, made.scale) == (recipe, protocol, scale)
    assert made.baseline is not None
    # What has no effect belongs to a plugin that is really not part of the run, and is spelt rightly.
    for address in made.unused:
        owner, _, param = address.rpartition(".")
        if owner == "train_head":
            assert not made.objectives_of("head_objectives") and param in GROUPS[owner].model_fields
            continue
        entries = [e for e in Registry().entries() if e.name == owner and e.kind != "logger"]
        assert entries, address
        assert param in load_plugin(entries[0]).Params.model_fields


@pytest.mark.parametrize(
    ("name", "objectives", "distance", "training"),
    [  # the paper's Table 1
        ("contrastive", {"contrastive"}, "euclidean", "separate"),
        ("regressive", {"regressive", "vcreg"}, "euclidean", "separate"),
        ("pred_ema", {"prediction"}, "euclidean", "joint"),
        ("pred_vcreg", {"prediction", "vcreg"}, "euclidean", "joint"),
        ("vf", {"iql"}, "euclidean", "separate"),
        ("vf_pred", {"iql", "prediction"}, "euclidean", "joint"),
        ("vf_quasi", {"iql"}, "iqe", "separate"),
        ("vf_quasi_pred", {"iql", "prediction"}, "iqe", "joint"),
        ("vf_vcreg", {"iql", "vcreg"}, "euclidean", "separate"),
        ("vf_vcreg_pred", {"iql", "vcreg", "prediction"}, "euclidean", "joint"),
    ],
)
def test_recipes_are_rows_of_table_1(name, objectives, distance, training):
    recipe = BOOK.recipe(name)
    assert (set(recipe.objectives), recipe.distance, recipe.training) == (objectives, distance, training)
    expected = {"iqe": {"iql.tau": 0.6, "iql.gamma": 0.93}, "euclidean": {"iql.tau": 0.8, "iql.gamma": 0.98}}[distance]
    expected = expected if "iql" in objectives else {}
    if name == "pred_ema":
        expected = {"prediction.target": "ema", "prediction.momentum": 0.99}
    assert dict(recipe.set) == expected and not recipe.stages


@pytest.mark.parametrize(
    ("protocol", "samples", "horizon", "noise", "temperature", "steps", "tasks", "data", "axes"),
    [  # appendix 7.2
        ("wall_small", 2000, 96, 12.0, 0.005, 200, 200, (1000, 64), "batch"),
        ("wall_big", 2000, 64, 12.0, 0.005, 64, 200, (1000, 64), "batch"),
        ("maze", 500, 100, 5.0, 0.0025, 200, 80, (1000, 101), "batch_time"),
    ],
)
def test_paper_scale_has_the_published_numbers(
    protocol, samples, horizon, noise, temperature, steps, tasks, data, axes
):
    got = values(recipe="vf_vcreg", protocol=protocol, scale="paper", variant="literal")
    assert (got["mppi.samples"], got["mppi.horizon"], got["mppi.noise"]) == (samples, horizon, noise)
    assert (got["mppi.temperature"], got["mppi.temperature_as"], got["mppi.noise_as"]) == (
        temperature,
        "absolute",
        "std",
    )
    every = 4 if protocol == "maze" else 1  # silent; PLDM
    assert (got["mpc.max_steps"], got["mpc.replan_every"], got["evaluation.tasks"]) == (steps, every, tasks)
    assert (got["data.trajectories"], got["data.length"]) == data
    assert got["vcreg.axes"] == axes
    assert got["mlp.hidden"] == [1024, 512] and got["mlp.residual"] is False
    assert got["impala.channels"] == [16, 32, 64] and got["impala.blocks"] == 1
    for stage in ("train", "train_predictor"):
        assert got[f"{stage}.lr"] == pytest.approx(0.0028 * 64 / 256)
        assert (got[f"{stage}.epochs"], got[f"{stage}.steps"], got[f"{stage}.batch"]) == (10, 0, 64)
        assert (got[f"{stage}.window"], got[f"{stage}.warmup"], got[f"{stage}.weight_decay"]) == (16, 0.1, 1e-6)
        assert got[f"{stage}.clip"] == 0
    assert got["model.latent_dim"] == 512


@pytest.mark.parametrize("recipe", BOOK.recipes)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_literal_method_is_the_same_at_all_scales(protocol, recipe):
    """What differs between scales is budget: none of it is a value by which a method trains or plans."""
    made = {s: values(recipe=recipe, protocol=protocol, scale=s, variant="literal") for s in SCALES}
    size = ("strided.", "impala.")  # the encoder's plugin is chosen by the scale: its size
    shared = {name for got in made.values() for name in got if not name.startswith(size)}
    differ = {name for name in shared if len({str(got[name]) for got in made.values()}) > 1}
    budget = {f"{g}.{p}" for g in ("train", "train_predictor", "train_head") for p in ("steps", "frames", "batch")}
    budget |= {f"mppi.{p}" for p in ("samples", "horizon")} | {"evaluation.tasks"}
    assert differ <= budget | {"data.trajectories", "mpc.max_steps", "mpc.block_rows"}  # the last three: smoke
    assert all(got.get("strided.final_norm", got.get("impala.final_norm")) == "none" for got in made.values())


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("variant", ["literal", "pldm"])
def test_separate_and_joint_training_are_the_same_method_with_the_same_budget(scale, variant):
    for protocol in PROTOCOLS:
        place = {"protocol": protocol, "scale": scale, "variant": variant}
        separate, joint = values(recipe="vf", **place), values(recipe="vf_pred", **place)
        shared = separate.keys() & joint.keys()
        assert {name: separate[name] for name in shared} == {name: joint[name] for name in shared}
        for name in ("frames", "steps", "epochs", "batch", "window", "lr"):
            # The predictor's own stage rolls out as many steps as joint training does.
            assert separate[f"train_predictor.{name}"] == separate[f"train.{name}"] == joint[f"train.{name}"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tuned_gives_separate_and_joint_training_as_many_frames(protocol):
    for recipe in ("vf", "vf_pred", "vf_quasi_pred"):
        got = values(recipe=recipe, protocol=protocol, scale="quick")
        stages = [stage for stage in ("train", "train_predictor") if f"{stage}.frames" in got]
        assert len({got[f"{stage}.frames"] for stage in stages}) == 1
        assert all(got[f"{stage}.frames"] and not got[f"{stage}.steps"] for stage in stages)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            "protocols:\n  p:\n    summary: s\n    encoder: strided\n    predictor: mlp\n    planner: mppi\n"
            "    scales:\n      quick:\n        set:\n          iql.stride: 10\n",
            r":12: protocols.p.scales.quick.set.iql.stride: a scale sets budget alone .*iql.stride is a method's value",
        ),
        (
            "variants:\n  v:\n    summary: s\n    choices:\n      - {name: a, why: b, set: {mppi.samples: 8}}\n",
            r":7: variants.v.choices.0.set.mppi.samples: mppi.samples is budget.*--set",
        ),
        (
            "recipes:\n  r:\n    summary: s\n    objectives: [iql]\n    distance: iqe\n    training: separate\n"
            "    set:\n      train.steps: 7\n",
            r":10: recipes.r.set.train.steps: train.steps is budget",
        ),
        ("variants:\n  v: {summary: s, extends: w}\n", r":4: variants.v.extends: no variant named 'w' above this one"),
        (
            "variants:\n  v:\n    summary: s\n    choices:\n      - {name: a, why: b, training: jiont}\n",
            r":7: variants.v.choices.0.training: unknown value 'jiont'. Did you mean 'joint'",
        ),
        (
            "variants:\n  v:\n    summary: s\n    choices:\n      - {name: a, why: b, protocols: {mase: {}}}\n",
            r":7: variants.v.choices.0.protocols.mase: unknown value 'mase'",
        ),
    ],
)
def test_budget_and_method_stand_where_they_belong(block, message, tmp_path):
    file = tmp_path / "registry.yaml"
    file.write_text(f'budget: [train*.steps, "*.samples"]\n\n{block}')
    with pytest.raises(UsageError, match=message):
        read(yaml_file.load(file), str(file))


def test_a_users_recipe_may_not_set_a_budget_either(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("recipes:\n  mine:\n    extends: vf\n    set:\n      mppi.horizon: 8\n")
    with pytest.raises(UsageError, match=r"mine.yaml:5: recipes.mine.set.mppi.horizon: mppi.horizon is budget"):
        spec(recipe="mine", recipes=file, protocol="maze")


def test_wall_protocols_differ_in_the_step():
    assert values(recipe="vf", protocol="wall_small")["wall.step"] == "small"
    assert values(recipe="vf", protocol="wall_big")["wall.step"] == "big"


def test_published_numbers_are_those_of_table_2():
    rows = {  # transcribed from the paper: WS, WB, Maze
        "contrastive": (0.49, 0.59, 0.5),
        "regressive": (0.54, 0.57, 0.46),
        "pred_vcreg": (0.55, 0.89, 0.54),
        "pred_ema": (0.46, 0.43, 0.04),
        "vf": (0.63, 0.94, 0.49),
        "vf_pred": (0.55, 0.75, 0.49),
        "vf_quasi": (0.71, 0.96, 0.63),
        "vf_quasi_pred": (0.61, 0.85, 0.43),
        "vf_vcreg": (0.49, 0.75, 0.39),
        "vf_vcreg_pred": (0.47, 0.67, 0.39),
    }
    suite = BOOK.suites["paper_table_2"]
    table = {name: dict(zip(PROTOCOLS, row, strict=True)) for name, row in rows.items()}
    assert suite.published == table | {"two_space": {"wall_small": 0.6}}
    # Two judge the paper's question with the discounts exchanged, in the suite `ranking`; two are for frozen encoders.
    others = {"vf_gamma93", "vf_quasi_gamma98", "frozen_pred", "frozen_vf"}
    assert set(BOOK.recipes) - set(suite.recipes) == others
    assert set(suite.protocols) == set(PROTOCOLS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"recipies": {}}, "unknown key 'recipies'. Did you mean 'recipes'?"),
        ([], "expected `key: value` lines"),
        ({"recipes": {"x": {"summary": "", "objective": []}}}, "recipes.x: unknown key 'objective'"),
        ({"recipes": {"x": {"summary": "s"}}}, "recipes.x: missing: objectives, distance, training"),
        ({"protocols": {"x": {"stages": {"head_objectives": []}}}}, "protocols.x: unknown key 'stages'"),
        ({"protocols": {"x": {"scales": {"tiny": {}}}}}, "protocols.x.scales: unknown key 'tiny'"),
    ],
)
def test_mistakes_in_the_file_are_named(content, message):
    with pytest.raises(UsageError, match=message):
        read(content, "registry.yaml")
