"""What a report says of a comparison: each statistic is declared here, once, for all formats."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from vgbench.reports.claims import Finding
from vgbench.reports.fields import NONE, Field, figure, span

CLAIM: tuple[Field[Finding], ...] = (
    Field("protocol", "where a is evaluated", lambda found: found.protocol),
    Field("variant", "variant of both sides", lambda found: found.variant),
    Field("a", "name of side a", lambda found: found.a),
    Field("b", "name of side b", lambda found: found.b),
    Field("p_tasks", "p-value of these checkpoints, over tasks; null without records", lambda found: found.p_tasks),
    Field(
        "p_seeds",
        "of the methods: the larger one over seeds and over tasks; null below three seeds",
        lambda found: found.p_seeds,
    ),
    Field("holm_tasks", "`p_tasks` corrected within the family", lambda found: found.holm_tasks),
    Field("holm_seeds", "`p_seeds` corrected within the family", lambda found: found.holm_seeds),
    Field(
        "verdict",
        "`confirmed` (shown), `contradicted` (not shown, opposite holds) or `undecided` (too few tasks to tell, or no "
        "records)",
        lambda found: found.verdict,
    ),
    Field("n", "tasks for each seed", lambda found: found.n),
    Field("claim", "name of the claim", lambda found: found.claim.name),
    Field("text", "its words", lambda found: found.claim.text),
    Field("direction", "`greater`, or `not_greater`: no gain", lambda found: found.claim.direction),
    Field(
        "margin",
        "of a claim of no gain: the difference that the tests are about; null: they are about 0",
        lambda found: found.claim.tested_margin,
    ),
    Field("score", "what is compared: `success`, `spl` or `timely`", lambda found: found.score),
    Field("stratum", "stratum of the tasks of a; null: all tasks", lambda found: found.stratum),
    Field(
        "interaction",
        "twin whose difference between a and b is taken off; null: none",
        lambda found: found.claim.interaction,
    ),
    Field("family", "name of the family, or of the claim where it has none", lambda found: found.claim.family_key[1]),
    Field("against", "protocol on which b is evaluated, if it is another one", lambda found: found.claim.against),
    Field(
        "baseline",
        "planner that b is, if it is a baseline: the strongest beside these runs",
        lambda found: found.baseline,
    ),
    Field("seeds", "training seeds that were compared", lambda found: list(found.seeds)),
    Field("rate_a", "mean score of a", lambda found: found.rates[0] if found.rates else None),
    Field("rate_b", "mean score of b", lambda found: found.rates[1] if found.rates else None),
    Field(
        "difference95",
        "ends of the 95 % interval of their difference for tasks (and, from two on, seeds) like these; not corrected",
        lambda found: list(found.interval) if found.interval else None,
    ),
    Field(
        "sign",
        "`>`, `<` or `~`: a against b (and the margin on top), as the corrected tests allow; null without records",
        lambda found: found.sign or None,
    ),
    Field(
        "scope",
        "of whom the verdict speaks: `over seeds`, `for this checkpoint`, `for these 3 checkpoints`",
        lambda found: found.scope or None,
    ),
    Field("reason", "why nothing was compared", lambda found: found.reason or None),
)
"""Of a comparison, in the order of JSON."""
CLAIM_COLUMNS = (
    *("claim", "protocol", "against", "a", "b", "rate_a", "rate_b", "holm_tasks", "holm_seeds", "sign"),
    *("verdict", "scope", "variant", "family", "score", "stratum"),
)
"""Fields of a comparison that CSV has, in its order."""


def _p_values(found: Finding) -> str:
    if found.holm_tasks is None:
        return NONE
    return p_text(found.holm_tasks) + (
        f"; over seeds {p_text(found.holm_seeds)}" if found.holm_seeds is not None else ""
    )


def p_text(value: float) -> str:
    """Return a p-value as it is printed: `< .001`, `.034`."""
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _difference(found: Finding) -> str:
    if found.rates is None or found.interval is None:
        return NONE
    return f"{figure(found.rates[0] - found.rates[1])} {span(found.interval)}"


VERDICTS = {"confirmed": "shown", "contradicted": "not shown, opposite holds", "undecided": "too few tasks to tell"}
"""How verdicts read."""


def counted(findings: Iterable[Finding]) -> str:
    """Say how many comparisons came out how: `2 shown; 1 too few tasks to tell`."""
    counts = Counter(VERDICTS[found.verdict] if found.rates else "without records" for found in findings)
    return "; ".join(f"{counts[words]} {words}" for words in (*VERDICTS.values(), "without records") if counts[words])


def _compared(found: Finding) -> str:
    """Return `a > b`; of a claim of no gain, `a < b + .05`."""
    side_b = f"{found.b} ({found.baseline})" if found.baseline else found.b
    if found.rates is None:
        return f"{found.a}, {side_b}"
    margin = f" + {figure(found.claim.margin)}" if found.claim.tested_margin else ""
    return f"{found.a} {found.sign} {side_b}{margin}"


def _place(found: Finding) -> str:
    """Return the protocol, the stratum if it is about one, and what it is held against."""
    claim = found.claim
    stratum = f" ({found.stratum})" if found.stratum and claim.b != ("same",) else ""
    other = f" against {claim.against}" if claim.against else ""
    twin = f" less {claim.interaction}" if claim.interaction else ""
    return found.protocol + stratum + other + twin


CLAIM_GRID: Mapping[str, Callable[[Finding], str]] = {
    "claim": lambda found: found.claim.name,
    "protocol": lambda found: _place(found),
    "score": lambda found: found.score,
    "comparison": _compared,
    "rates": lambda found: ", ".join(map(figure, found.rates)) if found.rates else NONE,
    "difference": _difference,
    "p (Holm)": _p_values,
    "verdict": lambda found: (
        f"{VERDICTS[found.verdict]} {found.scope}" if found.rates else f"not tested: {found.reason}"
    ),
}
"""Columns of a comparison in Markdown and HTML, by their headers."""
