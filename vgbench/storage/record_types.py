"""The files of a run folder as types, each field `Annotated` with what it means; `vgbench.storage.schema` reads them.

A reader has to put up with fields that it does not know.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from vgbench.storage.rate_types import BaselineRate, Rate

Status = Literal["started", "trained", "done", "failed", "interrupted"]


class Times(TypedDict):
    """What a stage took, added up over interruptions and processes."""

    seconds: Annotated[float, "time of the stage on the wall clock, added up over interruptions"]
    cpu_seconds: Annotated[float, "its CPU time"]
    shared: NotRequired[Annotated[bool, "another run of the suite has trained it; optional"]]
    trained_by: NotRequired[Annotated[str, "key of that run; optional"]]


class PluginOrigin(TypedDict):
    """Where a plugin of a run comes from."""

    kind: Annotated[str, "kind of each plugin of the run"]
    name: Annotated[str, "its name"]
    value: Annotated[str, "module and class"]
    dist: Annotated[str, "distribution that brings it"]
    dist_version: Annotated[str, "version of that"]
    version: Annotated[int, "version of its behaviour, part of the identity"]
    source: NotRequired[
        Annotated[dict[str, str], "hash of each module that it is made of, no part of the identity; optional"]
    ]


class MadeBy(TypedDict):
    """With what a run was computed, the last time that it went on."""

    versions: Annotated[dict[str, str], "vgbench, Python and libraries"]
    git: Annotated[
        dict[str, Any] | None, "commit of a checkout, and whether it was changed; null for an installed package"
    ]
    machine: Annotated[dict[str, Any], "system, processor, cores, threads, GPU"]


class RunFile(MadeBy):
    """run.json: who, what, with which versions; status."""

    format: Annotated[int, "version of the folder's format"]
    key: Annotated[str, "hash of `identity`"]
    title: Annotated[str, "protocol, method, scale and seed, for people"]
    created: Annotated[str, "when the folder was made"]
    resumed: NotRequired[Annotated[list[str], "when the run went on; optional"]]
    status: NotRequired[
        Annotated[Status, "`started`, `trained` (by `vgbench train`), `done`, `failed` or `interrupted`"]
    ]
    error: NotRequired[Annotated[str | None, "message of the failure, or null"]]
    notes: Annotated[list[str], "notes shown to the user, such as that memory was short"]
    plugin_errors: NotRequired[Annotated[list[str], "loggers that were switched off, and why"]]
    argv: Annotated[list[str], "the command, or the call from Python"]
    asked: NotRequired[Annotated[list[str], "addresses of the values that the file for --config gives; optional"]]
    stages: dict[str, Times]
    identity: Annotated[
        dict[str, Any], "all that decides the result: plugins with version and parameters, settings, seeds, device"
    ]
    plugins: list[PluginOrigin]
    recipe: Annotated[str | None, "recipe, or null"]
    protocol: Annotated[str, "protocol"]
    scale: Annotated[str, "scale"]
    variant: Annotated[str | None, "variant"]
    config: NotRequired[Annotated[str, "SHA-256 of config.yaml; older records have none"]]
    sha256: NotRequired[Annotated[str, "hash of all other fields, sorted and without spaces; older records have none"]]


class Seeds(TypedDict):
    """Seeds of a run."""

    train: Annotated[int, "seed of training"]
    data: Annotated[int, "seed of the training set"]
    task: Annotated[int, "seed of the tasks"]


class DataAbout(TypedDict):
    """The training set of a run."""

    file: Annotated[str, "file of the training set, in the cache or as `--data` said"]
    fingerprint: Annotated[str, "hash of its content"]
    card: Annotated[dict[str, Any], "figures on it, by the environment"]


class TasksAbout(TypedDict):
    """The tasks of a run; an environment may add figures."""

    sha256: Annotated[str, "hash of the tasks, as in `tasks.json`"]
    n: Annotated[int, "their number"]
    seed: Annotated[int, "their seed"]
    radius: Annotated[float | None, "distance to the goal below which a task is solved"]
    file: Annotated[str | None, "file that they came from, or null"]


class ResultFile(Rate):
    """result.json: what came out."""

    format: Annotated[int, "version of the format"]
    metric: Annotated[str, "`success_rate`: higher is better"]
    baseline: BaselineRate | None
    baselines: list[BaselineRate]
    title: Annotated[str, "as in `run.json`"]
    key: Annotated[str, "as in `run.json`"]
    recipe: Annotated[str | None, "recipe, or null"]
    reweighted: Annotated[list[str], "objectives of the recipe that ran under another weight"]
    environment: Annotated[str, "environment"]
    protocol: Annotated[str, "protocol"]
    scale: Annotated[str, "scale"]
    variant: Annotated[str | None, "variant"]
    meaningless: Annotated[bool, "true at scale `smoke`"]
    training: Annotated[str, "`separate` or `joint`"]
    objectives: Annotated[dict[str, float], "weight of each objective"]
    head_objectives: Annotated[dict[str, float], "weight of each objective of the head's own stage"]
    distance: Annotated[str, "distance"]
    planner: Annotated[str, "planner"]
    cost: Annotated[str, "what was minimised, in words"]
    predictor_evaluations: Annotated[int, "evaluations of the predictor in planning (one row, one step), for all tasks"]
    seeds: Seeds
    planned_at_a_time: Annotated[int, "tasks in a block of plans, at the end"]
    device: Annotated[str, "`cpu`, `cuda` or `cuda:N`"]
    precision: Annotated[str, "`float32`, `tf32` or `bfloat16`"]
    compile: Annotated[bool, "whether the networks were compiled"]
    threads: Annotated[int, "threads of PyTorch"]
    parameters: Annotated[dict[str, int], "weights of encoder and predictor"]
    vgbench: Annotated[str, "version"]
    notes: Annotated[list[str], "what the command said before it began, and what it said on the way"]
    data: DataAbout
    tasks: TasksAbout
    run_dir: Annotated[str, "the folder, as the command named it"]
    stages: dict[str, Times]
    seconds: Annotated[float, "all stages together"]
    cpu_seconds: Annotated[float, "all stages together"]


class TrainRow(TypedDict):
    """A line of train.jsonl: training, every tenth step."""

    stage: Annotated[str, "`encoder` and `predictor`, or `joint`; `head`"]
    step: Annotated[int, "optimiser steps done"]
    loss: Annotated[float, "weighted sum of the objectives"]
    grad_norm: Annotated[float, "norm of the gradient before clipping"]
    lr: Annotated[float, "learning rate"]


class EpisodeRow(TypedDict):
    """A line of episodes.jsonl or baseline-NAME.jsonl: one task."""

    task: Annotated[int, "index of the task in `tasks.json`"]
    stratum: NotRequired[Annotated[str, "group of the task, such as `9-13 unseen`; optional"]]
    success: Annotated[bool, "whether it was solved"]
    steps: Annotated[int, "environment steps until it was first solved, or all"]
    expert_steps: NotRequired[
        Annotated[
            int | None,
            "steps that the environment's expert takes, without noise; null where there is none, or where it does not "
            "get there within `mpc.max_steps`; missing in older records",
        ]
    ]
    start_distance: Annotated[float, "distance to the goal at the start"]
    min_distance: Annotated[float, "the smallest one"]
    final_distance: Annotated[float, "the last one"]


class ArrayAbout(TypedDict):
    """One part of the state in tasks.json."""

    dtype: Annotated[str, "type of each part of the state"]
    shape: Annotated[list[int], "its shape"]


class TaskAbout(TypedDict):
    """One task in tasks.json."""

    key: Annotated[list[int], "seed and index, which key the noise"]
    stratum: NotRequired[Annotated[str, "group of the task; optional"]]
    start: Annotated[dict[str, Any], "state at the start"]
    goal: Annotated[dict[str, Any], "state of the goal"]
    both: Annotated[dict[str, Any], "what the two share, such as the walls"]


class TasksFile(TypedDict):
    """tasks.json: the tasks, exactly; `vgbench run --tasks` takes it."""

    format: Annotated[int, "version of the format"]
    protocol: Annotated[str, "protocol"]
    environment: Annotated[dict[str, Any], "environment with its parameters"]
    seed: Annotated[int, "seed of the tasks"]
    number: Annotated[int, "their number"]
    radius: Annotated[float, "distance to the goal below which a task is solved"]
    unit: Annotated[str, "unit of distances"]
    noise: Annotated[str, "generator of the planner's noise, which each task keys by its `key`"]
    arrays: dict[str, ArrayAbout]
    both: Annotated[list[str], "parts of the state that start and goal share"]
    tasks: list[TaskAbout]
    sha256: Annotated[str, "hash of all this"]


class Config(TypedDict):
    """config.yaml: every choice and value; `vgbench run --config` takes it."""

    format: Annotated[int, "version of the format"]
    complete: Annotated[
        bool, "every parameter is there: a younger version takes its own defaults for younger parameters only"
    ]
    environment: Annotated[str, "environment"]
    protocol: Annotated[str, "protocol"]
    recipes: NotRequired[Annotated[dict[str, Any], "the recipe, where it is a user's own; optional"]]
    protocols: NotRequired[Annotated[dict[str, Any], "the protocol, likewise; optional"]]
    variants: NotRequired[Annotated[dict[str, Any], "the variant, likewise; optional"]]
    trained: NotRequired[
        Annotated[str, "of an evaluation under another protocol: key of the run whose model it is; optional"]
    ]
    recipe: Annotated[str | None, "recipe, or null"]
    objectives: Annotated[list[str], "objectives, with `:WEIGHT` where it is not 1"]
    predictor_objectives: Annotated[list[str] | None, "those of the predictor's own stage, or null"]
    head_objectives: Annotated[list[str] | None, "those of the head's own stage, or null"]
    distance: Annotated[str, "distance"]
    training: Annotated[str, "`separate` or `joint`"]
    planner: Annotated[str, "planner"]
    baseline: Annotated[str | None, "planner that ignores the cost, or null"]
    encoder: Annotated[str, "network"]
    predictor: Annotated[str, "network"]
    action_encoder: NotRequired[Annotated[str, "network; optional"]]
    head: NotRequired[Annotated[str, "network; optional"]]
    scale: Annotated[str, "scale"]
    variant: Annotated[str | None, "variant"]
    seed: Annotated[int, "seed of training"]
    data_seed: Annotated[int, "seed of the training set"]
    task_seed: Annotated[int, "seed of the tasks"]
    device: Annotated[str, "where it was computed"]
    precision: Annotated[str, "in which precision"]
    compile: Annotated[bool, "whether the networks were compiled"]
    memory: Annotated[str | None, "of `--memory`, or null"]
    data: Annotated[str | None, "file of `--data`, or null"]
    tasks: Annotated[str | None, "file of `--tasks`, or null"]
    set: Annotated[dict[str, Any], "every parameter by `name.param`"]


FILES: dict[str, tuple[type[Any], dict[str, str]]] = {
    "run.json": (RunFile, {}),
    "result.json": (ResultFile, {"tasks.*": "further figures, by the environment"}),
    "train.jsonl": (
        TrainRow,
        {"*": "an objective's own loss, by its name", "*.*": "what an objective logs beside it"},
    ),
    "episodes.jsonl": (
        EpisodeRow,
        {"*": "what the planner tells of its plans, averaged over the episode (`ess`, `cost`, ...)"},
    ),
    "baseline-NAME.jsonl": (EpisodeRow, {"*": "of `uninformed`: what the planner tells of its plans, as above"}),
    "tasks.json": (TasksFile, {}),
    "config.yaml": (Config, {}),
}
"""Type of each file (of a line, for JSONL), and fields beside it whose names are not fixed."""
