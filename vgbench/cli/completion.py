"""Names that a shell completes: of plugins, recipes, protocols, suites, ... Nothing of them is imported."""

from collections.abc import Callable
from contextlib import suppress

import typer

from vgbench.config.options import RunOption

Complete = Callable[[str], list[str]]

_KINDS = {"env": "environment", "encoder": "network", "predictor": "network"}
"""Kinds of what an option names, where its own name is another one."""


def names(*kinds: str) -> Complete:
    """Return a completion of the names of these kinds: plugins, and sections of registry.yaml."""

    def complete(incomplete: str) -> list[str]:
        found: list[str] = []
        # In the middle of a line nothing can be said of a broken file or plugin.
        with suppress(Exception):
            from vgbench.config import SECTIONS
            from vgbench.config.catalogue_files import load_catalogue
            from vgbench.plugin.registry import Registry

            for kind in kinds:
                if kind in SECTIONS:
                    found += getattr(load_catalogue(), f"{kind}s")
                else:
                    found += [entry.address for entry in Registry().entries(kind)]
        return _starting(found, incomplete)

    return complete


def kinds(*more: str) -> Complete:
    """Return a completion of the kinds of plugin, the sections of registry.yaml, and others."""

    def complete(incomplete: str) -> list[str]:
        from vgbench.config import SECTIONS
        from vgbench.plugin.entry import GROUPS

        return _starting([*GROUPS, *SECTIONS, *more], incomplete)

    return complete


def of_kind(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a name of the kind that stands before it, in `vgbench show KIND NAME`."""
    kind = str(context.params.get("kind", "")).removesuffix("s")
    return names(kind)(incomplete)


def of_option(option: RunOption) -> Complete | None:
    """Return the completion of a run's option: its choices, or names of what it selects."""
    from vgbench.config import SECTIONS
    from vgbench.plugin.entry import GROUPS

    choices = (option.about.metavar or "").split("|")
    if len(choices) > 1:
        known = [choice.partition("[")[0] for choice in choices]
        return lambda incomplete: _starting(known, incomplete)
    kind = _KINDS.get(option.name, option.name)
    return names(kind) if kind in (*GROUPS, *SECTIONS) else None


def _starting(known: list[str], incomplete: str) -> list[str]:
    return [name for name in known if name.startswith(incomplete)]
