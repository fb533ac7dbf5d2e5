"""The structure of a mail: its part tree and the skeleton of its HTML, whatever the words in it."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from mailweir_mail import Message, Part

MOST_PARTS: Final = 40
MOST_TAGS: Final = 512
LEAST_TAGS: Final = 24
"""A page of fewer tags looks like any other."""
SOURCE_CHARACTERS: Final = 131_072

_TAG: Final = re.compile(
    r"<(table|tr|t[dh]|div|p|a|img|h[1-6]|ul|ol|li|hr|form|center|section|style)[\s/>]",
    re.IGNORECASE,
)


def structure(message: Message, parts: Sequence[Part]) -> str:
    """Return types of the parts and tags of the HTML, repeats drawn together; empty where it is too plain."""
    tags: list[str] = []
    for part in parts:
        if part.is_html and len(tags) < MOST_TAGS:
            source = part.text[:SOURCE_CHARACTERS]
            tags += [tag.lower() for tag in _TAG.findall(source)[: MOST_TAGS - len(tags)]]
    if len(tags) < LEAST_TAGS:
        return ""
    types = [part.type for _, part in zip(range(MOST_PARTS), message.parts(), strict=False)]
    return f"{' '.join(types)}|{' '.join(tag for tag, _ in groupby(tags))}"
