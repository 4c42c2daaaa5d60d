"""Runs a resolved specification in a folder, which keeps it resumable and marks it complete."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from vgbench.data.recorded import RECORDED
from vgbench.errors import RunFailed, UsageError, VgbenchError
from vgbench.experiments.build import dry_build
from vgbench.experiments.run_steps import RunSteps
from vgbench.experiments.trained import Trained
from vgbench.experiments.training_record import TRAINING, training_record
from vgbench.hardware import keep_freed_memory
from vgbench.model import precision
from vgbench.plugin import guard
from vgbench.plugin.attribution import attribute_errors, explain
from vgbench.plugin.loggers import Loggers
from vgbench.plugin.registry import Registry
from vgbench.spec import RunSpec
from vgbench.storage import source_changes
from vgbench.storage.files import write_sealed
from vgbench.storage.interrupt import Stop, deferred_interrupts
from vgbench.storage.record_types import ResultFile
from vgbench.storage.run_folder import RunFolder
from vgbench.text import printable


@guard.seen()
def run(
    spec: RunSpec,
    out: Path | None = None,
    argv: Sequence[str] = (),
    loggers: Loggers | None = None,
    share: Path | None = None,
    again: bool = False,
    trained: Trained | None = None,
    train_only: bool = False,
    strata: Mapping[str, str] | None = None,
) -> Any:
    """Run a specification to its end and return the content of result.json.

    Resumes an interrupted run; returns the result of a finished one at once.

    Args:
        spec: from `vgbench.config.resolve.resolve`.
        out: the run folder itself; by default a readable, hashed name under `runs/`.
        argv: the command line, for the record.
        loggers: whom progress is reported to; by default every installed logger.
        share: folder of finished training stages, which this run takes over where they are its own, and adds to.
        again: repeat a run whose plugins have changed since; the old folder is kept beside it.
        trained: a run whose model is taken, so that nothing is trained.
        train_only: stop when the model is trained, which needs no simulator, and return the content of training.json.
        strata: names of strata that some task has to be of, which is checked before training; and where each is asked
            for.

    Raises:
        UsageError: the folder holds something else, or was made before a plugin changed, or the parts of the run do not
            fit together.
        RunFailed: training diverged, or a plugin failed or broke its contract.
    """
    if spec.trained and trained is None:
        raise UsageError(f"this is an evaluation of the model of run {spec.trained}; use vgbench evaluate RUN")
    folder = folder_of(spec, out)
    if spec.environment.entry == RECORDED and not train_only:
        raise UsageError(
            f"{spec.data_file or 'recorded data'}: there is no simulator to play tasks in; train with `vgbench train` "
            "and evaluate with `vgbench offline`, or import the recordings for an environment of your own (--env NAME)"
        )
    folder.check(spec)
    replaced = source_changes.must_be_replaced(folder, spec, again)
    if again and not replaced and (folder.path / "run.json").exists():
        (loggers or Loggers()).note(f"--again: {folder.path} was made with the source that its plugins have now")
    result: Mapping[str, Any] | None = None
    if not replaced:
        result = training_record(folder) if train_only else folder.result()
    if result is not None:
        return {**result, "run_dir": str(folder.path)}
    # Early, since it does nothing for arrays that are there already.
    keep_freed_memory()
    # Before the folder is opened: what does not fit leaves no trace.
    dry_build(spec)
    precision.check_compiler(spec)
    loggers = loggers or Loggers().load(Registry())
    kept = source_changes.set_aside(folder.path) if replaced else None
    with precision.in_force(spec), folder.opened(spec, argv), deferred_interrupts() as stop:
        status = "failed"
        try:
            loggers.call("vgbench_run_started", title=printable(spec.title()), folder=printable(str(folder.path)))
            if kept and folder.note(text := f"repeated: the run from before its plugins changed is kept in {kept}"):
                loggers.note(text)
            kept_words = f"What was done is kept in {folder.path}: fix it and give the same command again"
            with attribute_errors(RunFailed, kept_words), _own_interrupts(stop, kept_words):
                steps = RunSteps(spec, folder, loggers, stop, share, trained, strata)
                result = steps.train_alone() if train_only else steps.execute()
            played = (folder.path / "result.json").exists()
            done = "trained" if train_only and not played else "done"
            folder.update(status=done, error=None, plugin_errors=loggers.errors)
            if train_only:
                write_sealed(folder.path / TRAINING, cast("dict[str, Any]", result))
            else:
                folder.complete(cast("ResultFile", result))
            status = done
        except BaseException as err:
            status = "interrupted" if isinstance(err, KeyboardInterrupt) else "failed"
            if isinstance(err, UsageError) and folder.withdrawn():
                status = "refused"
                raise
            with suppress(VgbenchError):  # what went wrong first is what the user has to see
                folder.update(status=status, error=str(err) or type(err).__name__, plugin_errors=loggers.errors)
            raise
        finally:
            loggers.call("vgbench_run_stopped", status=status)
        if not (folder.path / (TRAINING if train_only else "result.json")).exists():
            raise RunFailed(f"{folder.path} was removed while the run was in it, and its result with it")
        if not train_only:
            loggers.call("vgbench_run_ended", result=result)
        folder.update(plugin_errors=loggers.errors)  # with those of the last two calls
    return result


@contextmanager
def _own_interrupts(stop: Stop, advice: str) -> Iterator[None]:
    """Tell a KeyboardInterrupt that a plugin raised from that of the user, who has asked for a stop before."""
    try:
        yield
    except KeyboardInterrupt as err:
        words = None if stop.requested else explain(err)
        if words is None:
            raise
        raise RunFailed(f"{words}. {advice}") from err


def folder_of(spec: RunSpec, out: Path | None = None) -> RunFolder:
    """Return the folder of a run: `out`, or a name under `runs/`."""
    return RunFolder(out or Path("runs") / f"{spec.title()}-{spec.key()}")
