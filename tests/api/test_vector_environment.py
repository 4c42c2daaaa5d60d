"""An environment of vectors alone: the one in the docstring of `Environment`, as a stranger would install it."""

import json
import re
import textwrap

from vgbench.api import Environment


def test_the_environment_of_the_docstring_trains_and_plans(tmp_plugin, vgbench_process, tmp_path):
    example = re.search(r"::\n\n(.*?)\n\n    Optional", Environment.__doc__, re.DOTALL).group(1)
    head = "import numpy as np\nimport torch\nfrom vgbench.api import *\n\n\n"
    site = tmp_plugin(head + textwrap.dedent(example), environments={"line": "Line"})
    variables = {"PYTHONPATH": str(site), "VGBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    what = ["run", "--env", "line", "--encoder", "vector", "--objective", "iql", "--distance", "euclidean"]
    done = vgbench_process(*what, "--scale", "smoke", "--set", "data.length=20", "--format", "json", **variables)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["n"] == 4 and result["protocol"] == "generic"
    assert result["baseline"]["n"] == 4

    refused = vgbench_process(*what[:3], *what[5:], "--scale", "smoke", "--set", "data.length=20", **variables)
    assert refused.returncode == 2
    assert "needs an image" in refused.stderr and "--encoder vector" in refused.stderr

    white = vgbench_process(*what, "--scale", "smoke", "--set", "model.image_norm=whiten", **variables)
    assert white.returncode == 2 and "environment 'line' has no images" in white.stderr
