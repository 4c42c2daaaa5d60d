"""What the user asked for: the flags, over the file given by --config."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vgbench import config_file, yaml_file
from vgbench.errors import UsageError
from vgbench.parameters import Assignment


@dataclass
class Request:
    """A user's flags; None where a flag was not given.

    Attributes:
        objectives: `NAME[:WEIGHT]` each.
        sets: `name.param=value` each, as typed.
    """

    env: str | None = None
    protocol: str | None = None
    recipe: str | None = None
    objectives: Sequence[str] = ()
    distance: str | None = None
    planner: str | None = None
    encoder: str | None = None
    predictor: str | None = None
    training: str | None = None
    scale: str | None = None
    seed: int | None = None
    data_seed: int | None = None
    task_seed: int | None = None
    device: str | None = None
    config: Path | None = None
    sets: Sequence[str] = field(default_factory=tuple)
    data: Path | None = None


@dataclass(frozen=True)
class Choice:
    """One choice: its value, a label for the record, and the words for messages (`--recipe vf`)."""

    value: Any
    source: str
    written: str


@contextmanager
def told(written: str) -> Iterator[None]:
    """Put in front of an error where the name stands that it is about: `--distance iqx: no distance named ...`."""
    try:
        yield
    except UsageError as err:
        raise UsageError(f"{written}: {err}") from err


_FIELDS = {"environment": "env"}  # key in a file -> field of Request, where they differ
_FLAGS = {"environment": "--env", "objectives": "--objective"}

# A flag on the left makes the file's keys on the right void: they answer the same question.
_OVERRIDES = {
    "environment": ("protocol",),
    "protocol": ("environment",),
    "recipe": ("objectives", "distance", "training"),
    "objectives": ("recipe",),
    "distance": ("recipe",),
    "training": ("recipe",),
}


class Choices:
    """Flags over file, by the file's keys."""

    def __init__(self, request: Request) -> None:
        """Read the file, if there is one."""
        self._request = request
        self._file = config_file.read(Path(request.config)) if request.config is not None else {}
        self._written = dict(self._file)
        self.chosen = {key: self._flag(key) for key in config_file.KEYS}
        for key, choice in list(self.chosen.items()):
            if choice is not None:
                for other in _OVERRIDES.get(key, ()):
                    self._file.pop(other, None)
        self._refuse_relabelling()
        for key, value in self._file.items():
            if self.chosen.get(key) is None:
                source = f"--config {request.config}"
                self.chosen[key] = Choice(value, source, f"{source}: {key}: {value}")

    def _refuse_relabelling(self) -> None:
        """A file's own values stand above those of a scale or protocol: a flag would change the label and no more."""
        if not self._written.get("set"):
            return
        for key in ("scale", "protocol", "environment"):
            flag, old = self.chosen[key], self._written.get(key)
            if flag is not None and old is not None and flag.value.replace("-", "_") != old:
                raise UsageError(
                    f"{flag.written} contradicts `{key}: {old}` in --config {self._request.config}, whose values under "
                    "`set` would still hold; take those out of the file (or start from --recipe), or drop the flag"
                )

    def _flag(self, key: str) -> Choice | None:
        value = getattr(self._request, _FIELDS.get(key, key), None)
        if value is None or (key == "objectives" and not value):
            return None
        flag = _FLAGS.get(key, f"--{key.replace('_', '-')}")
        shown = " ".join(f"{flag} {item}" for item in value) if key == "objectives" else f"{flag} {value}"
        return Choice(value, flag, shown)

    def get(self, key: str) -> Choice | None:
        """Return what was chosen under a key of the configuration file, or None."""
        return self.chosen.get(key)

    def number(self, key: str) -> Choice:
        """Return a seed: a whole number, not negative; 0 by default."""
        choice = self.get(key) or Choice(0, "default", "")
        if not 0 <= choice.value < 2**32:
            raise UsageError(f"{choice.written}: a seed must be a whole number from 0 to {2**32 - 1}")
        return choice

    def assignments(self) -> list[Assignment]:
        """Return values for parameters: the file's, then those of --set."""
        name = self._request.config
        given = [
            Assignment(str(address), value, f"--config {name}", f"--config {name}: {address}={value}")
            for address, value in self._file.get("set", {}).items()
        ]
        return given + [_parse_set(text) for text in self._request.sets]


def _parse_set(text: str) -> Assignment:
    address, equals, raw = text.partition("=")
    written = f"--set {text}"
    if not equals or not address.strip() or not raw.strip():
        raise UsageError(f"{written}: expected name.param=value, e.g. --set train.lr=1e-3")
    try:
        value = yaml_file.parse(raw, written)
    except UsageError:
        value = raw  # text such as `a: b: c`; its parameter says whether that will do
    return Assignment(address.strip(), value, "--set", written, raw.strip())
