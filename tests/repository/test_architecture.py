"""docs/architecture.md and the first lines of modules, against the code."""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LAYERS, _, PLUGINS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def modules():
    """Names of the packages and modules that lie in vgbench."""
    return {
        path.stem for path in (ROOT / "vgbench").iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"
    }


def test_the_packages_are_those_of_the_contract_from_the_top_down():
    part = PAGE.partition("## Packages of the core")[2].partition("\n## ")[0]
    told = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in part.splitlines() if line.startswith("| `")]
    wanted = [name for layer in LAYERS["layers"] for name in layer.split(" | ") if name != "__main__"]
    assert [name for names in told for name in names] == wanted
    assert {*wanted, "__main__", "__init__"} == modules()


def test_every_path_on_the_page_exists():
    places = (ROOT, ROOT / "vgbench", ROOT / "tests")
    paths = [name for name in re.findall(r"`([\w./-]+)`", PAGE) if "/" in name or name.endswith((".py", ".yaml"))]
    assert len(paths) > 25
    assert not [name for name in paths if not any((place / name).exists() for place in places)]


def test_built_in_plugins_may_import_nothing_else_of_the_core():
    others = modules() - {"api", "__main__", "__init__"}
    assert {f"vgbench.{name}" for name in others} == {*PLUGINS["forbidden_modules"]}


def test_each_module_says_in_its_first_line_what_it_alone_does():
    lines = Counter()
    for path in [*(ROOT / "vgbench").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        if "templates" not in path.parts:
            lines[ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0]] += 1
    assert not [line for line, count in lines.items() if count > 1]
