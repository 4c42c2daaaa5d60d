"""Hashes of a plugin's source: what changes them, what does not, and that every Python agrees."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vgbench.plugin.source import file_of, source
from vgbench_plugins.environments.wall import Wall
from vgbench_plugins.objectives.two_level_iql import TwoLevelIQL

TRICKY = '''
"""A module."""
from __future__ import annotations
import os  # comment
X: int = 0x10
async def f(a, /, b: int = 1, *c, d=None, e, **g) -> str:
    """Docstring."""
    async with a as b, c: await d
    return f"{a!r:>{b}} and {b = } {{}} {c:%Y}" "tail" f"{d}"
class C(object, metaclass=type):
    y = {**a, 'k': [1, 2.5, 1e300, 3j, b"x", "\\ud800", "é", ..., None, True]}
    def g(self):
        try:
            pass
        except* ValueError as e:
            raise RuntimeError from e
        else:
            lambda *z, k=1: (yield)
        match self:
            case {"a": [1, *rest], **kw} | C(y=None): return rest[1:2, ...]
            case _ if (n := 3) > 2: del n
        if a: pass
        elif b: global q
        else: assert a, b
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """`package(FILE=text)` writes files below `vgx_pack`, and returns the hashes of the class `C` of a module."""

    def hashes(module="vgx_pack.mine", **files):
        for name, text in files.items():
            path = tmp_path / "vgx_pack" / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        return source(SimpleNamespace(__module__=module))

    monkeypatch.syspath_prepend(str(tmp_path))
    yield hashes
    assert not [name for name in sys.modules if name.startswith("vgx_pack")]  # nothing was imported


def test_layout_comments_and_docstrings_do_not_count(package):
    plain = package(mine="def f(a):\n    if a:\n        return [1, 'x']\n")
    for text in (
        "# a comment\n\n\ndef f( a ) :\n  if a: return [1,'x']  # another\n",
        '"""A module."""\n\n\ndef f(a):\n    """Say."""\n    if a:\n        "why"\n        return [\n1,\n "x",\n]\n',
        "def f(a):\n\tif (a):\n\t\tpass\n\t\treturn [1, 'x',]\n".replace("\n", "\r\n"),
    ):
        assert package(mine=text) == plain != {}


@pytest.mark.parametrize(
    "text",
    [
        "def f(a):\n    if a:\n        return [2, 'x']\n",
        "def f(a):\n    if not a:\n        return [1, 'x']\n",
        "def f(a):\n    if a:\n        return [1, 'x ']\n",
        "def f(a):\n    if a:\n        return [1]\n",
        "def f(a):\n    if a:\n        return [1.0, 'x']\n",
        "def f(a):\n    if a:\n        return [1, b'x']\n",
        "def f(a):\n    if a:\n        return [1, 'x', None]\n",
        "def f(b):\n    if b:\n        return [1, 'x']\n",
        "def f(a=0):\n    if a:\n        return [1, 'x']\n",
    ],
)
def test_what_a_program_does_counts(package, text):
    assert package(mine="def f(a):\n    if a:\n        return [1, 'x']\n") != package(mine=text)


@pytest.mark.parametrize(
    "statement",
    [
        "import vgx_pack.sub.helper",
        "import vgx_pack.sub.helper as h",
        "from vgx_pack.sub import helper",
        "from vgx_pack.sub.helper import x",
        "from .sub.helper import *",
        "from .sub import helper as h",
        "def f():\n    from . import middle",
    ],
)
def test_imports_are_followed_within_the_package_alone(package, statement):
    files = {
        "__init__": "from vgx_pack import unrelated\n",
        "unrelated": "1 / 0\n",
        "sub__in____init__": "y = 1\n",
        "sub__in__helper": "from ..deep import z\nx = 1\n",
        "deep": "z = 2\n",
        "middle": "import torch, vgbench.api, vgx_pack.sub.helper as h\n",
    }
    first = package(mine=f"{statement}\n", **files)
    assert {"vgx_pack.mine", "vgx_pack.sub.helper", "vgx_pack.deep"} <= set(first)
    assert all(name.startswith("vgx_pack") for name in first)
    changed = package(deep="z = 3\n")
    assert {name for name in first if first[name] != changed[name]} == {"vgx_pack.deep"}
    # Passed through on the way to a module, an `__init__` says nothing of the plugin; asked for by name it does.
    whole = statement == "import vgx_pack.sub.helper"
    assert ("vgx_pack" in first, "vgx_pack.unrelated" in first, "vgx_pack.sub" in first) == (whole,) * 3


def test_a_name_that_the_package_itself_has_brings_its_file(package):
    files = {"__init__": "from vgx_pack.low import thing\n", "low": "thing = 1\n"}
    assert set(package(mine="from vgx_pack import thing\n", **files)) == {"vgx_pack", "vgx_pack.mine", "vgx_pack.low"}


def test_imports_for_type_checkers_alone_are_not_followed(package):
    text = (
        "import typing\nif typing.TYPE_CHECKING:\n    from vgx_pack import low\nelse:\n    from vgx_pack import high\n"
    )
    assert set(package(mine=text, low="", high="")) == {"vgx_pack.mine", "vgx_pack.high"}


def test_circles_and_what_is_no_python_end(package):
    assert set(package(mine="from vgx_pack import other\n", other="from vgx_pack import mine\n")) == {
        "vgx_pack.mine",
        "vgx_pack.other",
    }
    broken = package(mine="def (:\n")
    assert broken != package(mine="def (:  \n") and set(broken) == {"vgx_pack.mine"}
    assert package("vgx_nowhere.mine") == package("vgx_pack.nowhere") == {}


def test_the_built_in_plugins_leave_out_the_core():
    assert set(source(TwoLevelIQL)) == {
        "vgbench_plugins.objectives.iql",
        "vgbench_plugins.objectives.two_level_iql",
    }
    wall = source(Wall)
    assert {"vgbench_plugins.environments.wall", "vgbench_plugins.environments.wall_data"} <= set(wall)
    assert all(name.startswith("vgbench_plugins.environments.") for name in wall)


def test_files_are_named_as_the_package_has_them():
    assert file_of("vgbench_plugins.objectives.iql") == "vgbench_plugins/objectives/iql.py"
    assert file_of("vgbench_plugins.environments.maze") == "vgbench_plugins/environments/maze/__init__.py"
    assert file_of("vgbench_plugins.gone") == "vgbench_plugins.gone"


def test_every_python_gives_the_same_hash(package, tmp_path):
    """The number was made with Python 3.11, and is what 3.12 and 3.13 give; those that are installed are asked, too."""
    assert package(mine=TRICKY) == {"vgx_pack.mine": "ef88c18b1d38c604"}
    module = Path(sys.modules["vgbench.plugin.source"].__file__)
    code = (
        "import importlib.util, json, sys; from types import SimpleNamespace as S\n"
        f"spec = importlib.util.spec_from_file_location('source', {str(module)!r})\n"
        "made = sys.modules['source'] = importlib.util.module_from_spec(spec); spec.loader.exec_module(made)\n"
        f"sys.path.insert(0, {str(tmp_path)!r}); print(json.dumps(made.source(S(__module__='vgx_pack.mine'))))"
    )
    for version in ("3.11", "3.12", "3.13", "3.14"):
        python = shutil.which(f"python{version}")
        # What a version manager puts on the path may say only that it is not installed.
        if python and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
            assert json.loads(done.stdout) == {"vgx_pack.mine": "ef88c18b1d38c604"}, version
