"""Training that runs have in common: a stage is named by a hash of all that it depends on, and computed once."""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import torch

from vgbench.errors import VgbenchError
from vgbench.plugin.source import source
from vgbench.spec import ResolvedPlugin, RunSpec
from vgbench.storage import checkpoints
from vgbench.storage.files import drop_partials, hash_of, read_json, replacing, write_bytes, write_sealed
from vgbench.storage.lock import file_lock
from vgbench.storage.run_folder import RunFolder
from vgbench.text import message
from vgbench.version import __version__

FORMAT = 1
_POLL = 0.5  # seconds


def stages(spec: RunSpec) -> dict[str, str]:
    """Return a hash for each training stage of a run, in order; runs of equal hash train to the same bits.

    It covers environment, data, model, all networks and the distance (they draw their weights from one stream, and a
    checkpoint holds them all; a head with a stage of its own enters there), the stage's objectives with their weights
    and its settings, seed, device, precision, the versions of vgbench and PyTorch, and the stage before, and for all
    these plugins their source. Planner, tasks and the number of threads do not enter.
    """
    late = late_roles(spec)
    collected = {"seed": spec.data_seed} | ({"files": list(spec.data_files)} if spec.data_files else {})
    data = {"fingerprint": spec.data_fingerprint} if spec.data_file else collected
    common = spec.compute.identity() | {
        "format": FORMAT,
        "environment": _plugin(spec.environment),
        "data": data | _values(spec, "data"),
        "model": _values(spec, "model"),
        "networks": {role: _plugin(c) for role, c in spec.networks.items() if role not in late},
        "distance": _plugin(spec.distance),
        "training": spec.training,
        "seed": spec.seed,
        "device": spec.device_kind,
        "versions": [__version__, torch.__version__],
    }
    hashes: dict[str, str] = {}
    before = None
    for stage in spec.stages:
        own = {
            "stage": stage.name,
            "objectives": [_plugin(chosen) | {"weight": chosen.weight} for chosen in stage.objectives],
            "settings": _values(spec, stage.settings),
            "before": before,
        }
        if role := stage.kind.role:
            own["network"] = _plugin(spec.networks[role]) if role in spec.networks else None
        # Sorted, so that the hash does not depend on the order of the fields.
        before = hashlib.sha256(json.dumps(common | own, sort_keys=True).encode()).hexdigest()[:16]
        hashes[stage.name] = before
    return hashes


def late_roles(spec: RunSpec) -> dict[str, str]:
    """Return the networks that take part from a later stage on, with the name of that stage."""
    return {stage.kind.role: stage.name for stage in spec.stages if stage.kind.role}


def _plugin(chosen: ResolvedPlugin) -> dict[str, Any]:
    """Return what of a plugin decides what it trains: its source, too, since a cache has nothing to preserve."""
    return chosen.identity() | {"source": source(chosen.cls)}


def _values(spec: RunSpec, group: str) -> dict[str, Any]:
    values: dict[str, Any] = spec.settings[group].identity()
    return values


def checkpoint(folder: Path, name: str) -> Path:
    """Return the file of a finished stage, by its hash."""
    return folder / f"{name}.pt"


def published(folder: Path, name: str) -> bool:
    """Whether a stage, by its hash, is finished."""
    return checkpoint(folder, name).exists()


def lock_of(folder: Path, name: str) -> Path:
    """Return the file whose lock is held while a stage, by its hash, is trained."""
    return folder / f"{name}.lock"


