"""One line that makes a pytest test of every check: `test_conformance = conformance("objective", "mine")`."""

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping

from vgbench.testing.check import CheckResult
from vgbench.testing.session import Session, checks
from vgbench.text import choice_of_kind, suggest


def conformance(
    kind: str, name: str, expected_failures: Mapping[str, str] | None = None, sets: Iterable[str] = ()
) -> Callable[[str], None]:
    """Make a test, parametrised over the checks of a kind, of the installed plugin `name` (or `dist:name`).

    A FAIL fails, a warning is one of pytest's, and what does not apply is skipped with its reason. The checks named in
    `expected_failures`, with the reason why, are expected to fail: one that is ok after all fails. `sets` gives
    parameters other values, as `--set` does: `name.param=value`.

    Example::

        test_conformance = conformance("objective", "mine", expected_failures={"falls": "it is minimised by a dual"})

    Raises:
        UsageError: there is no such kind, or no check of that name.
    """
    import pytest

    from vgbench.errors import UsageError
    from vgbench.plugin.entry import GROUPS

    known = [check.id for check in checks(choice_of_kind(kind, GROUPS, "kind"))]
    expected = dict(expected_failures or {})
    for check in expected:
        if check not in known:
            raise UsageError(f"expected_failures: no check {check!r} of kind {kind}. {suggest(check, known)}")
    # The plugin is looked for when the first test runs: what is wrong with it fails tests, not the collection.
    session = functools.cache(lambda: Session.find(kind, name, tuple(sets)))

    @pytest.mark.parametrize("check", known)
    def test(check: str) -> None:
        judge(session().outcome(check), expected.get(check))

    test.__doc__ = f"The {kind} {name!r} keeps the contract of its kind."
    return test


def judge(outcome: CheckResult, expected: str | None = None) -> None:
    """Turn what came of a check into what pytest knows; `expected` is the reason for which it may fail."""
    import pytest

    where = f" ({outcome.where})" if outcome.where else ""
    said = f"{outcome.id}: {outcome.about} {outcome.message}{where}"
    if expected is not None and outcome.status in ("FAIL", "warn"):
        pytest.xfail(f"{expected}: {said}")
    if expected is not None and outcome.status == "ok":
        pytest.fail(f"{outcome.id} was expected to fail ({expected}), but it is ok: take it out", pytrace=False)
    if outcome.status == "FAIL":
        # No traceback: it would show vgbench's own lines, not the plugin's.
        pytest.fail(said, pytrace=False)
    if outcome.status == "skip":
        pytest.skip(outcome.message)
    if outcome.status == "warn":
        warnings.warn(said, stacklevel=2)
