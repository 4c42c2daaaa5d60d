"""From flags, recipe, protocol, file and --set to one validated specification."""

import json
import re

import pytest
import torch

from vgbench.config.resolve import RunRequest, resolve, resolve_data
from vgbench.errors import UsageError
from vgbench.storage import yaml_file

MINE = """
    from pydantic import Field
    import vgbench.api
    from vgbench.api import *

    class World(Environment):
        class Params(vgbench.api.Params):
            size: int = Field(3, ge=1, description="of the world")

        spec = step = observe = goal_distance = collect = sample_tasks = None

    class Term(Objective):
        min_length = 4

        class Params(vgbench.api.Params):
            mode: str = Field("a", description="any text")
            level: str | None = Field(None, description="any text, or none")
            must: float = Field(gt=0, description="has no default")
            tau: float = Field(0.5, description="a number")

        def loss(self, batch, model, noise):
            raise NotImplementedError

    class Blind(Planner):
        baseline = True

        class Params(vgbench.api.Params):
            norm: str = Field("x", description="any text")

        def plan(self, problem, state):
            raise NotImplementedError
"""


def spec(**fields):
    fields = {"env": "wall", "device": "cpu"} | fields
    if "recipe" not in fields and "config" not in fields:
        fields = {"objective": ["iql"], "distance": "iqe"} | fields
    return resolve(RunRequest(**fields))


def refused(message, **fields):
    with pytest.raises(UsageError, match=message) as caught:
        spec(**fields)
    return str(caught.value)


@pytest.fixture
def config(tmp_path):
    def write(content, name="config.yaml"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml_file.dump(content))
        return path

    return write


# Where


@pytest.mark.parametrize(("env", "protocol"), [("wall", "wall_big"), ("maze", "maze")])
def test_an_environment_means_its_usual_protocol(env, protocol):
    assert spec(env=env).protocol == protocol


def test_protocol_names_its_environment():
    made = spec(env=None, protocol="wall-small")
    assert (made.environment.name, made.protocol) == ("wall", "wall_small")
    assert made.values["wall.step"].value == "small"
    assert spec(env="wall", protocol="wall_small").key() == made.key()


def test_places_that_do_not_fit():
    refused("missing --env NAME or --protocol NAME", env=None)
    refused("--env maze contradicts --protocol wall_big", env="maze", protocol="wall_big")
    refused("no protocol named 'wall_bigg'. Did you mean 'wall_big'?", env=None, protocol="wall_bigg")
    refused("There is a protocol of that name: --protocol wall_small", env="wall_small")
    refused("add --env NAME", env=None, protocol="generic")


def test_environment_without_a_protocol_takes_the_generic_one(tmp_plugin):
    tmp_plugin(MINE, environments={"world": "World"})
    made = spec(env="world", set=["world.size=5"])
    assert made.protocol == "generic"
    assert {role: chosen.name for role, chosen in made.networks.items()} == {"encoder": "strided", "predictor": "mlp"}
    assert made.values["world.size"].value == 5
    assert any("no protocol of its own" in note for note in made.notes)
    assert made.title() == "world-generic-vf_quasi-quick-s0"


def test_the_generic_protocol_can_be_named_for_any_environment(config):
    made = spec(protocol="generic", scale="smoke")
    assert (made.protocol, made.title()) == ("generic", "wall-generic-vf_quasi-smoke-s0")
    assert not any("no protocol of its own" in note for note in made.notes)
    again = resolve(RunRequest(config=config(made.to_config())))
    assert (again.protocol, again.title(), again.key()) == (made.protocol, made.title(), made.key())


# What


@pytest.mark.parametrize(
    ("objectives", "distance", "training", "recipe", "tau"),
    [
        (["iql"], "iqe", "separate", "vf_quasi", 0.6),
        (["iql"], "euclidean", "separate", "vf", 0.8),
        (["prediction", "iql"], "iqe", "joint", "vf_quasi_pred", 0.6),
        (["vcreg", "iql"], "euclidean", "separate", "vf_vcreg", 0.8),
        (["vcreg", "iql"], "iqe", "separate", None, 0.8),
    ],
)
def test_recipe_that_fits_gives_the_values(objectives, distance, training, recipe, tau):
    made = spec(objective=objectives, distance=distance)
    assert (made.recipe, made.training, made.values["iql.tau"].value) == (recipe, training, tau)
    assert made.values["iql.tau"].source == (f"recipe {recipe}" if recipe else "default")
    assert any((f"recipe {recipe} gives" if recipe else "no recipe fits") in note for note in made.notes)


