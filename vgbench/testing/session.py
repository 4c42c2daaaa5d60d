"""Runs the checks of one plugin, each at most once, whatever its code does."""

import functools
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vgbench.errors import UsageError
from vgbench.plugin.entry import GROUPS
from vgbench.plugin.guard import Stopped
from vgbench.plugin.registry import Registry
from vgbench.testing.check import Check, CheckResult, Failure, Skip, Status
from vgbench.text import choice_of_kind, same, suggest

if TYPE_CHECKING:
    from vgbench.plugin.entry import Entry


@functools.cache
def checks(kind: str) -> tuple[Check, ...]:
    """Return all checks of a kind, in the order in which they are run."""
    from vgbench.testing.contracts import common
    from vgbench.testing.subject import behaviour

    return (*common.FIRST.of(kind), *behaviour(kind).CHECKS, *common.LAST.of(kind))


class Session:
    """One plugin and what its checks have shown so far.

    A check that raises anything is a FAIL with the plugin's file and line, never the end of the session.
    """

    def __init__(self, entry: "Entry", sets: Iterable[str] = ()) -> None:
        """Take an installed plugin and values for its parameters (`name.param=value`)."""
        from vgbench.testing.subject import Subject

        self.entry = entry
        self.subject = Subject(entry, sets)
        self._checks = {check.id: check for check in checks(entry.kind)}
        self._outcomes: dict[str, CheckResult] = {}

    @classmethod
    def find(cls, kind: str, name: str, sets: Iterable[str] = ()) -> "Session":
        """Find the plugin `name` (or `dist:name`) of a kind.

        Raises:
            UsageError: there is no such kind or name, a value of `sets` does not fit, or a parameter without a default
                has none.
        """
        wanted = choice_of_kind(kind, GROUPS, "KIND")
        session = cls(Registry().find(wanted, name), sets)
        session._check_sets()
        return session

    def _check_sets(self) -> None:
        """Refuse what the user wrote; what is wrong with the plugin itself is the checks' business."""
        subject = self.subject
        if self.entry.kind == "logger":
            if subject.sets:
                raise UsageError(f"--set {subject.sets[0]}: a logger has no parameters")
            return
        try:
            fields = subject.cls.Params.model_fields
        except UsageError:
            return  # cannot be loaded: the first check says so
        given = subject.target().given
        missing = [name for name, info in fields.items() if info.is_required() and name not in given]
        if given or missing:
            _ = subject.params

    def chosen(self, ids: Sequence[str] = ()) -> list[Check]:
        """Return the checks of these ids, or all.

        Raises:
            UsageError: there is no check of that id for this kind.
        """
        for name in ids:
            if same(name) not in self._checks:
                raise UsageError(f"no check {name!r} of kind {self.entry.kind}. {suggest(name, self._checks)}")
        wanted = {same(name) for name in ids}
        return [check for check in self._checks.values() if not ids or check.id in wanted]

    def run(self, ids: Sequence[str] = ()) -> list[CheckResult]:
        """Run these checks, or all; what one of them has to wait for is shown too if it is not ok."""
        wanted = {check.id: self.outcome(check.id) for check in self.chosen(ids)}
        return [
            outcome
            for check in self._checks
            if (outcome := self._outcomes.get(check)) and (check in wanted or outcome.status == "FAIL")
        ]

    def outcome(self, name: str) -> CheckResult:
        """Return what comes of one check; those before it are run first."""
        if name not in self._outcomes:
            check = self._checks[name]
            before = [self.outcome(other) for other in check.after]
            missing = next((o for o in before if o.status == "FAIL" or o.waits), None)
            if missing is None:
                self._outcomes[name] = self._try(check)
            else:
                reason = missing.message if missing.status == "skip" else f"waits for {missing.id}, which failed"
                self._outcomes[name] = CheckResult(name, "skip", check.about, reason, waits=True)
        return self._outcomes[name]

    def _try(self, check: Check) -> CheckResult:
        from vgbench.testing.isolation import isolated, place

        started = time.perf_counter()
        status: Status = "ok"
        message, where, waits = "", "", False
        try:
            with isolated():
                check.function(self.subject)
        except Skip as reason:
            status, message, waits = "skip", str(reason), reason.final
        except Failure as failure:
            status, message = check.severity, str(failure)
        except (Exception, SystemExit, Stopped) as err:  # whatever a third party's code raises
            known = isinstance(err, UsageError)
            status, message = "FAIL", str(err) if known else f"{type(err).__name__}: {err}"
            message = ", ".join([message, *getattr(err, "__notes__", ())])
            where = place(err, self.entry.value.partition(":")[0])
        seconds = round(time.perf_counter() - started, 3)
        return CheckResult(check.id, status, check.about, message, where, seconds, waits)
