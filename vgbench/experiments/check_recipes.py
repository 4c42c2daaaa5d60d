"""Checks a user's own recipes as wholes, when their file is named: all of them, not only the one that will run."""

from vgbench.config.request import OptionReader, RunRequest
from vgbench.errors import UsageError

_PLACE = {"environment": "env", "protocol": "protocol", "scale": "scale", "variant": "variant"}
"""Options that say where a recipe is checked, by their keys in a file."""


def check(request: RunRequest) -> None:
    """Resolve and build each recipe that a request brings along, where it will run and at the smallest scale.

    Raises:
        UsageError: `FILE:LINE: ...`: a plugin or parameter that does not exist, a value out of its range, or parts that
            cannot be combined.
    """
    file = request.options.get("recipes") or request.options.get("config")
    if file is None:
        return
    choices = OptionReader(request)
    own = [recipe for recipe in choices.catalogue().recipes.values() if recipe.own]
    if not own:
        return
    from vgbench.config.resolve import resolve
    from vgbench.experiments.build import dry_build

    asked = {option: choice.value for key, option in _PLACE.items() if (choice := choices.get(key))}
    for recipe in own:
        trial = RunRequest(recipe=recipe.name, recipes=file, device="cpu", set=request.sets, loose=True, **asked)
        where = recipe.written("")
        try:
            dry_build(resolve(trial))
        except UsageError as err:
            # Most say where already; what only two parts together make wrong has no line of its own.
            raise UsageError(str(err) if f"{where.partition(':')[0]}:" in str(err) else f"{where}: {err}") from err