def test_naming_the_recipe_or_its_parts_is_the_same_run():
    assert spec(recipe="vf-quasi").key() == spec().key() == spec(recipe="vf_quasi", objective=["iql"]).key()


def test_order_of_objectives_does_not_matter():
    assert spec(objective=["iql", "vcreg"]).key() == spec(objective=["vcreg", "iql"]).key()


def test_separate_training_has_a_stage_for_the_predictor():
    made = spec()
    assert [chosen.name for chosen in made.objectives_of("predictor_objectives")] == ["prediction"]
    assert spec(objective=["iql", "prediction"]).objectives_of("predictor_objectives") == ()


def test_weights():
    made = spec(objective=["iql:2", "vcreg:1e-2"])
    assert {chosen.name: chosen.weight for chosen in made.objectives} == {"iql": 2.0, "vcreg": 0.01}
    assert made.key() != spec(objective=["iql", "vcreg"]).key()
    for weight in ("0", "-1", "nan", "inf"):
        refused("weight must be a finite number above 0", objective=[f"iql:{weight}"])
    refused(r"expected NAME or NAME:WEIGHT with a number, e\.g\. iql:0\.5", objective=["iql:high"])


@pytest.mark.parametrize("asked", [{"distance": "euclidean"}, {"recipe": "vf_vcreg"}])
def test_a_recipe_with_other_weights_is_not_passed_off_as_the_recipe(config, asked):
    made = spec(objective=["iql", "vcreg:0.1"], **asked)
    assert made.recipe == "vf_vcreg" and made.values["iql.tau"].source == "recipe vf_vcreg"
    assert (
        "recipe vf_vcreg gives the values: it has iql + vcreg with distance euclidean, separate, but your weights are "
        "vcreg:0.1" in made.notes
    )
    assert made.title() == "wall_big-vf_vcreg-vcreg=0.1-quick-s0"
    assert resolve(RunRequest(config=config(made.to_config()))).title() == made.title()
    plain = spec(objective=["iql:1", "vcreg"], **asked)
    assert plain.title() == "wall_big-vf_vcreg-quick-s0"
    assert not any("your weights" in note for note in plain.notes)


def test_contradictions():
    refused(
        "--recipe vf means iql with distance euclidean, which contradicts --distance iqe", recipe="vf", distance="iqe"
    )
    refused("contradicts --objective vcreg", recipe="vf", objective=["vcreg"])
    refused("--training joint contradicts recipe vf", recipe="vf", training="joint")
    refused("--training joint: none of the objectives", training="joint")
    refused("--training separate: objective 'prediction'", objective=["iql", "prediction"], training="separate")
    refused("is given twice", objective=["iql", "iql:2"])
    refused("--objective iql needs a distance", distance=None)
    refused("--distance iqe needs an objective", objective=[])
    refused("missing --recipe NAME", objective=[], distance=None)
    refused("--training: unknown value 'both'", training="both")
    refused("--scale: unknown value 'qick'. Did you mean 'quick'", scale="qick")
    refused("network 'mlp' .* is for the predictor. Known: impala, strided", encoder="mlp")


def test_planner_that_is_the_baseline_itself_needs_none():
    assert spec(planner="random").baseline is None
    assert spec().baseline.name == "random"


def test_two_plugins_of_one_name_are_told_apart_by_slot(tmp_plugin):
    tmp_plugin(MINE, planners={"random": "Blind"}, dist="vgx-blind")
    made = spec(planner="vgx-blind:random", set=["planner.norm=y", "baseline:random.hold=2"])
    assert (made.planner.params.norm, made.baseline.params.hold) == ("y", 2)
    assert made.planner.entry.dist == "vgx-blind" and made.baseline.entry.dist == "vgbench"
    refused("could be several things here", planner="vgx-blind:random", set=["random.hold=2"])


# Values


