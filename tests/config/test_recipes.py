"""Recipes of a user's own: `extends`, --recipes, and mistakes named with file and line."""

import textwrap

import pytest
import yaml

MINE = """\
recipes:
  lower:
    summary: a lower expectile
    extends: vf
    set:
      iql.tau: 0.7
  lower_quasi:
    extends: lower
    distance: iqe
"""
PLACE = ("run", "--protocol", "wall_small", "--scale", "smoke", "--recipes", "mine.yaml")


@pytest.fixture
def mine(vgbench_cli, tmp_path):
    def call(text, *args):
        (tmp_path / "mine.yaml").write_text(textwrap.dedent(text))
        return vgbench_cli(*(args or (*PLACE, "--recipe", "vf", "--dry-run")))

    return call


def test_a_recipe_takes_over_what_it_does_not_say(mine):
    result = mine(MINE, *PLACE, "--recipe", "lower_quasi", "--dry-run", "--format", "json")
    assert result.exit_code == 0, result.stderr
    choices, values = result.json()["selections"], result.json()["values"]
    assert choices["distance"] == {"value": "iqe", "source": "recipe lower_quasi"}
    assert choices["objectives"]["value"] == ["iql"] and choices["training"]["value"] == "separate"
    assert values["iql.tau"]["value"] == 0.7 and values["iql.gamma"]["value"] == 0.98  # lower's, then vf's


def test_a_run_of_it_stands_on_its_own(mine, vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    tiny = ["train.steps=2", "train_predictor.steps=2", "evaluation.tasks=2", "mpc.max_steps=4"]
    sets = [text for value in tiny for text in ("--set", value)]
    assert mine(MINE, *PLACE, "--recipe", "lower_quasi", *sets, "--out", "r").exit_code == 0
    (tmp_path / "mine.yaml").unlink()
    again = vgbench_cli("run", "--config", "r/config.yaml", "--out", "r")
    assert again.exit_code == 0, again.stderr
    config = yaml.safe_load((tmp_path / "r" / "config.yaml").read_text())
    assert config["recipes"]["lower_quasi"]["set"] == {"iql.tau": 0.7, "iql.gamma": 0.98}
    # The recipe can be taken from the record, too.
    other = vgbench_cli(*PLACE[:-1], "r/config.yaml", "--recipe", "lower_quasi", "--dry-run")
    assert other.exit_code == 0, other.stderr


def test_a_sweep_takes_it(mine):
    grid = ("--protocol", "wall_small", "--grid", "iql.tau=0.5,0.6", "--scale", "smoke", "--dry-run")
    result = mine(MINE, "sweep", "--recipes", "mine.yaml", "--recipe", "lower", *grid)
    assert result.exit_code == 0 and "lower-iql.tau=0.5/s0" in result.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "recipes:\n  a: {extends: b}\n  b: {extends: c}\n  c: {extends: a}",
            "mine.yaml:4: recipes.c.extends: the recipes extend each other in a circle: a -> b -> c -> a",
        ),
        ("recipes:\n  a: {extends: a}", "mine.yaml:2: recipes.a.extends: the recipes extend each other in a circle"),
        ("recipes:\n  a: {objectives: [iql], distance: iqe}", "mine.yaml:2: recipes.a: missing: summary, training"),
        ("recipes:\n  a: {extends: vff}", "mine.yaml:2: recipes.a.extends: no recipe named 'vff'. Did you mean 'vf'?"),
        (
            "recipes:\n  a:\n    extends: vf\n    objectives: [iqll]",
            "mine.yaml:4: recipes.a.objectives: no objective named 'iqll'. Did you mean 'iql'?",
        ),
        ("recipes:\n  a:\n    extends: vf\n    distance: iqx", "mine.yaml:4: recipes.a.distance: no distance named"),
        (
            "recipes:\n  a:\n    extends: vf\n    set:\n      iql.taau: 0.7",
            "mine.yaml:5: recipes.a.set.iql.taau=0.7: objective 'iql' (vgbench 0.1.0) has no parameter 'taau'. Did you",
        ),
        (
            "recipes:\n  a:\n    extends: vf\n    set:\n      iqll.tau: 0.7",
            "mine.yaml:5: recipes.a.set.iqll.tau=0.7: there is no plugin or setting 'iqll'. Did you mean 'iql'?",
        ),
        ("recipes:\n  a:\n    extends: vf\n    set:\n      iql.tau: 7", "mine.yaml:5: recipes.a.set.iql.tau=7: tau of"),
        (
            "recipes:\n  a:\n    extends: vf\n    training: joint",
            "mine.yaml:4: recipes.a.training: none of the objectives (iql) trains the predictor",
        ),
        ("recipes:\n  a:\n    extends: vf\n    training: jointly", "mine.yaml:4: recipes.a.training: unknown value"),
        (
            "recipes:\n  a: {summary: s, objectives: [two_level_iql], distance: euclidean, training: separate}",
            "mine.yaml:2: recipes.a: objective 'two_level_iql' needs a distance of several levels",
        ),
        (
            "recipes:\n  a:\n    extends: vf_quasi\n    distance: euclidean\n    set:\n      iqe.component_dim: 4",
            "mine.yaml:6: recipes.a.set.iqe.component_dim: distance 'iqe' is not part of recipe a, which has iql, "
            "euclidean. Did you mean 'iql'?",
        ),
        (
            "recipes:\n  a:\n    extends: vf\n    objectives: [two_level_iql, vcreg]\n    distance: two_level\n"
            "    set: {iql.tau: 0.7}",
            "mine.yaml:6: recipes.a.set.iql.tau: objective 'iql' is not part of recipe a, which has two_level_iql, "
            "vcreg, two_level. Known: two_level, two_level_iql, vcreg.",
        ),
        ("recipes:\n  vf: {extends: vf_quasi}", "mine.yaml:2: recipes.vf: there is a recipe of that name"),
        ("recipes:\n  a: {extends: vf, distence: iqe}", "mine.yaml:2: recipes.a: unknown key 'distence'. Did you mean"),
        ("recipes:\n  a: {extends: vf, objectives: iql}", "recipes.a.objectives: expected a list of names, got 'iql'"),
        ("recipes:\n  a: {extends: vf, summary: [x]}", "recipes.a.summary: expected text, got ['x']"),
        ("recipes:\n  a: {extends: vf, set: 3}", "recipes.a.set: expected `key: value` lines, got 3"),
        ("recipes:\n  a b: {extends: vf}", "recipes.a b: expected a name of letters, digits and _"),
        ("recipes: [a]", "mine.yaml:1: recipes: expected `key: value` lines, got ['a']"),
        ("", "mine.yaml: expected `key: value` lines, got None"),
        ("scale: smoke", "--recipes mine.yaml: expected a section `recipes`"),
        ("recipes:\n  a: {extends: vf}\n  a: {}", "--recipes mine.yaml:3: duplicate key 'a'"),
    ],
)
def test_mistakes_are_named_with_file_and_line_though_another_recipe_runs(mine, tmp_path, text, message):
    result = mine(text)
    assert result.exit_code == 2 and message in result.stderr, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml"]


