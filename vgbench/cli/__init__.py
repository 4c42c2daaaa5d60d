"""The command line. Each command has a module: options and calls, with what is heavy imported inside."""

import os
import signal
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from vgbench.cli import (
    audit,
    check,
    collect,
    compare,
    demo,
    diagnose,
    doctor,
    evaluate,
    export,
    failures,
    figure,
    import_,
    ladder,
    list,
    new,
    offline,
    plot,
    report,
    rescore,
    run,
    runs,
    show,
    suite,
    sweep,
    tasks,
    train,
)
from vgbench.cli.common import Quiet, Verbose, examples, handled, level, say, with_verbosity
from vgbench.cli.console import keep_results_apart, outputs
from vgbench.cli.hints import HintingCommand
from vgbench.errors import VgbenchError
from vgbench.imports import quick_exit
from vgbench.text import RENAMED

app = typer.Typer(
    name="vgbench",
    help="Benchmark planning with JEPA world models: collect data, train, plan and evaluate. Every part is a plugin.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("vgbench demo", "vgbench list", "vgbench run --env wall --recipe vf_quasi --scale smoke"),
)
_COMMANDS = (
    *(run.run, evaluate.evaluate, suite.suite, sweep.sweep, runs.runs, list.list_, show.show),
    *(report.report, compare.compare, rescore.rescore, figure.figure, plot.plot, diagnose.diagnose),
    *(failures.failures, ladder.ladder),
    *(train.train, offline.offline, audit.audit, collect.collect, tasks.tasks, export.export, import_.import_),
    *(new.new, check.check, doctor.doctor, demo.demo),
)
for command in _COMMANDS:
    # `list_` and `import_` only keep clear of Python's own names.
    epilog = sys.modules[command.__module__].EPILOG
    app.command(command.__name__.rstrip("_"), cls=HintingCommand, epilog=epilog)(with_verbosity(command))


def _version(asked: bool) -> None:
    if asked:
        from vgbench.version import __version__

        typer.echo(f"vgbench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Benchmark planning with JEPA world models: collect data, train, plan and evaluate. Every part is a plugin."""

    @handled
    def chosen() -> None:
        context.obj = level(quiet, verbose)

    chosen()


def _quit(number: int, frame: object) -> None:
    # Nothing is raised, which the interrupted import could catch or turn into another error.
    os.write(2, b"interrupted\n")
    os._exit(130)  # 128 + SIGINT, as in a shell


def _name_new_flags(arguments: Iterable[str]) -> None:
    """Refuse a flag of an older version, with the name that it has now."""
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag in RENAMED:
            print(f"error: {flag} is called {RENAMED[flag]} now", file=sys.stderr)
            sys.exit(2)


def _let_threads_sleep() -> None:
    """Have threads that wait for others sleep, unless the environment says how they wait.

    By default OpenMP's threads keep their cores busy while they wait. On a core that others use, too, that takes twice
    the CPU time for the same work; on a free one it is hardly faster. PyTorch reads this when it is imported.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & {*os.environ}:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def main() -> None:
    """Entry point of the `vgbench` command."""
    # Until there is something to save, Ctrl-C ends the process at once: an interrupted import of a large library
    # would come out as one error or another. `run` and `collect` install handlers of their own.
    signal.signal(signal.SIGINT, _quit)
    keep_results_apart()
    _let_threads_sleep()
    quick_exit()
    try:
        with outputs():
            # Before typer, which would only say that there is no such option.
            _name_new_flags(sys.argv[1:])
            app()
    except KeyboardInterrupt:  # outside of a command: while importing, or in the parser
        sys.exit(130)
    except BrokenPipeError:  # whoever read the results has gone, as `head` does
        sys.exit(1)
    except VgbenchError as err:  # the results could not be written
        say(f"error: {err}")
        sys.exit(err.exit_code)