def test_precedence(config):
    file = config({"set": {"mppi.horizon": 30, "iql.tau": 0.7}})
    made = spec(env="maze", config=file, objective=["iql"], distance="iqe", set=["iql.tau=.75"])
    sources = {name: (value.value, value.source) for name, value in made.values.items()}
    assert sources["iql.goal_last"] == ("segment", "default")
    assert sources["iql.gamma"] == (0.93, "recipe vf_quasi")
    assert sources["data.length"] == (101, "protocol maze")
    assert sources["mppi.samples"] == (32, "protocol maze, scale quick")
    assert sources["mppi.horizon"] == (30, f"--config {file}")
    assert sources["iql.tau"] == (0.75, "--set")
    assert sources["model.image_norm"] == ("whiten", "variant tuned")
    assert sources["mppi.noise"] == (5.0, "variant literal")  # which tuned extends


METHOD = {
    "iql.stride": 1,
    "iql.goal_scope": "batch",
    "model.image_norm": "channel",
    "mlp.residual": False,
    "strided.final_norm": "none",
    "mppi.temperature": 0.3,
}


@pytest.mark.parametrize("variant", ["literal", "pldm", "tuned"])
@pytest.mark.parametrize("place", [{"protocol": "maze"}, {"protocol": "wall_small"}, {"protocol": "wall_big"}])
def test_what_a_recipe_of_ones_own_names_is_never_overwritten(tmp_path, place, variant):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml_file.dump({"recipes": {"mine": {"extends": "vf_quasi_pred", "set": METHOD}}}))
    made = resolve(RunRequest(recipes=file, recipe="mine", variant=variant, device="cpu", **place))
    for name, value in METHOD.items():
        assert (made.values[name].value, made.values[name].source) == (value, "recipe mine")


def test_what_a_value_replaced_is_shown(tmp_path, vgbench_cli):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml_file.dump({"recipes": {"mine": {"extends": "vf", "set": {"iql.stride": 3}}}}))
    asked = ("run", "--recipes", str(file), "--recipe", "mine", "--protocol", "wall_small", "--dry-run")
    asked += ("--set", "iql.stride=2")
    values = vgbench_cli(*asked, "--format", "json").json()["values"]
    assert values["iql.stride"]["instead_of"] == [
        {"value": 3, "source": "recipe mine"},
        {"value": 6, "source": "variant tuned"},
        {"value": 1, "source": "variant literal"},
    ]
    assert "instead_of" not in values["iql.random_goals"]
    line = next(line for line in vgbench_cli(*asked).stdout.splitlines() if line.startswith("iql.stride"))
    assert "3 (recipe mine), 6 (variant tuned), 1 (variant literal)" in line


def test_flags_win_over_the_file(config):
    file = config({"protocol": "maze", "recipe": "vf", "seed": 3, "scale": "smoke"})
    assert spec(env=None, config=file).title() == "maze-vf-smoke-s3"
    assert spec(env="wall", config=file, seed=4, scale="quick").title() == "wall_big-vf-quick-s4"
    assert spec(env=None, config=file, recipe="vf_quasi").recipe == "vf_quasi"
    assert spec(env=None, config=file, objective=["iql"], distance="iqe").recipe == "vf_quasi"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("train.lr=1e-4", 1e-4),
        ("train.lr=0.5", 0.5),
        ("train.steps=010", 10),
        ("mlp.residual=false", False),
        ("mlp.residual=no", False),
        ("mlp.hidden=[64, 32]", [64, 32]),
        ("wall.max_step=null", None),
        ("wall.max_step=5", 5.0),
        ("env.layout=fixed", "fixed"),
        ("environment.layout=fixed", "fixed"),
        ("objective.tau=.9", 0.9),
        ("distance.component_dim=16", 16),
        ("planner.samples=8", 8),
        ("train-predictor.weight-decay=0", 0.0),
    ],
)
def test_values_from_the_command_line(text, value):
    made = spec(set=[text])
    found = [v.value for v in made.values.values() if v.source == "--set"]
    assert found == [value] and type(found[0]) is type(value)


