"""What a finished run prints beside its success: the published and the recorded number, and what to do next."""

import json
import math
import re
from pathlib import Path

import yaml

from vgbench.cli.result import print_result
from vgbench.text import share_text

ROOT = Path(__file__).parents[2]
RECORD = next((ROOT / "results" / "paper_table_2").rglob("tuned/wall_big/vf_vcreg/s0"))
TINY = ["data.trajectories=8", "train.steps=2", "train_predictor.steps=2", "evaluation.tasks=2", "mpc.max_steps=4"]
TINY += ["mpc.block_rows=64", "strided.stem=4", "strided.channels=4", "mlp.hidden=[16]", "model.latent_dim=16"]


def wilson(k, n, z=1.959964):
    """Wilson (1927), written out."""
    p = k / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def text(rate, low, high):
    return re.sub(r"\b0\.", ".", f"{rate:.2f} [{low:.2f}, {high:.2f}]")


def printed(capsys, folder=RECORD):
    print_result(json.loads((folder / "result.json").read_text()) | {"run_dir": str(folder)})
    return capsys.readouterr().out.splitlines()


def starting(lines, name):
    return [line for line in lines if line.startswith(name)]


def test_a_run_of_the_table_is_printed_beside_the_paper_and_the_record(capsys):
    lines = printed(capsys)
    result = json.loads((RECORD / "result.json").read_text())
    assert starting(lines, "success")[0].split("  ")[1].strip() == text(result["success_rate"], *result["ci95"])
    assert f"SPL {share_text(result['spl'])}" in starting(lines, "success")[0]
    assert len(starting(lines, "baseline ")) == len(result["baselines"])
    table = yaml.safe_load((ROOT / "registry.yaml").read_text())["suites"]["paper_table_2"]
    rate, n = table["published"]["vf_vcreg"]["wall_big"], table["published_n"]["wall_big"]
    (paper,) = starting(lines, "paper")
    assert paper == f"paper     {text(rate, *wilson(round(rate * n), n))}  {n} tasks (paper, Table 2; scale paper)"
    seeds = sorted(RECORD.parent.glob("s*"))
    results = [json.loads((folder / "result.json").read_text()) for folder in seeds]
    solved, of = (sum(result[key] for result in results) for key in ("successes", "n"))
    named = "seed" if len(seeds) == 1 else "seeds"
    (recorded,) = starting(lines, "recorded")
    assert f"{solved} of {of}, {named} {', '.join(folder.name[1:] for folder in seeds)} " in recorded
    assert not [line for line in lines if "other values" in line]


def test_the_next_commands_name_the_run_and_the_folder_is_the_last_line(capsys):
    lines = printed(capsys)
    assert lines[-1] == str(RECORD)
    assert [line.strip() for line in lines[-4:-1]] == [
        f"next      vgbench plot {RECORD}",
        f"vgbench diagnose {RECORD}",
        f"vgbench compare {RECORD} RUN",
    ]


def test_a_run_with_other_values_says_so_and_quiet_prints_the_result_alone(vgbench_process, tmp_path):
    sets = [part for value in TINY for part in ("--set", value)]
    command = ["run", "--protocol", "wall_big", "--recipe", "vf", "--device", "cpu", *sets, "--out", "a b"]
    cache = {"VGBENCH_CACHE": str(tmp_path / "cache")}
    done = vgbench_process("-q", *command, **cache)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(starting(lines, "paper")) == len(starting(lines, "recorded")) == 1
    (other,) = [line.strip() for line in lines if "other values" in line]
    assert other == f"this run has other values: strided.stem=4, strided.channels=4 and {len(TINY) - 2} more"
    assert starting(lines, "next") == [] and lines[-1] == "a b"
    again = vgbench_process(*command, **cache)
    assert "next      vgbench plot 'a b'" in again.stdout and "estimated" not in again.stderr


def test_a_smoke_run_is_compared_with_nothing(vgbench_process, tmp_path):
    sets = [part for value in TINY for part in ("--set", value)]
    command = ["run", "--protocol", "wall_big", "--recipe", "vf", "--scale", "smoke", "--device", "cpu", *sets]
    done = vgbench_process(*command, VGBENCH_CACHE=str(tmp_path / "cache"))
    lines = done.stdout.splitlines()
    assert lines[1] == "smoke scale: results are not meaningful"
    assert starting(lines, "paper") == starting(lines, "recorded") == []
