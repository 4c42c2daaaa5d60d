"""A manifest that the user names with --tasks: its own values, and what of the run it has to agree with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vgbench.config.parameters import Assignment
from vgbench.data import task_files
from vgbench.errors import UsageError, prefix_error
from vgbench.plugin.entry import Entry
from vgbench.spec import ResolvedPlugin, RunSpec, SourcedValue


@dataclass(frozen=True)
class TaskFile:
    """Content of a file of tasks, whole and unedited, but not yet compared with a run."""

    path: Path
    written: str
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path, written: str, environment: Entry, protocol: str) -> "TaskFile":
        """Read a file.

        Raises:
            UsageError: there is none, it was edited, or its tasks are of another protocol or environment.
        """
        # The error begins with the file, which `written` ends with.
        with prefix_error(written.removesuffix(str(path)), ""):
            content = task_files.read_content(path)
        about = content["environment"]
        found = (content["protocol"], f"{about.get('dist')}:{about.get('name')}")
        wanted = (protocol, f"{environment.dist}:{environment.name}")
        for what, a, b in zip(("protocol", "environment"), found, wanted, strict=True):
            if a != b:
                raise UsageError(f"{written}: its tasks are of {what} {a!r}, but this run is on {b!r}")
        return cls(path, written, content)

    def assignments(self) -> list[Assignment]:
        """The number of tasks, if the user does not say one."""
        return [Assignment("evaluation.tasks", self.content["number"], self.written, self.written)]

    def settle(self, spec: RunSpec) -> RunSpec:
        """Check that the tasks fit a run, and return the run with them.

        Raises:
            UsageError: the run asks for more tasks than there are, for another task seed or for other parameters of the
                environment, its states are of another form, or a task is solved at its start.
        """
        seed, number, asked = self.content["seed"], self.content["number"], spec.settings["evaluation"].tasks
        # A seed that nobody gave is the file's.
        if spec.selections["task_seed"].source != "default" and spec.task_seed != seed:
            raise UsageError(f"{self.written}: its tasks are of seed {seed}; leave out --task-seed")
        if asked > number:
            raise UsageError(f"{self.written}: it has {number} tasks, but evaluation.tasks={asked} was asked for")
        self._agree(spec.environment)
        with prefix_error(self.written.removesuffix(str(self.path)), ""):
            found = task_files.load(self.path, spec.environment.make())
        selections = spec.selections | {"task_seed": SourcedValue(seed, self.written)}
        # The hash of the tasks that are played, which may be fewer than the file has.
        file, sha256 = str(self.path.resolve()), found.first(asked).sha256
        return replace(spec, task_seed=seed, selections=selections, tasks_file=file, tasks_sha256=sha256)

    def _agree(self, chosen: ResolvedPlugin) -> None:
        """Refuse tasks of an environment of another version, or with other parameters."""
        about: Mapping[str, Any] = self.content["environment"]
        if about.get("version") != chosen.cls.version:
            raise UsageError(
                f"{self.written}: its tasks are of version {about.get('version')} of {chosen.entry}; installed is "
                f"version {chosen.cls.version}: make them again with `vgbench tasks`"
            )
        try:
            # Parameters that are younger than the file are at their defaults there.
            params = chosen.cls.Params.model_validate(about.get("params")).model_dump(mode="json")
        except ValueError as err:
            raise UsageError(f"{self.written}: its environment's parameters are not valid: {err}") from err
        for name, value in chosen.params.model_dump(mode="json").items():
            if params[name] != value:
                raise UsageError(
                    f"{self.written}: its tasks are of {chosen.name}.{name}={params[name]}, but the run has {value}"
                )
