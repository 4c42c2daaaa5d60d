"""Errors that a user sees as one clear message."""

from collections.abc import Iterator
from contextlib import contextmanager


class VgbenchError(Exception):
    """A failure that has a message for the user: what was wrong, and what to do next."""

    exit_code = 1


class UsageError(VgbenchError):
    """The user asked for something that does not exist or contradicts itself."""

    exit_code = 2


class OtherApi(UsageError):
    """A plugin was made for another version of the plugin interface."""


class InUse(VgbenchError):
    """Another process works in the folder."""


class RunFailed(VgbenchError):
    """A run stopped before its end: a loss that is not finite, a disk that is full, ..."""


class PluginFailed(VgbenchError):
    """A plugin took too long, changed the process or ended it; the message names it."""


@contextmanager
def prefix_error(context: str, joint: str = ": ", after: str = "") -> Iterator[None]:
    """Put in front of an error what it is about: `--distance iqx: no distance named ...`.

    Args:
        context: an option as it was written, or a place in a file.
        joint: what stands between; " " where the error begins with the file that the option names.
        after: what stands behind.
    """
    try:
        yield
    except VgbenchError as err:
        # The same class again: it has the exit code, and callers catch some of them.
        raise type(err)(f"{context}{joint}{err}{after}") from err
