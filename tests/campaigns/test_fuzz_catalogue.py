"""Damaged, hostile and merely odd files of what users define: protocols, scales, variants, suites, claims, sweeps."""

import json
import random
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMOKE = ["--scale", "smoke"]
USES = {
    "protocols": [
        ["run", "--recipes", "FILE", "--protocol", "mine_wall", "--recipe", "vf", *SMOKE, "--dry-run"],
        ["audit", "mine_wall", "--recipes", "FILE", *SMOKE, "--tasks", "0"],
    ],
    "variants": [
        ["run", "--recipes", "FILE", "--variant", "mine_literal", "--protocol", "maze", "--recipe", "vf", "--dry-run"]
    ],
    "suites": [
        ["suite", "FILE", *SMOKE, "--out", "none", "--dry-run"],
        ["report", "here", *SMOKE, "--suite", "FILE", "--claims"],
    ],
    "sweeps": [["suite", "FILE", *SMOKE, "--out", "none", "--dry-run"]],
    "budget": [["run", "--recipes", "FILE", "--protocol", "wall_big", "--recipe", "vf", *SMOKE, "--dry-run"]],
}
"""What reads each section of a user's file; the file of a package is read by everything."""
PACKAGED = [["list", "suite"], ["list"], ["doctor"], ["show", "protocol", "wall_big"]]


def sections():
    """Sections like those of registry.yaml, small, under names of their own: all keys that a section may have."""
    known = yaml.safe_load((ROOT / "registry.yaml").read_text())
    claimed = next(suite for suite in known["suites"].values() if suite.get("claims"))
    suite = claimed | {"recipes": ["vf", "vf_quasi"], "protocols": ["wall_small"], "only": {"vf": ["wall_small"]}}
    suite |= {"published": {"vf": {"wall_small": 0.6}}, "published_n": {"wall_small": 200}, "ranking": ["wall_small"]}
    suite["seeds"] = [0, 1]
    claim = claimed["claims"][0] | {"a": "vf_quasi", "b": ["vf"], "protocols": ["wall_small"]}
    sweep = known["sweeps"]["data_properties"]
    sweep = sweep | {"curves": [dict(sweep["curves"][0]), dict(sweep["curves"][3])]}
    return {
        "protocols": {"mine_wall": known["protocols"]["wall_big"]},
        "variants": {"mine_literal": known["variants"]["literal"]},
        "suites": {"mine_table": suite | {"claims": [claim]}},
        "sweeps": {"mine_data": sweep},
        "budget": known["budget"],
    }


@pytest.mark.parametrize("kind", sorted(USES))
def test_sections(campaign, tools, whole, tmp_path, kind):
    """A section is changed; the others are as they should be."""
    fuzz = campaign(f"fuzz-catalogue-{kind}", small=3, full=600)
    base, path = sections(), tmp_path / "fuzzed.yaml"
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "here").symlink_to(whole / "here")
    for case, rng in fuzz.cases():
        section = tools.changed(base[kind], rng) if case else base[kind]  # the first has to be sound
        content = {name: base[name] for name in rng.sample(sorted(base), rng.randrange(3))} if case else {}
        content |= {"suites": base["suites"]} if kind == "sweeps" else {}
        path.write_bytes(tools.dumped(content | {kind: section}, rng if case else Plain(), "yaml", tools.scrambled))
        words = USES[kind][case % len(USES[kind])]
        words = [path if word == "FILE" else word for word in words]
        ended = tools.forked(tools.command(*words), tmp_path / "work", cpu=3 * tools.HANG)
        tools.judge(fuzz, case, f"{kind}, {words[0]}", ended, tools.HANG)
        if not case and ended.code not in (0, 1):
            fuzz.fail(case, f"{kind}: the sound file is refused", ended)


class Plain(random.Random):
    """Decides against every change."""

    def random(self):
        return 0.99


def test_packaged(campaign, tools, tmp_path):
    """The file of an installed package: left out where it cannot be used, and everything else is as without it."""
    fuzz = campaign("fuzz-catalogue-packaged", small=3, full=300)
    site = tmp_path / "site"
    info, package = site / "vgx_file-0.1.dist-info", site / "vgx_file"
    info.mkdir(parents=True)
    package.mkdir()
    (package / "__init__.py").touch()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vgx-file\nVersion: 0.1\nSummary: x\n")
    (info / "entry_points.txt").write_text("[vgbench.catalogues]\nmine = vgx_file:mine.yaml\n")
    for case, rng in fuzz.cases():
        content = tools.changed(sections(), rng)
        (package / "mine.yaml").write_bytes(tools.dumped(content, rng, "yaml", tools.scrambled))
        words = PACKAGED[case % len(PACKAGED)]

        def started(words=words):
            sys.path.insert(0, str(site))
            tools.command(*words, "--format", "json")()

        ended = tools.forked(started, tmp_path / "work", cpu=3 * tools.HANG)
        tools.judge(fuzz, case, f"packaged, {words}", ended, tools.HANG)
        if ended.code == 2 or (words[0] != "doctor" and not json.loads(ended.out or "null")):
            fuzz.fail(case, f"packaged, {words}: a package's file ends a command that does not need it", ended)
