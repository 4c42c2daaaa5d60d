"""Names of the environments in Gymnasium's registry."""

import re

import gymnasium

from vgbench.plugin.entry import Entry
from vgbench.plugin.registry import Registry

NAMESPACE = "vgbench"


def env_id(entry: Entry) -> str:
    """Name of an environment: `wall` is `vgbench/Wall-v0`; a second one, of vgx-mine, is `vgbench/VgxMineWall-v0`."""
    # An address may hold a `:`, before which Gymnasium would read a module to import.
    words = re.split(r"[^A-Za-z0-9]+", entry.address)
    return f"{NAMESPACE}/{''.join(word[:1].upper() + word[1:] for word in words)}-v0"


def register() -> list[str]:
    """Register what is installed, and return the names. None of the environments is imported.

    An episode is truncated after the steps that the environment's usual protocol gives it.
    """
    from vgbench.config.catalogue_files import load_catalogue
    from vgbench.settings import MpcSettings

    catalogue, names = load_catalogue(), []
    for entry in Registry().entries("environment"):
        protocol = catalogue.usual_protocol(entry.address)
        # quick: the scale of a run that names none.
        budget = (protocol.values("quick") if protocol else {}).get("mpc.max_steps")
        names.append(env_id(entry))
        gymnasium.registry.pop(names[-1], None)  # called again: what has been installed since comes on top
        gymnasium.register(
            names[-1],
            entry_point="vgbench.gymnasium.env:TaskEnv",
            max_episode_steps=budget or MpcSettings().max_steps,
            kwargs={"environment": entry.address},
        )
    return names
