"""Recipes, protocols, variants, suites and published numbers, from registry.yaml."""

from typing import Any

from tables import cell, code, table

from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.describe import describe

_OPENING = """# Recipes and protocols

What follows is `registry.yaml`, which ships with vgbench; `vgbench show recipe NAME` and its like print the same.
Values are written `name.param`, as for `--set`. Recipes of your own go to a file: `vgbench run --recipes FILE`.

"""


def page() -> str:
    """One part per section of the file."""
    known = load_catalogue()
    text = _OPENING + "## Recipes\n\nRows of the paper's Table 1, and further ones.\n\n"
    text += table(
        ["recipe", "what", "objectives", "distance", "training"],
        [_recipe(recipe) for recipe in known.recipes.values()],
    )
    for name in known.recipes:
        text += _values(f"### `{name}`", describe("recipe", name))
    text += "## Protocols\n\nWhere a method is judged: environment, data, planner, tasks, at each scale.\n\n"
    for name, protocol in known.protocols.items():
        parts = {"environment": protocol.environment or "any", "encoder": protocol.encoder}
        parts |= {"predictor": protocol.predictor, "planner": protocol.planner, "baseline": protocol.baseline or ""}
        text += f"### `{name}`\n\n{_sentence(protocol)}\n\n{table(list(parts), [[code(v) for v in parts.values()]])}"
        text += _values("", describe("protocol", name))
    text += (
        "## Variants\n\nHow the methods are read, by name (`--variant`), the same at every scale; see "
        "[decisions](decisions.md).\n\n"
    )
    for name, variant in known.variants.items():
        text += f"### `{name}`\n\n{_sentence(variant)}\n\n" + _choices(describe("variant", name))
    text += "## Suites and published numbers\n\n"
    for name, suite in known.suites.items():
        text += f"### `{name}`\n\n{_sentence(suite)}\n\n" + _published(describe("suite", name), suite)
    return text


def _recipe(recipe: Any) -> list[str]:
    terms = " + ".join(code(objective) for objective in recipe.objectives)
    return [code(recipe.name), cell(recipe.summary), terms, code(recipe.distance), cell(recipe.training)]


def _sentence(item: Any) -> str:
    return item.summary.capitalize() + (f" ({item.reference})." if item.reference else ".")


def _values(heading: str, about: dict[str, Any], opening: str = "") -> str:
    if not about["values"]:
        return f"{heading}\n\n{opening}\n\n" if opening else ""
    rows = [[code(v["name"]), code(v["value"]), cell(v["for"]), cell(v["meaning"])] for v in about["values"]]
    return f"{heading}\n\n{opening}\n\n" + table(["parameter", "value", "for", "meaning"], rows)


def _choices(about: dict[str, Any]) -> str:
    """Tables of a variant's choices with their reasons, and of their values beside those of the variant it extends."""
    reasons = table(["choice", "why"], [[cell(each["choice"]), cell(each["why"])] for each in about["choices"]])
    headers, rows = ["choice", "parameter", "value", "for"], []
    if about["extends"]:
        headers += [about["extends"], "worth"]
    for v in about["values"]:
        row = [cell(v["choice"]), code(v["name"]), code(v["value"]), cell(v["for"])]
        rows.append(row + ([code(v["instead_of"]), cell(v["worth"])] if about["extends"] else []))
    return reasons + table(headers, rows)


def _published(about: dict[str, Any], suite: Any) -> str:
    if not about["published"]:
        return f"Recipes {', '.join(map(code, suite.recipes))} on {', '.join(map(code, suite.protocols))}.\n\n"
    rows = [[code(row["recipe"]), *(_rate(row[name]) for name in suite.protocols)] for row in about["published"]]
    headers = ["recipe", *(f"`{name}`, of {suite.published_n.get(name, '?')} tasks" for name in suite.protocols)]
    return "Published success rates:\n\n" + table(headers, rows)


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".lstrip("0")
