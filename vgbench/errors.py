"""Errors that a user sees as one clear message."""


class VgbenchError(Exception):
    """A failure that has a message for the user: what was wrong, and what to do next."""

    exit_code = 1


class UsageError(VgbenchError):
    """The user asked for something that does not exist or contradicts itself."""

    exit_code = 2


class OtherApi(UsageError):
    """A plugin was made for another version of the plugin interface."""


class RunFailed(VgbenchError):
    """A run stopped before its end: a loss that is not finite, a disk that is full, ..."""
