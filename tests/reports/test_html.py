"""`vgbench report --html`: one page with everything inside."""

import hashlib
import json
import os
import shutil
import time
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vgbench.cli import app
from vgbench.config.resolve import RunRequest, resolve
from vgbench.reports.plots.run_plots import GROUPS

SOURCE = Path(__file__).parents[2] / "results" / "quick" / "maze-vf_quasi-s0"  # 64 of 80, baseline 14 of 80
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """A page taken apart: tags have to be closed in order; ids, references, texts and images are kept."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.images, self.words = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.references += [about[name] for name in ("src", "href", "srcset", "data", "action") if name in about]
        self.ids += [about["id"]] if "id" in about else []
        self.images += [about] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def lay(runs, protocol, recipe, seed=0, source=SOURCE, variant=None):
    """Lay a copy of the record down as the current run of a cell."""
    path = runs / f"{protocol}-{recipe}-{f'{variant}-' if variant else ''}s{seed}"
    shutil.copytree(source, path)
    spec = resolve(
        RunRequest(protocol=protocol, recipe=recipe, scale="quick", seed=seed, device="cpu", variant=variant)
    )
    run, result = (json.loads((path / f"{name}.json").read_text()) for name in ("run", "result"))
    run |= {"key": spec.key(), "recipe": recipe, "protocol": protocol, "identity": spec.identity()}
    run |= {"variant": variant} if variant else {}
    result |= {"key": spec.key()}
    for name, content in (("run", run), ("result", result)):
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


@pytest.fixture
def record(runs):
    return partial(lay, runs)


RECIPES = ["contrastive", "regressive", "pred_vcreg", "pred_ema", "vf", "vf_pred", "vf_quasi_pred", "vf_vcreg"]


@pytest.fixture
def thirty(made_once, runs):
    """Lay thirty runs down with pictures: `report --draw` has drawn those of the first, the others have copies."""

    def make(folder):
        cells = [
            lay(folder / "runs", protocol, recipe)
            for protocol in ("maze", "wall_big", "wall_small")
            for recipe in (*RECIPES, "vf_quasi", "vf_vcreg_pred")
        ]
        command = ["report", cells[0], "--suite", "paper_table_2", "--html", folder / "page.html", "--draw"]
        done = CliRunner().invoke(app, [str(part) for part in command])
        assert done.exit_code == 0, done.stderr
        assert done.stderr.count(": pictures of ") == 1
        for cell in cells[1:]:
            shutil.copytree(cells[0] / "plots", cell / "plots")
            index = json.loads((cell / "plots" / "plots.json").read_text())
            for group in (group for group in GROUPS if group.name in index):
                index[group.name]["stamp"] = group.stamp(cell)
            (cell / "plots" / "plots.json").write_text(json.dumps(index))

    shutil.copytree(made_once("thirty drawn runs", make) / "runs", runs)


@pytest.fixture
def page(vgbench_cli, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))

    def call(*args):
        options = () if "--suite" in args else ("--suite", "paper_table_2")
        result = vgbench_cli("report", runs, "--html", tmp_path / "page.html", *options, *args)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.strip() == str(tmp_path / "page.html")
        made = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
        made.stderr = result.stderr
        return made

    return call


def test_the_page_has_everything_and_asks_nobody(record, page):
    record("maze", "vf_quasi")
    record("maze", "vf")
    made = page()
    assert {"success", "claims", "runs", "left-out"} <= set(made.ids)
    # 64 of 80, Wilson: (k + z^2/2 -+ z sqrt(k (n - k) / n + z^2/4)) / (n + z^2), z = 1.96: .70 and .87.
    assert ".80 [.70, .87]" in made.text and "paper .63" in made.text and "baseline random 14 of 80" in made.text
    # Families are folded; the one with records says what came of it, and the others that they have none.
    assert "quasi_over_euclidean" in made.text and "1 too few tasks to tell" in made.text
    assert "2 recipes on 1 protocol, 1 seed: 2 of 34 cells have records (2 runs)" in made.text
    assert made.text.index("Of 1 comparisons that the claims make") < made.text.index("recipe wall_small")
    assert all(reference.startswith(("data:image/", "#")) for reference in made.references)
    assert all(reference[1:] in made.ids for reference in made.references if reference.startswith("#"))
    assert len(made.images) == 1 + 2 * 3 and all(image["alt"] for image in made.images)
    assert made.text.count("they need the run's checkpoints, which are not in its folder") == 2


def test_the_page_has_variants_side_by_side(record, page):
    for variant in ("literal", "tuned"):
        record("maze", "vf_quasi", variant=variant)
    made = page()
    assert "variants literal, tuned" in made.text and "vf_quasi, variant tuned, seed 0" in made.text
    # The published rate has a column of its own, once.
    assert "literal tuned paper" in made.text and made.text.count(".63 [.52, .72]") == 1
    assert made.text.count("baseline random 14 of 80") == 2
    assert len(made.ids) == len(set(made.ids)) and all(r[1:] in made.ids for r in made.references if r.startswith("#"))


def test_a_report_of_one_run_opens_with_it(record, page):
    record("maze", "vf_quasi")
    made = page()
    assert "One run, vf_quasi on maze, seed 0: 64 of 80 tasks solved (baselines: random 14 of 80)." in made.text
    assert made.ids.index("runs") < made.ids.index("success") and made.ids.count("runs") == 1


def test_ladders_do_not_repeat_what_has_no_run(record, runs, page):
    record("maze", "vf_quasi")
    row = {"dynamics": "-", "value": "-", "success_rate": 0.9, "n": 20, "ci95": [0.7, 0.97], "mean_steps": 12.34}
    for name in ("a", "b"):
        own = row | {"name": "the run itself", "run": name, "success_rate": 0.5, "successes": 10}
        ladder = {"protocol": "maze", "scale": "quick", "tasks": 20, "budget": 64}
        ladder["rows"] = [row | {"name": "expert"}, own | {"dynamics": "learned", "value": "learned"}]
        (runs / f"ladder-{name}.json").write_text(json.dumps(ladder))
    text = page().text
    assert text.count("expert - - .90") == 1 and text.count("the run itself learned learned .50") == 2
    assert text.count("1 rows without a run are as above.") == 1


def test_what_cannot_be_used_is_named_and_the_rest_is_told(record, runs, page):
    record("maze", "vf_quasi")
    (record("maze", "vf") / "episodes.jsonl").write_text("{")
    (record("wall_big", "vf") / "train.jsonl").write_text("{")
    (runs / "stranger").mkdir()
    (runs / "stranger" / "notes.txt").write_text("")
    (record("wall_big", "vf_quasi") / "diagnosis.json").write_text('{"key": "other", "blocks": {}}')
    (runs / "ladder.json").write_text('{"protocol": "maze"}')
    text = page().text
    for words in (
        "maze-vf: episodes.jsonl is damaged",
        "stranger: there is no run.json",
        "Training: left out, train.jsonl has no line that can be read",
        "diagnosis.json is not what vgbench wrote",
        "ladder.json is not what vgbench wrote",
    ):
        assert words.replace("maze-vf:", "maze-vf-s0:") in text
    assert ".80 [.70, .87]" in text


def test_a_diagnosis_and_a_ladder_are_shown(record, runs, page):
    path = record("maze", "vf_quasi")
    errors = {name: [0.5, 0.75] for name in ("latent", "latent_shuffled", "cost", "cost_shuffled", "cost_unchanged")}
    block = {"rollouts": 7, "horizon": 2, **errors}
    key = json.loads((path / "run.json").read_text())["key"]
    found = {"key": key, "title": "of a test", "goals": 3, "states": 64, "blocks": {"prediction": block}}
    (path / "diagnosis.json").write_text(json.dumps(found))
    rows = [
        {"name": "expert", "dynamics": "-", "value": "-", "success_rate": 0.9, "n": 20, "ci95": [0.7, 0.97]}
        | {"mean_steps": 12.34},
        {"name": "straight line", "dynamics": "exact", "value": "straight", "skipped": "no <map>"},
    ]
    ladder = {"protocol": "maze", "scale": "quick", "tasks": 20, "budget": 64, "rows": rows}
    (runs / "ladder-maze.json").write_text(json.dumps(ladder))
    made = page()
    assert "of a test: 3 goals, 64 states each" in made.text and "Mean over 7 rollouts" in made.text
    assert "expert - - .90 [.70, .97] of 20 12.3" in made.text and "skipped: no <map>" in made.text


def test_budgets_of_sweeps_are_shown(record, runs, page):
    record("maze", "vf_quasi")
    row = {"curve": "icem", "evaluations_per_task": 12345.6, "success_rate": 0.9, "n": 20, "ci95": [0.7, 0.97]}
    rows = [row | {"settings": "icem.samples=8"}, row | {"evaluations_per_task": None, "n": 0, "settings": "<none>"}]
    rows[1] |= {"success_rate": None, "ci95": None}
    sweep = {"name": "vf-maze-planner", "scale": "quick", "budget": rows}
    for name, content in (
        ("good", sweep),
        ("other", {"name": "of taus", "scale": "quick", "budget": []}),
        ("early", {"name": "not done", "scale": "quick"}),
        ("smoke", sweep | {"scale": "smoke"}),
        ("odd", sweep | {"budget": [{"curve": "a", "n": 3}]}),
    ):
        (runs / name).mkdir()
        (runs / name / "sweep.json").write_text(json.dumps(content))
    made = page()
    assert "icem 12,346 .90 [.70, .97] of 20 icem.samples=8" in made.text and "<none>" in made.text
    shown = [image["src"] for image in made.images if image["alt"].startswith("Success over evaluations")]
    # Not PNG, which would be a white box on a dark page.
    assert len(shown) == 1 and shown[0].startswith("data:image/svg+xml")
    assert "smoke/sweep.json: it is of scale smoke" in made.text
    assert "odd/sweep.json is not what `vgbench sweep` wrote" in made.text
    assert "of taus" not in made.text and "not done" not in made.text


def test_thirty_drawn_cells_are_quick_and_small(thirty, page, tmp_path):
    start = time.process_time()
    made = page()
    assert time.process_time() - start < 20
    assert len(made.images) == 1 + 30 * 3
    assert (tmp_path / "page.html").stat().st_size < 15e6


def test_a_report_writes_nothing_into_runs(record, vgbench_cli, runs, page):
    drawn, bare = record("maze", "vf_quasi"), record("maze", "vf")
    assert vgbench_cli("plot", drawn).exit_code == 0
    drawn_before(drawn / "plots", "training.svg", "kept")

    def content():
        return {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}

    before = content()
    made = page()
    assert content() == before and not (bare / "plots").exists()
    # What was drawn before is shown as it is, the rest is drawn for the page alone.
    assert len(made.images) == 1 + 2 * 3
    assert sum("kept" in image["src"] for image in made.images) == 1


def drawn_before(folder, name, text):
    """A picture that says so, as if it had been drawn like this: with its hash."""
    (folder / name).write_text(f'<svg xmlns="http://www.w3.org/2000/svg"><text>{text}</text></svg>')
    index = json.loads((folder / "plots.json").read_text())
    for group in (group for group in index.values() if isinstance(group, dict) and name in group["hashes"]):
        group["hashes"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "plots.json").write_text(json.dumps(index))


def spoilt(kind, path, other):
    path.unlink()
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a link":
        other.write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>foreign</text></svg>')
        path.symlink_to(other)
    else:
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>foreign</text></svg>')


@pytest.mark.parametrize("kind", ["a pipe", "a link", "other content"])
@pytest.mark.parametrize("where", ["cache", "plots"])
def test_what_lies_in_the_place_of_a_picture_is_not_shown(record, runs, tmp_path, vgbench_process, kind, where):
    """In a process, since a pipe that nobody writes to would be waited for."""
    run, env = record("maze", "vf_quasi"), {"VGBENCH_CACHE": str(tmp_path / "cache")}
    command = ["report", str(runs), "--suite", "paper_table_2", "--html", str(tmp_path / "page.html")]
    if where == "plots":
        assert vgbench_process("plot", str(run), **env).returncode == 0
    assert vgbench_process(*command, **env).returncode == 0
    before = Page((tmp_path / "page.html").read_text(encoding="utf-8")).images
    folders = [run / "plots"] if where == "plots" else [*(tmp_path / "cache" / "pictures").iterdir()]
    for folder in folders:
        spoilt(kind, folder / "training.svg", tmp_path / "foreign.svg")
    foreign = (tmp_path / "foreign.svg").read_text() if kind == "a link" else ""
    done = vgbench_process(*command, **env)
    assert done.returncode == 0, done.stderr
    after = Page((tmp_path / "page.html").read_text(encoding="utf-8")).images
    assert [image["src"] for image in after] == [image["src"] for image in before]
    assert not foreign or (tmp_path / "foreign.svg").read_text() == foreign


@pytest.mark.parametrize("name", ["train.jsonl", "baseline-random.jsonl"])
def test_a_pipe_among_the_records_costs_no_page(record, runs, tmp_path, vgbench_process, name):
    run = record("maze", "vf_quasi")
    record("maze", "vf")
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    command = ["report", str(runs), "--suite", "paper_table_2", "--html", str(tmp_path / "page.html")]
    done = vgbench_process(*command, VGBENCH_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert "it is a pipe or a device, expected a file" in Page((tmp_path / "page.html").read_text()).text


def test_pictures_of_a_report_are_drawn_once(record, page, tmp_path):
    first, second = record("maze", "vf_quasi"), record("maze", "vf")
    page()
    kept = sorted((tmp_path / "cache" / "pictures").iterdir())
    assert len(kept) == 2
    for folder in kept:
        drawn_before(folder, "training.svg", "from before")

    def from_before():
        return sum("from before" in image["src"] for image in page().images)

    assert from_before() == 2
    # Other records have other pictures, and so have runs with pictures of their own.
    (first / "train.jsonl").write_text((first / "train.jsonl").read_text().replace('"loss": 0.', '"loss": 1.'))
    assert from_before() == 1
    (second / "plots").mkdir()
    (second / "plots" / "plots.json").write_text("{}")
    assert from_before() == 0


def test_what_was_not_shown_for_long_leaves_the_cache(record, page, tmp_path):
    record("maze", "vf_quasi")
    pictures = tmp_path / "cache" / "pictures"
    for name, days in (("old", 31), ("young", 29)):
        (pictures / name).mkdir(parents=True)
        (pictures / name / "plots.json").write_text("{}")
        os.utime(pictures / name / "plots.json", (time.time() - days * 24 * 3600,) * 2)
    page()
    assert not (pictures / "old").exists() and (pictures / "young").exists()


def test_a_cache_that_cannot_be_written_costs_no_picture(record, page, tmp_path):
    record("maze", "vf_quasi")
    (tmp_path / "cache").write_text("a file")
    assert len(page().images) == 1 + 3


def test_a_page_of_many_runs_leaves_out_the_small_curves(record, page, monkeypatch):
    monkeypatch.setattr("vgbench.reports.html.MANY", 1)
    record("maze", "vf_quasi")
    assert len(page().images) == 1 + 3
    record("maze", "vf")
    made = page()
    assert len(made.images) == 1 + 2 * 2
    assert "What the objectives reported of 2 runs" in made.text and "`vgbench plot RUN` draws it" in made.text


def test_a_long_report_says_how_far_it_is(thirty, runs, page):
    for path in sorted(runs.iterdir())[20:]:
        shutil.rmtree(path)
    assert "pictures of 20 of 20 runs" in page().stderr


def test_options_of_the_page(record, vgbench_cli, runs, tmp_path):
    record("maze", "vf_quasi")
    result = vgbench_cli("report", runs, "--draw")
    assert result.exit_code == 2 and "--draw needs --html" in result.stderr
    result = vgbench_cli("report", runs, "--html", tmp_path)
    assert result.exit_code == 2 and "is a folder" in result.stderr
    result = vgbench_cli("report", runs, "--html", tmp_path / "page.html", "--format", "csv")
    assert result.exit_code == 0 and "maze" in result.stdout and (tmp_path / "page.html").exists()


def test_the_page_of_one_run_is_named_after_it_and_has_no_empty_claims(record, vgbench_cli, tmp_path):
    run = record("maze", "vf", seed=1)
    done = vgbench_cli("report", run, "--html", tmp_path / "page.html")
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>vf on maze, seed 1</h1>" in text and "<title>vf on maze, seed 1, scale quick" in text
    assert 'href="#claims"' not in text and "<h2>Claims</h2>" not in text
    record("maze", "vf_quasi", seed=1)
    done = vgbench_cli("report", run.parent, "--suite", "paper_table_2", "--html", tmp_path / "page.html")
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>paper_table_2</h1>" in text and '<section id="claims">' in text
