"""Print what `vgbench run --dry-run` and `vgbench train --dry-run` find."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.cli.common import note, print_json, print_table
from vgbench.text import duration, shown, span

if TYPE_CHECKING:
    from vgbench.spec import RunSpec, SourcedValue


def print_plan(spec: "RunSpec", format: str, out: Path | None = None, train_only: bool = False) -> None:
    """Print every resolved value with its source, what is inert, and estimates of the cost.

    Also say if the run's folder (`out`, or its own) was made before a plugin's source changed. With `train_only`
    estimates are those of the training.
    """
    from vgbench.experiments.cost import estimate
    from vgbench.experiments.runner import folder_of
    from vgbench.storage.source_changes import changes_in

    cost, folder = estimate(spec), folder_of(spec, out)
    changed = [str(change) for change in changes_in(folder, spec)]
    if format == "json":
        print_json(
            {
                "title": spec.title(),
                "key": spec.key(),
                "selections": _plain(spec.selections),
                "values": _plain(spec.values),
                "unused": _plain(spec.unused),
                "notes": list(spec.notes),
                "changed_sources": changed,
                "estimates": cost,
                "config": spec.to_config(),
            }
        )
        return
    for text in spec.notes:
        note(text)
    if changed:
        note(f"{folder.path} was made before a change of {'; '.join(changed)}; --again repeats the run")
    print(f"{spec.title()} (key {spec.key()})\n")
    _print_values(spec.selections | spec.values)
    if spec.unused:
        print("\nunused (their plugins are not part of this run)")
        _print_values(spec.unused)
    print("\nestimates")
    flops = cost["flops"] - (cost["flops_by_stage"]["planning"] if train_only else 0)
    if not train_only:
        print(f"predictor evaluations  {cost['predictor_evaluations']:.3g} if no task is solved early")
    print(f"FLOPs                  {flops:.3g}")
    print(f"memory                 {cost['memory_bytes'] / 2**20:,.0f} MiB")
    basis = "from recorded runs of this recipe" if cost["recorded"] else "no recorded run of this recipe"
    low, high = ("training_low", "training_high") if train_only else ("seconds_low", "seconds_high")
    print(f"time on this machine   {span(cost[low], cost[high])} ({basis})")
    if train_only:
        return
    print(f"  if no task is solved {duration(cost['seconds'])}")


def _print_values(values: "dict[str, SourcedValue]") -> None:
    rows = [[name, shown(v.value), v.source, _replaced(v)] for name, v in values.items()]
    print_table(["NAME", "VALUE", "FROM", "INSTEAD OF"], rows)


def _replaced(value: "SourcedValue") -> str:
    """Words for the values that one replaced: `1.0 (variant literal)`."""
    return ", ".join(f"{shown(old)} ({source})" for old, source in value.over)


def _plain(values: "dict[str, SourcedValue]") -> dict[str, Any]:
    plain: dict[str, Any] = {name: {"value": value.value, "source": value.source} for name, value in values.items()}
    for name, value in values.items():
        if value.over:
            plain[name]["instead_of"] = [{"value": old, "source": source} for old, source in value.over]
    return plain