def test_text_stays_text(tmp_plugin):
    tmp_plugin(MINE, objectives={"term": "Term"})
    made = spec(objective=["term"], set=["term.must=1", "term.mode=1.10", "term.level=null"])
    assert (made.objectives[0].params.mode, made.objectives[0].params.level) == ("1.10", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("iql.tau=1.2", "--set iql.tau=1.2: tau of objective 'iql' (vgbench 0.1.0) must be less than 1"),
        ("objective.tau=0", "--set objective.tau=0: tau of objective 'iql' (vgbench 0.1.0) must be greater than 0"),
        ("iql.tau=.nan", "must be a finite number"),
        ("iql.tau=nan", "must be a finite number"),
        ("train.lr=.inf", "must be a finite number"),
        ("iql.tau=high", "must be a valid number"),
        ("iql.tau=[1]", "must be a valid number"),
        ("iql.tau=true", "expected number, got true"),
        ("train.steps=1.5", "must be a valid integer"),
        ("mlp.hidden=5", "hidden of network 'mlp' (vgbench 0.1.0) must be a list of whole numbers"),
        ("iql.taau=.5", "has no parameter 'taau'. Did you mean 'tau'? Known: gamma, goal_last"),
        ("mppi.lambda=1", "It is called 'temperature' now."),
        ("euclidean.x=1", "distance 'euclidean' (vgbench 0.1.0) is not part of this run, which has: wall, iql"),
        ("ilq.tau=1", "there is no plugin or setting 'ilq'. Did you mean 'iql'?"),
        ("wall.layout=fixt", "must be 'fixed', 'per_dataset' or 'per_trajectory'. Did you mean 'fixed'?"),
        ("tau=1", "expected name.param, e.g. wall.step=big"),
        ("planner=icem", "To choose a planner: --planner of `vgbench run`, --grid planner=A,B of `vgbench sweep`"),
        ("iql.tau", "expected name.param=value"),
        ("iql.tau=", "expected name.param=value"),
        ("=1", "expected name.param=value"),
        ("train.window=65", "train.window=65 is longer than a trajectory: data.length=64"),
        ("train.batch=50000", "train.batch=50000 is more than the 49000 windows"),
    ],
)
def test_values_that_do_not_fit(text, message):
    sets = [text, "train.batch=8"] if text.startswith("data.") else [text]
    refused(re.escape(message), set=sets)


def test_ambiguous_slot_lists_the_candidates():
    refused("write one of: iql.tau", objective=["iql", "vcreg"], set=["objective.tau=.5"])


def test_third_party_errors_name_the_package(tmp_plugin):
    tmp_plugin(MINE, objectives={"term": "Term"}, dist="vgx-term", version="3.1")
    refused(r"objective 'term' \(vgx-term 3\.1\) needs a value for must: --set term\.must=", objective=["term"])
    refused("needs at least 4", objective=["term"], set=["term.must=1", "train.window=3"])


def test_inert_values_are_kept_apart():
    made = spec()
    assert made.unused["vcreg.axes"].source == "variant literal"
    assert "vcreg.axes" not in made.values
    other = spec(objective=["iql", "vcreg"])
    assert "vcreg.axes" in other.values and "vcreg.axes" not in other.unused


# Seeds and device


def test_seeds():
    made = spec(seed=1, data_seed=2, task_seed=3)
    assert (made.seed, made.data_seed, made.task_seed) == (1, 2, 3)
    # Data, and so the layout, vary with the seed of training; the tasks' seed does not.
    follows = spec(seed=4)
    assert (follows.seed, follows.data_seed, follows.task_seed) == (4, 4, 0)
    assert follows.selections["data_seed"].source == "seed"
    refused("--data-seed -1: a seed must be a whole number", data_seed=-1)


def test_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert spec(device="auto").device == spec(device=None).device == "cpu"
    refused("--device cuda: .* (finds no CUDA device|is a CPU-only build)", device="cuda")
    refused("--device: unknown value 'gpu'", device="gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert spec(device="auto").device == "cuda"
    assert spec(device="auto").key() != spec(device="cpu").key()


# Identity


def test_key_depends_on_results_alone(tmp_plugin):
    key = spec().key()
    assert re.fullmatch("[0-9a-f]{8}", key)
    assert spec(set=["iql.tau=0.6"]).key() == key
    changed = [
        {"seed": 1},
        {"data_seed": 1},
        {"task_seed": 1},
        {"set": ["iql.tau=.61"]},
        {"set": ["mpc.block_rows=8"]},
    ]
    changed += [{"planner": "random"}, {"encoder": "impala"}, {"distance": "euclidean"}, {"scale": "smoke"}]
    assert len({key, *(spec(**change).key() for change in changed)}) == len(changed) + 1


def test_key_changes_with_a_plugins_version(monkeypatch):
    before = spec()
    key = before.key()
    monkeypatch.setattr(before.distance.cls, "version", 2)
    assert spec().key() != key


def test_identity_is_json():
    identity = spec(set=["mlp.hidden=[8]"]).identity()
    assert json.loads(json.dumps(identity)) == identity


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"env": "maze", "recipe": "vf_vcreg_pred", "scale": "paper"},
        {"objective": ["iql:2.5", "vcreg:0.1"], "distance": "iqe", "seed": 3, "data_seed": 4, "task_seed": 5},
        {"planner": "random", "scale": "smoke", "set": ["wall.max_step=null", "mlp.hidden=[]", "train.lr=1e-5"]},
    ],
)
def test_config_that_is_written_is_the_same_run(config, fields):
    before = spec(**fields)
    after = resolve(RunRequest(config=config(before.to_config())))
    assert after.key() == before.key() and after.title() == before.title()
    assert resolve(RunRequest(config=config(json.dumps(before.to_config())))).key() == before.key()


