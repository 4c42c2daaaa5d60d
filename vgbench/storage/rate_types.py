"""Rates and scores as result.json has them, each field `Annotated` with what it means."""

from typing import Annotated, NotRequired, TypedDict


class Scores(TypedDict):
    """Scores beside success; null where no task has the steps of an expert, missing in records that are older."""

    spl: NotRequired[
        Annotated[
            float | None,
            "success weighted by path length (Anderson et al. 2018): mean over the tasks of `expert_steps` / "
            "max(`steps`, `expert_steps`), 0 for one that was not solved; tasks whose `expert_steps` are null are left "
            "out; null if all are; optional",
        ]
    ]
    spl_ci95: NotRequired[
        Annotated[
            list[float] | None,
            "ends of its 95 % interval: Wilson's, with the number of tasks that fits their variance; optional",
        ]
    ]
    timely: NotRequired[
        Annotated[float | None, "share of these tasks solved within 1.5 times `expert_steps`; null as `spl`; optional"]
    ]
    timely_ci95: NotRequired[Annotated[list[float] | None, "ends of its 95 % Wilson interval; optional"]]


class StratumRate(Scores):
    """Success on the tasks of one group."""

    success_rate: Annotated[float, "of tasks with strata: share of a stratum's tasks solved; optional"]
    successes: Annotated[int, "of them, solved; optional"]
    n: Annotated[int, "tasks of the stratum; optional"]
    ci95: Annotated[list[float], "ends of the 95 % Wilson interval; optional"]


class Rate(Scores):
    """Success on the tasks."""

    success_rate: Annotated[float, "share of the tasks solved"]
    successes: Annotated[int, "tasks solved"]
    n: Annotated[int, "tasks"]
    ci95: Annotated[
        list[float], "ends of the 95 % Wilson interval: the tasks' chance, not that of another training seed"
    ]
    strata: NotRequired[dict[str, StratumRate]]


class BaselineRate(Scores):
    """Success of a planner that ignores the cost."""

    planner: Annotated[
        str, "planner that ignores the cost, or `uninformed`: the run's own planner with random numbers for costs"
    ]
    file: Annotated[str, "file with a line for each of its tasks, as `episodes.jsonl`"]
    success_rate: Annotated[float, "its rate on the same tasks"]
    successes: Annotated[int, "tasks that it solved"]
    n: Annotated[int, "tasks"]
    ci95: Annotated[list[float], "its interval"]
    strata: NotRequired[dict[str, StratumRate]]
