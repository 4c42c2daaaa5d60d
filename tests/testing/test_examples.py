"""The examples in the docstrings of the interfaces keep the contracts that these describe."""

import inspect
import re
import textwrap

import pytest

import vgbench.api
from vgbench.plugin.entry import GROUPS
from vgbench.testing import Session

HEAD = (
    "import numpy as np\nimport torch\nimport vgbench.api\nfrom pydantic import Field\nfrom vgbench.api import *\n\n\n"
)


@pytest.mark.parametrize("kind", ["environment", "objective", "distance", "planner"])
def test_the_example_of_a_docstring_has_no_failure(tmp_plugin, kind):
    doc = inspect.getdoc(getattr(vgbench.api, kind.capitalize()))
    code = textwrap.dedent(re.search(r"::\n\n((?: {4}.*\n|\n)+)", doc)[1])
    name = re.search(r"class (\w+)", code)[1]
    tmp_plugin(HEAD + code, **{GROUPS[kind].removeprefix("vgbench."): {"mine": name}})
    outcomes = Session.find(kind, "mine").run()
    assert [(o.id, o.message, o.where) for o in outcomes if o.status == "FAIL"] == []
    # Left out for brevity: what an installed plugin should say of itself.
    brief = {"docstring", "declares_api"} | ({"logs_explained"} if kind == "objective" else set())
    assert {o.id for o in outcomes if o.status == "warn"} == brief
