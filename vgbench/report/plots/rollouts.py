"""Small animations of solved and failed tasks: where the agent went, where its plan leads, what the model expects."""

import io
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from vgbench.analysis.replay import EpisodeTrace, Frame, replay
from vgbench.api import Environment, HasMapPlace, State
from vgbench.api.capabilities import capability, offers
from vgbench.experiments.trained import Trained
from vgbench.report.plots.images import image_name, rgb
from vgbench.report.plots.picture import Drawn, Plot, SkippedPlot
from vgbench.report.plots.value_map import ValueMaps
from vgbench.storage.run_folder import RunFolder

ROLLOUTS = "Rollouts"
EACH = 2
"""Solved tasks, and failed ones."""
SIZE, FRAMES = 224, 48
"""Width and height of an animation, px; most frames."""
STEPS = 96
"""Steps of a task that are played at most: a planner that is stuck is stuck in few."""
TRACE, PLAN, IMAGINED, GOAL = "#ffffff", "#E69F00", "#56B4E9", "#F0E442"
Points = list[tuple[float, float]]


def rollouts(atlas: ValueMaps, each: int = EACH) -> Drawn:
    """Play the first solved and the first failed tasks of episodes.jsonl again, and draw an animation of each."""
    trained = atlas.trained
    if image_name(trained.environment) is None and not offers(trained.environment, HasMapPlace):
        name = trained.spec.environment.name
        yield SkippedPlot(
            ROLLOUTS, f"environment '{name}' has neither images nor map_place, so there is nothing to draw"
        )
        return
    rows = {row["task"]: row for row in RunFolder(trained.folder.path).lines("episodes.jsonl")}
    solved, failed = ([task for task, row in rows.items() if row["success"] is kind] for kind in (True, False))
    for kind, tasks in (("solved", solved), ("failed", failed)):
        if not tasks:
            yield SkippedPlot(ROLLOUTS, f"no task was {kind}")
    for played in replay(trained, [*solved[:each], *failed[:each]], STEPS):
        word = "solved" if rows[played.task]["success"] else "failed"
        text = _text(played, rows[played.task])
        file = f"rollout-{word}-task{played.task}.webp"
        yield Plot(file, ROLLOUTS, text, _legend(atlas), _animation(trained, atlas, played))


def _text(played: EpisodeTrace, recorded: dict[str, Any]) -> str:
    word, steps = ("solved after" if recorded["success"] else "not solved within"), recorded["steps"]
    text = f"Task {played.task}: {word} {steps} steps."
    if played.steps == STEPS < steps:
        text += f" The first {STEPS} are shown."
    elif (played.solved, played.steps) != (recorded["success"], steps):
        did = "solved" if played.solved else "not solved"
        text += f" Played again on this machine it went otherwise: {did}, {played.steps} steps."
    return text


def _legend(atlas: ValueMaps) -> str:
    if not offers(atlas.trained.environment, HasMapPlace):
        return "What the encoder sees."
    blue = "" if atlas.missing else "; blue: where the model expects it to lead (the nearest latent on the map)"
    return f"Star: the goal; white: the way so far; orange: where the rest of the present plan really leads{blue}."


def _animation(trained: Trained, atlas: ValueMaps, played: EpisodeTrace) -> bytes:
    """Animated WebP of one task."""
    places = _places(trained.environment, played)
    chosen = np.unique(np.linspace(0, played.steps, min(FRAMES, len(played.moments))).round().astype(int))
    frames = []
    for index in chosen.tolist():
        moment = played.moments[index]
        frame = _canvas(trained.environment, moment.state)
        if places:
            _draw(ImageDraw.Draw(frame), trained, atlas, moment, places[: index + 1])
        frames.append(frame.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    stream = io.BytesIO()
    times = [*([max(60, 4000 // len(frames))] * (len(frames) - 1)), 1500]
    options = {"save_all": True, "append_images": frames[1:], "duration": times, "loop": 0}
    frames[0].save(stream, format="WEBP", quality=60, method=3, **options)
    return stream.getvalue()


def _places(environment: Environment, played: EpisodeTrace) -> Points:
    """Points of the frame where the agent was; none for an environment without a map."""
    if not offers(environment, HasMapPlace):
        return []
    states = [moment.state for moment in played.moments]
    return _points(environment, {name: torch.cat([state[name] for state in states]) for name in states[0]})


def _points(environment: HasMapPlace, states: State) -> Points:
    """Points of the frame (at twice its size) where states are."""
    return _scaled(environment, environment.map_place(states).double().cpu().numpy())


def _scaled(environment: HasMapPlace, place: np.ndarray) -> Points:
    left, right, bottom, top = environment.map_extent
    x, y = (place[:, 0] - left) / (right - left), (place[:, 1] - top) / (bottom - top)
    return list(zip((2 * SIZE * x).tolist(), (2 * SIZE * y).tolist(), strict=True))


def _canvas(environment: Environment, state: State) -> Image.Image:
    """Frame at twice its size, to be made smaller once lines are drawn: what the encoder sees, or plain grey."""
    name = image_name(environment)
    if name is None:
        return Image.new("RGB", (2 * SIZE, 2 * SIZE), "#404040")
    seen = environment.observe(state)[name][0].cpu().numpy()
    return Image.fromarray(rgb(seen)).resize((2 * SIZE, 2 * SIZE), Image.Resampling.NEAREST)


def _draw(pen: ImageDraw.ImageDraw, trained: Trained, atlas: ValueMaps, moment: Frame, trace: Points) -> None:
    """Draw goal, way, plan and expectation."""
    environment = capability(trained.environment, HasMapPlace)
    _star(pen, *_points(environment, moment.goal)[0])
    for width, colour in ((8, "black"), (4, TRACE)):
        pen.line(trace, fill=colour, width=width, joint="curve")
    ahead = [trace[-1], *_points(environment, _lead(trained, moment))] if len(moment.plan) else []
    for width, colour in ((8, "black"), (4, PLAN)) if ahead else ():
        pen.line(ahead, fill=colour, width=width, joint="curve")
    if moment.imagined is not None and not atlas.missing:
        sheet = atlas.sheet(moment.goal)
        nearest = torch.cdist(moment.imagined[moment.since :], sheet.latents).argmin(dim=1)
        for x, y in _scaled(environment, sheet.place[nearest.cpu().numpy()]):
            pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=IMAGINED, outline="black")
    x, y = trace[-1]
    pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill=TRACE, outline="black", width=2)


def _lead(trained: Trained, moment: Frame) -> State:
    """States [H] that the rest of a plan leads to, without noise."""
    environment, state, states = trained.environment, moment.state, []
    dim = environment.spec.noise_dim
    for action in moment.plan:
        noise = torch.zeros(1, dim, device=action.device) if dim else None
        state = environment.step(state, action.unsqueeze(0), noise)
        states.append(state)
    return {name: torch.cat([state[name] for state in states]) for name in state}


def _star(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float = 18.0) -> None:
    angles = np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2, 0.42 * radius, radius)
    corners = zip((x + radii * np.sin(angles)).tolist(), (y - radii * np.cos(angles)).tolist(), strict=True)
    pen.polygon(list(corners), fill=GOAL, outline="black", width=2)
