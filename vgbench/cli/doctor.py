"""`vgbench doctor`: check the installation and say how to fix it."""

from typing import Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, print_table

EPILOG = examples("vgbench doctor", "vgbench doctor --format json", "VGBENCH_PLUGINS=none vgbench doctor")


@handled
def doctor(
    format: Format = "table",
    every: Annotated[bool, typer.Option("--all", help="Also list plugins and packages without problems.")] = False,
    debug: Debug = False,
) -> None:
    """Check plugins, packages, machine and cache; report problems and how to fix them.

    The exit code is 1 if vgbench or a plugin is broken.
    """
    from vgbench.testing.installation import examine

    record = examine()
    if format == "json":
        print_json(record)
    else:
        _print(record, every)
    if not record["ok"]:
        raise typer.Exit(1)


def _print(record: dict[str, Any], every: bool) -> None:
    plugins, needs = record.get("plugins") or [], record["requirements"] or []
    shown = [row for row in plugins if every or row["status"] != "ok" or row["dist"] != "vgbench"]
    if shown:
        headers = ["KIND", "NAME", "FROM", "STATUS"]
        states = {"ok": "ok", "broken": "broken", "other_api": "made for another API version"}
        rows = [[r["kind"], r["name"], f"{r['dist']} {r['version']}", states[r["status"]]] for r in shown]
        print_table(headers, rows)
        print()
    own = [row for row in plugins if row["dist"] == "vgbench"]
    print(f"plugins   {len(own)} built in, {len(plugins) - len(own)} from other packages")
    wrong = [row["name"] for row in needs if row["status"] != "ok"]
    print(f"packages  {len(needs)} needed, {len(needs) - len(wrong)} ok")
    if every:
        print("".join(f"          {row['name']} {row['version']}\n" for row in needs), end="")
    for row in record["extras"] or []:
        state = "installed" if row["installed"] else f"not installed ({', '.join(row['missing'])}): {row['fix']}"
        if row["broken"]:
            state = f"broken: {'; '.join(row['broken'])}: {row['fix']}"
        print(f"extra     {row['name']}: {state}")
    versions = {name: value for name, value in (record["versions"] or {}).items() if name != "git"}
    print(f"versions  {', '.join(f'{name} {value}' for name, value in versions.items())}")
    machine = record["machine"]
    if machine:
        print(
            f"machine   {machine['system']}, {machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads"
        )
        print(f"gpu       {machine['gpu'] or 'none'}")
    cache = record["cache"]
    if cache:
        print(f"cache     {cache['folder']}: {cache['files']} files, {cache['bytes'] / 1e6:.1f} MB")
    for text in record["notes"]:
        print(f"note      {text}")
    for problem in record["problems"]:
        print(f"\nproblem   {problem['what']}\n     fix  {problem['fix']}")
    print("\nno problems found" if record["ok"] else f"\nproblems found: {len(record['problems'])}")
