"""Each place that makes a tensor on the device of a run, or moves one there, forgets to: on another one it is seen."""

from dataclasses import replace
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SETS = ["data.trajectories=8", "train.steps=2", "train_predictor.steps=2", "evaluation.tasks=2", "mpc.max_steps=2"]
SETS += ["strided.stem=4", "strided.channels=4", "mlp.hidden=[16]", "model.latent_dim=16"]
RUNS = [
    {"protocol": "wall_small", "recipe": "vf_quasi", "set": ["mppi.samples=16"]},
    {"protocol": "maze", "recipe": "pred_vcreg_idm", "planner": "cem"},
    {"protocol": "turnstile", "recipe": "contrastive", "planner": "icem"},
    {"protocol": "wall_gamble", "recipe": "regressive", "planner": "random"},
    {"protocol": "wall_big", "recipe": "two_space", "planner": "gradient", "set": ["projector.hidden=[16]"]},
]


def test_forgotten_devices(campaign, tools, whole, offered, tmp_path):
    from vgbench.config.request import RunRequest
    from vgbench.config.resolve import resolve
    from vgbench.experiments import runner

    def played(number, folder, forget=""):
        def work():
            import os

            os.environ["VGBENCH_CACHE"] = str(tmp_path / "cache")
            how = RUNS[number]
            asked = RunRequest(**how | {"set": (*SETS, *how.get("set", ()))}, scale="smoke", device="cpu", threads=1)
            with offered(forget=forget) as made:
                runner.run(replace(resolve(asked), device="elsewhere:0"), folder / "run")
            (folder / "sites").write_text("\n".join(sorted(made.sites)))

        return tools.forked(work, folder)

    places = []
    for number in range(len(RUNS)):
        folder = tmp_path / f"all-{number}"
        ended = played(number, folder)
        assert ended.code == 0, ended.err
        known = {site for _, site in places}
        places += [(number, site) for site in (folder / "sites").read_text().splitlines() if site not in known]
    forgotten = campaign("wrong-device", small=3, full=len(places))
    for case, rng in forgotten.cases():
        number, site = places[case] if forgotten.whole else rng.choice(places)
        ended = played(number, tmp_path / str(case), site)
        # A number of no dimension is taken from the CPU by CUDA, too; some are not used where they were made.
        forgotten.outcomes["noticed" if ended.code else f"not noticed: {source(site)}"] += 1


def source(site):
    """The line of a place, and where it is."""
    name, _, number = site.partition(":")
    root = Path(__file__).parents[2]
    paths = [path for top in ("vgbench", "plugins") for path in (root / top).glob(f"**/{name}")]
    return f"{paths[0].read_text().splitlines()[int(number) - 1].strip()} ({site})"