class StageCache:
    """Finished stages in a folder that several runs share: HASH.pt (a checkpoint) and HASH.json (times and log).

    Both have checksums. Other processes write into this folder, so that nothing in it is believed without.
    """

    def __init__(self, folder: Path, spec: RunSpec) -> None:
        """`folder` is made when first written to."""
        self._folder, self._hashes, self._key = folder, stages(spec), spec.key()
        self._late = late_roles(spec)

    @contextmanager
    def training(self, stage: str, stop: Callable[[], bool]) -> Iterator[None]:
        """Hold the lock of a stage, after whoever else trains it, so that runs of several commands train it once.

        Raises:
            KeyboardInterrupt: `stop` asked to end while it waited.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = file_lock(lock_of(self._folder, self._hashes[stage]))
        while True:
            try:
                lock.acquire()
                break
            except filelock.Timeout:
                if stop():
                    raise KeyboardInterrupt from None
                time.sleep(_POLL)
        try:
            yield
        finally:
            lock.release()

    def adopt(self, stage: str, run: RunFolder) -> bool:
        """Take over a stage that another run has finished: its checkpoint, its lines of train.jsonl and its times.

        False if there is none, or if this run has finished it itself.
        """
        path = checkpoint(self._folder, self._hashes[stage])
        mine = run.load_checkpoint(stage) if path.exists() else None
        if not path.exists():
            return False
        step, total = run.reached(stage, mine) if mine is not None else (0, 1)
        if step >= total:
            return False
        try:
            fields = ("key", "times", "log", "hash", "checkpoint")
            about = read_json(path.with_suffix(".json"), fields, "it is made again")
            if about["hash"] != self._hashes[stage]:
                raise VgbenchError(f"{path.stem}.json is of another stage, {about['hash']}")
            if hash_of(path)[1] != about["checkpoint"]:
                raise VgbenchError(f"{path.name} is not the checkpoint that {path.stem}.json belongs to")
            content = checkpoints.read(path)["content"]
        except Exception as err:  # a damaged file raises many kinds; it is only a copy
            print(message(f"note: {path} cannot be used, so stage {stage} is trained here: {err}"), file=sys.stderr)
            # Removed, since `publish` does not replace a file that is there.
            path.unlink(missing_ok=True)
            return False
        # This run's own lines go first: it may have begun the stage, and a stage has one log.
        run.keep("train.jsonl", lambda record: record.get("stage") != stage)
        for record in about["log"]:
            run.append("train.jsonl", record)
        # After the log: a finished checkpoint of its own keeps the run from adopting again.
        run.save_checkpoint(stage, content)
        run.stage_times()[stage] = about["times"] | {"shared": True, "trained_by": about["key"]}
        run.update()
        return True

    def publish(self, stage: str, run: RunFolder) -> None:
        """Offer a stage that this run has finished to the others."""
        path = checkpoint(self._folder, self._hashes[stage])
        if path.exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        drop_partials(self._folder)
        times = run.stage_times()[stage]
        log = [record for record in run.lines("train.jsonl") if record.get("stage") == stage]
        about = {"format": FORMAT, "stage": stage, "key": self._key, "times": times, "log": log}
        own = run.path / "checkpoints" / f"{stage}.pt"
        foreign = tuple(role for role, name in self._late.items() if name != stage)
        data = _without(foreign, own) if foreign else None
        digest = hash_of(own)[1] if data is None else hashlib.sha256(data).hexdigest()
        # What it is, since a name alone is believed by nobody: another file may have come to have it.
        about |= {"hash": self._hashes[stage], "checkpoint": digest}
        # The checkpoint comes last, as others look for it. If two runs publish at a time, one is as good as the other.
        write_sealed(path.with_suffix(".json"), about)
        if data is None:
            _link(own, path)
        else:
            write_bytes(path, data)


def _without(roles: tuple[str, ...], source: Path) -> memoryview:
    """Return a checkpoint without networks that its stage has not touched and that other runs do not have."""
    with checkpoints.explained(source):
        owned = checkpoints.read(source)
        model = owned["content"]["model"]
    kept = {name: value for name, value in model.items() if name.partition(".")[0] not in roles}
    return checkpoints.encode(owned | {"content": owned["content"] | {"model": kept}})


def _link(source: Path, target: Path) -> None:
    """Link a file, or copy it where the file system has no links; checkpoints are replaced, never written into."""
    try:
        with replacing(target) as partial:
            partial.unlink()  # a link is made where nothing is; the name is nobody else's
            try:
                os.link(source, partial)
            except OSError:
                shutil.copyfile(source, partial)
    except OSError as err:
        raise VgbenchError(f"cannot write {target}: {err.strerror or err}; free some space, then run again") from err
