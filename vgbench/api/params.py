"""Parameters of a plugin: a frozen pydantic model, validated before anything is computed."""

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Base of every plugin's nested `Params`.

    Unknown names, NaN and infinities are refused. Each field states its range and says what it means::

        class Params(vgbench.api.Params):
            tau: float = Field(0.8, gt=0.0, lt=1.0, description="expectile")

    A field's description is shown by `vgbench show`, its range is enforced on every source of values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())
