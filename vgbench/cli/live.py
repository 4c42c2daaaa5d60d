"""What a terminal shows of a suite or sweep: what will be computed, then each run that is running, live."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.cli.common import progress, verbosity
from vgbench.experiments.progress import Snapshot, Watcher
from vgbench.text import duration, encodable, plural, printable, span

if TYPE_CHECKING:
    from vgbench.experiments.cells import RunCell
    from vgbench.experiments.stage_file import StagePosition

_LINE_EVERY = 60.0
"""Seconds between two lines of progress where stderr is a file."""


class Live(Watcher):
    """One line for each running run, redrawn in place; plain lines, now and then, where stderr is not a terminal."""

    def __init__(self, threads: int = 1) -> None:
        """Look at stderr; each run has so many threads."""
        self._threads = threads
        self._display: Any = None
        self._console: Any = None
        self._said, self._known = time.monotonic(), set[str]()
        stream = getattr(sys.stderr, "terminal", sys.stderr)
        if verbosity() >= 0 and stream.isatty():
            # Here, not above: rich takes time to import, and a pipe does without.
            from rich.console import Console

            console = Console(file=stream, no_color=bool(os.environ.get("NO_COLOR")))
            self._console = None if console.is_dumb_terminal else console

    def say(self, text: str) -> None:
        """Print a line above the live ones."""
        if self._display is None:
            progress(text)
            return
        self._console.print(
            encodable(printable(text), self._console.encoding), markup=False, highlight=False, soft_wrap=True
        )

    def planned(self, cells: "Sequence[RunCell]", complete: int, slots: int, share: Path) -> str:
        """Print the number of runs, how many run at once, and how long it will take; see `Watcher`."""
        head = f"{plural(complete + len(cells), 'run')}: "
        head += f"{complete} complete, {len(cells)} to compute" if complete else "all to compute"
        head += f", {slots} at once"
        if verbosity() < 0:
            return ""
        if cells[0].spec.scale == "smoke":
            self.say(head)
            return ""
        if any(cell.spec.device_kind != "cpu" for cell in cells):
            # A look at a GPU would keep some of its memory from the runs, or all of it where one process may use it.
            self.say(f"{head}; --dry-run --estimate tells how long they take")
            return ""
        expected = ""
        # Whatever is wrong with a plugin, its own run reports.
        with suppress(Exception):
            expected = span(*total_time(cells, slots, share, self._threads))
        self.say(f"{head}; estimated time {expected}" if expected else head)
        return expected

    def running(self, now: Snapshot) -> None:
        """Draw the runs, or print a line from time to time."""
        if verbosity() > 0:
            for name, _ in now.running:
                if name not in self._known:
                    self._known.add(name)
                    self.say(f"{name}: started")
        head = f"[{now.over}/{now.total}] {len(now.running)} running, {now.left}"
        if self._console is not None:
            self._draw(head, now)
        elif time.monotonic() - self._said >= _LINE_EVERY:
            self._said = time.monotonic()
            states = ", ".join(f"{name} {_short(position)}" for name, position in now.running)
            self.say(f"{head}: {states}")

    def _draw(self, head: str, now: Snapshot) -> None:
        from rich.live import Live as Display
        from rich.text import Text

        width, height = self._console.size
        lines = table([(printable(name), position) for name, position in now.running], width - 1, height - 3)
        text = encodable("\n".join([head[: width - 1], *lines]), self._console.encoding)
        if self._display is None:
            self._display = Display(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._display.start()
        self._display.update(Text(text, no_wrap=True, overflow="crop"), refresh=True)

    def close(self) -> None:
        """Take the lines away."""
        if self._display is not None:
            with suppress(OSError):
                self._display.stop()
            self._display = None


def table(runs: "Sequence[tuple[str, StagePosition | None]]", width: int, most: int) -> list[str]:
    """Return a line for each run, in columns of fixed width: name, stage, percent, time left of the stage.

    Args:
        runs: names and positions.
        width: of a line; where it is small the stage and the time left are dropped, then the name is cropped.
        most: lines; the rest is counted in the last one.
    """
    shown = runs if len(runs) <= most else runs[: max(most - 1, 0)]
    stage, left = (20 if width >= 58 else 0), (13 if width >= 72 else 0)
    name = min(max((len(name) for name, _ in shown), default=0), max(width - stage - left - 8, 8))
    lines = []
    for text, position in shown:
        # The end of a name tells more than its beginning: `wall_small/vf/s3`.
        head = text if len(text) <= name else f"~{text[len(text) - name + 1 :]}"
        line = f"  {head:<{name}}"
        if stage:
            line += f" {position.stage if position else 'starting':<{stage - 1}.{stage - 1}}"
        line += f" {position.percent:>3} %" if position else "" if stage else "   - %"
        if left and position and position.seconds_left is not None:
            line += f"  {duration(position.seconds_left):>6} left"
        lines.append(line.rstrip())
    return lines if len(runs) == len(shown) else [*lines, f"  ... and {len(runs) - len(shown)} more"]


def _short(position: "StagePosition | None") -> str:
    return f"{position.stage} {position.percent} %" if position else "starting"


def total_time(cells: "Sequence[RunCell]", slots: int, share: Path, threads: int) -> tuple[float, float]:
    """Estimate the seconds that runs take together, low and high; training that some share is counted once."""
    from vgbench.cli.experiment_options import estimates
    from vgbench.training import stage_cache

    low = high = longest = 0.0
    trained: set[str] = set()
    for cell, cost in zip(cells, estimates(cells, threads), strict=True):
        stages = stage_cache.stages(cell.spec).values()
        own_low, own_high = cost["seconds_low"], cost["seconds_high"]
        if all(name in trained or stage_cache.published(share, name) for name in stages):
            own_low, own_high = own_low - cost["training_low"], own_high - cost["training_high"]
        trained |= set(stages)
        low, high, longest = low + own_low, high + own_high, max(longest, own_low)
    # No number of runs at once makes the longest one shorter.
    return max(low / slots, longest), max(high / slots, longest)
