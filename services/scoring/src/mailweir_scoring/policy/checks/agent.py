"""What wrote the message, or says it did."""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_scoring.policy.checks.common import has
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

# Programs that are sold for bulk mail without consent, and those left on broken-in web servers. Names of
# the form "PHPMailer [version" are what old web scripts wrote and kits still copy.
_BULK: Final = re.compile(
    r"advanced mass sender|pss bulk mailer|group mail|send-?safe|leaf ?phpmailer|atomic mail|dark ?mailer"
    r"|turbo-?mailer|mass ?mail(?:er|ing)|bulk ?mail(?:er|ing)|stealth ?mail|phpmailer \[version",
    re.IGNORECASE,
)
_CLIENT_FIELDS: Final = ("x-mailer", "user-agent")
_HIGH: Final = ("1", "2")


@check("MAILER_BULK", "MAILER_SCRIPT")
def mailer(facts: Facts) -> Iterator[Hit]:
    """Known ratware, and PHP scripts that leave their name."""
    headers = facts.message.headers
    for name in _CLIENT_FIELDS:
        text = headers.get(name) or ""
        if _BULK.search(text):
            yield Hit("MAILER_BULK", text)
    for name in ("x-php-originating-script", "x-php-script"):
        if has(headers, name):
            yield Hit("MAILER_SCRIPT", f"{name}: {headers.get(name)}")


@check("PRIORITY_HIGH", "MSMAIL_FORGED")
def claims(facts: Facts) -> Iterator[Hit]:
    """Urgency that no mailer vouches for, and the marks of a client that always writes more of them."""
    headers = facts.message.headers
    priority = (headers.get("x-priority") or "").strip()
    if priority.startswith(_HIGH) and not any(has(headers, n) for n in _CLIENT_FIELDS):
        yield Hit("PRIORITY_HIGH", f"X-Priority: {priority}")
    if has(headers, "x-msmail-priority") and not has(headers, "x-mimeole"):
        yield Hit("MSMAIL_FORGED")