def test_what_is_inherited_or_of_a_protocol_may_be_without_effect(mine):
    text = """\
    recipes:
      base: {extends: vf_quasi, set: {iqe.component_dim: 4}}
      other: {extends: base, distance: euclidean, set: {iql.tau: 0.7, maze.max_force: 2.0}}
    """
    result = mine(text, *PLACE, "--recipe", "other", "--dry-run", "--format", "json")
    assert result.exit_code == 0, result.stderr
    values = result.json()["values"]
    assert values["iql.tau"]["value"] == 0.7 and "iqe.component_dim" not in values


def test_a_symmetric_distance_where_a_stranger_needs_another(mine, tmp_plugin):
    code = """
        from vgbench.api import *

        class OneWay(Objective):
            needs = frozenset({"asymmetric"})

            def loss(self, batch, model, noise):
                raise NotImplementedError
    """
    tmp_plugin(code, objectives={"one_way": "OneWay"})
    text = "recipes:\n  a: {summary: s, objectives: [one_way], distance: euclidean, training: separate}"
    result = mine(text)
    assert result.exit_code == 2
    assert "mine.yaml:2: recipes.a: objective 'one_way' needs an asymmetric distance, which" in result.stderr


def test_the_same_in_a_configuration_file(vgbench_cli, tmp_path):
    head = "protocol: wall_small\nscale: smoke\nrecipe: vf\n"
    (tmp_path / "c.yaml").write_text(f"{head}recipes:\n  a:\n    extends: vf\n    set: {{iql.tau: 2}}\n")
    result = vgbench_cli("run", "--config", "c.yaml", "--dry-run")
    assert result.exit_code == 2 and "c.yaml:7: recipes.a.set.iql.tau=2: tau of objective 'iql'" in result.stderr


def test_a_chain_of_hundreds_is_refused_not_followed(tmp_path, vgbench_cli):
    lines = ["recipes:", "  r0: {extends: vf}", *(f"  r{i}: {{extends: r{i - 1}}}" for i in range(1, 500))]
    lines = [lines[0], *reversed(lines[1:])]
    (tmp_path / "mine.yaml").write_text("\n".join(lines) + "\n")
    result = vgbench_cli("run", "--recipes", "mine.yaml", "--recipe", "r499", "--env", "wall", "--dry-run")
    assert result.exit_code == 2
    assert "mine.yaml:2: recipes.r499: it extends a recipe that extends another, more than 32 times" in result.stderr


@pytest.mark.parametrize("text", ["true: {extends: vf}", "3: {extends: vf}", "null: {extends: vf}", "mine: {1: vf}"])
def test_a_name_that_is_no_text_is_refused(tmp_path, vgbench_cli, text):
    (tmp_path / "mine.yaml").write_text(f"recipes:\n  {text}\n")
    result = vgbench_cli("run", "--recipes", "mine.yaml", "--recipe", "mine", "--env", "wall", "--dry-run")
    assert result.exit_code == 2 and "mine.yaml:" in result.stderr, result.stderr
    assert "expected a name in front of the colon" in result.stderr
