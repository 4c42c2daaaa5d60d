"""One planning solve with a predictor of the paper's size: our MPPI, three peers, and the bare matrix products."""

from collections.abc import Callable, Iterator

from benchmarks import peers, planners
from benchmarks.harness import Case, Check, Options, Side, difference
from benchmarks.peers import Peer
from benchmarks.work import DIM, NOISE, Work

SIZES = ((500, 100), (2000, 64), (2000, 96))
"""K x H of the paper: maze, wall with big steps, wall with small steps."""

Make = Callable[[Work, planners.Distance], planners.Solver]
PEERS: tuple[tuple[Peer, Make, str], ...] = (
    (peers.PYTORCH_MPPI, planners.pytorch_mppi, "MPPI.command"),
    (peers.STABLE_WORLDMODEL, planners.stable_worldmodel, "MPPISolver, 1 iteration, all samples"),
    (peers.TORCHRL, planners.torchrl, "CEMPlanner, 1 iteration, the best tenth"),
)


def cases(options: Options) -> Iterator[Case]:
    """Every K x H with both distances."""
    for samples, horizon in options.pick(SIZES, ((500, 10),), ((16, 4),)):
        for distance in ("euclidean", "iqe"):
            yield case(Work(samples, horizon, distance))


def case(work: Work) -> Case:
    """Ours, the peers that are installed, and the products, on one problem."""
    written, distance = work.peer_distance()
    controller = work.controller(temperature=work.temperature)
    sides = [
        Side("vgbench", lambda: controller.plan(work.problem, {}, 0, 0), "ours", "MPPI, prepared distance"),
        Side("matrix products", work.products(), "limit", "of the predictor's layers, nothing else"),
    ]
    solvers: dict[str, planners.Solver] = {}
    for peer, make, what in PEERS:
        if peer.present:
            solvers[peer.name] = make(work, distance)
            sides.append(Side(peer.name, solvers[peer.name].run, setting=f"{what}; {written}"))
    if work.distance == "iqe" and peers.PYTORCH_MPPI.present:
        # Which part of the difference is the distance's, and which the loop's.
        prepared = work.model.distance.prepare(work.problem["goal"])
        name = "pytorch-mppi with our IQE"
        solvers[name] = planners.pytorch_mppi(work, lambda z: prepared(z.unsqueeze(0))[0])
        sides.append(Side(name, solvers[name].run, setting="MPPI.command; prepared distance"))
    return Case(
        name=f"{work.samples} x {work.horizon}, {work.distance}",
        parameters={"samples": work.samples, "horizon": work.horizon, "distance": work.distance, "latent_dim": DIM}
        | {"noise": NOISE, "temperature": work.temperature},
        sides=sides,
        work=work.evaluations,
        unit="predictor evaluation",
        checks=lambda: checks(work, solvers),
        absent=peers.missing(*(peer for peer, _, _ in PEERS)),
    )


def checks(work: Work, solvers: dict[str, planners.Solver]) -> Iterator[Check]:
    """The same cost for the same action sequences; the same plan for the same noise."""
    plan = work.controller(temperature=work.temperature).plan(work.problem, {}, 0, 0).actions[0]
    for name, solver in solvers.items():
        what = "cost of the same action sequences"
        yield Check(name, what, difference(work.costs, solver.cost(work.candidates)), 1e-4)
        if solver.plan is not None:
            # Wider than for costs: weights near an argmin make much of their last bits.
            yield Check(name, "plan from the same noise", difference(plan, solver.plan()), 1e-2)
