"""Training steps, against the bare forward and backward of the same encoder on ready tensors; frames drawn."""

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.harness import Case, Check, Options, Side, difference
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.data.dataset import Dataset
from vgbench.experiments.build import build_environment, build_model, build_terms
from vgbench.plugin.loggers import Loggers
from vgbench.spec import RunSpec
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder
from vgbench.training.stage import Stage
from vgbench.training.trainer import Trainer


def cases(options: Options) -> Iterator[Case]:
    """Encoder stages of the rows "VF" (Euclid) and "VF quasi" (IQE), and the drawing of their frames."""
    for recipe in ("vf", "vf_quasi"):
        # Steps enough that no schedule ends; the encoder of the committed records, since shares of another one's time
        # would be another measure.
        sets = [
            "train.steps=100000",
            "strided.stem=32",
            "strided.channels=40",
            *options.pick((), ("train.batch=16",), ("train.batch=4",)),
        ]
        request = RunRequest(
            protocol="wall_big", recipe=recipe, scale=options.pick("quick", "quick", "smoke"), set=sets
        )
        spec = resolve(request)
        data = _data(spec)
        yield step(spec, data)
    yield frames(data, options.pick(4096, 1024, 16))
    maze = resolve(RunRequest(protocol="maze", recipe="vf", scale="smoke"))
    yield frames(_data(maze), options.pick(4096, 1024, 16))


def _data(spec: RunSpec) -> Dataset:
    """Collect a small training set: a step does not know how large it is."""
    environment = build_environment(spec.environment)
    trajectories = environment.collect(max(8, min(64, spec.settings["data"].trajectories)), 64, 0)
    return Dataset(environment, trajectories, torch.device("cpu"))


def step(spec: RunSpec, data: Dataset) -> Case:
    """One step of the encoder's stage: frames, encoder, loss, gradient, optimiser."""
    model = build_model(spec, data.environment)
    model.set_statistics(data.statistics())
    terms = build_terms(spec, spec.objectives, model, data.environment.spec.actions.dim)
    stage = Stage("encoder", terms, spec.settings["train"], spec.seed)
    folder = RunFolder(Path(tempfile.gettempdir()) / "vgbench-benchmark-writes-nothing")
    trainer = Trainer(stage, model, data, folder, Loggers(), Stop())
    model.train()
    # Before the step, which changes the weights.
    encoder = copy.deepcopy(model.encoder)
    seen: list[tuple[dict[str, Tensor], Tensor]] = []
    hook = model.encoder.register_forward_hook(lambda module, given, made: seen.append((given[0], made.detach())))
    trainer._one_step()  # `Trainer.run` takes all steps at once
    hook.remove()
    ready = [{name: x.detach() for name, x in inputs.items()} for inputs, _ in seen]

    def bare() -> None:
        encoder.zero_grad(set_to_none=True)
        for inputs in ready:
            encoder(inputs).sum().backward()

    def checks() -> Iterator[Check]:
        for inputs, (_, latents) in zip(ready, seen, strict=True):
            yield Check("bare encoder", "latents of the same frames", difference(latents, encoder(inputs)), 1e-5)

    settings = spec.settings["train"]
    return Case(
        f"step, {spec.recipe}",
        {
            "protocol": spec.protocol,
            "scale": spec.scale,
            "recipe": spec.recipe,
            "distance": spec.distance.name,
            "batch": settings.batch,
            "window": settings.window,
            "frames": sum(len(latents) for _, latents in seen),
        },
        [
            Side("vgbench", trainer._one_step, "ours", "a whole step"),
            Side("bare encoder", bare, "limit", "forward and backward of the same frames, drawn and normalised before"),
        ],
        unit="step",
        checks=checks,
    )


def frames(data: Dataset, count: int) -> Case:
    """Draw frames of states spread over the data set."""
    index = torch.linspace(0, len(data) * data.length - 1, count).long()
    trajectory, time = index // data.length, index % data.length
    name = type(data.environment).__name__.lower()

    def checks() -> Iterator[Check]:
        together = data.observations(trajectory, time)
        for row in (0, count // 2, count - 1):
            alone = data.observations(trajectory[row : row + 1], time[row : row + 1])
            for key, value in together.items():
                error = float((value[row].double() - alone[key][0].double()).abs().max())
                # No tolerance: a frame has the same bits, alone or among others.
                yield Check("vgbench", f"{key} {row}, drawn alone", error, 0.0)

    side = Side("vgbench", lambda: data.observations(trajectory, time), "ours")
    return Case(f"frames, {name}", {"environment": name, "frames": count}, [side], count, "frame", checks)
