"""The page at `/`: what this is and where to go on. No script, nothing from elsewhere."""

import base64
import hashlib
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}"
    "code{background:#8882;padding:0 .3em;border-radius:3px}:root{color-scheme:light dark}"
)
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mailweir</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>{style}</style></head>
<body><h1>Mailweir</h1>
<p>Mail gateway, version {version}.</p>
<p>The REST API is at <code>/api/v1</code>, described by <a href="/api/openapi.json">/api/openapi.json</a>.
It asks for a key: <code>Authorization: Bearer mw_…</code>. The admin key was written to the key file at the
first start (<code>admin.key</code> in the data directory of <code>mailweir up</code>).</p>
<p>State: <a href="/api/v1/health">/api/v1/health</a></p>
</body></html>
"""


def start_page(version: str) -> HTMLResponse:
    """Return the page with a policy that allows its own style and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"
    )
    content = _PAGE.format(style=_STYLE, version=escape(version))
    return HTMLResponse(content, headers={"Content-Security-Policy": policy})
