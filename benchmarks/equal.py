"""A whole evaluation at equal success: each side with the fastest settings that it was found to need.

Both sides are searched on tuning tasks (another seed than the judged ones): every K x H of one grid, ours with the
run's planner, with its noise coloured along the horizon and elites carried over, and with iCEM in one and two rounds:
what our planners offer and the peer does not. The best of so many on a few tasks owes some of its success to luck, and
ours tries more than the peer: so a side's fastest settings near its best, and this one, play more tasks, new ones, and
are chosen by these alone: the fastest whose success there is within `LOSS` of the best; of settings as fast as these,
those that solve most. Both sides then play the judged tasks, in turn, and the difference of success is told with its
interval over the pairs. All else (scale of MPPI's noise, temperature, replanning, cost) is the run's, for both.
"""

import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.evaluation import facts, smoke_run
from benchmarks.harness import Case, Check, Options, Record, Side
from benchmarks.play import Play, run_planner
from vgbench.api import Planner, Tasks
from vgbench.experiments.build import load_tasks
from vgbench.experiments.trained import Trained, load_trained
from vgbench_plugins.planners.icem import ICEM
from vgbench_plugins.planners.mppi import MPPI

TUNING_SEED, FINAL_SEED = 1000, 2000
"""Of the tasks that all settings play, and of those that the finalists play."""

NEAR, FINALISTS = 0.1, 6
"""Success below a side's best with which settings are still played again (luck makes such differences on 100 tasks),
and how many of them: the fastest, and the best itself."""

LOSS = 0.02
"""Success on the finalists' tasks that may be given up for speed, by either side alike."""

CLOSE = 1.1
"""Times that differ less, of one run each, are alike."""

SAMPLES, HORIZONS = (4, 8, 16, 32), (4, 8, 16)
"""Tried by both sides. From 32 samples on hardly more is solved on tuning tasks (results/planner_budget)."""


def cases(options: Options) -> Iterator[Case]:
    """One run: its model on tuning tasks, then on judged ones."""
    with tempfile.TemporaryDirectory() as folder:
        trained = load_trained(Path(options.run or smoke_run(Path(folder) / "run")), "--run")
        tuning, final, judged, steps = options.pick((100, 400, 400, 10**9), (16, 16, 16, 40), (2, 3, 3, 8))
        planner = run_planner(trained)
        tasks = {seed: _tasks(trained, seed, count) for seed, count in ((TUNING_SEED, tuning), (FINAL_SEED, final))}
        search = Search(trained, tasks, planner, steps)
        grid = options.pick((SAMPLES, HORIZONS), ((16, 64), (16,)), ((4, 8), (3,)))
        found = {"vgbench": search.run("vgbench", ours(planner, *grid), lambda play: play.ours())}
        if peers.PYTORCH_MPPI.present:
            found[peers.STOPPING] = search.run(
                peers.STOPPING, mppi(planner, *grid), lambda play: play.theirs(peers.STOPPING, whole=False)
            )
        yield case(search, found, _tasks(trained, trained.spec.task_seed, judged))


def _tasks(trained: Trained, seed: int, count: int) -> Tasks:
    """As many tasks of the run's protocol as are asked for, of a seed."""
    spec = trained.spec
    evaluation: Any = spec.settings["evaluation"]
    settings = dict(spec.settings) | {"evaluation": evaluation.model_copy(update={"tasks": count})}
    return load_tasks(replace(spec, settings=settings, task_seed=seed), trained.environment, trained.data)


def mppi(planner: MPPI, samples: Sequence[int], horizons: Sequence[int]) -> list[Planner]:
    """Return a planner with every K and H."""
    return [
        MPPI(planner.params.model_copy(update={"samples": k, "horizon": h}))
        for k, h in itertools.product(samples, horizons)
    ]


def ours(planner: MPPI, samples: Sequence[int], horizons: Sequence[int]) -> list[Planner]:
    """Return the run's planner as it is and with each of its own parts, and iCEM in one and two rounds."""
    planners = mppi(planner, samples, horizons)
    for beta, elites in ((2.0, 0), (2.0, 1)):
        more = planner.params.model_copy(update={"noise_beta": beta, "elites": elites})
        planners += mppi(MPPI(more), samples, horizons)
    for rounds, k, h in itertools.product((1, 2), samples, horizons):
        # A quarter of the candidates, since a tenth of so few would be one. Coloured noise needs less than white noise.
        planners.append(ICEM(ICEM.Params(samples=k, horizon=h, iterations=rounds, elites=0.25, noise=2.0)))
    return planners


