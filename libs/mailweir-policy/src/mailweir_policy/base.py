"""What every policy model shares: immutable, unknown keys refused, numbers strict."""

from pydantic import BaseModel, ConfigDict


class PolicyModel(BaseModel):
    """A frozen part of the policy; an unknown key is an error with its path."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
    )
