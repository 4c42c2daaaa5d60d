"""Small animations of solved and failed tasks: where the agent went, where its plan leads, what the model expects."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from vgbench.analysis.replay import EpisodeTrace, Frame, replay
from vgbench.api import Environment, HasMapPlace, State
from vgbench.api.capabilities import capability, offers
from vgbench.errors import UsageError
from vgbench.experiments.trained import Trained
from vgbench.reports.plots.film import GOAL, IMAGINED, PLAN, TRACE, Film, captioned, encode
from vgbench.reports.plots.images import image_name, rgb
from vgbench.reports.plots.picture import Drawn, Plot, SkippedPlot
from vgbench.reports.plots.value_map import ValueMaps

ROLLOUTS = "Rollouts"
EACH = 2
"""Solved tasks, and failed ones."""
SIZE, FRAMES, MOST_FRAMES = 448, 48, 240
"""Width and height of a picture, px; most frames of those that are drawn for each run, and of one that is asked for."""
STEPS = 96
"""Steps of a task that are played at most: a planner that is stuck is stuck in few."""
Points = list[tuple[float, float]]


def rollouts(atlas: ValueMaps, each: int = EACH) -> Drawn:
    """Play the first solved and the first failed tasks of episodes.jsonl again, and draw an animation of each."""
    trained = atlas.trained
    if why := _undrawable(trained):
        yield SkippedPlot(ROLLOUTS, why)
        return
    rows = {row["task"]: row for row in trained.folder.lines("episodes.jsonl")}
    solved, failed = ([task for task, row in rows.items() if row["success"] is kind] for kind in (True, False))
    for kind, tasks in (("solved", solved), ("failed", failed)):
        if not tasks:
            yield SkippedPlot(ROLLOUTS, f"no task was {kind}")
    for played in replay(trained, [*solved[:each], *failed[:each]], STEPS):
        word = "solved" if rows[played.task]["success"] else "failed"
        text = _text(played, rows[played.task])
        file = f"rollout-{word}-task{played.task}.webp"
        film = animate(trained, atlas, played, rows[played.task], FRAMES)
        yield Plot(file, ROLLOUTS, text, _legend(atlas), encode(film, "webp"))


def rollout(trained: Trained, tasks: Sequence[int], form: str) -> Iterator[Plot]:
    """Play tasks of a run again, to their ends, and draw an animation of each as "gif", "mp4" or "webp".

    Raises:
        UsageError: a task does not exist, nothing can be drawn, or the package for MP4 is missing.
    """
    atlas, rows = ValueMaps(trained), {row["task"]: row for row in trained.folder.lines("episodes.jsonl")}
    for task in tasks:
        if task not in rows:
            last = max(rows, default=-1)
            raise UsageError(f"--task {task}: the run has no episode of that task; expected 0 to {last}")
    if why := _undrawable(trained):
        raise UsageError(f"--task {tasks[0]}: {why}")
    for played in replay(trained, list(dict.fromkeys(tasks))):
        row = rows[played.task]
        word = "solved" if row["success"] else "failed"
        film = animate(trained, atlas, played, row, MOST_FRAMES)
        file = f"rollout-{word}-task{played.task}.{form}"
        yield Plot(file, ROLLOUTS, _text(played, row), _legend(atlas), encode(film, form))


def _undrawable(trained: Trained) -> str:
    """Why an environment has no animations; empty if it has."""
    if image_name(trained.environment) is not None or offers(trained.environment, HasMapPlace):
        return ""
    return (
        f"environment '{trained.spec.environment.name}' has neither images nor map_place, so there is nothing to draw"
    )


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
        return "What the encoder sees; below it, in yellow: the goal."
    blue = "" if atlas.missing else "; blue: where the model expects it to lead (the nearest latent on the map)"
    return (
        "Star and circle: the goal and its success radius; square: the start; white: the way so far; orange: where the "
        f"rest of the present plan really leads{blue}."
    )


def animate(trained: Trained, atlas: ValueMaps, played: EpisodeTrace, recorded: dict[str, Any], most: int) -> Film:
    """Draw the frames of one task, at most `most` of them, with a caption below each."""
    places = _places(trained.environment, played)
    chosen = np.unique(np.linspace(0, played.steps, min(most, len(played.moments))).round().astype(int))
    word = "solved" if recorded["success"] else "failed"
    frames = []
    for index in chosen.tolist():
        moment = played.moments[index]
        frame = _canvas(trained.environment, moment.state)
        if places:
            _draw(ImageDraw.Draw(frame), trained, atlas, played, index, places)
        # At twice the size first: so lines are smooth.
        small = frame.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        head = f"task {played.task}   step {index} of {recorded['steps']}"
        end = f"   {word}" if index == played.steps else ""
        frames.append(captioned(small, head + end, bool(places), not atlas.missing))
        if not places:
            _goal_below(frames[-1], trained.environment, moment.goal)
    return Film(frames, max(60, 4000 // len(frames)))


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


def _goal_below(frame: Image.Image, environment: Environment, goal: State) -> None:
    """Put the goal, as the planner sees it, into the caption's right end: in the frame it would hide something."""
    name, size = image_name(environment), frame.height - SIZE
    if name is None:
        return
    seen = Image.fromarray(rgb(environment.goal_observation(goal)[name][0].cpu().numpy()))
    frame.paste(GOAL, (SIZE - size, SIZE, SIZE, SIZE + size))
    frame.paste(seen.resize((size - 4, size - 4), Image.Resampling.BILINEAR), (SIZE - size + 2, SIZE + 2))


