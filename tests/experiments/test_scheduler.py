"""The scheduler with an executor whose jobs end when the test says so."""

import pytest

from vgbench.errors import UsageError
from vgbench.experiments import executors
from vgbench.experiments.executors.base import Executor, Job, JobResult, Resources
from vgbench.experiments.scheduler import RETRIES, Scheduler
from vgbench.storage.interrupt import Stop


def job(name):
    return Job(folder=name, key=name, root=".", token="")


class Scripted(Executor):
    """Each job takes one look; `outcomes` has what it comes to, time after time ("done" by default)."""

    def __init__(self, slots=2, outcomes=None, finish=None):
        self.slots, self.outcomes, self.started, self.running = slots, outcomes or {}, [], []
        self.finish, self.closed, self.most = finish, False, 0

    def submit(self, job):
        self.started.append(job.folder)
        self.running.append(job)
        self.most = max(self.most, len(self.running))

    def finished(self, timeout):
        job = self.running.pop(0)
        left = self.outcomes.get(job.folder, [])
        outcome = left.pop(0) if left else "done"
        if self.finish and outcome == "done":
            self.finish(job)
        return [JobResult(job, outcome, "why" if outcome in ("failed", "died") else "")]

    def stop(self):
        self.outcomes = {job.folder: ["interrupted"] for job in self.running}

    def close(self):
        self.closed = True


def run(executor, names, required_stages=None, exists=lambda name: False, stop=None):
    ended, said = [], []
    scheduler = Scheduler(executor, [job(n) for n in names], ended.append, said.append, required_stages or {}, exists)
    try:
        scheduler.run(stop or Stop())
    finally:
        assert executor.closed
    return [(e.job.folder, e.outcome) for e in ended], said


def test_it_keeps_the_slots_full_and_goes_on_past_failures():
    executor = Scripted(slots=2, outcomes={"b": ["failed"]})
    ended, _ = run(executor, "abcd")
    assert dict(ended) == {"a": "done", "b": "failed", "c": "done", "d": "done"}
    assert executor.started == list("abcd") and executor.most == 2


def test_what_died_is_started_again_a_few_times():
    executor = Scripted(slots=1, outcomes={"a": ["died", "done"], "b": ["died"] * 9})
    ended, said = run(executor, "ab")
    assert dict(ended) == {"a": "done", "b": "died"}
    assert executor.started == ["a", "a"] + ["b"] * (1 + RETRIES)
    assert len(said) == 1 + RETRIES and all("resumes" in text for text in said)


def test_two_that_want_the_same_do_not_run_together_until_it_is_there():
    there, together = set(), []
    executor = Scripted(slots=3, finish=lambda job: there.add("train"))
    submit = executor.submit

    def watched(job):
        submit(job)
        together.append({j.folder for j in executor.running})

    executor.submit = watched
    required_stages = {"a": ["train"], "b": ["train"], "c": ["train"], "other": []}
    run(executor, ["a", "b", "c", "other"], required_stages, there.__contains__)
    assert executor.started[:2] == ["a", "other"]  # the others wait for a's training, and nobody waits for them
    assert not any({"a", "b"} <= group or {"a", "c"} <= group for group in together)
    assert {"b", "c"} in together or {"b", "c", "other"} in together


def test_when_the_one_that_trains_fails_the_next_one_does_it():
    executor = Scripted(slots=2, outcomes={"a": ["failed"]})
    ended, _ = run(executor, "ab", {"a": ["train"], "b": ["train"]})
    assert dict(ended) == {"a": "failed", "b": "done"} and executor.most == 1


def test_stopping_starts_nothing_more():
    stop = Stop()
    executor = Scripted(slots=2, finish=lambda job: stop(2, None))
    with pytest.raises(KeyboardInterrupt):
        run(executor, "abcd", stop=stop)
    assert executor.started == ["a", "b"] and not executor.running


def test_executors_are_found_by_their_entry_points():
    assert executors.names() == ["local", "ray", "slurm"]
    with pytest.raises(UsageError, match="--executor"):
        executors.find("base")
    local = executors.find("local")
    local.check(Resources())
    assert local(Resources(workers=3)).slots == 3 and local(Resources(gpu=True)).slots == 1
