"""What is budget, how much is computed, and what is method: a scale sets the one, variants and recipes the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from vgbench.errors import UsageError
from vgbench.storage.yaml_file import Where


@dataclass(frozen=True)
class Budget:
    """Addresses that are budget, as patterns: `train*.steps`, `*.samples`. All other addresses are method."""

    patterns: tuple[str, ...] = ()

    def __contains__(self, address: str) -> bool:
        """Whether an address `name.param` is budget; of `slot:name.param` the slot makes no difference."""
        plain = address.rpartition(":")[2]
        return any(fnmatchcase(plain, pattern) for pattern in self.patterns)

    def check(self, values: Mapping[str, Any], where: Where, budget: bool) -> None:
        """Refuse values that are not budget, or that are.

        Raises:
            UsageError: `FILE:LINE: ...`, for the first of them.
        """
        for address in values:
            if (address in self) == budget:
                continue
            if budget:
                raise UsageError(
                    f"{where / address}: a scale sets budget alone ({', '.join(self.patterns)}); {address} is a "
                    "method's value: let a variant, a recipe or the protocol set it"
                )
            raise UsageError(
                f"{where / address}: {address} is budget, how much is computed, which a scale or the protocol sets; "
                "for single runs use --set or a file for --config"
            )
