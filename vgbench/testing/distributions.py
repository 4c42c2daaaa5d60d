"""Distributions that exist for one test: what an installer would write, and nothing else."""

import importlib
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from vgbench.errors import UsageError
from vgbench.plugin.entry import GROUPS
from vgbench.text import suggest


class Distributions:
    """Makes installed distributions in a folder; as a context manager it takes them away again."""

    def __init__(self, folder: Path) -> None:
        """Make them below `folder`."""
        self._folder = folder
        self._made: list[tuple[str, Path]] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the folders off the path, and forget the modules."""
        for module, site in self._made:
            if str(site) in sys.path:
                sys.path.remove(str(site))
            # The next test may make another module of the same name.
            for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
                del sys.modules[name]
        importlib.invalidate_caches()

    def make(
        self,
        code: str = "",
        dist: str = "vgx-mine",
        version: str = "0.1",
        raw: str | None = None,
        **plugins: Mapping[str, str],
    ) -> Path:
        """Install a distribution of one module, and return the folder that is now on `sys.path`.

        Args:
            code: the module's source, of which common indentation is taken off.
            dist: name of the distribution; its module is called alike, with `_` for `-`.
            version: of the distribution.
            raw: text of entry_points.txt, instead of what `plugins` would make.
            plugins: by group (`objectives`, `distances`, ...), the plugins' names and what they are in the module.

        Raises:
            UsageError: there is no such group.
        """
        known = {group.removeprefix("vgbench."): group for group in GROUPS.values()}
        for group in plugins:
            if group not in known:
                raise UsageError(f"tmp_plugin: no group {group!r} of plugins. {suggest(group, known)}")
        module = dist.replace("-", "_")
        site = self._folder / f"site-{len(self._made)}"
        info = site / f"{module}-{version}.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(textwrap.dedent(code), encoding="utf-8")
        meta = f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\nSummary: of {dist}\n"
        (info / "METADATA").write_text(meta, encoding="utf-8")
        lines = []
        for group, names in plugins.items():
            lines += [f"[{known[group]}]", *(f"{name} = {module}:{attr}" for name, attr in names.items())]
        text = raw if raw is not None else "\n".join(lines) + "\n"
        (info / "entry_points.txt").write_text(text, encoding="utf-8")
        # First, so that it wins over an installed distribution of the same name.
        sys.path.insert(0, str(site))
        importlib.invalidate_caches()
        self._made.append((module, site))
        return site
