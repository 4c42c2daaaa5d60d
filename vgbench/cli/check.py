"""`vgbench check`: check that a plugin satisfies its interface."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vgbench.cli.common import KINDS, Debug, Format, examples, handled, print_json, print_table, takes
from vgbench.errors import UsageError

if TYPE_CHECKING:
    from vgbench.testing import CheckResult

EPILOG = examples(
    "vgbench check objective iql",
    "vgbench check distance my-package:mine -k triangle -k prepared",
    "vgbench check objective prediction --set prediction.target=ema --format json",
)


@takes("set")
@handled
def check(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of: {KINDS}.")],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="As `vgbench list` prints it; also DIST:NAME.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("-k", metavar="ID", help="Run only this check; repeatable.")] = None,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Check that an installed plugin satisfies its interface.

    Each check is ok, FAIL, a warning, or skipped with a reason. The exit code is 1 if a check fails.
    """
    from vgbench.config.request import RunRequest
    from vgbench.testing import Session

    if name is None:
        raise UsageError(_without_kind(kind))
    session = Session.find(kind, name, RunRequest(**options).sets)
    outcomes = session.run(only or ())
    counts = {status: sum(o.status == status for o in outcomes) for status in ("ok", "FAIL", "warn", "skip")}
    entry = session.entry
    if format == "json":
        about = {"kind": entry.kind, "name": entry.address, "dist": entry.dist, "version": entry.version}
        print_json(about | {"ok": not counts["FAIL"], "counts": counts, "checks": [o.json() for o in outcomes]})
    else:
        print_table(["CHECK", "RESULT", "WHAT"], [[o.id, o.status, _words(o)] for o in outcomes])
        print(f"\n{entry}: {', '.join(f'{count} {status}' for status, count in counts.items() if count)}")
    if counts["FAIL"]:
        raise typer.Exit(1)


def _without_kind(only: str) -> str:
    """Say what is missing where one word was given, a kind or a name."""
    from vgbench.plugin.registry import Registry
    from vgbench.text import same

    kinds = [entry.kind for entry in Registry().entries() if entry.name == same(only.rpartition(":")[2])]
    if kinds:
        return f"KIND {only}: the kind comes first: vgbench check {kinds[0]} {only}"
    return f"NAME is missing: vgbench check KIND NAME, such as vgbench check objective iql (kinds: {KINDS})"


def _words(outcome: "CheckResult") -> str:
    """Say what is checked, or why the check failed."""
    where = f" ({outcome.where})" if outcome.where else ""
    return f"{outcome.message}{where}" if outcome.message else outcome.about
