"""What questions for pages of the edge's lists share."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

MAX_CURSOR: Final = 600
MAX_PAGE: Final = 500
MAX_TEXT: Final = 200


class Paged(BaseModel):
    """A page of a list."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str = Field("", max_length=MAX_CURSOR)
    """`next` of the page before."""


class PageQuery(Paged):
    """A page of a list; the text matches a part, in any case."""

    text: str = Field("", max_length=MAX_TEXT)