@dataclass
class Search:
    """Plays tuning tasks with one planner after the other."""

    trained: Trained
    tasks: dict[int, Tasks]
    planner: MPPI
    steps: int

    def run(self, name: str, planners: Sequence[Planner], play: Callable[[Play], None]) -> "Found":
        """Play with each planner, again with those near the best; the fastest of these that are good enough."""
        tried = self._tried(name, planners, play, TUNING_SEED)
        final = [planners[index] for index in finalists(tried)]
        again = self._tried(name, final, play, FINAL_SEED)
        return Found(final[chosen(again)], tried, again)

    def _tried(self, name: str, planners: Sequence[Planner], play: Callable[[Play], None], seed: int) -> list[Record]:
        rows = []
        for planner in planners:
            game = self.play(planner, self.tasks[seed], seed)
            began = time.perf_counter()
            play(game)
            spent = time.perf_counter() - began
            solved = sum(game.success[name])
            rows.append(described(planner) | {"solved": solved, "of": len(game.tasks), "seconds": round(spent, 2)})
            print(f"  {name}: {rows[-1]}", file=sys.stderr)
        return rows

    def play(self, planner: Planner, tasks: Tasks, seed: int) -> Play:
        """Return the game of a planner, which the peer gets too if it is MPPI."""
        peer = planner if isinstance(planner, MPPI) else self.planner
        return Play(self.trained, tasks, planner, peer, seed, self.steps)


def finalists(rows: Sequence[Record]) -> list[int]:
    """Indices of the fastest `FINALISTS` of those near the best, and of the best."""
    fastest = sorted(_good(rows, NEAR), key=lambda index: rows[index]["seconds"])[:FINALISTS]
    best = max(range(len(rows)), key=lambda index: rows[index]["solved"])
    return fastest if best in fastest else [*fastest, best]


def _good(rows: Sequence[Record], loss: float) -> list[int]:
    least = max(row["solved"] - loss * row["of"] for row in rows)
    return [index for index, row in enumerate(rows) if row["solved"] >= least]


def chosen(rows: Sequence[Record]) -> int:
    """Index of the fastest that is good enough; of those as fast as it, within `CLOSE`, the one that solved most."""
    good = _good(rows, LOSS)
    soon = CLOSE * min(rows[index]["seconds"] for index in good)
    close = [index for index in good if rows[index]["seconds"] <= soon]
    return max(close, key=lambda index: (rows[index]["solved"], -rows[index]["seconds"]))


@dataclass(frozen=True)
class Found:
    """The planner chosen, what was tried, and what of it was played again."""

    planner: Planner
    tried: list[Record]
    again: list[Record]


def described(planner: Planner) -> Record:
    """What tells a planner of the search from others."""
    params = planner.params
    name = type(planner).__name__.lower()
    about = {"planner": name, "samples": params.samples, "horizon": params.horizon, "rounds": params.iterations}
    return about | (
        {"noise_beta": params.noise_beta, "elites": params.elites} if isinstance(params, MPPI.Params) else {}
    )


def words(planner: Planner) -> str:
    """Write what tells a planner from others."""
    about = described(planner)
    text = "{planner}, K = {samples}, H = {horizon}, rounds: {rounds}".format(**about)
    return text + (", noise_beta = {noise_beta:g}, elites: {elites}".format(**about) if about.get("noise_beta") else "")


def case(search: Search, found: dict[str, Found], tasks: Tasks) -> Case:
    """Both sides with what was found for them."""
    play = search.play(found["vgbench"].planner, tasks, search.trained.spec.task_seed)
    sides = [Side("vgbench", play.ours, "ours", words(play.planner))]
    if peers.STOPPING in found:
        chosen = found[peers.STOPPING].planner
        assert isinstance(chosen, MPPI)
        play.peer = chosen
        sides.append(Side(peers.STOPPING, lambda: play.theirs(peers.STOPPING, whole=False), setting=words(chosen)))
    spec = search.trained.spec
    return Case(
        f"{spec.protocol}, {len(tasks)} tasks, equal success",
        {"protocol": spec.protocol, "recipe": spec.recipe, "scale": spec.scale, "tasks": len(tasks)}
        | {"tuning_seed": TUNING_SEED, "tuning_tasks": len(search.tasks[TUNING_SEED])}
        | {"final_seed": FINAL_SEED, "final_tasks": len(search.tasks[FINAL_SEED]), "loss_allowed": LOSS},
        sides,
        len(tasks),
        "task",
        lambda: checks(play, sides),
        lambda sides: (
            facts(play)
            | {"tried": {name: choice.tried for name, choice in found.items()}}
            | {"again": {name: choice.again for name, choice in found.items()}}
        ),
        peers.missing(peers.PYTORCH_MPPI),
        most=3,
    )


def checks(play: Play, sides: Sequence[Side]) -> Iterator[Check]:
    """Both play the same number of tasks; whether they are as good at them is told by the facts."""
    for side in sides:
        side.run()
        yield Check(side.name, "tasks played", abs(len(play.success[side.name]) - len(play.tasks)), 0.0)
