"""Checks of every kind: how a plugin is found, described, made, copied and repeated."""

import copy
import inspect
import pickle
import re
from importlib.metadata import EntryPoint
from typing import Any

from torch import nn

from vgbench.plugin.entry import GROUPS, HOME
from vgbench.testing.check import Collector, Failure, Skip, expect
from vgbench.testing.isolation import changed, fresh_modules, package_of, seed_all, snapshot
from vgbench.testing.subject import Subject, equal
from vgbench.text import shown

PARAMETRISED = tuple(kind for kind in GROUPS if kind != "logger")
MODULES = ("objective", "distance", "network")

FIRST = Collector(tuple(GROUPS))
"""Checks that come before those of a kind."""
LAST = Collector(PARAMETRISED)
"""Checks that come after them."""

_ARGUMENTS = {"objective": ("params", "shapes"), "distance": ("params", "dim"), "logger": ()}
"""Arguments with which the core makes a plugin of a kind; `params` alone if not named."""


@FIRST(after=())
def loads(subject: Subject) -> None:
    """Its entry point leads to a complete class of its kind, made for this plugin interface."""
    loaded: Any = subject.cls
    expect(
        isinstance(loaded, type), "a class", type(loaded).__name__, "the entry point names an instance or a function"
    )


@FIRST(after=(), severity="warn")
def named(subject: Subject) -> None:
    """Its name is in lower_snake: it is written in commands, addresses and files."""
    name = subject.entry.name
    fits = re.fullmatch(r"[a-z][a-z0-9_]*", name)
    expect(fits, "a name of small letters, digits and _", repr(name), "the key of the entry point is a class's name")


@FIRST(after=("loads",))
def import_leaves_globals(subject: Subject) -> None:
    """Importing it changes neither random states, default dtype, threads nor the working directory."""
    package = package_of(subject.entry.value.partition(":")[0])
    if package == package_of(__name__):
        raise Skip("it is part of vgbench's own package, which cannot be imported a second time")
    with fresh_modules(package):
        before = snapshot()
        try:
            # Not by `load_plugin`, which puts back what an import changes.
            EntryPoint(subject.entry.name, subject.entry.value, GROUPS[subject.entry.kind]).load()
        except Exception as err:
            raise Skip(f"its modules cannot be imported twice in one process: {err}") from err
        different = changed(before)
    expect(
        not different,
        "an import that leaves the process as it was",
        f"a change of {', '.join(different)}",
        "code at module level that seeds, draws random numbers or sets an option of torch: move it into a method",
    )


@FIRST(after=("loads",), severity="warn")
def docstring(subject: Subject) -> None:
    """Its class says in its own words what it is."""
    own = (vars(subject.cls).get("__doc__") or "").strip()
    expect(own, "a docstring of the class itself", "none", "it was left out; `vgbench show` prints its first paragraph")


@FIRST(after=("loads",), kinds=PARAMETRISED)
def behaviour_version(subject: Subject) -> None:
    """`version` is a whole number from 1, by which results of different behaviour are told apart."""
    version = subject.cls.version
    fits = isinstance(version, int) and not isinstance(version, bool) and version >= 1
    cause = "`version` holds the package's version; it counts changes of behaviour"
    expect(fits, "version: int of 1 or more", repr(version), cause)


@FIRST(after=("loads",), kinds=PARAMETRISED, severity="warn")
def declares_api(subject: Subject) -> None:
    """Declares the version of the plugin interface."""
    if subject.entry.dist == HOME:
        raise Skip("it comes with the interface itself")
    declared = any("api" in vars(base) for base in subject.cls.__mro__ if not base.__module__.startswith("vgbench.api"))
    cause = "the line was left out; without it nobody notices when the interface has changed"
    expect(declared, "`api = 1` in the class", "no declaration", cause)


@FIRST(after=("loads",), kinds=PARAMETRISED)
def params_documented(subject: Subject) -> None:
    """Every parameter has a description."""
    silent = [name for name, info in subject.cls.Params.model_fields.items() if not (info.description or "").strip()]
    cause = 'a field without `Field(..., description="...")`'
    expect(not silent, "a description of each parameter", f"none for {', '.join(silent)}", cause)


@FIRST(after=("loads",), kinds=PARAMETRISED)
def params_frozen(subject: Subject) -> None:
    """Parameters cannot be changed once made, and unknown names are refused."""
    config = subject.cls.Params.model_config
    cause = "`model_config` of Params was replaced; leave it out"
    expect(config.get("frozen"), "frozen parameters", "some that can be assigned to", cause)
    expect(config.get("extra") == "forbid", "unknown parameters to be refused", f"extra={config.get('extra')!r}", cause)


@FIRST(after=("loads",), kinds=PARAMETRISED)
def params_immutable(subject: Subject) -> None:
    """No default can be changed in place."""
    for name, info in subject.cls.Params.model_fields.items():
        default = info.get_default(call_default_factory=True)
        expect(
            not isinstance(default, list | dict | set | bytearray),
            f"an immutable default of {name}",
            f"a {type(default).__name__}",
            "a list where a tuple would do: `frozen` does not reach into it",
        )


