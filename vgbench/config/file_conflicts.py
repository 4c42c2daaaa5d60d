"""Refuses a flag for another scale, place or variant over a --config file whose values for the old one would stay.

A file's values stand above scale, protocol and variant, so a run's config.yaml with another scale would be that run
under a new name.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vgbench.config.catalogue import Catalogue
from vgbench.config.config_file import KEYS
from vgbench.config.protocols import SCALES, Protocol
from vgbench.errors import UsageError
from vgbench.stages import STAGES
from vgbench.text import same

_SLOTS = {"env", *(kind.slot for kind in STAGES), *KEYS}

Flags = Mapping[str, tuple[Any, str]]
"""Value and spelling of each flag, by its key in a file."""


def refuse(flags: Flags, file: Mapping[str, Any], path: str, catalogue: Catalogue) -> None:
    """Compare flags with the content of a file.

    Values that the old and the new place have in common, or that neither sets, are the user's own: no reason to refuse.

    Raises:
        UsageError: values under the file's `set` would contradict a flag.
    """
    _refuse_variant(flags, file, path, catalogue)
    moved = {key: flags[key] for key in ("scale", "protocol", "environment") if key in flags}
    kept = _kept(file, _changed({key: value for key, (value, _) in moved.items()}, file, catalogue))
    if kept:
        differing = (key for key, (value, _) in moved.items() if key in file and same(value) != same(file[key]))
        key = next(differing, None)
        where = f"`{key}: {file[key]}` in" if key else "the place in"
        raise UsageError(
            f"{' '.join(written for _, written in moved.values())} contradicts {where} {_would_hold(path, kept)}"
        )


def _refuse_variant(flags: Flags, file: Mapping[str, Any], path: str, catalogue: Catalogue) -> None:
    """Refuse another variant over the file of a run, which fixes the values that variants are about."""
    if "variant" not in flags or same(flags["variant"][0]) == same(file.get("variant", "")):
        return
    if "variant" not in file and not file.get("complete"):
        return  # a user's own values, which stand above any variant
    kept = _kept(file, {a for variant in catalogue.variants.values() for a in variant.addresses()})
    if kept:
        raise UsageError(f"{flags['variant'][1]} contradicts {_would_hold(path, kept)}")


def _changed(place: Mapping[str, str], file: Mapping[str, Any], catalogue: Catalogue) -> list[str]:
    """Addresses of registry.yaml whose values differ between the file's scale and protocol and those of the flags."""
    new = _protocol(place, catalogue) or _protocol(file, catalogue)
    # A file without a place takes that of the flags: then the scale alone can differ.
    old = _protocol(file, catalogue) or new
    # quick: the scale of a run that names none.
    scale = same(place.get("scale") or file.get("scale", "quick"))
    if old is None or new is None or scale not in SCALES:
        return []  # nothing is known of them; who looks them up says so
    before, after = old.values(same(file.get("scale", scale))), new.values(scale)
    variant = catalogue.variants.get(same(file.get("variant") or "")) or catalogue.variant(None)
    if variant:
        method = (file.get("recipe"), file.get("training"))
        before |= variant.values(old.lineage, *method)
        after |= variant.values(new.lineage, *method)
    return [address for address, value in before.items() if after.get(address) != value]


def _protocol(place: Mapping[str, Any], catalogue: Catalogue) -> Protocol | None:
    """Protocol that a file or the flags name, or that their environment means."""
    if "protocol" in place:
        return catalogue.protocols.get(same(place["protocol"]))
    return catalogue.usual_protocol(same(place["environment"])) if "environment" in place else None


def _kept(file: Mapping[str, Any], addresses: Collection[str]) -> list[str]:
    """Names under the file's `set` that may mean one of these addresses."""
    return [name for name in map(str, file.get("set", {})) if any(_one_parameter(name, a) for a in addresses)]


def _one_parameter(written: str, address: str) -> bool:
    """Say whether an address as a user writes it may mean one of registry.yaml: `planner.samples`: `mppi.samples`."""
    name, _, param = same(written).rpartition(".")
    wanted, _, other = address.rpartition(".")
    # A slot's name (`planner.samples`) counts for each of its plugins: none has been chosen yet.
    return param == other and (name.rpartition(":")[2] == wanted or name in _SLOTS)


def _would_hold(path: str, kept: Sequence[str]) -> str:
    few = ", ".join(kept[:3]) + (f" and {len(kept) - 3} more" if len(kept) > 3 else "")
    return (
        f"--config {path}, whose values under `set` would still hold ({few}); take those out of the file (or start "
        "from --recipe), or drop the flag"
    )