def test_a_run_of_an_older_version_does_not_take_what_the_registry_has_since_come_to_give(config):
    """A parameter that is younger than the file: the run had what is now its default."""
    content = spec(env=None, protocol="wall_small", recipe="vf_quasi").to_config()
    assert content["set"].pop("iql.stride") != 1
    again = resolve(RunRequest(config=config(content)))
    assert again.values["iql.stride"].value == 1
    assert any("iql.stride" in note and "older" in note for note in again.notes)
    # A file that a user wrote is not complete, nor does it know of a plugin that a flag brings in.
    del content["complete"]
    assert resolve(RunRequest(config=config(content))).values["iql.stride"].value == 6
    baseline = spec(env="maze", recipe="vf_quasi", planner="random").to_config()
    assert not any(address.startswith("mppi.") for address in baseline["set"])
    planned = resolve(RunRequest(config=config(baseline), planner="mppi"))
    assert planned.values["mppi.noise"].value == 5


def test_config_of_third_parties_is_the_same_run(config, tmp_plugin):
    tmp_plugin(MINE, environments={"world": "World"}, planners={"random": "Blind"}, dist="vgx-mine")
    before = spec(env="world", planner="vgx-mine:random", set=["planner.norm=z"])
    assert resolve(RunRequest(config=config(before.to_config()))).key() == before.key()


def test_an_unknown_name_is_told_with_where_it_stands(config):
    """In a file of twenty keys, or beside several flags, the name alone does not say what to change."""
    refused("^--env wal: no environment named 'wal'. Did you mean 'wall'", env="wal")
    refused("^--env wall_small: .* There is a protocol of that name: --protocol wall_small$", env="wall_small")
    refused("^--protocol wall_bigg: no protocol named", env=None, protocol="wall_bigg")
    refused("^--recipe vff: no recipe named", recipe="vff")
    refused("^--objective iqll: no objective named", objective=["iqll"])
    refused("^--distance iqx: no distance named", distance="iqx")
    refused("^--planner mpi: no planner named", planner="mpi")
    refused("^--encoder striped: no network named", encoder="striped")
    whole = {"environment": "wall", "objectives": ["iql"], "distance": "iqe"}
    wrong = {"environment": "wal", "objectives": ["iqll"], "distance": "iqx", "planner": "mpi", "head": "strided"}
    for key, name in (wrong | {"baseline": "rndom", "predictor_objectives": ["predict"]}).items():
        file = config(whole | {key: name})
        message = refused("no .* named|is for the", env=None, config=file)
        assert message.startswith(f"--config {file}: {key}: {name}: ")


