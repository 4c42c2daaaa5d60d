"""What a plugin does to the process is put back and told; what it raises, and how long it takes, too."""

import copy
import inspect
import json
import os
import pickle
import random
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from vgbench import api
from vgbench.api.capabilities import CAPABILITIES
from vgbench.errors import PluginFailed, RunFailed, UsageError
from vgbench.plugin import guard
from vgbench.plugin.attribution import attribute_errors

OPEN = []


def left_open(mode):
    """Enter it, and keep it: what is gone ends by itself."""
    OPEN.append(mode)
    mode.__enter__()


CHANGES = {
    "the working directory": lambda: os.chdir("/"),
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "whether torch adds in a fixed order": lambda: torch.use_deterministic_algorithms(True),
    "torch's global seed": lambda: torch.manual_seed(torch.initial_seed() + 1),
    "whether gradients are recorded": lambda: torch.set_grad_enabled(False),
    "the precision of matrix products": lambda: torch.set_float32_matmul_precision("medium"),
    "the handler of SIGINT": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "the handler of SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "the global random state of Python": random.random,
    "the global random state of NumPy": np.random.rand,
    "sys.stdout": lambda: setattr(sys, "stdout", None),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16).__enter__(),
    "whether numbers near 0 are flushed to it": lambda: torch.set_flush_denormal(True),
    "the environment's variables \\(VGX_NEW\\), which": lambda: os.environ.update(VGX_NEW="1"),
    "the environment's variables \\(PATH\\), which": lambda: os.environ.pop("PATH"),
    "the filters of warnings": lambda: warnings.simplefilter("error"),
    "how NumPy treats errors": lambda: np.seterr(all="raise"),
    "the mask of new files": lambda: os.umask(0o077),
    "the handler of SIGALRM": lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
    "timers that send signals": lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 500),
    "torch's default device .*the modes of torch, such as a device, that are open": lambda: torch.device(
        "meta"
    ).__enter__(),
    "whether torch is in inference mode": lambda: left_open(torch.inference_mode()),
    "whether gradients are recorded .*": lambda: left_open(torch.no_grad()),
    "whether cuDNN computes in TF32": lambda: setattr(
        torch.backends.cudnn, "allow_tf32", not torch.backends.cudnn.allow_tf32
    ),
    "whether torch looks for anomalies": lambda: torch.set_anomaly_enabled(True),
    "whether torch fills new memory": lambda: setattr(torch.utils.deterministic, "fill_uninitialized_memory", False),
    "cuDNN's benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", not torch.backends.cudnn.benchmark),
}


TINY = 1e-310


