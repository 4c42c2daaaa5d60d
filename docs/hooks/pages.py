"""Pages that follow from the code: made when the site is built, and never committed (a hook of MkDocs)."""

import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))

import catalogue  # noqa: E402 - the folder of this file, found by the line above
import command_line  # noqa: E402
import kinds  # noqa: E402
import links  # noqa: E402
import notebook  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "cli.md": command_line.page(),
        "registry.md": catalogue.page(),
        "tutorial.md": notebook.page(),
        "python.md": _PYTHON.replace("ARGUMENTS", command_line.arguments()),
        **kinds.pages(),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **kwargs: Any) -> str:
    """Make links to sources into links to the pages that are made from them, and links out of the site into text."""
    return links.for_site(markdown, page.file.src_uri)


_PYTHON = """# From Python

`vgbench.run` does what `vgbench run` does, with the same names; importing vgbench is cheap, since what computes is
imported by the first call.

```python
import vgbench

result = vgbench.run(env="wall", recipe="vf", scale="smoke", set={"iql.tau": 0.8})
print(result.success_rate, result.interval, result.folder)
```

`examples/run_from_python.py` compares two values of a parameter; `examples/plan_with_own_model.py` uses a planner
alone, with a torch model of one's own.

::: vgbench.python_api.single.run

All arguments are given by name, and none has to be; one that is `None` counts as not given.

ARGUMENTS

::: vgbench.python_api.single.Result

::: vgbench.python_api.single.evaluate

::: vgbench.python_api.many.suite

::: vgbench.python_api.many.sweep

::: vgbench.python_api.many.Runs

::: vgbench.python_api.records.compare

::: vgbench.python_api.records.report

::: vgbench.python_api.records.load

::: vgbench.python_api.records.LoadedRun

## Errors

::: vgbench.errors
    options: { show_root_heading: false, show_root_toc_entry: false, heading_level: 3 }
"""
