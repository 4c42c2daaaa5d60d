"""Shared by all commands: errors and exit codes, verbosity, tables, JSON."""

import errno
import functools
import inspect
import json
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated, Any, ParamSpec, cast, get_args

import typer
from typer.models import ArgumentInfo

from vgbench.cli import completion
from vgbench.cli.console import outputs
from vgbench.config import options
from vgbench.errors import UsageError, VgbenchError
from vgbench.plugin.entry import GROUPS
from vgbench.text import choice, encodable, message, printable

P = ParamSpec("P")

Format = Annotated[str, typer.Option("--format", metavar="table|json", help="Output format.")]
KINDS = ", ".join(GROUPS)
"""Kinds of plugin, for help."""

_NAMED_WRONGLY = (errno.EACCES, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.EPERM)
"""Errors of the system that say that what the user named cannot be a file of ours."""

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def examples(*commands: str) -> str:
    """Write the epilogue of a help page: example commands, one per line."""
    # \b keeps click from filling the lines that follow into one paragraph.
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])


_TYPES: dict[Any, Any] = {
    options.Text: str | None,
    options.Number: int | None,
    options.Switch: bool | None,
    options.File: Path | None,
    options.Names: list[str] | None,
    options.Values: list[str] | None,
}
"""Types by which typer reads each kind of option."""


def takes(*names: str, others: type[Any] | None = None) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Give a command these options of a run, and the fields of `others`, as flags in place of its `**options`."""

    def declare(command: Callable[P, None]) -> Callable[P, None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
        required = [p for p in own if p.default is p.empty or isinstance(get_args(p.annotation)[-1], ArgumentInfo)]
        more = inspect.signature(others).parameters.values() if others else ()
        ordered = [*required, *map(_parameter, names), *more, *(p for p in own if p not in required)]
        # Typer calls by keyword; only so may one without a default come after one that has one.
        signature = inspect.Signature([p.replace(kind=p.KEYWORD_ONLY) for p in ordered])
        vars(command)["__signature__"] = signature
        command.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
        return command

    return declare


def _parameter(name: str) -> inspect.Parameter:
    option = options.OPTIONS[name]
    # Only a file for --config could have switched it on.
    flag = f"{option.flag}/--no-{option.name}" if option.kind == options.Switch and option.key else option.flag
    kind: Any = _TYPES[option.kind]
    about = option.about
    annotation = Annotated[
        kind, typer.Option(flag, metavar=about.metavar, help=about.help, autocompletion=completion.of_option(option))
    ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def handled(command: Callable[P, None]) -> Callable[P, None]:
    """Turn failures of a command into one message on stderr and an exit code; `--debug` shows the traceback."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        from vgbench.plugin import guard

        limited = guard.time_limit(cast("int | None", kwargs["plugin_timeout"])) if "plugin_timeout" in kwargs else None
        try:
            with outputs(), guard.seen(), limited or nullcontext():
                if "format" in kwargs:
                    kwargs["format"] = choice(str(kwargs["format"]), ("table", "json"), "--format")
                command(*args, **kwargs)
        except KeyboardInterrupt:
            say("interrupted; the same command resumes")
            raise typer.Exit(130) from None  # 128 + SIGINT, as in a shell
        # Ends of a command that are meant; of a closed pipe (`| head`) typer makes a quiet end.
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except BaseException as err:
            from vgbench.plugin.attribution import explain

            # Of those that are no errors, only what a plugin raised: it would end the command without a word.
            if not isinstance(err, Exception) and not explain(err):
                raise
            if kwargs.get("debug"):
                traceback.print_exc()
            if isinstance(err, VgbenchError):
                say(f"error: {_lined(str(err))}")
                raise typer.Exit(err.exit_code) from None
            # Not foreseen: a bug of ours or of a plugin, or the machine's.
            if isinstance(err, OSError) and err.filename is not None and not explain(err):
                say(f"error: {err.filename}: {err.strerror}")
                raise typer.Exit(2 if err.errno in _NAMED_WRONGLY else 1) from None
            hint = "" if kwargs.get("debug") else " (run again with --debug for the traceback)"
            say(f"error: {_lined(explain(err) or f'{type(err).__name__}: {err}{hint}')}")
            raise typer.Exit(1) from None

    return wrapper


_OF_SHAPES = re.compile(r" raised (\w+: [^\n]*?\b(?:shape|size|dimension|index)[^\n]*?) (?=\([^()]*, line \d+)")


def _lined(text: str) -> str:
    """Put an inner error about shapes, which is read number by number, on a line of its own."""
    return _OF_SHAPES.sub(r" raised\n  \1\n", text)


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result and errors only.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print more progress: all training metrics, each run that starts.")
]


def level(quiet: bool, verbose: bool) -> int:
    """Return the verbosity that -q and -v ask for.

    Raises:
        UsageError: both are given.
    """
    if quiet and verbose:
        raise UsageError("-q and -v contradict each other; leave one out")
    return int(verbose) - int(quiet)