def _draw(
    pen: ImageDraw.ImageDraw, trained: Trained, atlas: ValueMaps, played: EpisodeTrace, index: int, places: Points
) -> None:
    """Draw goal with its radius, start, way, plan and expectation."""
    environment = capability(trained.environment, HasMapPlace)
    moment = played.moments[index]
    # At the end there is no plan left: the last one stays, from where it was made.
    begin = index if len(moment.plan) or not index else index - 1
    planned = played.moments[begin]
    _goal(pen, environment, moment.goal, float(trained.environment.success_radius))
    x, y = places[0]
    pen.rectangle((x - 12, y - 12, x + 12, y + 12), outline="black", width=8)
    pen.rectangle((x - 12, y - 12, x + 12, y + 12), outline=TRACE, width=4)
    for width, colour in ((12, "black"), (6, TRACE)):
        pen.line(places[: index + 1], fill=colour, width=width, joint="curve")
    ahead = [places[begin], *_points(environment, _lead(trained, planned))] if len(planned.plan) else []
    for width, colour in ((12, "black"), (6, PLAN)) if ahead else ():
        pen.line(ahead, fill=colour, width=width, joint="curve")
    if planned.imagined is not None and not atlas.missing:
        sheet = atlas.sheet(moment.goal)
        nearest = torch.cdist(planned.imagined[planned.since :], sheet.latents).argmin(dim=1)
        for x, y in _scaled(environment, sheet.place[nearest.cpu().numpy()]):
            pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill=IMAGINED, outline="black", width=2)
    x, y = places[index]
    pen.ellipse((x - 14, y - 14, x + 14, y + 14), fill=TRACE, outline="black", width=3)


def _goal(pen: ImageDraw.ImageDraw, environment: HasMapPlace, goal: State, radius: float) -> None:
    """Draw a star, and the circle within which the goal counts as reached."""
    (x, y), (left, right, *_) = _points(environment, goal)[0], environment.map_extent
    reach = radius * 2 * SIZE / abs(right - left)
    for width, colour in ((7, "black"), (3, GOAL)):
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), outline=colour, width=width)
    _star(pen, x, y)


def _lead(trained: Trained, moment: Frame) -> State:
    """States [H] that the rest of a plan leads to, without noise."""
    environment, state, states = trained.environment, moment.state, []
    dim = environment.spec.noise_dim
    for action in moment.plan:
        noise = torch.zeros(1, dim, device=action.device) if dim else None
        state = environment.step(state, action.unsqueeze(0), noise)
        states.append(state)
    return {name: torch.cat([state[name] for state in states]) for name in state}


def _star(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float = 24.0) -> None:
    angles = np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2, 0.42 * radius, radius)
    corners = zip((x + radii * np.sin(angles)).tolist(), (y - radii * np.cos(angles)).tolist(), strict=True)
    pen.polygon(list(corners), fill=GOAL, outline="black", width=2)
