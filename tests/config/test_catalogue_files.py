"""Recipes, protocols, variants and suites of one's own: a file's, and those that an installed package brings."""

import json

import pytest

MINE = """
recipes:
  mine:
    extends: vf
    set: {iql.tau: 0.9}
protocols:
  my_wall:
    extends: wall_big
    summary: a fixed wall
    set: {wall.layout: fixed, mpc.max_steps: 20}
    scales:
      smoke: {set: {evaluation.tasks: 3}}
variants:
  keen:
    extends: tuned
    summary: plans at every step
    choices:
      - {name: replan, why: to see, set: {mpc.replan_every: 1}}
suites:
  my_table:
    summary: mine beside vf
    recipes: [mine, vf]
    protocols: [my_wall, wall_big]
    seeds: [0, 1]
    claims:
      - {name: better, text: mine is better, a: mine, b: vf, protocols: [my_wall]}
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return path


def dry(done):
    assert done.exit_code == 0, done.stderr
    return done.json()["values"]


def test_a_suite_of_a_file_runs_its_recipes_on_its_protocols(mine, vgbench_cli):
    done = vgbench_cli("suite", mine, "--dry-run", "--format", "json")
    assert done.exit_code == 0, done.stderr
    runs = done.json()["runs"]
    assert [(r["protocol"], r["recipe"], r["seed"]) for r in runs] == [
        (protocol, recipe, seed) for protocol in ("my_wall", "wall_big") for recipe in ("mine", "vf") for seed in (0, 1)
    ]
    assert len({r["key"] for r in runs}) == 8


def test_recipes_of_a_file_stand_beside_those_of_a_suite(mine, vgbench_cli):
    options = ("--recipes", mine, "--only", "mine,vf,wall_big", "--seeds", "3", "--dry-run", "--format", "json")
    done = vgbench_cli("suite", "paper_table_2", *options)
    assert done.exit_code == 0, done.stderr
    assert [(r["recipe"], r["seed"]) for r in done.json()["runs"]] == [("vf", 3), ("mine", 3)]


def test_a_protocol_begins_with_the_values_of_the_one_that_it_extends_and_a_variant_does_not_replace_its_own(
    mine, vgbench_cli
):
    options = ("--recipes", mine, "--recipe", "mine", "--dry-run", "--format", "json")
    values = dry(vgbench_cli("run", "--protocol", "my-wall", *options))
    assert values["wall.layout"]["value"] == "fixed" and values["wall.layout"]["source"] == "protocol my_wall"
    assert values["mpc.max_steps"]["value"] == 20 and values["iql.tau"]["value"] == 0.9
    # Of wall_big: its step, its scale's tasks, and what the variant tuned has for it.
    assert values["wall.step"]["value"] == "big" and values["evaluation.tasks"]["value"] == 100
    assert values["mpc.replan_every"]["value"] == 4
    smoke = dry(vgbench_cli("run", "--protocol", "my_wall", "--scale", "smoke", *options))
    assert smoke["evaluation.tasks"]["value"] == 3
    keen = dry(vgbench_cli("run", "--protocol", "my_wall", "--variant", "keen", *options))
    assert keen["mpc.replan_every"] == keen["mpc.replan_every"] | {"value": 1, "source": "variant keen"}


def test_a_run_keeps_what_its_file_said_and_goes_on_without_it(mine, vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    options = ("--recipes", mine, "--recipe", "mine", "--variant", "keen", "--scale", "smoke", "--out", "run")
    done = vgbench_cli("run", "--protocol", "my_wall", *options)
    assert done.exit_code == 0, done.stderr
    key = json.loads((tmp_path / "run" / "run.json").read_text())["key"]
    mine.unlink()
    again = vgbench_cli("run", "--config", "run/config.yaml", "--dry-run", "--format", "json")
    assert again.exit_code == 0, again.stderr
    assert again.json()["key"] == key
    shown = vgbench_cli("report", "run", "--scale", "smoke", "--format", "json")
    assert shown.exit_code == 0, shown.stderr
    (cell,) = shown.json()["cells"]
    assert (cell["recipe"], cell["protocol"], cell["state"]) == ("mine", "my_wall", "done")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "extends: wall_big",
            "extends: wall_bigg",
            "mine.yaml:8: protocols.my_wall.extends: unknown value",
        ),
        (
            "my_wall:\n    extends",
            "wall_big:\n    extends",
            "protocols.wall_big: there is a protocol of that name",
        ),
        ("  mine:\n    extends", "  vf:\n    extends", "recipes.vf: there is a recipe of that name already"),
        ("recipes: [mine, vf]", "recipes: [mine, fv]", "mine.yaml:22: suites.my_table.recipes.1: unknown value 'fv'"),
        (
            "protocols: [my_wall, wall_big]",
            "protocols: [my_wal]",
            "my_table.protocols.0: unknown value 'my_wal'",
        ),
        ("b: vf, protocols", "b: fv, protocols", "claims.0.b: no recipe named 'fv'"),
        ("evaluation.tasks: 3", "iql.tau: 0.3", "a scale sets budget alone"),
        ("extends: tuned", "default: true", "the default variant is tuned"),
        ("summary: mine beside vf", "sumary: mine", "suites.my_table: unknown key 'sumary'. Did you mean 'summary'?"),
        (
            "recipes: [mine, vf]",
            "recipes: [mine, vf, mine]",
            "mine.yaml:22: suites.my_table.recipes.2: 'mine' stands there",
        ),
        ("[my_wall, wall_big]", "[my_wall, my_wall]", "my_table.protocols.1: 'my_wall' stands there twice"),
        ("seeds: [0, 1]", "seeds: [0, one]", "mine.yaml:24: suites.my_table.seeds.1: a seed is a whole number"),
        ("seeds: [0, 1]", "seeds: [0, 0]", "mine.yaml:24: suites.my_table.seeds.1: seed 0 stands there twice"),
        ("a: mine, b", "a: vf_quasi, b", "mine.yaml:26: suites.my_table.claims.0.a: recipe 'vf_quasi' is not part"),
        ("[my_wall]}", "[maze]}", "claims.0.protocols: protocol 'maze' is not part of the suite. Known: my_wall"),
        (
            "[my_wall]}",
            "[my_wall], interaction: maze}",
            "claims.0.interaction: protocol 'maze' is not part of the suite",
        ),
        (
            "seeds: [0, 1]",
            "published: {fv: {my_wall: 0.9}}",
            "mine.yaml:24: suites.my_table.published.fv: unknown value",
        ),
        ("seeds: [0, 1]", "published: {vf: {my_wall: 90}}", "published.vf.my_wall: expected a rate of 0 to 1, got 90"),
        (
            "seeds: [0, 1]",
            "published_n: {my_wall: many}",
            "published_n.my_wall: expected a number of tasks, got 'many'",
        ),
        ("seeds: [0, 1]", "only: {fv: [my_wall]}", "suites.my_table.only.fv: unknown value 'fv'. Did you mean 'vf'?"),
        ("seeds: [0, 1]", "only: {vf: [maze]}", "suites.my_table.only.vf.0: unknown value 'maze'"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(mine, vgbench_cli, old, new, message):
    assert old in MINE
    mine.write_text(MINE.replace(old, new, 1))
    done = vgbench_cli("suite", mine, "--dry-run")
    assert done.exit_code == 2 and message in done.stderr, done.stderr


def test_a_file_without_a_suite_or_with_two_is_refused(mine, vgbench_cli):
    mine.write_text(MINE.partition("suites:")[0])
    done = vgbench_cli("suite", mine, "--dry-run")
    assert done.exit_code == 2 and "it has no suite; expected a section `suites`" in done.stderr
    mine.write_text("recipe:\n  mine: {extends: vf}\n")
    done = vgbench_cli("suite", mine, "--dry-run")
    assert done.exit_code == 2 and "mine.yaml:1: 'recipe' is no section. Did you mean 'recipes'?" in done.stderr
    mine.write_text(MINE + "  other: {summary: x, recipes: [vf], protocols: [wall_big]}\n")
    done = vgbench_cli("suite", mine, "--dry-run")
    assert done.exit_code == 2 and "2 suites (my_table, other): name one, with --recipes" in done.stderr
    done = vgbench_cli("suite", "other", "--recipes", mine, "--dry-run")
    assert done.exit_code == 0 and "1 run: 1 new" in done.stdout


def test_the_file_that_new_writes_runs_as_it_is(vgbench_cli, tmp_path):
    done = vgbench_cli("new", "suite", "my_table")
    assert done.exit_code == 0 and (tmp_path / "my_table.yaml").is_file()
    done = vgbench_cli("suite", "my_table.yaml", "--dry-run", "--format", "json")
    assert done.exit_code == 0 and len(done.json()["runs"]) == 18
    done = vgbench_cli("new", "suite", "my_table")
    assert done.exit_code == 2 and "exists already" in done.stderr


PACKAGE = "[vgbench.catalogues]\nvgx_mine = vgx_mine:more.yaml\n"


def test_an_installed_package_brings_recipes_protocols_and_suites(tmp_plugin, vgbench_cli):
    site = tmp_plugin("raise RuntimeError('imported')", raw=PACKAGE)
    (site / "more.yaml").write_text(MINE)
    listed = vgbench_cli("list", "--format", "json")
    assert listed.exit_code == 0, listed.stderr
    rows = {(row["kind"], row["name"]): row for row in listed.json()}
    for kind, name in (("recipe", "mine"), ("protocol", "my_wall"), ("variant", "keen"), ("suite", "my_table")):
        assert (rows[kind, name]["dist"], rows[kind, name]["version"]) == ("vgx-mine", "0.1")
    assert rows["recipe", "vf"]["dist"] == "vgbench"
    assert vgbench_cli("suite", "my_table", "--dry-run").exit_code == 0
    assert dry(vgbench_cli("run", "--protocol", "my_wall", "--recipe", "mine", "--dry-run", "--format", "json"))


def test_a_package_whose_file_is_wrong_is_left_out_and_named(tmp_plugin, vgbench_cli):
    site = tmp_plugin("", raw=PACKAGE)
    (site / "more.yaml").write_text(MINE.replace("  mine:\n    extends", "  vf:\n    extends"))
    done = vgbench_cli("list", "recipe")
    assert done.exit_code == 0 and "mine" not in done.stdout
    assert "catalogue 'vgx_mine' of vgx-mine 0.1 is left out" in done.stderr
    assert "more.yaml:3: recipes.vf: there is a recipe of that name already" in done.stderr
    (site / "more.yaml").unlink()
    assert vgbench_cli("run", "--env", "wall", "--recipe", "vf", "--dry-run").exit_code == 0
