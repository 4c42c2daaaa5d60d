"""Compare two values of a parameter from Python, without the command line.

python examples/run_from_python.py [FOLDER]
"""

import sys
from pathlib import Path

import vgbench


def main(folder: Path) -> None:
    for tau in (0.6, 0.8):
        # scale="smoke" takes seconds and its numbers are not meaningful; leave it out for quick scale.
        # Runs resume, so a second call with the same folder returns the finished result at once.
        result = vgbench.run(
            env="wall", recipe="vf", scale="smoke", set={"iql.tau": tau}, seed=0, out=folder / f"tau-{tau}"
        )
        low, high = result.interval
        print(f"tau {tau}: {result.successes} of {result.tasks} solved, 95 % interval [{low:.2f}, {high:.2f}]")
        nearest = min(row["min_distance"] for row in result.rows)
        print(f"  baseline {result.baseline:.2f}, nearest approach {nearest:.2f}, records in {result.folder}")

    try:
        vgbench.run(env="wall", recipe="vf", set={"iql.tua": 0.8})
    except vgbench.UsageError as err:  # found before anything is computed
        print(f"a mistake: {err}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/from-python"))
