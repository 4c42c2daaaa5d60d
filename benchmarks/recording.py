"""Training from a recording that stays in its file, against the same frames in memory, once the system has cached them.

The file of 10 GB lies in the system's folder for temporary files (`TMPDIR`) and is deleted at the end. The side in
memory holds a tenth of its episodes, as both whole would not fit beside each other. Each round has the same windows,
drawn from all of either set, so that those of the file are cached after the first one, which is not timed.
"""

import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Case, Check, Options, Record, Side
from vgbench.api import Trajectories
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.data import episode_file
from vgbench.data.dataset import Dataset
from vgbench.experiments.build import build_environment, build_model, build_terms
from vgbench.plugin.loggers import Loggers
from vgbench.spec import RunSpec
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder
from vgbench.training.stage import Stage
from vgbench.training.trainer import Trainer

SHAPE = (3, 64, 64)
LENGTH = 101
FILE, MEMORY = "vgbench", "in memory"
SMALL = ("strided.stem=8", "strided.channels=8")
"""An encoder so small that computing hides little of the reading."""


def cases(options: Options) -> Iterator[Case]:
    """Steps of the quick scale, with its encoder and with a smaller one; reading alone."""
    episodes = options.pick(8057, 806, 20)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.h5"
        write(path, episodes)
        few = options.pick((), ("train.batch=16",), ("train.batch=4",))
        for name, sets in (("quick encoder", few), ("small encoder", (*SMALL, *few))):
            # Steps enough that no schedule ends.
            request = RunRequest(data=path, recipe="vf", scale="quick", set=["train.steps=100000", *sets])
            spec = resolve(request)
            sides = Sides.read(path, spec)
            yield training(name, spec, sides, options.pick(4, 4, 2))
        yield reading(sides, options.pick(64, 16, 4), options.pick(32, 8, 2))


def write(path: Path, episodes: int) -> None:
    """Write a data file as `vgbench import` does, of noise."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (LENGTH + 64, *SHAPE), dtype=np.uint8)

    def made() -> Iterator[dict[str, dict[str, np.ndarray]]]:
        for number in range(episodes):
            # Another piece of the noise, and another first row: no two episodes are alike.
            frames = noise[number % 64 :][:LENGTH].copy()
            frames[:, 0] ^= np.uint8(number % 251)
            actions = rng.uniform(-1, 1, (LENGTH - 1, 2)).astype(np.float32)
            yield {"observations": {"observation": frames}, "": {"actions": actions}}

    spec = {"environment": "recorded", "package": "vgbench_plugins", "version": 1, "seed": 0, "format": 1}
    spec |= {"trajectories": episodes, "length": LENGTH}
    shown = [["observation", "image", list(SHAPE)]]
    params = {"observations": shown, "low": [-1.0, -1.0], "high": [1.0, 1.0]}
    episode_file.write(path, np.full(episodes, LENGTH), made(), {**spec, "params": params}, {})


@dataclass(frozen=True)
class Sides:
    """The whole set in its file, and a tenth of it in memory."""

    file: Dataset
    memory: Dataset

    @classmethod
    def read(cls, path: Path, spec: RunSpec) -> "Sides":
        environment, device = build_environment(spec.environment), torch.device("cpu")
        # No array is too small to stay in the file, so that smaller sizes of the benchmark measure the same.
        stored = episode_file.read(path, large=0)
        part = stored.take(np.arange(max(2, len(stored) // 10)))
        held: Trajectories = replace(part, observations={n: np.asarray(a) for n, a in part.observations.items()})
        return cls(*(Dataset(environment, data, device) for data in (stored, held)))

    def checks(self) -> Iterator[Check]:
        """Frames of the episodes that both sides have."""
        index = torch.arange(0, len(self.memory) * LENGTH, 37)
        trajectory, when = index // LENGTH, index % LENGTH
        read, kept = (data.observations(trajectory, when)["observation"] for data in (self.file, self.memory))
        yield Check(MEMORY, "frames of the same states", float((read.int() - kept.int()).abs().max()), 0.0)

    @property
    def parameters(self) -> Record:
        """Sizes of both, bytes."""
        frame = int(np.prod(SHAPE))
        return {"bytes_in_file": self.file.total * frame, "bytes_in_memory": self.memory.total * frame}


@dataclass
class Meter:
    """CPU seconds of each side, which do not depend on what else the machine does, and what came from the disk."""

    cpu: dict[str, list[float]] = field(default_factory=dict)
    began: int | None = None

    def side(self, name: str, kind: Any, setting: str, run: Callable[[], Any]) -> Side:
        """Make a side that is counted."""

        def counted() -> None:
            # Both sides have warmed up.
            if self.began is None and len(self.cpu) == 2:
                self.began = bytes_from_disk()
            began = time.process_time()
            run()
            self.cpu.setdefault(name, []).append(time.process_time() - began)

        return Side(name, counted, kind, setting)

    def facts(self) -> Record:
        """Share of the other side's rate by CPU seconds, median of the rounds; MiB that were read from the disk."""
        # Without the first round, which warms up.
        shares = [there / here for here, there in zip(self.cpu[FILE][1:], self.cpu[MEMORY][1:], strict=True)]
        now = bytes_from_disk()
        from_disk = None if now is None or self.began is None else round((now - self.began) / 2**20, 1)
        return {"share_by_cpu_seconds": round(float(np.median(shares)), 4), "mib_from_disk": from_disk}


