"""A data set that the user names with --data: its own values, and what of the run it has to agree with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.api import Params
from vgbench.config.parameters import Assignment
from vgbench.data import files
from vgbench.data.recorded import RECORDED
from vgbench.errors import UsageError, prefix_error
from vgbench.plugin.entry import Entry
from vgbench.spec import RunSpec


@dataclass(frozen=True)
class DataFile:
    """Header of a file of trajectories."""

    path: Path
    written: str
    environment: str
    spec: dict[str, Any]
    fingerprint: str

    @classmethod
    def read(cls, path: Path, written: str, environment: Entry) -> "DataFile":
        """Read the header.

        Raises:
            UsageError: there is no such file, or it was collected in another environment.
            VgbenchError: it is not a whole data set.
        """
        with prefix_error(written):
            spec, fingerprint = files.read_header(path)
        if (theirs := spec["environment"]) != environment.name:
            again = f"collect it again with `vgbench collect --env {environment.name}`"
            if theirs == RECORDED.name:
                again = f"import the recordings with `vgbench import FILE --env {environment.name}`, and train on that"
            elif environment.name == RECORDED.name:
                again = f"take --env {theirs}"
            raise UsageError(
                f"{written}: holds data of environment {theirs!r}, but this run is on {environment.name!r}; {again}"
            )
        return cls(path.resolve(), written, environment.name, spec, fingerprint)

    @property
    def kinds(self) -> set[str]:
        """Kinds of the observations, `image` or `vector`, of a file without an environment; of others nothing."""
        return (
            {kind for _, kind, _ in self.spec["params"]["observations"]} if self.environment == RECORDED.name else set()
        )

    def agree(self, protocol: str, values: Mapping[str, Any]) -> None:
        """Refuse data that were collected in another setting than the one by which the protocol is known."""
        for name, value in self.spec["params"].items():
            # What the protocol does not set may be anything: the protocol is not known by it.
            wanted = values.get(f"{self.environment}.{name}", value)
            if wanted != value:
                raise UsageError(
                    f"{self.written}: collected with {self.environment}.{name}={value}, but protocol {protocol} has "
                    f"{wanted}; name the protocol that it was collected for"
                )

    def differences(self, params: Params) -> list[str]:
        """Say in which parameters the environment of the run differs from that of the file."""
        values, left_out = params.model_dump(mode="json"), params.default_preserving - set(self.spec["params"])
        # Parameters younger than the file were at their defaults there: that is what `default_preserving` promises.
        found = self.spec["params"] | {name: type(params).model_fields[name].default for name in sorted(left_out)}
        return [
            f"{self.written} was collected with {self.environment}.{name}={value}, but the run has {values.get(name)}"
            for name, value in found.items()
            if values.get(name) != value
        ]

    def assignments(self) -> list[Assignment]:
        """Size of the data set and parameters of its environment; a user's own values stand above them."""
        values = {f"data.{name}": self.spec[name] for name in ("trajectories", "length")}
        values |= {f"{self.environment}.{name}": value for name, value in self.spec["params"].items()}
        return [Assignment(address, value, self.written, self.written) for address, value in values.items()]

    def check(self, spec: RunSpec) -> None:
        """Refuse a run whose settings say another size than the file has, or another seed than made it."""
        # A seed that nobody gave, or that follows the one of training, is the file's, see `resolve`.
        if spec.selections["data_seed"].source not in ("default", "seed") and spec.data_seed != self.spec["seed"]:
            raise UsageError(f"{self.written}: it was collected with seed {self.spec['seed']}; leave out --data-seed")
        for name in ("trajectories", "length"):
            wanted, found = getattr(spec.settings["data"], name), self.spec[name]
            if wanted != found:
                raise UsageError(f"{self.written}: it has data.{name}={found}, but data.{name}={wanted} was asked for")
