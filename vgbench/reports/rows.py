"""The rows and columns of a report that no suite is named for: what there is, a publication's rows first."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from vgbench.config.claims import Claim
from vgbench.config.definitions import Suite
from vgbench.reports.staleness import compare
from vgbench.storage.records import RunRecord


def labelled(
    records: Iterable[RunRecord], variants: Sequence[str | None] = (), own: Path | None = None
) -> list[RunRecord]:
    """Give runs with values that their commands asked for rows of their own: `vf (iql.tau=0.9)`."""
    found = []
    for record in records:
        asked = () if record.error else compare(record, record.variant or next(iter(variants), None), own).asked
        found.append(replace(record, row=f"{record.recipe} ({', '.join(asked)})") if asked else record)
    return found


def suite_of(records: Sequence[RunRecord], base: Suite) -> Suite:
    """Return a suite of the rows and protocols that some records have: those of `base` first, then the others.

    Published rates and claims are those of `base`, as far as there are records on both sides.
    """
    labels = dict.fromkeys(record.label for record in sorted(records, key=lambda r: (r.recipe, r.label)))
    rows = [name for name in base.recipes if name in labels]
    rows += [name for name in labels if name not in rows]
    found = {record.protocol for record in records}
    protocols = [name for name in base.protocols if name in found]
    protocols += sorted(found - {*protocols})
    return replace(
        base,
        recipes=tuple(rows),
        protocols=tuple(protocols),
        claims=tuple(claim for whole in base.claims if (claim := _narrowed(whole, rows, protocols))),
        ranking=base.ranking if {*base.ranking} <= {*protocols} else (),
        only={},
    )


def _narrowed(claim: Claim, rows: Sequence[str], protocols: Sequence[str]) -> Claim | None:
    """Keep of a claim what there are rows and protocols for; None if nothing is left."""
    special = claim.b in (("same",), ("baseline",))
    kept = replace(
        claim,
        a=tuple(name for name in claim.a if name in rows),
        b=claim.b if special else tuple(name for name in claim.b if name in rows),
        protocols=tuple(name for name in claim.protocols if name in protocols),
    )
    elsewhere = [name for name in (claim.against, claim.interaction) if name]
    return kept if kept.a and kept.b and kept.protocols and {*elsewhere} <= {*protocols} else None