def bytes_from_disk() -> int | None:
    """Return how many bytes this process has had read from a disk; None where the system does not say."""
    with suppress(OSError):
        lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("read_bytes")))
    return None


def training(name: str, spec: RunSpec, sides: Sides, steps: int) -> Case:
    """Whole steps of the encoder's stage, on windows drawn from each side."""
    settings, meter = spec.settings["train"], Meter()
    model = build_model(spec, sides.file.environment)
    model.set_statistics(sides.memory.statistics())

    def stepping(data: Dataset) -> Callable[[], None]:
        own = copy.deepcopy(model)
        terms = build_terms(spec, spec.objectives, own, data.environment.spec.actions.dim)
        folder = RunFolder(Path(tempfile.gettempdir()) / "vgbench-benchmark-writes-nothing")
        trainer = Trainer(Stage("encoder", terms, settings, spec.seed), own, data, folder, Loggers(), Stop())
        own.train()

        def run() -> None:
            trainer.step = 0  # its windows again
            for _ in range(steps):
                trainer._one_step()  # `Trainer.run` takes all steps at once

        return run

    return Case(
        f"training, {name}",
        {"recipe": spec.recipe, "scale": spec.scale, "batch": settings.batch, "window": settings.window}
        | {"set": [f"{a}={v.value}" for a, v in spec.values.items() if a.startswith("strided.")], **sides.parameters},
        [
            meter.side(FILE, "ours", "from the file", stepping(sides.file)),
            meter.side(MEMORY, "limit", "a tenth of the episodes in memory", stepping(sides.memory)),
        ],
        steps * settings.batch,
        "window",
        sides.checks,
        lambda found: meter.facts(),
    )


def reading(sides: Sides, batch: int, rounds: int) -> Case:
    """Frames of random windows, one batch after another, and nothing else."""
    window, meter = 16, Meter()
    generator = torch.Generator().manual_seed(0)

    def places(data: Dataset) -> list[tuple[Tensor, Tensor]]:
        found = []
        for _ in range(rounds):
            trajectory = torch.randint(len(data), (batch, 1), generator=generator).expand(batch, window)
            start = torch.randint(LENGTH - window + 1, (batch, 1), generator=generator)
            found.append((trajectory.flatten(), (start + torch.arange(window)).flatten()))
        return found

    def run(data: Dataset) -> Callable[[], None]:
        # The same windows every time: once read, the system has them cached.
        asked = places(data)

        def run() -> None:
            for trajectory, when in asked:
                data.observations(trajectory, when)

        return run

    return Case(
        "reading alone",
        {"batch": batch, "window": window, **sides.parameters},
        [
            meter.side(FILE, "ours", "from the file, not ahead", run(sides.file)),
            meter.side(MEMORY, "limit", "gathered from memory", run(sides.memory)),
        ],
        batch * rounds,
        "window",
        sides.checks,
        lambda found: meter.facts(),
    )
