"""What objectives, distance and data ask of each other is checked before anything is computed."""

from types import SimpleNamespace

import pytest

from vgbench.api import ObjectiveShapes
from vgbench.config.resolve import RunRequest, resolve
from vgbench.errors import UsageError
from vgbench.experiments.build import dry_build
from vgbench.training.compatibility import check_lengths
from vgbench.training.stage import Term, states_of_window, strides_of

NEEDY = """
    from vgbench.api import *

    class OneWay(Objective):
        needs = frozenset({"asymmetric"})

        def loss(self, batch, model, noise):
            raise NotImplementedError

    class Triangle(OneWay):
        needs = frozenset({"asymmetric", "quasimetric"})

    class Odd(OneWay):
        needs = frozenset({"teleport"})

    class Long(OneWay):
        needs = frozenset()

        def __init__(self, params, shapes):
            super().__init__(params, shapes)
            self.min_length = 12

    class Loose(Distance):
        def forward(self, x, y):
            return (y - x).relu().square().sum(-1)
"""


@pytest.fixture
def rehearsed(tmp_plugin):
    """Build all parts of a run with one objective and a distance, some of them a stranger's."""
    names = {"one_way": "OneWay", "triangle": "Triangle", "odd": "Odd", "long": "Long"}
    tmp_plugin(NEEDY, objectives=names, distances={"loose": "Loose"})

    def build(objective, distance, *sets):
        request = RunRequest(
            protocol="wall_big", scale="smoke", device="cpu", objective=[objective], distance=distance, set=sets
        )
        return dry_build(resolve(request))

    return build


@pytest.mark.parametrize(
    ("objective", "distance", "sets"),
    [
        ("one_way", "iqe", ()),
        ("one_way", "loose", ()),
        ("one_way", "two_level", ()),
        ("triangle", "iqe", ()),
        ("two_level_iql", "two_level", ()),
        ("long", "euclidean", ("train.window=12",)),
    ],
)
def test_what_fits(rehearsed, objective, distance, sets):
    assert rehearsed(objective, distance, *sets)


@pytest.mark.parametrize(
    ("objective", "distance", "sets", "message"),
    [
        ("one_way", "euclidean", (), "'one_way' needs an asymmetric distance, which distance 'euclidean' is not"),
        ("one_way", "euclidean", (), "--distance iqe, loose, two_level"),
        ("one_way", "two_level", ("two_level.base=euclidean",), "which distance 'two_level' is not with these values"),
        ("triangle", "loose", (), "needs a distance with the triangle inequality.*--distance iqe, two_level"),
        (
            "two_level_iql",
            "iqe",
            (),
            "needs a distance of several levels, which distance 'iqe'.*: --distance two_level$",
        ),
        ("odd", "iqe", (), r"'odd' needs \['teleport'\]; expected some of asymmetric, quasimetric, levels"),
        ("long", "iqe", ("train.window=8",), "train.window=8: objective 'long' with these values needs at least 12"),
        ("iql", "iqe", ("iql.n_step=16",), "train.window=16: objective 'iql' with these values needs at least 17"),
        (
            "iql",
            "iqe",
            ("iql.n_step=7", "iql.stride=9"),
            "can be at most 8; take a smaller stride or a larger data.length",
        ),
    ],
)
def test_what_does_not_fit_is_refused(rehearsed, objective, distance, sets, message):
    with pytest.raises(UsageError, match=message):
        rehearsed(objective, distance, *sets)


@pytest.mark.parametrize(("bound", "fits"), [(39.0, False), (41.0, True)])
def test_levels_ask_for_all_of_them_together(tmp_plugin, bound, fits):
    """Each level's value goes up to 10, and the whole distance to 1 x 10 + 3 x 10."""
    code = f"""
        from vgbench_plugins.distances.two_level import TwoLevel

        class Bounded(TwoLevel):
            upper_bound = {bound}
    """
    tmp_plugin(code, distances={"bounded": "Bounded"})
    sets = ["bounded.weight=3", "two_level_iql.gamma=0.9"]
    asked = {"objective": ["two_level_iql"], "distance": "bounded", "set": sets}
    spec = resolve(RunRequest(protocol="wall_big", scale="smoke", device="cpu", **asked))
    if fits:
        assert dry_build(spec)
    else:
        with pytest.raises(UsageError, match="asks for distances up to 40, but distance 'bounded' never exceeds 39"):
            dry_build(spec)


def test_episodes_that_are_mostly_too_short_for_a_stride_are_refused():
    """The longest would do, but half of the windows would have states without any target."""
    objective = SimpleNamespace(stride=4, min_length=4)
    data = SimpleNamespace(typical_length=12)
    with pytest.raises(UsageError, match=r"looks at 4 states that are 4 steps apart, .* at most 3$"):
        check_lengths(data, [SimpleNamespace(name="iql", objective=objective)])
    objective.stride = 3
    check_lengths(data, [SimpleNamespace(name="iql", objective=objective)])


def test_frames_count_what_an_objective_of_two_strides_encodes():
    spec = resolve(
        RunRequest(
            protocol="wall_big",
            scale="smoke",
            device="cpu",
            objective=["two_level_iql"],
            distance="two_level",
            set=["two_level_iql.stride=4", "train.window=10"],
        )
    )
    terms = [Term("two_level_iql", spec.objectives[0].make(ObjectiveShapes(8, 2)), 1.0)]
    assert strides_of(terms) == {1, 4} and states_of_window(strides_of(terms), 10, 12) == 10 + 3
