"""Suites: recipes x protocols x seeds of registry.yaml, as cells."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vgbench.config import catalogue_files
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.definitions import Suite
from vgbench.config.request import RunRequest
from vgbench.errors import UsageError
from vgbench.experiments.cells import CellRequest
from vgbench.storage.near_path import near_path
from vgbench.text import same, suggest


def narrowed(suite: Suite, only: Sequence[str], option: str = "--only") -> Suite:
    """Keep the recipes and protocols that are named; a kind of which none is named is kept whole.

    Raises:
        UsageError: the suite has nothing of that name, no name is given, or it does not run these recipes on these
            protocols.
    """
    names = [same(name) for text in only for name in text.split(",") if name.strip()]
    if only and not names:
        raise UsageError(f"{option} {' '.join(only)}: expected names of recipes or protocols, e.g. {suite.recipes[0]}")
    for name in names:
        if name not in (*suite.recipes, *suite.protocols):
            known = suggest(name, (*suite.recipes, *suite.protocols))
            raise UsageError(f"{option} {name}: suite {suite.name} has no recipe or protocol of that name. {known}")
    recipes = tuple(name for name in suite.recipes if name in names) or suite.recipes
    protocols = tuple(name for name in suite.protocols if name in names) or suite.protocols
    if not any(suite.has(recipe, protocol) for recipe in recipes for protocol in protocols):
        places = "; ".join(f"{name} on {', '.join(suite.only.get(name, suite.protocols))}" for name in recipes)
        raise UsageError(f"{option} {' '.join(only)}: no run is left, suite {suite.name} runs {places}")
    return replace(suite, recipes=recipes, protocols=protocols)


def find(name: str, recipes: Path | None = None, option: str = "NAME") -> tuple[Suite, Path | None]:
    """Look up a suite by its name, or the only one of a file; return it with the file that its runs need, if any.

    Args:
        name: of a suite, or a file `*.yaml` with a section `suites`.
        recipes: the user's file for --recipes. A suite that is not the file's own gets the file's recipes as further
            rows, so that they stand beside its own.
        option: how the name was given, for messages.

    Raises:
        UsageError: there is none of that name, or the file is wrong.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        if not Path(name).exists():
            raise UsageError(f"{option} {name}: there is no such file.{_near_file(Path(name))}")
        if recipes is not None:
            raise UsageError(f"--recipes {recipes} contradicts the file {name}, which has its own; put them in one")
        catalogue, only = catalogue_files.only_suite(Path(name), option)
        return catalogue.suite(only), Path(name)
    catalogue = load_catalogue()
    content: dict[str, Any] = {}
    if recipes is not None:
        catalogue, content = catalogue_files.with_file(recipes, "--recipes")
    if same(name) in catalogue.sweeps:
        raise UsageError(f"{name} is a sweep, not a suite: vgbench sweep {same(name)}")
    if same(name) not in catalogue.suites and (file := _file_here(name)):
        raise UsageError(f"no suite named {name!r}, but there is a file: {file}. Did you mean {str(file)!r}?")
    suite = catalogue.suite(name)
    if suite.name in (content.get("suites") or {}):
        return suite, recipes
    return replace(suite, recipes=tuple(dict.fromkeys([*suite.recipes, *(content.get("recipes") or {})]))), recipes


def _file_here(name: str) -> Path | None:
    """Return the YAML file that a name without its ending means, if there is one."""
    return next((Path(f"{stem}.yaml") for stem in (name, same(name)) if Path(f"{stem}.yaml").is_file()), None)


def _near_file(path: Path) -> str:
    """Name the YAML file that is nearest to one that does not exist."""
    return near_path(path, (found.name for found in path.parent.glob("*.y*ml") if found.is_file()), cutoff=0.5)


def cells(suite: Suite, seeds: Sequence[int], base: RunRequest) -> list[CellRequest]:
    """Ask for every protocol, recipe and seed; `base` has what they have in common (scale, sets, device, ...).

    All cells of a protocol face the same tasks, and those of one seed train on the same data set: its seed is that of
    training, unless `base` has a `data_seed`.
    """
    return [
        CellRequest(
            {"protocol": protocol, "recipe": recipe, "seed": seed},
            base.replaced(protocol=protocol, recipe=recipe, seed=seed, loose=True),
            Path(protocol) / recipe / f"s{seed}",
        )
        for protocol in suite.protocols
        for recipe in suite.recipes
        if suite.has(recipe, protocol)
        for seed in seeds
    ]