# Bad files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("recipe: vf\nrecipe: vf", r"--config .*config\.yaml:2: duplicate key 'recipe'"),
        ("recpe: vf", "unknown key 'recpe'. Did you mean 'recipe'"),
        ("recipe: 3", "recipe: expected text, got 3"),
        ("complete: 1", "complete: expected true or false, got 1"),
        ("seed: two", "seed: expected a whole number, got 'two'"),
        ("seed: true", "seed: expected a whole number, got True"),
        ("objectives: iql", "objectives: expected a list of names"),
        ("objectives: [1]", "objectives: expected a list of names"),
        ("objectives: []\ndistance: iqe", "at least one objective"),
        ("set: [1]", "set: expected"),
        ("- 1", "expected `key: value` lines"),
        ("", "expected `key: value` lines"),
        ("a: [", "not valid YAML"),
        ("format: 9", "has format 9; this vgbench reads format 1"),
        ("recipe: vf\nset: {iql.tau: 2}", r"iql\.tau=2: tau of objective 'iql' .* must be less than 1"),
        ("recipe: vf\nset: {iqe.component_dim: 2}", "is not part of this run"),
        ("recipe: vf\nset: {3: 2}", r"3=2: expected name\.param"),
        (
            "recipe: vf\nset: {iql.tau: .5, objective.tau: .6}",
            r"--config .*: objective\.tau=0\.6: this is also iql\.tau=0\.5 there; keep one of the two",
        ),
        ("recipe: vf\nset: {mpc.block-rows: 8, mpc.block_rows: 9}", "keep one of the two"),
        ("recipe: vf\npredictor_objectives: [vcreg]", r"none of these objectives \(vcreg\) trains the predictor"),
    ],
)
def test_bad_config(config, content, message):
    refused(message, config=config(content))


def test_config_that_cannot_be_read(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    refused("--config .*nowhere.yaml: there is no such file", config=tmp_path / "nowhere.yaml")
    refused("is a folder", config=tmp_path)
    refused("is not text", config=tmp_path / "binary")


# Data alone


def test_data_request():
    made = resolve_data(RunRequest(env="maze", data_seed=7, set=["data.length=11", "maze.substeps=2"]))
    assert (made.environment.name, made.settings.length, made.settings.trajectories, made.seed) == ("maze", 11, 1000, 7)
    for text, name in (("iql.tau=.5", "objective 'iql'"), ("train.lr=1", "settings 'train'")):
        with pytest.raises(UsageError, match=f"{name}.* has no part in collecting data, .* values for: maze, data$"):
            resolve_data(RunRequest(env="maze", set=[text]))


def test_a_scale_cannot_relabel_a_file_whose_values_are_written_out(tmp_path):
    """Values under `set` outrank a scale: a smoke run's file with --scale quick would be smoke under another name."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml_file.dump(resolve(RunRequest(env="wall", recipe="vf", scale="smoke")).to_config()))
    for flag in ({"scale": "quick"}, {"protocol": "wall_small"}):
        with pytest.raises(UsageError, match=r"contradicts .* in --config"):
            resolve(RunRequest(config=path, **flag))
    assert resolve(RunRequest(config=path, scale="smoke", seed=3)).seed == 3


def test_a_flag_wins_over_a_file_whose_values_have_nothing_to_do_with_it(config):
    own = {"environment": "wall", "recipe": "vf_quasi", "scale": "smoke", "set": {"iql.tau": 0.7}}
    made = resolve(RunRequest(config=config(own), scale="quick"))
    assert (made.scale, made.values["iql.tau"].value, made.values["train.steps"].value) == ("quick", 0.7, 0)
    assert resolve(RunRequest(config=config(own), protocol="wall_small")).values["wall.step"].value == "small"
    same_at_both = own | {"set": {"train.lr": 5e-3}}
    assert resolve(RunRequest(config=config(same_at_both), scale="quick")).values["train.lr"].value == 5e-3


@pytest.mark.parametrize(
    ("values", "flag", "message"),
    [
        ({"train.steps": 6}, {"scale": "quick"}, r"--scale quick contradicts `scale: smoke` in .* \(train\.steps\)"),
        ({"planner.samples": 32}, {"scale": "paper"}, r"\(planner\.samples\)"),
        (
            {"wall.step": "big", "iql.tau": 0.7},
            {"protocol": "wall_small"},
            r"contradicts the place in .* \(wall\.step\)",
        ),
        ({"data.length": 64}, {"env": "maze"}, r"--env maze contradicts `environment: wall` in .* \(data\.length\)"),
    ],
)
def test_a_flag_cannot_relabel_a_file_that_keeps_values_of_the_old_scale_or_place(config, values, flag, message):
    file = config({"environment": "wall", "recipe": "vf_quasi", "scale": "smoke", "set": values})
    refused(message, **({"env": None, "config": file} | flag))


def test_naming_the_environment_again_cannot_relabel_the_protocol(config):
    file = config(spec(env=None, protocol="wall_small").to_config())
    refused("--env wall contradicts", config=file)
