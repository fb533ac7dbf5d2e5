"""The REST API as tests read it."""

from typing import Any

import httpx2

_PAGE = 500


def records(client: httpx2.Client) -> dict[str, dict[str, Any]]:
    """Return every record, page by page, by its id."""
    found: dict[str, dict[str, Any]] = {}
    cursor = ""
    while True:
        query = {"limit": str(_PAGE), **({"cursor": cursor} if cursor else {})}
        page = client.get("/messages", params=query).raise_for_status().json()
        found.update((item["id"], item) for item in page["items"])
        cursor = page.get("next") or ""
        if not cursor:
            return found
