"""Checks a user's own recipes as wholes, when their file is named: all of them, not only the one that will run."""

from vgbench.config.request import OptionReader, RunRequest
from vgbench.errors import UsageError


def check(request: RunRequest) -> None:
    """Resolve and build each recipe that a request brings along, where it will run and at the smallest scale.

    Raises:
        UsageError: `FILE:LINE: ...`: a plugin or parameter that does not exist, a value out of its range, or parts that
            cannot be combined.
    """
    if request.recipes is None and request.config is None:
        return
    choices = OptionReader(request)
    own = [recipe for recipe in choices.catalogue().recipes.values() if recipe.own]
    if not own:
        return
    from vgbench.config.resolve import resolve
    from vgbench.experiments.build import dry_build

    asked = {key: choice.value for key, choice in choices.chosen.items() if choice is not None}
    for recipe in own:
        trial = RunRequest(asked.get("environment"), asked.get("protocol"), recipe.name, device="cpu", loose=True)
        trial.scale, trial.variant, trial.sets = asked.get("scale"), asked.get("variant"), request.sets
        trial.recipes = request.recipes or request.config
        where = recipe.written("")
        try:
            dry_build(resolve(trial))
        except UsageError as err:
            # Most say where already; what only two parts together make wrong has no line of its own.
            raise UsageError(str(err) if f"{where.partition(':')[0]}:" in str(err) else f"{where}: {err}") from err
