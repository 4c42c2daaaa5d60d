"""One page per kind of plugin: its base class, and what is installed of that kind."""

from typing import Any

from tables import cell, code, table

from vgbench.api.capabilities import CAPABILITIES
from vgbench.config.describe import describe
from vgbench.plugin.entry import GROUPS, HOME
from vgbench.plugin.registry import Registry

_KINDS = {
    "environment": (
        "A world: dynamics, observations, data, tasks, and where it knows it, the true cost to go.",
        [
            "Environment",
            "EnvironmentSpec",
            "ArraySpec",
            "NormBall",
            "Box",
            "Discrete",
            "ActionSet",
            "Trajectories",
            "Tasks",
            "GymnasiumEnvironment",
            *(protocol.__name__ for protocol in CAPABILITIES.values()),
            "StateGrid",
        ],
    ),
    "objective": (
        "One term of the training loss; a run takes a weighted list of them.",
        ["Objective", "Loss", "Batch", "Goals", "Model", "Noise", "ObjectiveShapes"],
    ),
    "distance": ("The distance between two latents; the value is its negative.", ["Distance"]),
    "network": ("Builds encoder, predictor, action encoder or head.", ["Network", "NetworkShapes"]),
    "planner": ("Minimises a cost over action sequences.", ["Planner", "Problem", "Plan"]),
}


def pages() -> dict[str, str]:
    """Pages by path."""
    made = {f"kinds/{kind}.md": _page(kind, *about) for kind, about in _KINDS.items()}
    made["kinds/logger.md"] = _LOGGER + _installed("logger", parameters=False)
    made["kinds/parameters.md"] = _PARAMETERS
    return made


def _page(kind: str, about: str, names: list[str]) -> str:
    text = f"# {kind.capitalize()}\n\n{about} A package registers one under the entry-point group `{GROUPS[kind]}`:\n\n"
    text += f'```toml\n[project.entry-points."{GROUPS[kind]}"]\nmy_{kind} = "my_package:My{kind.capitalize()}"\n```\n\n'
    text += "".join(f"::: vgbench.api.{name}\n\n" for name in names)
    return text + _installed(kind)


def _installed(kind: str, parameters: bool = True) -> str:
    entries = [entry for entry in Registry().entries(kind) if entry.dist == HOME]
    about = [describe(kind, entry.name) for entry in entries]
    text = "## Built in\n\n"
    text += table(
        ["name", "what", "source"], [[code(a["name"]), cell(a["summary"]), cell(a["reference"])] for a in about]
    )
    for one in about if parameters else ():
        text += f"### `{one['name']}`\n\n"
        rows = [_parameter(one["name"], row) for row in one["parameters"]]
        text += table(["parameter", "type", "default", "meaning"], rows) if rows else "No parameters.\n\n"
    return text


def _parameter(plugin: str, row: dict[str, Any]) -> list[str]:
    kind = cell(f"{row['type']}, {row['range']}" if row["range"] else row["type"])
    default = "(required)" if row["required"] else str(row["default"])
    return [code(f"{plugin}.{row['name']}"), kind, code(default), cell(row["meaning"])]


_LOGGER = """# Logger

Receives the events of a run. Its class has any of the functions below as methods, each marked with
`vgbench.api.hookimpl` and taking any of the arguments by name. A package registers one under the entry-point group
`vgbench.loggers`:

```toml
[project.entry-points."vgbench.loggers"]
my_logger = "my_package:MyLogger"
```

::: vgbench.api.hooks
    options: { show_root_heading: false, show_root_toc_entry: false, heading_level: 2 }

"""

_PARAMETERS = """# Parameters and versions

What all kinds of plugin have in common.

::: vgbench.api.Plugin

::: vgbench.api.Params
    options: { filters: ["!^_", "!^model_config$"] }
"""
