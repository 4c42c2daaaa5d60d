"""Try other versions than those of constraints.txt: a smoke run with each, in an environment of its own.

    python .ci/versions.py                 # lowest, 3.12 and 3.13
    python .ci/versions.py lowest 3.13 --torch

`lowest` installs the lower bounds of pyproject.toml; a number is a version of Python, with constraints.txt. PyTorch is
that of constraints.txt, and is not downloaded where it would bring CUDA's libraries (gigabytes), unless --torch is
given: without it such a Python only lists and compiles. `lowest` takes PyTorch's lower bound, too, with --torch or
where the package index has a build of it for the CPU; where it has none, the line says that this bound was not tried.
Skips with a reason where an interpreter is missing; exit status 1 if something fails.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("lowest", "3.12", "3.13")
RUN = ["run", "--env", "wall", "--objective", "iql", "--distance", "iqe", "--scale", "smoke", "--device", "cpu"]


def lower_bounds(torch: bool) -> str:
    """Return a file of constraints with the lower bound of each dependency."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = [re.fullmatch(r"([\w-]+)>=([\w.]+)", wanted) for wanted in project["dependencies"]]
    lines = [f"{bound[1]}=={bound[2]}" for bound in bounds if bound and (torch or bound[1] != "torch")]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return "\n".join([*lines, *(line for line in pinned if line.startswith("torch==") and not torch), ""])


def interpreter(version: str) -> Path | None:
    """Return a Python of a version, or None; pyenv's stand-ins are there also for those that are not chosen."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    places = [sys.executable] if version == own else [shutil.which(f"python{version}")]
    places += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for place in filter(None, places):
        asked = [place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True)
        if done.stdout.strip() == version:
            return Path(place)
    return None


def brings_cuda(python: Path, constraints: Path) -> bool:
    """Whether installing PyTorch would bring CUDA's libraries; nothing is downloaded to know."""
    command = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--report", "-", "torch"]
    done = subprocess.run([*command, "-c", constraints], capture_output=True, text=True)
    if done.returncode != 0:
        return True
    wanted = json.loads(done.stdout)["install"][0]["metadata"].get("requires_dist", [])
    return any(name.startswith(("nvidia", "cuda")) for name in wanted)


def bound_of_torch() -> str:
    """Return the lower bound of PyTorch in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return next(d.partition(">=")[2] for d in project["dependencies"] if d.startswith("torch>="))


def lowest(python: Path, torch: bool, place: Path) -> tuple[Path, bool, str]:
    """Return a file of lower bounds, whether PyTorch's is one of them, and words on it if it is not."""
    path = place / "lowest.txt"
    path.write_text(lower_bounds(True), encoding="utf-8")
    if torch or not brings_cuda(python, path):
        return path, True, ""
    path.write_text(lower_bounds(False), encoding="utf-8")
    return path, False, f"; NOT TRIED: torch {bound_of_torch()}, of which the package index has no build for the CPU"


def attempt(name: str, torch: bool, place: Path) -> str:
    """Try one; return what came of it.

    Raises:
        CalledProcessError: something failed.
    """
    found = interpreter("3.11" if name == "lowest" else name)
    if found is None:
        return f"skipped: there is no Python {'3.11' if name == 'lowest' else name}"
    constraints, left_out = ROOT / "constraints.txt", ""
    subprocess.run([found, "-m", "venv", place / "venv"], check=True)
    python, folder = place / "venv" / "bin" / "python", place / "empty"
    folder.mkdir()
    if name == "lowest":
        constraints, torch, left_out = lowest(python, torch, place)
    install = [python, "-m", "pip", "install", "--quiet", "-c", constraints]
    environ = os.environ | {"VGBENCH_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    vgbench = place / "venv" / "bin" / "vgbench"
    if not torch and brings_cuda(python, constraints):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        subprocess.run([*install, *(d for d in project["dependencies"] if not d.startswith("torch"))], check=True)
        subprocess.run([*install, "--no-deps", ROOT], check=True)
        code = [python, "-W", "error", "-m", "compileall", "-q", "-f", ROOT / "vgbench", ROOT / "plugins"]
        subprocess.run(code, check=True, env=environ | {"PYTHONPYCACHEPREFIX": str(place / "compiled")})
        subprocess.run([vgbench, "list", "--format", "json"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        return f"compiled and listed; not run: its PyTorch would bring CUDA's libraries (--torch){left_out}"
    subprocess.run([*install, ROOT], check=True)
    done = subprocess.run(
        [vgbench, *RUN, "--format", "json"], check=True, cwd=folder, env=environ, stdout=subprocess.PIPE
    )
    result = json.loads(done.stdout)
    if result["n"] != 4 or result["recipe"] != "vf_quasi":
        raise subprocess.CalledProcessError(1, "the smoke run", str(result))
    versions = "import sys, torch, numpy; print(sys.version.split()[0], torch.__version__, numpy.__version__)"
    told = subprocess.run([python, "-c", versions], check=True, capture_output=True, text=True).stdout.split()
    return "a smoke run with Python {}, torch {}, numpy {}".format(*told) + left_out


def main() -> int:
    """Try those that are named, and return the exit status."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="lowest, 3.12, 3.13 (default: all)")
    parser.add_argument("--torch", action="store_true", help="download PyTorch, whatever it brings")
    options = parser.parse_args()
    status = 0
    for name in options.names or NAMES:
        with tempfile.TemporaryDirectory() as place:
            try:
                words = attempt(name, options.torch, Path(place))
            except subprocess.CalledProcessError as err:
                words, status = f"FAILED: {' '.join(map(str, err.cmd)) if isinstance(err.cmd, list) else err.cmd}", 1
        print(f"versions: {name}: {words}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
