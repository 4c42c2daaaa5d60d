"""The verdict of `vgbench offline`: one line that says what is no better than its yardstick, and by which figure."""

from vgbench.storage.files import Record


def verdict(record: Record) -> str:
    """Say in one line what of a model falls short: it is held against the same networks before training."""
    blocks = {name: block for name, block in record["blocks"].items() if "skipped" not in block}
    judges = {"value": _value, "model": _model, "plans": _plans}
    needed = {"value": "order", "model": "prediction", "plans": "plan"}
    known = [name for name in judges if _known(blocks, needed[name])]
    if not known:
        return "Verdict: none, since the episodes are too short for what it needs."
    wrong = {name: found for name in known if (found := judges[name](blocks[needed[name]]))}
    rest = [name for name in known if name not in wrong]
    unknown = [name for name in judges if name not in known]
    parts = [f"{_joined([*wrong])} {_verb([*wrong])} short: {'; '.join(wrong.values())}"] if wrong else []
    if rest:
        good = "; ".join(_good(name, blocks[needed[name]]) for name in rest)
        parts.append(f"{_joined(rest)} beat{'s' if _single(rest) else ''} the yardsticks ({good})")
    if unknown:
        parts.append(f"{_joined(unknown)} could not be judged")
    return f"Verdict: {'. '.join(part[0].upper() + part[1:] if number else part for number, part in enumerate(parts))}."


def _known(blocks: Record, name: str) -> bool:
    block = blocks.get(name)
    return block is not None and (name != "order" or block["spearman"] is not None)


def _joined(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _single(names: list[str]) -> bool:
    return len(names) == 1 and names != ["plans"]


def _verb(names: list[str]) -> str:
    return "falls" if _single(names) else "fall"


def _value(block: Record) -> str:
    found, best = block["spearman"], max(_numbers(block["untrained"]["spearman"]), default=0.0)
    # The lower end of the interval over goals: few of them tell little.
    if found["ci95"][0] > max(best, 0.0):
        return ""
    low, high = found["ci95"]
    yardstick = f"untrained ({best:.2f})" if best > 0 else "none"
    return f"its order along episodes ({found['mean']:.2f} [{low:.2f}, {high:.2f}]) is not clearly above {yardstick}"


def _model(block: Record) -> str:
    last, error = block["horizon"], block["latent"][-1]
    best = min(one[-1] for one in block["untrained"]["latent"])
    if error >= 1:
        return (
            f"after {last} steps its predictions are no better than predicting no change ({error:.3g} times its error)"
        )
    if all(one >= 0.9 * other for one, other in zip(block["latent"], block["latent_shuffled"], strict=True)):
        return "the model all but ignores the actions"
    if error >= best:
        return f"after {last} steps its predictions ({error:.3g}) are no better than untrained ({best:.3g})"
    return ""


def _plans(block: Record) -> str:
    best = max(_numbers(block["untrained"]["cosine"]), default=-1.0)
    other = block["cosine_of_others"]
    if block["cosine"] <= max(best, other):
        return (
            f"they lead where the recorded actions do (cosine {block['cosine']:.2f}) no more than those of others "
            f"({other:.2f}) or untrained ({best:.2f})"
        )
    return ""


def _good(name: str, block: Record) -> str:
    if name == "value":
        best = max(_numbers(block["untrained"]["spearman"]), default=0.0)
        return f"order {block['spearman']['mean']:.2f}, untrained {best:.2f}"
    if name == "model":
        best = min(one[-1] for one in block["untrained"]["latent"])
        return f"error {block['latent'][-1]:.2g} of no change, untrained {best:.2g}"
    best = max(_numbers(block["untrained"]["cosine"]), default=-1.0)
    return f"cosine {block['cosine']:.2f}, untrained {best:.2f}"


def _numbers(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]
