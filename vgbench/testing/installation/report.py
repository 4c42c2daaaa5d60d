"""Puts the findings together: a record for --format json, and the problems with the commands that fix them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError
from vgbench.plugin.registry import Registry
from vgbench.testing.installation import packages, plugins

Record = dict[str, Any]


def examine() -> Record:
    """Look everything over.

    Returns:
        JSON values: `ok`, `problems` (`what` and `fix` each), `notes`, and the findings by section: `plugins`,
        `duplicates`, `stale`, `requirements`, `extras`, `machine`, `versions`, `cache`. A section that cannot be
        looked at is None, and a problem says why.
    """
    problems: list[Record] = []
    notes: list[str] = []

    def section(name: str, look: Callable[[], Any], fix: str = "pip install --force-reinstall vgbench") -> Any:
        try:
            return look()
        except UsageError as err:
            what, _, command = str(err).partition(" Install it: ")
            problems.append({"what": what, "fix": command or fix})
        except Exception as err:  # what is looked at is damaged: that is a finding
            problems.append({"what": f"{name} cannot be examined: {type(err).__name__}: {err}", "fix": fix})
        return None

    record: Record = {"requirements": section("packages", packages.requirements)}
    for row in record["requirements"] or []:
        if row["status"] != "ok":
            problems.append({"what": f"{row['name']}, which vgbench needs, {row['cause']}", "fix": row["fix"]})
    registry = section("plugins", Registry)
    if registry is not None:
        problems += [{"what": what, "fix": fix} for what, fix in registry.remedies.items()]
        record["plugins"] = section("plugins", lambda: plugins.plugins(registry))
        record["duplicates"] = plugins.duplicates(registry)
    record["stale"] = section("entry points", plugins.stale)
    record["extras"] = section("extras", packages.extras)
    for row in record.get("plugins") or []:
        if row["status"] != "ok":
            problems.append({"what": row["cause"], "fix": row["fix"]})
    for row in record["stale"] or []:
        what = f"{row['dist']} was changed after it was installed: {'; '.join(row['differences'])}"
        problems.append({"what": what, "fix": row["fix"]})
    notes += [_of_duplicate(row) for row in record.get("duplicates", [])]
    if "VGBENCH_PLUGINS" in os.environ:
        notes.append(f"VGBENCH_PLUGINS={os.environ['VGBENCH_PLUGINS']} leaves out all other packages' plugins")
    record["versions"] = section("versions", _versions)
    record["machine"] = section("machine", _machine, "pip install --force-reinstall torch")
    record["cache"] = section("cache", _cache)
    if record["cache"] is not None and not record["cache"]["writable"]:
        what = f"nothing can be written to the cache folder {record['cache']['folder']}"
        problems.append({"what": what, "fix": "export VGBENCH_CACHE=/a/folder/of/yours"})
    if record["machine"] and record["machine"]["driver"] and not record["machine"]["gpu"]:
        notes.append("there is an NVIDIA driver, but PyTorch finds no GPU: install its CUDA build, see pytorch.org")
    return {"ok": not problems, "problems": problems, "notes": notes, **record}


def _of_duplicate(row: Record) -> str:
    who = f"{row['kind']} {row['name']!r} is claimed by {' and '.join(row['claimed_by'])}"
    others = " or ".join(row["others"])
    return f"{who}: {row['winner']} wins, ask for {others}" if row["winner"] else f"{who}: ask for {others}"


def _versions() -> Record:
    from vgbench.storage import provenance

    return {**provenance.versions(), "git": provenance.git()}


def _machine() -> Record:
    from vgbench.storage import provenance

    driver = Path("/proc/driver/nvidia/version").exists()
    threads = {
        name: os.environ[name]
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY")
        if name in os.environ
    }
    return {**provenance.machine(), "thread_variables": threads, "driver": driver}


def _cache() -> Record:
    """Where collected data lie, how many files and bytes, and whether more can be written."""
    from vgbench.data.collection import cache_folder

    folder = cache_folder()
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return {
        "folder": str(folder),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "writable": there.is_dir() and os.access(there, os.W_OK | os.X_OK),
    }
