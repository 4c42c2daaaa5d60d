"""What the README promises: its plugin example works as it stands, and its commands exist."""

import json
import re
import shlex
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def block(language, containing):
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in b]
    assert len(found) == 1
    return found[0]


def test_the_plugin_example_trains_from_a_package_of_its_own(tmp_path, vgbench_process):
    site = tmp_path / "site"
    (site / "my_package-0.1.dist-info").mkdir(parents=True)
    (site / "my_package.py").write_text(block("python", "class Approach"))
    toml = block("toml", "entry-points")
    group, line = re.search(r'entry-points."(.*)"\]\n(.*)', toml).groups()
    (site / "my_package-0.1.dist-info" / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    (site / "my_package-0.1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: my-package\nVersion: 0.1\n"
    )
    command = re.search(r"`vgbench (run --env wall --objective approach.*?)`", README).group(1)
    small = ["--scale", "smoke", "--format", "json"]
    variables = {"PYTHONPATH": str(site), "VGBENCH_CACHE": str(tmp_path / "cache")}
    done = vgbench_process(*shlex.split(command), *small, **variables)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["objectives"] == {"approach": 1.0, "vcreg": 1.0}


def test_the_plugin_example_is_short():
    code = [line for line in block("python", "class Approach").splitlines() if line.strip()]
    assert len(code) <= 20 and len(block("toml", "entry-points").splitlines()) <= 6


def test_the_commands_of_the_readme_resolve(vgbench_cli):
    lines = [shlex.split(line, comments=True) for line in block("console", "vgbench list").splitlines()]
    for _, verb, *arguments in lines:
        if (verb == "run" and "--config" not in arguments) or verb in ("suite", "sweep"):
            arguments = [a for a in arguments if a != "--dry-run"] + ["--dry-run"]
        elif verb not in ("list", "show"):
            continue
        result = vgbench_cli(verb, *arguments)
        assert result.exit_code == 0, (verb, arguments, result.stderr)
