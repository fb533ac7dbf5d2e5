"""What all shapes share. Times are RFC 3339 in UTC; durations in milliseconds; sizes in bytes."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mailweir_core.ids import is_ref


def _ref(text: str) -> str:
    if not is_ref(text):
        raise ValueError("not a reference id")
    return text


Ref = Annotated[
    str,
    Field(
        pattern=r"^[0-9A-HJKMNP-TV-Z]{26}(-[0-9]{1,9})?$",
        description="Reference id",
        examples=["01JXT21Q000000000000000001-1"],
    ),
    AfterValidator(_ref),
]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Shape(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Asked(BaseModel):
    """A part of a request: unknown names are refused, a text is a text and a switch a switch."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )
