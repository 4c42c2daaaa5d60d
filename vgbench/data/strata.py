"""Strata of an environment's tasks: what it declares, and names held against that or against the tasks."""

from collections.abc import Iterable, Mapping

from vgbench.api import Environment, Tasks
from vgbench.data.checks import check_strata
from vgbench.errors import UsageError
from vgbench.plugin.attribution import describe_plugin
from vgbench.plugin.guard import plain
from vgbench.text import suggest


def declared(environment: Environment) -> tuple[str, ...] | None:
    """Return the strata that tasks of an environment may have: none, or None where only the tasks tell.

    Raises:
        RunFailed: it declares something else than names.
    """
    order = plain(type(environment)).__mro__
    by, sampled = (
        next(n for n, cls in enumerate(order) if name in vars(cls)) for name in ("task_strata", "sample_tasks")
    )
    # A class that inherits the declaration, but samples tasks of its own, has not said which groups those have.
    if sampled < by:
        return None
    found = environment.task_strata
    check_strata(f"{describe_plugin(environment, 'environment')}: task_strata", found, len(found or ()))
    return found


def undeclared(environment: Environment, names: Iterable[str]) -> tuple[str, tuple[str, ...]] | None:
    """Return the first name that is not among the strata that an environment declares, and those; None if all are."""
    known = declared(environment)
    other = None if known is None else unknown(names, known)
    return None if known is None or other is None else (other, known)


def unknown(names: Iterable[str], known: Iterable[str]) -> str | None:
    """Return the first name that is not among those known, or None."""
    known = set(known)
    return next((name for name in names if name not in known), None)


def not_there(name: str, known: Iterable[str]) -> str:
    """Say which strata there are in place of one."""
    known = list(dict.fromkeys(known))
    return suggest(name, known) if known else "Its tasks have no strata."


def check_wanted(wanted: Mapping[str, str], tasks: Tasks) -> None:
    """Refuse tasks that lack a stratum; `wanted` says by its name where it was asked for.

    Raises:
        UsageError: no task is of it.
    """
    found = tasks.strata or ()
    name = unknown(wanted, found)
    if name is not None:
        raise UsageError(f"{wanted[name]}: none of the {len(tasks)} tasks is of it. {not_there(name, found)}")
