"""Hashes of the code that a plugin is made of: its module, and what that imports of its own top-level package.

Files are read as text; nothing is imported or run for it. What does not change a program does not change its hash:
comments, docstrings, blank lines, the layout of the text. The hash is over the syntax tree, written out here so that
Python 3.11 to 3.13 agree on it (their own `ast.dump` differs): fields that are empty are left out, so that one that a
younger Python adds does not show, and the constant parts of an f-string are joined.

What is not seen: modules of other packages and of vgbench itself, for which their versions stand; modules that are
imported by a name made up at run time; compiled modules; data files. The `__init__` of a package counts where something
is imported from it, and not for being passed through on the way to one of its modules.
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_SKIPPED = frozenset({"ctx", "kind", "type_comment"})
"""Fields of the tree that the text around them decides, or that mean nothing."""


@dataclass(frozen=True)
class _Import:
    """`import base` or `from base import names`, as it is written: `level` is the number of leading dots."""

    level: int
    base: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Module:
    """A file of a package: a package's `__init__` or a plain module."""

    name: str
    path: Path
    is_package: bool


class _Package:
    """A top-level package, or module, as it would be found by an import."""

    def __init__(self, name: str) -> None:
        """Find it, without importing it."""
        self.name = name
        try:
            found = find_spec(name)
        except (ImportError, ValueError, AttributeError):  # one that is half imported, or that no file stands for
            found = None
        origin = Path(found.origin) if found is not None and found.origin else None
        self._file = origin if origin is not None and origin.suffix == ".py" and origin.is_file() else None
        self._folders = [Path(folder) for folder in (found.submodule_search_locations or ())] if found else []

    def module(self, name: str) -> _Module | None:
        """Return the file of a module by its full name, or None."""
        if name == self.name:
            return _Module(name, self._file, bool(self._folders)) if self._file else None
        *between, last = name.split(".")[1:]
        for folder in self._folders:
            place = folder.joinpath(*between, last)
            # In the order in which an import looks.
            for path in (place / "__init__.py", place.with_name(f"{last}.py")):
                if path.is_file():
                    return _Module(name, path, path.name == "__init__.py")
        return None

    def imported(self, module: _Module) -> Iterator[_Module]:
        """Yield the modules of this package that a module of it imports; others are left out."""
        package = module.name if module.is_package else module.name.rpartition(".")[0]
        for statement in _read(*_stamped(module.path))[1]:
            base = statement.base
            if statement.level:
                above = package.split(".")[: len(package.split(".")) - statement.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            if base.partition(".")[0] != self.name:
                continue
            # `from package import name`: a module of the package, or else something that its own file has.
            wanted = [f"{base}.{name}" if self.module(f"{base}.{name}") else base for name in statement.names]
            yield from filter(None, map(self.module, wanted or [base]))


def source(cls: type[Any]) -> dict[str, str]:
    """Return the hash of each module that a plugin's class is made of, by the module's name.

    Empty where there is no file to read, as for a class that was typed into an interpreter.
    """
    package = _Package(cls.__module__.partition(".")[0])
    first = package.module(cls.__module__)
    found: dict[str, _Module] = {}
    waiting = [first] if first else []
    while waiting:
        module = waiting.pop()
        if module.name not in found:
            found[module.name] = module
            waiting.extend(package.imported(module))
    return {name: _read(*_stamped(found[name].path))[0] for name in sorted(found)}


def file_of(name: str) -> str:
    """Return the file of a module, as its package has it (`my_plugins/loss.py`); without one, the name itself."""
    module = _Package(name.partition(".")[0]).module(name)
    if module is None:
        return name
    depth = name.count(".") + 1 + module.is_package
    return "/".join(module.path.parts[-depth:])


def _stamped(path: Path) -> tuple[Path, int, int]:
    """Return a file with what changes when it is written again."""
    about = path.stat()
    return path, about.st_mtime_ns, about.st_size


@lru_cache(maxsize=4096)
def _read(path: Path, changed: int, size: int) -> tuple[str, tuple[_Import, ...]]:
    """Hash a file, and find its import statements."""
    content = path.read_bytes()
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # no Python of this version: its bytes stand for it
        return hashlib.sha256(content).hexdigest()[:16], ()
    return hashlib.sha256("\n".join(_written(tree)).encode()).hexdigest()[:16], tuple(_imports(tree))


def _imports(tree: ast.AST) -> Iterator[_Import]:
    """Yield all imports of a file, also inside of functions; not those for type checkers alone."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                # Without `as` the name of the top is bound, by which all packages on the way can be used as well.
                for depth in range(len(parts) if alias.asname else 1, len(parts) + 1):
                    yield _Import(0, ".".join(parts[:depth]), ())
        elif isinstance(node, ast.ImportFrom):
            yield _Import(node.level, node.module or "", tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.If) and _named(node.test) == "TYPE_CHECKING":
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _named(test: ast.expr) -> str | None:
    """Name that is tested, with or without its module."""
    name: str | None = getattr(test, "id", None) or getattr(test, "attr", None)
    return name


def _written(tree: ast.AST) -> Iterator[str]:
    """Yield a syntax tree as lines that are the same under every Python that reads it."""
    waiting: list[Any] = [tree]
    # A list of what is left to write instead of recursion: long chains of `elif` are deep.
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting.extend(["]", *(each for each in reversed(item) if not _does_nothing(each)), "["])
        elif isinstance(item, ast.Constant):
            # `ascii`: text may hold halves of surrogate pairs, which cannot be encoded.
            yield f"{type(item.value).__name__} {item.value!a}"
        elif isinstance(item, ast.AST):
            if isinstance(item, ast.JoinedStr):
                item = ast.JoinedStr(_joined(item.values))
            yield f"({type(item).__name__}"
            waiting.append(")")
            for field in sorted(set(item._fields) - _SKIPPED, reverse=True):
                value = getattr(item, field, None)
                if value is not None and value != []:
                    waiting.extend([value, f".{field}"])
        else:
            yield f"{item!a}"


def _does_nothing(item: Any) -> bool:
    """Whether it is a docstring or another constant that stands alone as a statement, or `pass`."""
    return isinstance(item, ast.Pass) or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """Join the constants that stand side by side in an f-string, and drop empty ones."""
    joined: list[ast.expr] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            joined.append(value)
        elif joined and isinstance(before := joined[-1], ast.Constant):
            joined[-1] = ast.Constant(str(before.value) + str(value.value))
        elif value.value:
            joined.append(value)
    return joined
