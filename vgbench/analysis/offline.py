"""What recordings tell of a trained model, without a simulator, beside what an untrained one would reach."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from vgbench.analysis.offline_blocks import Known, Subject, Tell, measure
from vgbench.analysis.offline_verdict import verdict
from vgbench.api import Trajectories
from vgbench.data import files
from vgbench.data.dataset import Dataset
from vgbench.experiments.build import build_model
from vgbench.experiments.trained import Trained
from vgbench.model import precision
from vgbench.model.jepa import JEPA, is_frozen
from vgbench.storage.files import Record
from vgbench.training.latents import fit_latent_scale
from vgbench.version import __version__

FORMAT = 1
UNTRAINED = 3
"""Seeds of the untrained model that each figure is compared with."""
SAMPLE = 512
"""States of training by which an untrained model finds the scale of its latents."""
YARDSTICKS = {
    "order": ("spearman",),
    "time": ("pearson", "error"),
    "prediction": ("latent",),
    "plan": ("error", "cosine"),
}
"""Figures of each block that are also measured with the untrained model."""


def offline(
    trained: Trained,
    data: Dataset | None = None,
    seed: int = 0,
    tell: Tell = lambda name, done, total: None,
    file: str | None = None,
) -> Record:
    """Judge a trained model by episodes; the same seed gives the same figures.

    Args:
        trained: from `vgbench.experiments.trained.load_trained`; its tasks are not used.
        data: episodes to judge by, with actions in the units of training; None: those held out from training, or
            those of training where none were.
        seed: of all that is drawn.
        tell: called with the progress.
        file: name of the file of `data`, for the record.

    Returns:
        Values for JSON. `blocks` has `order` (rank correlation of the learned distance to a later state with the
        recorded number of steps, mean over goals), `time` (learned number of steps against the recorded one),
        `prediction` (error of 1 to H steps relative to predicting no change) and `plan` (plans to a recorded later
        state against the recorded actions, in units of these), `{"skipped": reason}` where episodes are too short.
        `untrained` in a block has the same figures of the same networks before training, one for each seed in
        `untrained_seeds`. Of given `data`, `data` has the fingerprint and how many episodes were trained on.

    Raises:
        UsageError: the episodes have hardly any states.
    """
    judged = data or trained.held_out or trained.data
    of = "given" if data else "held out" if trained.held_out else "training"
    seeds = [trained.spec.seed + number for number in range(UNTRAINED)]
    # What was never trained is the same in all of them, so states are encoded once.
    known: Known | None = {} if is_frozen(build_model(trained.spec, trained.environment).encoder) else None
    blocks = measure(Subject(trained, judged, known), seed, lambda name, *at: tell(f"trained: {name}", *at))
    for number, other in enumerate(seeds):
        model = untrained(trained, other, keep_encoder=known is not None)
        name = f"untrained {number + 1} of {UNTRAINED}"
        subject = Subject(replace(trained, model=model), judged, known)
        _add(blocks, measure(subject, seed, lambda what, *at, name=name: tell(f"{name}: {what}", *at)))
    record = {
        "format": FORMAT,
        "vgbench": __version__,
        "title": trained.run["title"],
        "key": trained.run["key"],
        "of": of,
        "episodes": len(judged),
        "states": judged.total,
        "seed": seed,
        "untrained_seeds": seeds,
        "meaningless": trained.spec.scale == "smoke",
        **({"data": _about(trained, judged, file)} if data else {}),
        "blocks": blocks,
    }
    return {**record, "verdict": verdict(record)}


def untrained(trained: Trained, seed: int, keep_encoder: bool) -> JEPA:
    """Build the networks of a run as they are before training, from another seed; the statistics are those of the data.

    With `keep_encoder` the encoder is the run's own, which was not trained, and so is the scale of its latents.
    """
    spec = replace(trained.spec, seed=seed)
    model, old = build_model(spec, trained.environment), trained.model
    model.statistics, model.whitening = old.statistics, old.whitening
    model.to(trained.data.device)
    precision.accelerate(model, spec)
    model.eval().requires_grad_(False)
    if keep_encoder:
        model.encoder = old.encoder
        model.set_latent_scale(old.latent_shift, old.latent_scale)
    elif spec.training == "separate":
        count = trained.data.total
        index = torch.linspace(0, count - 1, min(SAMPLE, count)).long().to(trained.data.device)
        latents = model.encode_blocks(trained.data.observations(*trained.data.places(index))).clone()
        fit_latent_scale(model, latents, spec.settings["model"].latent_scale)
    return model


def _add(blocks: Record, others: Record) -> None:
    """Put the figures of an untrained model beside those of the trained one."""
    for name, figures in YARDSTICKS.items():
        if "skipped" in blocks[name]:
            continue
        beside = blocks[name].setdefault("untrained", {})
        for figure in figures:
            value = others[name][figure]
            beside.setdefault(figure, []).append(value["mean"] if isinstance(value, dict) else value)


def _about(trained: Trained, given: Dataset, file: str | None) -> Record:
    """Say what given episodes are, and how many of them are among those of the run."""
    known = {name: set(_marks(part)) for name, part in _parts(trained)}
    marks = list(_marks(given.trajectories))
    return {
        "file": file,
        "fingerprint": files.fingerprint(given.trajectories),
        "trained_on": sum(mark in known["trained_on"] for mark in marks),
        "held_out": sum(mark in known["held_out"] for mark in marks),
    }


def _parts(trained: Trained) -> Iterator[tuple[str, Trajectories | None]]:
    yield "trained_on", trained.data.trajectories
    yield "held_out", trained.held_out.trajectories if trained.held_out else None


def _marks(data: Trajectories | None) -> Iterator[bytes]:
    """Hash actions and first state of each episode: what two recordings of one length do not share by chance."""
    if data is None:
        return
    along = [*data.states.values(), *(data.observations or {}).values()]
    for number, count in enumerate(data.counts):
        state = hashlib.sha256(np.ascontiguousarray(data.actions[number, : count - 1]).tobytes())
        for array in [array[number : number + 1, :1] for array in along] + [a[number] for a in data.static.values()]:
            state.update(np.ascontiguousarray(array).tobytes())
        yield state.digest()
