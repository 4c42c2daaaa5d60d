"""Reference of the command line, from the commands themselves, and of what `vgbench.run` takes."""

from typing import Any

import typer
import typer.main
from tables import cell, code, table

from vgbench.cli import app
from vgbench.config.options import OPTIONS


def page() -> str:
    """One section per command."""
    root: Any = typer.main.get_command(app)
    text = f"# Command line\n\n{root.help}\n\n{_options(root)}"
    text += "Exit codes: 0, 1 (it failed) or 2 (the command was wrong). Results go to stdout, the rest to stderr.\n\n"
    for name, command in root.commands.items():
        text += _section(name, command)
    return text


def arguments() -> str:
    """Table of the arguments of `vgbench.run`."""
    rows = [[code(option.name), cell(option.sentence()), code(option.key or "")] for option in OPTIONS.values()]
    return table(["argument", "meaning", "key in a file for `config`"], rows)


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["vgbench", name, *(_name(argument) for argument in arguments), "[OPTIONS]"])
    text = f"## `vgbench {name}`\n\n{command.help}\n\n```text\n{usage}\n```\n\n"
    text += _arguments(arguments) + _options(command)
    examples = [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  ")]
    return text + (f"```console\n{chr(10).join(examples)}\n```\n\n" if examples else "")


def _name(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _arguments(arguments: list[Any]) -> str:
    rows = [[code(_name(argument)), cell(getattr(argument, "help", "") or "")] for argument in arguments]
    return table(["argument", "meaning"], rows) if rows else ""


def _options(command: Any) -> str:
    context = typer.Context(command)
    records = [p.get_help_record(context) for p in command.params if p.param_type_name == "option"]
    rows = [[code(option), cell(meaning)] for option, meaning in filter(None, records)]
    return table(["option", "meaning"], rows) if rows else ""