def verbosity() -> int:
    """Return -1 after -q, 1 after -v, else 0."""
    return int(getattr(sys.stderr, "verbosity", 0))


def with_verbosity(command: Callable[P, None]) -> Callable[P, None]:
    """Give a command the options -q and -v; they may also stand before its name."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        context = cast("typer.Context", kwargs.pop("context"))
        own = level(bool(kwargs.pop("quiet")), bool(kwargs.pop("verbose")))
        vars(sys.stderr)["verbosity"] = own or context.find_root().obj or 0
        command(*args, **kwargs)

    signature = inspect.signature(command)
    parameters = [
        *(p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, annotation, default in (
                ("quiet", Quiet, False),
                ("verbose", Verbose, False),
                ("context", typer.Context, inspect.Parameter.empty),
            )
        ),
    ]
    vars(wrapper)["__signature__"] = signature.replace(parameters=parameters)
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return handled(wrapper)


def note(text: str) -> None:
    """Print a note to stderr, unless -q was given."""
    progress(f"note: {text}")


SKIPPED = 20
"""Skipped folders that are named, at most."""


def note_skipped(left_out: Sequence[str]) -> None:
    """Name folders that were left out, with the reasons."""
    from vgbench.reports.make import reasons

    skipped = reasons(left_out)
    for line, _ in skipped[:SKIPPED]:
        note(f"skipped {line}")
    if rest := sum(count for _, count in skipped[SKIPPED:]):
        note(f"skipped {rest} more folders; --format json lists all of them, as left_out")


def progress(text: str) -> None:
    """Print a line of progress to stderr, unless -q was given."""
    if verbosity() >= 0:
        say(text)


def say(text: str) -> None:
    """Print to stderr what is no result: an error, or the end of an interrupted command."""
    with suppress(OSError):  # nobody hears of it, but the exit code tells
        print(message(text), file=sys.stderr, flush=True)


def check_writable(option: str, path: Path) -> None:
    """Make the folder of a file, and see that the file can be written there, before anything is computed."""
    check_no_other(option, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Under a name that nobody knows beforehand, if under any: a link there would be written through.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as err:
        raise UsageError(f"{option} {path}: cannot write there: {err.strerror or err}") from err


def check_no_other(option: str, path: Path) -> None:
    """Refuse a name for a file under which something else lies: a folder, or a pipe or a device."""
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder; expected the name of a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path} is a pipe or a device; expected the name of a file")


def check_in_folder(option: str, path: Path) -> None:
    """Refuse a name for a file that is a folder's or lies in none; now, not after minutes of computing."""
    check_no_other(option, path)
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{option} {path}: expected the name of a file in a folder that exists")


PICTURES = ("svg", "png", "pdf")
"""What a picture may be written as."""


def check_picture(option: str, path: Path) -> None:
    """Refuse a picture that cannot be written by its name, before anything is computed."""
    if path.suffix.removeprefix(".").lower() not in PICTURES:
        raise UsageError(f"{option} {path}: expected a file that ends in {', '.join(f'.{name}' for name in PICTURES)}")
    check_in_folder(option, path)


def print_record(record: Mapping[str, Any], text: str, path: Path, form: str) -> None:
    """Print what was found out about a run, and where it was written."""
    if form == "json":
        print_json(record)
        return
    if record["meaningless"]:
        note("smoke scale: results are not meaningful")
    print(text)
    print(f"\n{path}")


def print_json(value: Any) -> None:
    """Print one JSON value as the result."""
    # JSON's own escapes, which read back as the character.
    text = json.dumps(value, indent=2, ensure_ascii=False)
    plain = printable(text) == text == encodable(text, sys.stdout.encoding)
    print(text if plain else json.dumps(value, indent=2))


def print_lines(about: Mapping[str, Any]) -> None:
    """Print names and values, a line each."""
    width = max(map(len, about))
    for key, value in about.items():
        print(f"{key:<{width}}  {value}")


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], wrap: int = -1) -> None:
    """Print columns. In a terminal the column `wrap` is folded to the width; piped, nothing is cut or folded."""
    if not sys.stdout.isatty():
        lines = [list(map(str, headers)), *([printable(str(cell)) for cell in row] for row in rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        return
    # Here, not above: rich takes time to import, and a pipe does without.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, header in enumerate(headers):
        folds = index == wrap % len(headers)
        table.add_column(header, no_wrap=not folds, overflow="fold", min_width=20 if folds else None)
    for row in rows:
        # Text: a plain str with brackets, as in [0.88, 0.97], is read as markup.
        table.add_row(*(Text(encodable(printable(cell), sys.stdout.encoding)) for cell in row))
    Console(file=getattr(sys.stdout, "terminal", sys.stdout), no_color=bool(os.environ.get("NO_COLOR"))).print(table)
