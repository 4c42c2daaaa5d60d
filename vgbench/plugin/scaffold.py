"""Writes a new plugin as a distribution of its own: what `vgbench new` does."""

import importlib.util
import json
import keyword
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from vgbench.errors import UsageError
from vgbench.plugin.entry import GROUPS
from vgbench.plugin.registry import Registry
from vgbench.text import choice_of_kind, same
from vgbench.version import __version__

# No `_` at either end or twice in a row: the words become a module, a distribution and a class.
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Project:
    """A distribution that was written.

    Attributes:
        folder: where it lies.
        files: what is in it, relative to the folder.
        run: arguments of `vgbench` that run it at smoke scale.
    """

    kind: str
    name: str
    folder: Path
    files: tuple[str, ...]
    run: str


def new(kind: str, name: str, into: Path | None = None) -> Project:
    """Write a distribution `vgbench-NAME` with one plugin, in a folder of that name under `into` (or here).

    Raises:
        UsageError: there is no such kind, the name will not do or is taken, or nothing can be written there.
    """
    kind = choice_of_kind(kind, (*GROUPS, "suite"), "KIND")
    name = _checked(kind, name)
    words = _words(kind, name)
    parent = into if into is not None else Path()
    if not parent.is_dir():
        raise UsageError(f"--into {parent}: there is no such folder; make it first, or leave --into out")
    folder = parent / words["dist"]
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another name, another --into, or delete it")
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"src/{words['module']}/__init__.py": f"{kind}.py",
        f"tests/test_{name}.py": "test.py",
    }
    texts = {path: Template(_template(source)).substitute(words) for path, source in files.items()}
    _write(folder, texts)
    return Project(kind, name, folder, tuple(texts), words["run"])


_RECIPE = """\
    extends: vf_quasi
    summary: vf_quasi with another expectile
    set: {iql.tau: 0.7}
    # Without `extends` a recipe says all of it, here with an objective of your own:
    # objectives: [my_loss, vcreg]
    # distance: euclidean
    # training: separate # the encoder, then the predictor; or joint"""
_OWN_RECIPE = """\
    summary: $objective, with VICReg's terms against collapse
    objectives: [$objective, vcreg]
    distance: euclidean
    training: separate # the encoder, then the predictor; joint for an objective that trains the predictor
    # set: {$objective.PARAM: VALUE} # see `vgbench show objective $objective`"""


def new_suite(name: str, into: Path | None = None, objective: str | None = None) -> Path:
    """Write NAME.yaml, a suite to start from, under `into` (or here), and return its path.

    Its recipe my_method has the user's `objective`, which need not be installed yet, or else is one of ours with
    another value.

    Raises:
        UsageError: a name will not do, the file exists, or nothing can be written there.
    """
    if objective is not None and not _NAME.fullmatch(same(objective).rpartition(":")[2]):
        raise UsageError(f"--objective {objective!r}: expected the name of an objective, such as my_loss")
    if not _NAME.fullmatch(same(name)):
        raise UsageError(f"NAME {name!r}: expected lower-case words of letters and digits, joined by - or _")
    path = (into or Path()) / f"{same(name)}.yaml"
    if path.exists():
        raise UsageError(f"{path} exists already; choose another name, another --into, or delete it")
    recipe = Template(_OWN_RECIPE).substitute(objective=same(objective)) if objective else _RECIPE
    text = Template(_template("suite.yaml")).substitute(name=same(name), recipe=recipe)
    try:
        file = path.open("x", encoding="utf-8")
    except OSError as err:
        raise UsageError(f"{path}: cannot write there: {err.strerror or err}") from err
    try:
        with file:
            file.write(text)
    except BaseException as err:
        # Half a file would have to be deleted before the command could be repeated.
        path.unlink(missing_ok=True)
        if not isinstance(err, OSError):
            raise
        raise UsageError(f"{path}: cannot write there: {err.strerror or err}") from err
    return path


def _checked(kind: str, given: str) -> str:
    """Normalise a name, and refuse one that cannot be used."""
    name = same(given).lower()
    # The class as well: that of `none` would be None.
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or keyword.iskeyword(_class(name)):
        plain = re.sub(r"[^a-z0-9]+", "_", name).strip("_0123456789") or "mine"
        better = f"my_{plain}" if keyword.iskeyword(plain) or keyword.iskeyword(_class(plain)) else plain
        raise UsageError(
            f"NAME {given!r}: expected lower-case words of letters and digits, joined by - or _, "
            f"and no word of Python's own; e.g. {better}"
        )
    if name != same(given):
        raise UsageError(f"NAME {given!r}: names are lower case; did you mean {name!r}?")
    # Both would share their addresses, as in `--set train.lr=1e-3`.
    if name in _reserved():
        raise UsageError(f"NAME {given!r} stands for something else in --set {name}.param=value; choose another name")
    for entry in Registry().entries(kind):
        if entry.name == name:
            raise UsageError(
                f"NAME {given!r}: there is {entry} already; choose another name (see `vgbench list {kind}`)"
            )
    module = f"vgbench_{name}"
    if importlib.util.find_spec(module) is not None:
        raise UsageError(
            f"NAME {given!r}: its package would be called {module}, which is installed; choose another name"
        )
    return name


def _reserved() -> set[str]:
    """Names that `--set` reads as a slot or as a group of settings."""
    from vgbench import settings
    from vgbench.api.network import ROLES
    from vgbench.stages import STAGES

    return {*settings.GROUPS, *GROUPS, *ROLES, "env", "baseline", "setting", *(kind.slot for kind in STAGES)}


def _class(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _words(kind: str, name: str) -> dict[str, str]:
    """What the templates' placeholders stand for."""
    major, minor = __version__.split(".")[:2]
    return {
        "kind": kind,
        "name": name,
        "group": GROUPS[kind],
        "cls": _class(name),
        "dist": f"vgbench-{name.replace('_', '-')}",
        "module": f"vgbench_{name}",
        "title": name.replace("_", " ").capitalize(),
        "article": f"an {kind}" if kind[0] in "aeio" else f"a {kind}",
        "pin": f">={major}.{minor},<{major}.{int(minor) + 1}",
        "run": _run(kind, name),
    }


def _template(name: str) -> str:
    return (resources.files("vgbench.plugin") / "templates" / f"{name}.txt").read_text(encoding="utf-8")


def _run(kind: str, name: str) -> str:
    """Arguments of a run that uses a new plugin."""
    runs: dict[str, str] = json.loads(_template("runs.json"))
    return Template(runs[kind]).substitute(name=name)


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Make the folder with all its files, or none of it."""
    partial = None
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
        # mkdtemp makes folders that only their owner can read.
        partial.chmod(0o755)
        for path, text in texts.items():
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            (partial / path).write_text(text, encoding="utf-8")
        partial.rename(folder)
    except OSError as err:
        raise UsageError(f"{folder}: cannot write there: {err.strerror or err}") from err
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
