"""What this machine has, and whether that is enough: devices, precisions, cores, memory, a compiler."""

import torch

from vgbench.config.request import Option, OptionReader
from vgbench.errors import UsageError
from vgbench.hardware import cores, lacks, no_compiler, no_cuda, thread_count
from vgbench.spec import PRECISIONS, Compute, SourcedValue
from vgbench.text import choice, read_size, show_size, suggest


def chosen(options: OptionReader) -> tuple[str, Compute, dict[str, SourcedValue]]:
    """Choose the device, and how to compute on it, with their sources.

    Raises:
        UsageError: this machine does not have what was asked for; the message names the option.
    """
    device, source = _device(options)
    asked = options.get_or("precision", "float32")
    # `choice` quotes the value itself, so the option is named without it.
    precision = choice(asked.value, PRECISIONS, asked.written.removesuffix(f" {asked.value}"))
    if problem := lacks(precision, device):
        raise UsageError(f"{asked.written}: {problem}")
    compiled = options.get_or("compile", False)
    if compiled.value and (problem := no_compiler(device)):
        raise UsageError(f"{compiled.written}: {problem}")
    threads = options.get_or("threads", 0)
    check_threads(threads.value, threads.written)
    memory = options.get_or("memory", None)
    size = _memory(memory)
    selections = {
        "device": SourcedValue(device, source),
        "precision": SourcedValue(precision, asked.source),
        "compile": SourcedValue(bool(compiled.value), compiled.source),
        # Recorded is the number that 0 comes to here; `Compute` keeps the 0 as it was asked for.
        "threads": SourcedValue(thread_count(threads.value), "found" if threads.value == 0 else threads.source),
        "memory": SourcedValue(show_size(size) if size else "auto", memory.source),
    }
    return device, Compute(precision, bool(compiled.value), threads.value, size), selections


def _device(options: OptionReader) -> tuple[str, str]:
    asked = options.get_or("device", "auto")
    if asked.value == "auto":
        return ("cuda" if torch.cuda.is_available() else "cpu"), "found"
    return named_device(str(asked.value), asked.written), asked.source


def named_device(name: str, written: str) -> str:
    """Return a device by its name: `cpu`, `cuda` or `cuda:N`.

    Args:
        name: as it was asked for.
        written: how, such as "--device cuda:1"; messages begin with it.

    Raises:
        UsageError: there is none of that name, here or at all.
    """
    kind, colon, number = name.strip().partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and number.isdecimal())):
        option = written.removesuffix(f" {name}").removesuffix(":")
        raise UsageError(f"{option}: unknown value {name!r}. {suggest(kind, ('auto', 'cpu', 'cuda', 'cuda:N'))}")
    if kind == "cpu":
        return kind
    if not torch.cuda.is_available():
        raise UsageError(f"{written}: {no_cuda()}; or take --device cpu")
    count = torch.cuda.device_count()
    if colon and int(number) >= count:
        there = "is only cuda:0" if count == 1 else f"are {count}, cuda:0 to cuda:{count - 1}"
        raise UsageError(f"{written}: there {there}")
    # `int`: cuda:01 and cuda:1 are one device, and so one identity of a run.
    return f"cuda:{int(number)}" if colon else "cuda"


def check_threads(count: int, written: str) -> None:
    """Refuse a number of threads that this machine has no cores for.

    Raises:
        UsageError: naming how many cores there are.
    """
    most = cores()
    if not 0 <= count <= most:
        have = "1 core" if most == 1 else f"{most} cores"
        raise UsageError(f"{written}: this process may use {have}: expected 1 to {most}, or 0 for a number chosen here")


def _memory(asked: Option) -> int | None:
    if asked.value is None or str(asked.value).strip() == "auto":
        return None
    try:
        return read_size(str(asked.value))
    except ValueError as err:
        raise UsageError(f"{asked.written}: {err}") from err