def state():
    made = torch.zeros(1)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    values = made.dtype, made.device, torch.get_num_threads(), torch.is_grad_enabled(), handlers, sys.stdout
    drawn = random.getstate(), [part.tolist() for part in map(np.asarray, np.random.get_state())]
    mask = os.umask(0o22)
    os.umask(mask)
    others = (
        mask,
        np.geterr(),
        os.environ.get("PATH"),
        os.environ.get("VGX_NEW"),
        warnings.filters.count(("error", None, Warning, None, 0)),
        signal.getitimer(signal.ITIMER_VIRTUAL),
    )
    of_torch = torch.is_autocast_enabled("cpu"), torch.autocast_increment_nesting(), TINY * 0.5
    torch.autocast_decrement_nesting()
    alarm = signal.getsignal(signal.SIGALRM), torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    alarm += torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()
    alarm += (torch.utils.deterministic.fill_uninitialized_memory,)
    return *values, os.getcwd(), *drawn, *others, *of_torch, *alarm  # noqa: PTH109


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_what_belongs_to_all_is_put_back_and_told(what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = state()
    with (
        pytest.raises(PluginFailed, match=f"mine: loss, or what it calls, changed {what} "),
        guard.calling(lambda: "mine", "loss"),
    ):
        CHANGES[what]()
    assert state() == before


THREADED = """
    import os, threading
    import torch
    from vgbench.api import *

    def start(change):
        begin = threading.Event()
        thread = threading.Thread(target=lambda: begin.wait() and change())
        thread.start()
        def go():
            begin.set()
            thread.join()
        return go

    class Mine(Planner):
        pass
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: os.chdir("/"), "the working directory"),
        (lambda: torch.set_default_dtype(torch.float64), "torch's default dtype"),
        (lambda: torch.use_deterministic_algorithms(True), "whether torch adds in a fixed order"),
        (lambda: os.umask(0o077), "the mask of new files"),
    ],
)
def test_what_a_thread_changes_between_two_hooks_is_put_back_and_said_of_its_plugin(
    tmp_plugin, tmp_path, monkeypatch, change, words
):
    monkeypatch.chdir(tmp_path)
    tmp_plugin(THREADED, planners={"mine": "Mine"}, dist="vgx-mine", version="0.3")
    import vgx_mine

    before = state()
    with guard.seen():
        with guard.calling(lambda: "mine", "plan"):
            go = vgx_mine.start(change)
        with guard.calling(lambda: "theirs", "loss"):
            pass
        go()
        with (
            pytest.raises(
                PluginFailed, match=rf"planner 'mine' \(vgx-mine 0\.3\).* changed {words} .*between two hooks"
            ),
            guard.calling(lambda: "theirs", "loss"),
        ):
            pytest.fail("the hook is not called")
        assert state() == before
        with guard.calling(lambda: "theirs", "loss"):
            pass


def test_what_a_library_sets_that_is_imported_first_is_its_own_matter(tmp_path, monkeypatch):
    (tmp_path / "vgx_library.py").write_text("import os, warnings\nos.environ['VGX_NEW'] = '1'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("VGX_NEW", "0")
    with guard.calling(lambda: "mine", "build"):
        __import__("vgx_library")
    assert os.environ["VGX_NEW"] == "1"


def test_a_time_limit_is_no_change_of_its_own():
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with guard.time_limit(5), guard.calling(lambda: "mine", "loss"):
        guard.alive()
    signal.signal(signal.SIGALRM, before)


def test_generators_that_are_drawn_from_are_as_they_were():
    want = []
    for spoilt in (False, True):
        random.seed(5), np.random.seed(6)
        if spoilt:
            for draw in (random.random, np.random.randn, lambda: random.seed(9), lambda: np.random.seed(9)):
                with pytest.raises(PluginFailed, match="drawn from, or seeded"), guard.calling(lambda: "mine", "loss"):
                    draw()
        want.append((random.random(), np.random.randn(), np.random.randn()))
    assert want[0] == want[1]


def test_a_logger_may_draw_and_changes_nothing():
    random.seed(5)
    with guard.calling(lambda: "mine", "vgbench_run_started", streams=False):
        random.random(), np.random.rand()
    drawn = random.random()
    random.seed(5)
    assert random.random() == drawn


@pytest.mark.parametrize("kind", ["environment", "planner", "objective"])
def test_torch_s_generator_belongs_to_training_alone(kind):
    class Mine:
        def observe(self, draw):
            draw()

        plan = loss = observe

    made = guard.guarded(Mine(), kind)
    hook = {"environment": made.observe, "planner": made.plan, "objective": made.loss}[kind]
    for draw, words in (
        (lambda: torch.rand(1), "the global random state of torch \\(drawn from\\)"),
        (lambda: torch.manual_seed(torch.initial_seed() + 1), "torch's global seed"),
    ):
        torch.rand(3)
        before = torch.get_rng_state()
        if kind == "objective" and "seed" not in words:
            hook(draw)  # dropout, for one; checkpoints hold the state
            continue
        with pytest.raises(PluginFailed, match=f"what it calls, changed {words}"):
            hook(draw)
        assert torch.equal(torch.get_rng_state(), before)


def test_what_a_logger_draws_of_torch_is_put_back():
    before = torch.get_rng_state()
    with guard.calling(lambda: "mine", "vgbench_run_started", streams=False):
        torch.rand(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_looking_at_the_process_costs_little():
    began = time.perf_counter()
    for _ in range(1000):
        with guard.calling(lambda: "mine", "observe", draws=False):
            pass
    assert time.perf_counter() - began < 2.0


def test_what_is_put_back_by_the_plugin_itself_is_its_own_matter():
    with guard.calling(lambda: "mine", "loss"):
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(3)
            torch.set_default_dtype(torch.float64)
        torch.set_default_dtype(torch.float32)


class Odd(BaseException):
    pass


@pytest.mark.parametrize("error", [StopIteration(), Odd("x"), SystemExit(0), GeneratorExit()])
def test_what_handlers_and_generators_let_pass_is_told(error):
    with (
        pytest.raises(PluginFailed, match=f"mine: plan raised {type(error).__name__}"),
        guard.calling(lambda: "mine", "plan"),
    ):
        raise error


def test_errors_that_others_wait_for_pass():
    with pytest.raises(ZeroDivisionError), guard.calling(lambda: "mine", "plan"):
        raise ZeroDivisionError


def test_what_a_hook_may_not_do_is_told_in_the_caller_s_words():
    with (
        pytest.raises(RunFailed, match=r"put back.*\. Try again$"),
        attribute_errors(RunFailed, "Try again"),
        guard.calling(lambda: "mine", "loss"),
    ):
        torch.set_default_dtype(torch.float64)


@pytest.mark.parametrize("hang", [lambda: time.sleep(30), lambda: exec("while True: pass")])
def test_a_hook_has_the_time_that_it_is_given(hang):
    began = time.monotonic()
    with (
        guard.time_limit(1),
        pytest.raises(PluginFailed, match=r"mine: step raised Stopped: it took more than 1 s"),
        guard.calling(lambda: "mine", "step"),
    ):
        hang()
    assert time.monotonic() - began < 15
    with guard.calling(lambda: "mine", "step"):
        time.sleep(0.01)


def test_progress_is_a_sign_of_life():
    with guard.time_limit(1), guard.calling(lambda: "mine", "collect"):
        for _ in range(5):
            time.sleep(0.4)
            guard.alive()


@pytest.mark.parametrize("text", ["-1", "x", "nan", "inf"])
def test_a_time_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv(guard.VARIABLE, text)
    with pytest.raises(UsageError, match=f"{guard.VARIABLE}={text}: expected a number of seconds"):
        guard.limit()


def test_a_signal_and_a_child_end_processes_that_run_a_plugin(tmp_plugin, vgbench_cli, tmp_path):
    """The handler of the command line on top of a plugin's frames, as Ctrl-C calls it; and a plugin's own child."""
    body = """if calls == 6:
                    from vgbench.cli import _quit
                    for end, status in ((lambda: os._exit(7), 7), (lambda: _quit(2, None), 130)):
                        pid = os.fork()
                        if not pid:
                            end()
                        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status"""
    tmp_plugin(DISTANCE.format(body), distances={"mine": "Mine"}, dist="vgx-mine", version="0.3")
    result = vgbench_cli(*RUN, "--out", "here")
    assert result.exit_code == 0, result.stderr


DISTANCE = """
    import os, random, sys, time
    import numpy as np
    import torch
    from vgbench.api import *
    calls = 0

    class Mine(Distance):
        def forward(self, x, y):
            global calls
            calls += 1
            if calls > 4 and "MENDED" not in os.environ:
                {}
            return (x - y).abs().sum(-1)
"""
RUN = ["run", "--env", "wall", "--objective", "iql", "--distance", "mine", "--scale", "smoke", "--threads", "1"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os._exit(0)", r"distance 'mine' \(vgx-mine 0\.3\): forward raised Stopped: it called os\._exit\(0\)"),
        ("time.sleep(60)", r"distance 'mine' \(vgx-mine 0\.3\): forward raised Stopped: it took more than 2 s"),
        (
            "np.random.seed(3)",
            r"distance 'mine' \(vgx-mine 0\.3\): it called seed, and changed the global random state of NumPy",
        ),
        ("random.random()", r"or what it calls, changed the global random state of Python"),
        ("os.chdir('/')", r"distance 'mine' \(vgx-mine 0\.3\): it called chdir, and changed the working directory"),
    ],
)
def test_a_plugin_that_another_s_hook_calls_is_named_and_the_run_goes_on(
    tmp_plugin, vgbench_cli, tmp_path, monkeypatch, body, words
):
    import re

    tmp_plugin(DISTANCE.format(body), distances={"mine": "Mine"}, dist="vgx-mine", version="0.3")
    failed = vgbench_cli(*RUN, "--out", "here", "--plugin-timeout", "2")
    assert failed.exit_code == 1 and re.search(words, failed.stderr), failed.stderr
    assert json.loads((tmp_path / "here" / "run.json").read_text())["status"] == "failed"
    # Whom it is said of is not blamed for what a later hook does.
    for change in (lambda: os.chdir("/"), lambda: np.random.seed(4)):
        with (
            pytest.raises(PluginFailed, match=r"^theirs: loss, or what it calls"),
            guard.calling(lambda: "theirs", "loss"),
        ):
            change()
    monkeypatch.setenv("MENDED", "1")
    assert vgbench_cli(*RUN, "--out", "here").exit_code == 0


def test_every_method_that_plugins_may_define_is_watched():
    """Networks and distances run inside of the others' hooks, or of the core's own calls."""
    kinds = {"environment": api.Environment, "planner": api.Planner, "objective": api.Objective}
    for kind, cls in kinds.items():
        wanted = {name for name, value in vars(cls).items() if inspect.isfunction(value) and name[0] != "_"}
        wanted |= set(CAPABILITIES) if kind == "environment" else set()
        assert set(guard.HOOKS[kind]) == wanted, kind


@pytest.mark.parametrize(
    ("kind", "hook"), [("planner", "beside"), ("planner", "with_budget"), ("environment", "cost_to_go")]
)
def test_a_hook_that_is_rarely_called_is_watched_too(kind, hook, tmp_path, monkeypatch):
    class Mine:
        pass

    setattr(Mine, hook, lambda self: os.chdir("/"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginFailed, match=f"{kind} Mine: {hook}, or what it calls, changed the working directory"):
        getattr(guard.guarded(Mine(), kind), hook)()
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("copied", [True, False], ids=["copy", "new"])
def test_the_planner_that_a_budget_makes_plans_with_it_and_is_watched(copied, tmp_path, monkeypatch):
    class Mine:
        candidates = 8

        def with_budget(self, candidates):
            made = copy.copy(self) if copied else Mine()
            made.candidates = candidates
            return made

        def plan(self):
            os.chdir("/")
            self.planned = self.candidates

    monkeypatch.chdir(tmp_path)
    made = guard.guarded(Mine(), "planner").with_budget(3)
    with pytest.raises(PluginFailed, match="planner Mine: plan, or what it calls, changed the working directory"):
        made.plan()
    assert made.planned == 3


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
    "fields": lambda one: one.with_fields(),
}


class Shifted:
    """An environment, say, that copies itself."""

    def __init__(self):
        self.shift = 1

    def with_fields(self):
        made = self.__class__.__new__(self.__class__)
        made.__dict__.update(self.__dict__)
        return made

    def observe(self, state):
        return state + self.shift

    def sample_tasks(self, state, copied):
        other = copied(self)
        other.shift = 5
        return self.observe(state), other.observe(state), other

    @staticmethod
    def success(state):
        return state > 0


@pytest.mark.parametrize("copied", COPIES.values(), ids=list(COPIES))
def test_a_copy_that_a_plugin_makes_of_itself_has_its_own_hooks(copied):
    made = guard.guarded(Shifted(), "environment")
    mine, its, other = made.sample_tasks(0, copied)
    assert (mine, its) == (1, 5)
    assert made.observe(0) == 1 and other.observe(0) == 5 and made.success(1)
    assert isinstance(other, Shifted) and type(made).__name__ == "Shifted"
    assert guard.guarded(made, "environment") is made


def test_what_an_object_holds_in_place_of_a_method_is_watched(tmp_path, monkeypatch):
    class Mine:
        __slots__ = ("step",)

        def observe(self):
            os.chdir("/")

    class Passing:
        def __getattr__(self, name):
            if name == "observe":
                return lambda: os.chdir("/")
            raise AttributeError(name)

    monkeypatch.chdir(tmp_path)
    held = Mine()
    held.step = lambda: os.chdir("/")
    for one, hook in ((held, "step"), (held, "observe"), (Passing(), "observe")):
        with pytest.raises(PluginFailed, match=f"{hook}, or what it calls, changed the working directory"):
            getattr(guard.guarded(one, "environment"), hook)()
        assert Path.cwd() == tmp_path


class OfClass:
    """Hooks that need no object."""

    @staticmethod
    def goal_distance(state, goal):
        return abs(state - goal)

    @classmethod
    def success(cls, state, goal):
        return cls.goal_distance(state, goal) < 1 and cls.__name__ == "OfClass"

    def step(self, state, action):
        return type(self).goal_distance(state, action), type(self).success(state, state)

    @property
    def task_strata(self):
        return ("near",)


def test_hooks_of_a_class_are_called_through_it_and_watched(tmp_path, monkeypatch):
    made = guard.guarded(OfClass(), "environment")
    assert made.step(1, 3) == (2, True) and made.success(1, 1) and made.goal_distance(1, 3) == 2
    assert type(made).goal_distance(1, 3) == 2 and type(made).success(1, 1)
    assert list(inspect.signature(made.goal_distance).parameters) == ["state", "goal"]
    assert list(inspect.signature(made.success).parameters) == ["state", "goal"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(OfClass, "goal_distance", staticmethod(lambda state, goal: os.chdir("/")))

    class Away(OfClass):
        pass

    for call in (guard.guarded(Away(), "environment").goal_distance, guard.guarded(Away(), "environment").success):
        with pytest.raises((PluginFailed, TypeError)):
            call(1, 1)
        assert Path.cwd() == tmp_path


NAMES = set()


class Registering(type):
    """A metaclass that wants each name once."""

    def __new__(mcs, name, bases, content, **named):
        if name in NAMES:
            raise ValueError(f"{name} twice")
        NAMES.add(name)
        return super().__new__(mcs, name, bases, content)


class Picky(metaclass=Registering):
    def step(self):
        os.chdir("/")


class Asking:
    """A base whose subclasses have to say something."""

    def __init_subclass__(cls, *, words, **named):
        super().__init_subclass__(**named)

    def step(self):
        os.chdir("/")


class Asked(Asking, words="a"):
    pass


@pytest.mark.parametrize("cls", [Picky, Asked])
def test_plugins_that_look_after_their_subclasses_are_watched(cls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginFailed, match="step, or what it calls, changed the working directory"):
        guard.guarded(cls(), "environment").step()
    assert Path.cwd() == tmp_path


class Remade:
    """Pickled by a class method."""

    def __init__(self, size):
        self.size = size

    @classmethod
    def _made(cls, size):
        return cls(size)

    def __reduce__(self):
        return type(self)._made, (self.size,)

    def step(self):
        return self.size


def test_an_object_that_a_class_method_remakes_is_pickled():
    made = guard.guarded(Remade(3), "environment")
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is Remade and again.step() == 3


def test_a_watched_environment_declares_its_strata():
    from vgbench.data.strata import declared

    class Grouped(OfClass):
        def sample_tasks(self, count, seed, data):
            return None

        @property
        def task_strata(self):
            return ("near", "far")

    assert declared(Grouped()) == declared(guard.guarded(Grouped(), "environment")) == ("near", "far")


def test_what_is_read_ahead_in_a_thread_leaves_random_numbers_alone():
    """While a batch is drawn in a thread, a network may draw for dropout; both go on."""
    from vgbench.data.stored import ReadAhead

    class Slow:
        def observe(self):
            drawn.wait(5)
            return 1

    environment, drawn, reader = guard.guarded(Slow(), "environment"), threading.Event(), ReadAhead()
    torch.manual_seed(0)
    want = torch.rand(2)
    torch.manual_seed(0)
    reader.start((np.zeros(1),), environment.observe)
    with guard.calling(lambda: "mine", "loss"):
        first = torch.rand(1)
    drawn.set()
    assert reader.take((np.zeros(1),)) == 1
    assert torch.equal(torch.cat([first, torch.rand(1)]), want)
