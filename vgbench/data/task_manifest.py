"""A task manifest: planning problems with their seeds and radius, as JSON values with a hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vgbench.api import Tasks
from vgbench.errors import UsageError
from vgbench.storage.files import JSON_BYTES, Record, write_text
from vgbench.text import show_size

FORMAT = 1
NOISE = "philox4x32-10"


@dataclass(frozen=True)
class TaskManifest:
    """The tasks of a protocol and a task seed.

    Attributes:
        protocol: name of the protocol.
        environment: its identity: name, dist, version, params.
        seed: of the tasks, and of the noise that planners and environment draw.
        radius: a task is solved below this distance from its goal, in `unit`; None if the environment has no radius.
        unit: of distances.
        tasks: start and goal states, on the CPU. The noise of task i has the key [seed, i], see `vgbench.rng`.
    """

    protocol: str
    environment: Record
    seed: int
    radius: float | None
    unit: str
    tasks: Tasks

    def first(self, count: int) -> "TaskManifest":
        """Return the first `count` tasks alone."""
        return replace(self, tasks=self.tasks.first(count))

    @cached_property
    def content(self) -> Record:
        """All but the hash, as JSON values. Numbers are exact; arrays that start and goal share are listed once."""
        start, goal = self.tasks.start, self.tasks.goal
        both = [name for name in sorted(start) if name in goal and torch.equal(start[name], goal[name])]
        arrays = {name: array for end in (start, goal) for name, array in sorted(end.items())}
        listed = {
            "start": {name: _listed(array) for name, array in start.items() if name not in both},
            "goal": {name: _listed(array) for name, array in goal.items() if name not in both},
            "both": {name: _listed(start[name]) for name in both},
        }
        strata = self.tasks.strata
        tasks = [
            {"key": [self.seed, i]}
            # Only where there are any, so that the hashes of all other tasks stay as they were.
            | ({} if strata is None else {"stratum": strata[i]})
            | {end: {name: rows[i] for name, rows in own.items()} for end, own in listed.items()}
            for i in range(len(self.tasks))
        ]
        return {
            "format": FORMAT,
            "protocol": self.protocol,
            "environment": self.environment,
            "seed": self.seed,
            "number": len(self.tasks),
            "radius": self.radius,
            "unit": self.unit,
            "noise": NOISE,
            "arrays": {n: {"dtype": str(a.numpy().dtype), "shape": list(a.shape[1:])} for n, a in arrays.items()},
            "both": both,
            "tasks": tasks,
        }

    @cached_property
    def sha256(self) -> str:
        """Hash of the content, 64 hex digits: it does not depend on how the file is laid out."""
        return digest(self.content)

    def text(self) -> str:
        """Return JSON with a line for each field and each task, so that `diff` shows which tasks differ."""
        lines = [f"{json.dumps(name)}: {json.dumps(value)}," for name, value in self.content.items() if name != "tasks"]
        tasks = ",\n".join(json.dumps(task) for task in self.content["tasks"])
        return "{\n" + "\n".join(lines) + f'\n"tasks": [\n{tasks}\n],\n"sha256": "{self.sha256}"\n' + "}\n"

    def write(self, path: Path, new: bool = False) -> None:
        """Write the file, whole or not at all; with `new`, over no other file.

        Raises:
            UsageError: the file would be too large to be read again.
        """
        text = self.text()
        if (size := len(text.encode())) > JSON_BYTES:
            raise UsageError(
                f"{path}: these {len(self.tasks)} tasks would take {show_size(size)}, and no more than "
                f"{show_size(JSON_BYTES)} are read; take fewer (evaluation.tasks)"
            )
        write_text(path, text, new)


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON values in canonical form: sorted, without spaces."""
    # NaN and infinity are refused: they are no JSON.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _listed(array: torch.Tensor) -> list[Any]:
    """Rows of an array as nested lists; a float32 has the shortest decimal that gives it back."""
    values = array.cpu().numpy()
    if values.dtype != np.float32:
        return list(values.tolist())
    short = np.array([float(str(x)) for x in values.reshape(-1)]).reshape(values.shape)
    return list(np.where(short.astype(np.float32) == values, short, values.astype(np.float64)).tolist())
