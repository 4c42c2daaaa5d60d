"""Parameters of a plugin: a frozen pydantic model, validated before anything is computed."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Base of every plugin's nested `Params`.

    Unknown names, NaN and infinities are refused. Each field states its range and says what it means::

        class Params(vgbench.api.Params):
            tau: float = Field(0.8, gt=0.0, lt=1.0, description="expectile")

    A field's description is shown by `vgbench show`, its range is enforced on every source of values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    default_preserving: ClassVar[frozenset[str]] = frozenset()
    """Names of fields that came when there were results already, and whose defaults leave results as they were.

    At its default such a field is not part of a run's identity, so that runs keep their keys and data sets their names.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a field whose name has a meaning here: it would take that meaning away, to odd effects later."""
        taken = sorted({"default_preserving", "identity", "without_effect"} & set(cls.model_fields))
        if taken:
            raise TypeError(f"{cls.__qualname__}: a parameter cannot be called {taken[0]!r}, a name that Params uses")

    def identity(self) -> dict[str, Any]:
        """Return what decides results, as JSON values: all but `default_preserving` ones that are at their defaults."""
        values = self.model_dump(mode="json")
        fields = type(self).model_fields
        at_default = {name for name in self.default_preserving if getattr(self, name) == fields[name].default}
        return {name: value for name, value in values.items() if name not in at_default}

    def without_effect(self) -> Mapping[str, str]:
        """Return the parameters that have no effect beside the others, each with what it expects of them.

        A value of the user's own for one of them, other than the default, is refused::

            def without_effect(self):
                return {} if self.policy == "mixed" else {"share": f"policy=mixed, not {self.policy}"}

        Values of protocols, variants and recorded runs are not: they may be meant for other values beside them.
        """
        return {}
