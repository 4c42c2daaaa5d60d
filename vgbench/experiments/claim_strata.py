"""Strata that the claims of a suite name, held against those of the protocols' tasks before anything is computed."""

from collections.abc import Callable, Iterator, Sequence

from vgbench.config.claims import Claim
from vgbench.config.definitions import Suite
from vgbench.config.protocols import SCALES
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.data import strata
from vgbench.errors import UsageError
from vgbench.experiments.build import build_environment
from vgbench.experiments.cells import CellRequest

Wanted = dict[str, dict[str, str]]
"""For each protocol, where each stratum is asked for."""


def check(suite: Suite, requests: Sequence[CellRequest], say: Callable[[str], None]) -> Wanted:
    """Hold the strata of a suite's claims against those that the environments declare.

    Args:
        suite: with its claims; those about protocols without a run are left out.
        requests: of its runs.
        say: is told of claims that cannot be judged at this scale, but at another one.

    Returns:
        The strata that only the tasks can show, for protocols whose environment declares none: they are checked when
        these are sampled, before training.

    Raises:
        UsageError: no task of a protocol is of a stratum that a claim names.
    """
    asked = {str(one.labels["protocol"]): one.request for one in reversed(requests)}
    known: dict[str, tuple[str, ...] | None] = {}
    wanted: Wanted = {}
    for claim in suite.claims:
        for key, protocol, name in _named(claim):
            if protocol not in asked:
                continue
            where = f"suite {suite.name}, claim {claim.name}, {key} {name!r} on {protocol}"
            if protocol not in known:
                known[protocol] = _declared(asked[protocol])
            of_tasks = known[protocol]
            if of_tasks is None:
                wanted.setdefault(protocol, {})[name] = where
            elif name not in of_tasks:
                _elsewhere(asked[protocol], where, name, of_tasks, say)
    return wanted


def _named(claim: Claim) -> Iterator[tuple[str, str, str]]:
    """Yield key, protocol and stratum of each group of tasks that a claim is about."""
    for name in claim.stratum:
        for protocol in (*claim.protocols, *([claim.interaction] if claim.interaction else [])):
            yield "stratum", protocol, name
        if claim.against and claim.against_stratum is None:
            yield "stratum", claim.against, name
    if claim.against_stratum is not None:
        for protocol in [claim.against] if claim.against else claim.protocols:
            yield "against_stratum", protocol, claim.against_stratum


def _declared(request: RunRequest) -> tuple[str, ...] | None:
    return strata.declared(build_environment(resolve(request).environment))


def _elsewhere(request: RunRequest, where: str, name: str, known: tuple[str, ...], say: Callable[[str], None]) -> None:
    """Refuse a stratum that the protocol has at no scale; say so of one that it has not at this scale, or so set."""
    others = (_declared(request.replaced(scale=scale, set=[])) for scale in SCALES)
    if not any(name in (found or ()) for found in others):
        raise UsageError(f"{where}: no task is of it. {strata.not_there(name, known)}")
    here = ", ".join(known) or "none"
    say(f"{where}: no task is of it with this scale and these values (strata: {here}); the claim stays undecided")