@FIRST(after=("loads",), kinds=PARAMETRISED)
def params_defaults(subject: Subject) -> None:
    """Defaults lie within their own ranges."""
    fields, given = subject.cls.Params.model_fields, subject.target().given
    values = {n: info.get_default(call_default_factory=True) for n, info in fields.items() if not info.is_required()}
    values |= {name: getattr(subject.params, name) for name in given}
    try:
        subject.cls.Params.model_validate(values)
    except ValueError as err:
        problem = str(err).replace("\n", " ")
        raise Failure("defaults that are valid", problem, "a default outside of its field's range") from err


@FIRST(after=("params_defaults",), kinds=PARAMETRISED)
def params_json(subject: Subject) -> None:
    """Parameters come back from JSON as they were."""
    params = subject.params
    back = subject.cls.Params.model_validate_json(params.model_dump_json())
    cause = "a type or serializer that JSON cannot carry; a run's record would hold other values"
    expect(back == params, f"{params!r} after a round trip", repr(back), cause)


@FIRST(after=("params_defaults",), kinds=PARAMETRISED)
def params_set(subject: Subject) -> None:
    """Every value can be given by --set, as text."""
    from vgbench.config.request import parse_set

    for name in subject.cls.Params.model_fields:
        value = getattr(subject.params, name)
        text = shown(value)
        other = Subject(subject.entry, [*subject.sets, f"{subject.entry.name}.{name}={text}"])
        parse_set(other.sets[-1], "--set", True)
        back = getattr(other.params, name)
        cause = "a type that text cannot carry (a nested model, blanks at the ends); use numbers, text, tuples"
        expect(back == value, f"{value!r} from `--set {other.sets[-1]}`", repr(back), cause)


@FIRST(after=("loads",), kinds=PARAMETRISED)
def constructor(subject: Subject) -> None:
    """Its constructor takes what the core gives, by name, and no *args or **kwargs."""
    wanted = _ARGUMENTS.get(subject.entry.kind, ("params",))
    found = list(inspect.signature(subject.cls.__init__).parameters.values())[1:]
    loose = [str(p) for p in found if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    cause = "arguments are passed through unseen; name them, and keep settings in Params"
    expect(not loose, f"__init__(self, {', '.join(wanted)})", f"{', '.join(loose)} in it", cause)
    needed = [p.name for p in found if p.default is p.empty]
    seen = f"__init__(self, {', '.join(p.name for p in found)})"
    enough = len(needed) <= len(wanted) <= len(found)
    expect(enough, f"__init__(self, {', '.join(wanted)})", seen, "settings as arguments; they belong into Params")


@FIRST(after=("params_defaults", "constructor"), kinds=PARAMETRISED)
def constructs(subject: Subject) -> None:
    """It can be made from its parameters."""
    subject.make()


@LAST()
def deterministic(subject: Subject) -> None:
    """The same seeds give the same output, whatever the global generators hold."""
    results = []
    for seed in (1, 2):
        made = subject.make()
        seed_all(seed)
        results.append(subject.outputs(made))
    cause = "a global generator, a clock, or a variable that is shared between instances; draw from the noise given"
    expect(equal(*results), "equal outputs from equal seeds", "different ones", cause)


@LAST()
def use_leaves_globals(subject: Subject) -> None:
    """Using it changes neither random states, default dtype, threads nor the working directory."""
    made = subject.make()
    before = snapshot()
    subject.outputs(made)
    different = changed(before)
    cause = "it draws from, or seeds, a global generator (torch.rand, np.random, random), or sets an option of torch"
    expect(not different, "a process as it was before", f"a change of {', '.join(different)}", cause)


@LAST(after=("works", "deterministic"), kinds=MODULES)
def state_dict(subject: Subject) -> None:
    """What `state_dict` holds is all that it needs to go on as before."""
    first, second = subject.make(1), subject.make(2)
    for old, new in zip(modules(first), modules(second), strict=True):
        new.load_state_dict(old.state_dict())
    cause = "a tensor that is neither a parameter nor a buffer (register_buffer): a resumed run would lose it"
    expect(equal(subject.outputs(first), subject.outputs(second)), "the same output once loaded", "another", cause)


@LAST(after=("works", "deterministic"))
def copies(subject: Subject) -> None:
    """It survives pickle and deepcopy: worker processes and moving averages need that."""
    made = subject.make()
    expected = subject.outputs(made)
    for how, again in (("pickle", lambda: pickle.loads(pickle.dumps(made))), ("deepcopy", lambda: copy.deepcopy(made))):
        try:
            twin = again()
        except Exception as err:
            cause = "a lambda, a local class or an open file kept on the instance"
            raise Failure(f"{how} to work", f"{type(err).__name__}: {err}", cause) from err
        same = equal(expected, subject.outputs(twin))
        expect(same, f"the same output after {how}", "another", "__reduce__ or __getstate__ leaves something out")


def modules(made: Any) -> list[nn.Module]:
    """Return the modules of what was made, in order."""
    return [made] if isinstance(made, nn.Module) else list(made.values())
