"""A report from folders and names: what `vgbench report` and `vgbench.report` share."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vgbench.config.catalogue_files import load_catalogue, with_file
from vgbench.config.definitions import Suite
from vgbench.config.protocols import SCALES
from vgbench.errors import UsageError, VgbenchError, prefix_error
from vgbench.experiments.suite import find
from vgbench.reports import claims, rows, table
from vgbench.reports.claims import Finding
from vgbench.reports.table import Table
from vgbench.storage import records, yaml_file
from vgbench.storage.files import read_json
from vgbench.storage.near_path import near_path
from vgbench.storage.records import RunRecord
from vgbench.text import choice

DEFAULT, QUICK = "paper_table_2", "quick"


def choose(
    suite: str | None, recipes: Path | None, variants: Sequence[str], scale: str | None
) -> tuple[Suite, Path | None, list[str], str | None]:
    """Return the suite, the user's file that it needs, the variants (none: all) and the scale that are named, if any.

    Raises:
        UsageError: one of them does not exist.
    """
    name = suite or DEFAULT
    try:
        chosen, own = find(name, recipes, "--suite")
    except UsageError as err:
        # What it says of a file begins with the option.
        raise err if str(err).startswith("--") else UsageError(f"--suite {name}: {err}") from err
    catalogue = load_catalogue() if own is None else with_file(own, "--suite")[0]
    found = []
    for text in variants:
        with prefix_error(f"--variant {text}"):
            variant = catalogue.variant(text)
        assert variant is not None
        found.append(variant.name)
    return chosen, own, list(dict.fromkeys(found)), None if scale is None else choice(scale, SCALES, "--scale")


def make(
    folders: Sequence[Path], suite: str | None, scale: str | None, variants: Sequence[str], recipes: Path | None = None
) -> tuple[Table, list[Finding], list[str]]:
    """Read the records of some folders into a table, and test its claims.

    Args:
        folders: of run folders; none: the suite's usual one.
        suite: name or file; None: rows and columns are what there is.
        scale: of the records; None: the only one that they have, quick if they have several.
        variants: of the records, side by side; none: all that there are.
        recipes: a file with recipes of the user's own.

    Returns:
        The table, what became of its claims, and a line for each folder that was left out.

    Raises:
        UsageError: a folder or a name does not exist, or no suite is named and no run of the folders can be shown.
    """
    free = suite is None and bool(folders)
    chosen, own, named, asked = choose(suite, recipes, variants, scale)
    places = folders_of(folders, chosen.name, asked or QUICK)
    scale = asked or (_only_scale(places) if folders else QUICK)
    found, left_out = records.scan(places, scale, None if free else table.recipes(chosen), named)
    unknown = [record for record in found if not _known_variant(record, own)]
    left_out += [f"{record.path}: it is of variant {record.variant}, which is not installed" for record in unknown]
    found = [record for record in found if record not in unknown]
    shown: list[str | None] = [*(named or table.variants(found))]
    if free:
        if not found:
            raise UsageError(_nothing(places, left_out))
        found = rows.labelled(found, shown, own)
        chosen = rows.suite_of(found, chosen)
    else:
        left_out += [
            f"{record.path}: it is on {record.protocol}, which suite {chosen.name} does not have"
            for record in found
            if record.protocol not in chosen.protocols
        ]
    built = table.build(chosen, scale, found, shown or [None], own)
    return built, claims.judge(built), left_out


def _only_scale(folders: Sequence[Path]) -> str:
    """Return the only scale that the runs of some folders have; quick if they have several or none."""
    scales = set()
    for path in (path for folder in folders for path in records.leaves(folder)):
        # What cannot be read `scan` names.
        with suppress(VgbenchError):
            scales.add(str(read_json(path / "run.json", ("scale",), "left out")["scale"]))
    return scales.pop() if len(scales) == 1 and scales <= {*SCALES} else QUICK


def _nothing(folders: Sequence[Path], left_out: Sequence[str]) -> str:
    """Say why the runs of some folders make no table."""
    where = " ".join(map(str, folders))
    if not left_out:
        return f"DIR {where}: there is no run in it; expected a folder with runs"
    whys = "; ".join(text for text, _ in reasons(left_out))
    return f"DIR {where}: no run there can be shown: {whys}"


def reasons(left_out: Sequence[str]) -> list[tuple[str, int]]:
    """Return the lines on folders that were left out, those with one reason as one line, and how many it stands for."""
    groups: dict[str, list[str]] = {}
    for line in left_out:
        groups.setdefault(line.partition(": ")[2], []).append(line)
    return [
        (lines[0] if len(lines) == 1 else f"{lines[0].partition(': ')[0]} and {len(lines) - 1} more: {why}", len(lines))
        for why, lines in groups.items()
    ]


def _known_variant(record: RunRecord, own: Path | None) -> bool:
    """Whether a record's variant is installed, of the user's file, or kept with the record itself."""
    catalogue = load_catalogue() if own is None else with_file(own, "--suite")[0]
    if record.variant is None or record.variant in catalogue.variants:
        return True
    try:
        kept = yaml_file.load(record.path / "config.yaml").get("variants") or {}
    except (UsageError, AttributeError):
        return False
    return record.variant in kept


def folders_of(folders: Sequence[Path], suite: str, scale: str) -> list[Path]:
    """Return the folders to read, by default that of the suite; all of them exist.

    Raises:
        UsageError: one does not.
    """
    for folder in folders:
        name, _, of = folder.name.rpartition("-")
        _look(folder, _maker(name, of) if name in load_catalogue().suites and of in SCALES else "")
    if folders:
        return list(folders)
    usual = Path("runs") / f"{suite}-{scale}"
    _look(usual, _maker(suite, scale))
    return [usual]


def _maker(suite: str, scale: str) -> str:
    return f" (`vgbench suite {suite} --scale {scale}` makes it)"


def _look(folder: Path, made_by: str = "") -> None:
    """Refuse a folder that does not exist."""
    if folder.is_dir():
        return
    parent = folder.parent
    inside = sorted(p.name for p in parent.iterdir() if _may_hold_records(p)) if parent.is_dir() else []
    there = f" Folders with runs in {parent}: {', '.join(inside)}." if inside else ""
    near = near_path(folder, inside)
    raise UsageError(f"DIR {folder}: there is no such folder{made_by}; expected a folder with runs.{near}{there}")


def _may_hold_records(folder: Path) -> bool:
    """Whether a folder has a run in it, or not far below it."""
    depths = ("run.json", "*/run.json", "*/*/run.json", "*/*/*/run.json")
    return folder.is_dir() and any(True for depth in depths for _ in folder.glob(depth))
