"""Files that add to registry.yaml: a user's own, and those that installed packages bring.

A package names its file in the entry-point group `vgbench.catalogues`: the value is `PACKAGE:FILE.yaml`, a file beside
the package's modules. It is found without an import of the package.
"""

import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from vgbench.config import catalogue
from vgbench.config.catalogue import OWN_SECTIONS, Catalogue
from vgbench.config.config_file import KEYS
from vgbench.config.recipes import check_values
from vgbench.config.schema import known, mapping
from vgbench.errors import UsageError, prefix_error
from vgbench.plugin.entry import CATALOGUES, Entry
from vgbench.plugin.registry import Registry
from vgbench.storage import yaml_file
from vgbench.storage.yaml_file import Where
from vgbench.text import suggest


def load_catalogue() -> Catalogue:
    """Return registry.yaml with the files of installed packages; read once.

    A package whose file cannot be used is left out, see `problems`.

    Raises:
        UsageError: registry.yaml is missing, not YAML, or has a key that means nothing.
    """
    return _load(Registry().others(CATALOGUES), tuple(sys.path))[0]


def problems() -> tuple[str, ...]:
    """Return a line for each package whose file was left out."""
    return _load(Registry().others(CATALOGUES), tuple(sys.path))[1]


# Keyed by what decides the result: another sys.path has other packages.
@lru_cache(maxsize=8)
def _load(entries: tuple[Entry, ...], search: tuple[str, ...]) -> tuple[Catalogue, tuple[str, ...]]:
    made, left_out = catalogue.load_registry(), []
    for entry in entries:
        try:
            path = _resource(entry.value)
            made = catalogue.extended(made, yaml_file.load(path), Where(str(path)), entry.source)
        except UsageError as err:
            left_out.append(f"catalogue {entry.name!r} of {entry.source} is left out: {err}")
    return made, tuple(left_out)


def _resource(value: str) -> Path:
    """Find the file of an entry point `PACKAGE:FILE.yaml`."""
    package, colon, file = value.partition(":")
    # Of a package inside of another one `find_spec` would import the outer one.
    top, *inner = package.split(".")
    spec = importlib.util.find_spec(top) if colon and file else None
    if spec is None or not (spec.submodule_search_locations or spec.origin):
        raise UsageError(f"{value!r}: expected PACKAGE:FILE.yaml, a file beside the modules of an installed package")
    # A single module has no folder of its own: its file lies beside it.
    for folder in spec.submodule_search_locations or [str(Path(str(spec.origin)).parent)]:
        path = Path(folder, *inner, file)
        if path.is_file():
            return path
    raise UsageError(f"{value!r}: there is no file {file} in package {package}")


def _read_file(path: Path, option: str) -> tuple[dict[str, Any], Where, bool]:
    """Read a user's file: recipes, protocols, variants, suites, sweeps. A run's config.yaml will do as well.

    Returns its sections, its place, and whether it has all values of its recipe, inherited ones among them, as the file
    of a run has.

    Raises:
        UsageError: the file cannot be read, or has something else.
    """
    with prefix_error(option, " "):
        content = yaml_file.load(path)
    where = Where(str(path))
    known(mapping(content, where), {*KEYS, *OWN_SECTIONS}, where)
    # Other keys of a run's config.yaml are no part of the catalogue.
    own = {key: value for key, value in content.items() if key in OWN_SECTIONS and isinstance(value, dict | list)}
    if not own:
        # `recipe: ...` alone is a choice of a config.yaml, and more likely a slip of `recipes` here.
        near = [f"{where.at(key)}: {key!r} is no section. {suggest(key, OWN_SECTIONS)}" for key in list(content)[:1]]
        more = f"or one of {', '.join(OWN_SECTIONS[2:])}"
        words = f"{option} {path}: expected a section `recipes`, with a recipe under each name, {more}"
        raise UsageError(". ".join([words, *near]))
    return own, where, "complete" in content


def with_file(path: Path, option: str) -> tuple[Catalogue, dict[str, Any]]:
    """Return the catalogue with a user's file in it, and the file's sections.

    Raises:
        UsageError: `FILE:LINE: ...`, for what is wrong.
    """
    content, where, complete = _read_file(path, option)
    made = load_catalogue().with_file(content, where)
    if not complete:
        installed = [(entry.kind, entry.name) for entry in Registry().entries()]
        check_values(content.get("recipes") or {}, where / "recipes", made.recipes, installed)
    return made, content


def only_suite(path: Path, option: str) -> tuple[Catalogue, str]:
    """Return the catalogue with a user's file in it, and the name of the file's only suite.

    Raises:
        UsageError: it has none, or several.
    """
    made, content = with_file(path, option)
    names = list(content.get("suites") or {})
    if len(names) != 1:
        have = f"{len(names)} suites ({', '.join(names)}): name one, with --recipes {path}" if names else "no suite"
        hint = "" if names else "; expected a section `suites`, with a suite under its name"
        raise UsageError(f"{option} {path}: it has {have}{hint}")
    return made, names[0]
