"""Episodes of a recording written as a data set, with what a user wants to know of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vgbench.data import episode_file, files
from vgbench.data.importing.importers import Importer
from vgbench.data.importing.recording import BadEpisode
from vgbench.errors import UsageError
from vgbench.settings import DataSettings

LEAST_STATES = 2


def write(importer: Importer, out: Path, source: Mapping[str, Any]) -> dict[str, Any]:
    """Write the data set, and return what a user wants to know of it.

    Args:
        importer: of the recording.
        out: the file to write.
        source: where it comes from, for the specification of the file.

    Raises:
        UsageError: an episode does not fit, there is nothing to write, or `out` was made meanwhile.
    """
    found, options, who = importer.found, importer.options, importer.who
    counts = _counted(importer)
    lengths = np.array([length for each in counts.values() for length in each["lengths"]], np.int64)
    if len(lengths) < 2:
        raise UsageError(
            f"{who}: its {len(found.lengths)} episodes have at most {max(found.lengths, default=0)} states and give "
            f"{len(lengths)} pieces of data.length={options.length or LEAST_STATES}; expected at least 2: give a "
            f"smaller {'--length' if options.length else '--frame-skip'}"
        )
    steps = sum(n - 1 for n in found.lengths)
    kept = int((lengths - 1).sum()) * options.frame_skip
    clipped = sum(each["clipped"] for each in counts.values())
    taken = max(1, sum(each["steps"] for each in counts.values()))
    card = {
        **source,
        "layout": importer.recording.layout,
        "episodes": len(importer.recording),
        "bad_episodes_left_out": len(found.bad),
        "share_of_steps_left_out": round(1 - kept / max(steps, 1), 4),
        "share_of_actions_clipped": round(clipped / taken, 4),
    }
    settings = DataSettings.model_construct(trajectories=len(lengths), length=int(lengths.max()))
    spec = files.specification(importer.name, importer.environment, settings, 0) | dict(source)
    pieces = (p.groups for number in counts for p in importer.piece(number).cut(options.length))
    fingerprint = episode_file.write(out, lengths, pieces, spec, card, new=True)
    return {
        "environment": importer.name,
        "trajectories": len(lengths),
        "length": int(lengths.max()),
        "lengths": {
            "shortest": int(lengths.min()),
            "median": float(np.median(lengths)),
            "longest": int(lengths.max()),
            "states": int(lengths.sum()),
        },
        "fields": importer.described(),
        "fingerprint": fingerprint,
        "card": card,
        "notes": [*importer.recording.notes, *_notes(importer, counts, card)],
    }


def _counted(importer: Importer) -> dict[int, dict[str, Any]]:
    """Lengths of the pieces of each good episode, and its actions outside of the set."""
    counts: dict[int, dict[str, Any]] = {}
    for number in importer.found.good:
        try:
            whole = importer.piece(number)
        except BadEpisode as err:
            if not importer.options.skip_bad:
                raise UsageError(
                    f"{importer.who}: episode {number}: {err}; --skip-bad leaves such episodes out"
                ) from err
            importer.found.bad[number] = str(err)
            continue
        if whole.steps:
            lengths = [piece.steps + 1 for piece in whole.cut(importer.options.length)]
            counts[number] = {
                "lengths": lengths,
                "clipped": whole.clipped,
                "excess": whole.excess,
                "steps": whole.steps,
            }
    return counts


def _notes(importer: Importer, counts: dict[int, dict[str, Any]], card: Mapping[str, Any]) -> list[str]:
    notes, found, fields = [], importer.found, importer.recording.fields
    if found.short:
        notes.append(f"{found.short} episodes of a single state are left out: they have no step")
    if found.bad:
        number, why = next(iter(found.bad.items()))
        notes.append(f"{len(found.bad)} bad episodes are left out; the first is episode {number}: {why}")
    outside = [number for number, each in counts.items() if each["clipped"]]
    if outside:
        field, share = fields["actions"], card["share_of_actions_clipped"]
        far = max(each["excess"] for each in counts.values())
        units = ": are they in other units?" if share > 0.1 else ""
        notes.append(
            f"field {field!r}: {share:.1%} of the actions lie outside of the action set and are clipped, by up to "
            f"{far:.3g}, in {len(outside)} episodes (the first is episode {outside[0]}){units}"
        )
    if found.discrete:
        notes.append(
            f"field {fields['actions']!r}: whole numbers are taken for the numbers of {importer.actions.dim} discrete "
            "actions; save them as float32 if they are a continuous quantity"
        )
        return notes
    return notes + found.oddities.notes(fields, found.low, found.high)
