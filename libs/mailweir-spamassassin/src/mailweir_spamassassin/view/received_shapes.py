"""The shapes of `from` clauses that servers write, in the order in which they are tried.

A shape is text in which words in capitals stand for what is to be read: HELO, RDNS, NAME (both of them),
IP (with or without `IPv6:`), BY, IDENT, and ANY for a word of no interest. `( ) [ ] .` mean themselves,
`{...}` holds a regular expression. A shape must fit from the clause's beginning; its end is open.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

ADDRESS: Final = (
    r"(?:(?:IPv6:|(?<![0-9a-f:]))(?=[0-9a-f:.]*:)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?::?\d{1,3}(?:\.\d{1,3}){3})?(?![0-9a-f:])"
    r"|\b(?<!:)(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}\b)"
)
_WORDS: Final = {
    "HELO": r"(?P<helo>\S+)",
    "RDNS": r"(?P<rdns>\S+)",
    "NAME": r"(?P<name>\S+)",
    "IP": rf"(?P<ip>{ADDRESS})",
    "BY": r"(?P<by>\S+)",
    "IDENT": r"(?P<ident>\S*)",
    "ANY": r"\S+",
}
_PIECE: Final = re.compile(r"\{((?:[^{}]|\{[^{}]*\})*)\}|(HELO|RDNS|NAME|IP|BY|IDENT|ANY)|(.)")


@dataclass(frozen=True)
class Shape:
    """One shape; it is tried only where `sign` occurs. `dns`: this server looks the name up itself."""

    text: str
    sign: str = ""
    dns: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return the shape as a regular expression; case matters but for hexadecimal digits."""
        return re.compile(_PIECE.sub(_expand, self.text), re.IGNORECASE)


def _expand(found: re.Match[str]) -> str:
    if found[1] is not None:
        return found[1]
    return _WORDS[found[2]] if found[2] else re.escape(found[3])


_GREETING: Final = "{(?:HELO|EHLO)}"
_EXCHANGE: Final = (
    "{(?=(?:.* )?with (?:Microsoft SMTP Server|mapi id) (?:\\([^)]+\\) )?"
    "\\d+(?:\\.\\d+){3}(?: |$))}"
)
_QMAIL_BY: Final = "{( \\(envelope-sender <\\S+>\\))?} by BY"
_QMAIL_WITH: Final = "{(?=(?: \\(.+\\))* with (?:.* )?(?:SMTP|QMQP)(?! id ))}"
SHAPES: Final = (
    # One product each, known by its name.
    Shape("HELO ([IP]{[^)]{0,40}}) by BY with Microsoft SMTPSVC", " SMTPSVC"),
    Shape(
        f"HELO ({{\\[?}}IP{{(?:%[A-Z0-9._~-]*)?\\]?}}) by BY {_EXCHANGE}",
        " with Microsoft SMTP Server ",
    ),
    Shape(f"HELO ({{\\[?}}IP{{(?:%[A-Z0-9._~-]*)?\\]?}}) by BY {_EXCHANGE}", " with mapi id "),
    Shape("HELO ({\\[?}IP{\\]?}:{\\d+}) by BY{(?: \\(\\S+\\))?} with [XMail", "[XMail "),
    Shape("([IP:{\\d+}] helo=HELO) by BY ", "(ecelerity"),
    Shape("ANY ([IP:{\\d+}]) by BY ", "(ecelerity"),
    Shape("[IP] ({(?P<sub>.*?)}) by BY ", "Exim"),
    Shape("NAME ([IP]{(?P<sub>.*?)}) by BY ", "Exim"),
    Shape("NAME [IP]{(?::\\d+)?} by BY ", "Exim"),
    Shape("HELO (RDNS [IP]) by BY ", " (Postfix) with", dns=True),
    Shape("HELO (RDNS[IP]) by BY ", " (Postfix) with", dns=True),
    Shape("HELO ({ ?}IP) by BY", "(Scalix SMTP Relay"),
    Shape("HELO ([IP]) by BY (Lotus", " (Lotus Domino "),
    Shape("IP ([ANY]) by BY", "with HTTP"),
    # Sendmail and what imitates it.
    Shape(
        "HELO ({(?:IDENT:)?(?:(?P<ident>[^@\\s]*)@)?}RDNS [IP]{.*}) by BY ({(?!qmail-)}", dns=True
    ),
    Shape("HELO (RDNS [IP]) by BY with ANY (", dns=True),
    Shape("RDNS ([IP] helo=HELO) by BY with "),
    Shape("HELO (<unknownANY>[IP]) by BY "),
    Shape("HELO (<unknown>[IP]) by BY "),
    Shape("HELO ({(?P<rdns>\\S+\\.\\S+)}[IP]) by BY ", dns=True),
    Shape("HELO (IDENT@[IP]{.*}) by BY (", dns=True),
    Shape("IP {.*}by {(?P<by>\\S+\\.hotmail\\.msn\\.com)} ", "hotmail.msn.com"),
    # qmail and its relatives.
    Shape(f"RDNS ({_GREETING} {{(?P<helo>\\S*)}}) (IP) by BY (qpsmtpd/ANY) with ", "(qpsmtpd/"),
    Shape("RDNS (LHLO {(?P<helo>\\S*)}) (IP) by BY with LMTP", "(LHLO "),
    Shape(f"RDNS ({_GREETING} {{(?P<helo>\\S*)}}) [IP] by BY ({{[^)]+}}) with "),
    Shape("HELO ([IP]) by BY via smtpd (for ANY) with SMTP(", " via smtpd "),
    Shape(
        f"RDNS ({_GREETING} {{(?P<helo>[^ ()]*)}}) ({{(?:(?P<ident>\\S*)@)?\\[?}}IP{{\\]?}})"
        f"{_QMAIL_BY}{_QMAIL_WITH}",
        dns=True,
    ),
    Shape(f"NAME ({{(?:(?P<ident>\\S*)@)?\\[?}}IP{{\\]?}}){_QMAIL_BY}{_QMAIL_WITH}", dns=True),
    Shape("[IP] by BY via HTTP{$}", " via HTTP"),
    Shape("ANY ( [IP]){.*?} by BY "),
    Shape("(HELO [IP]) by BY "),
    Shape("[IP] by BY "),
    Shape("({\\[?}IP{\\]?}) by BY "),
    Shape("HELO [IP] by BY [ANY] with ", dns=True),
    Shape("HELO [(IP)] by BY (ANY) "),
    Shape("HELO ([IP]) by BY (", dns=True),
    Shape("HELO (softdnserr [IP]){.*?} by BY"),
    Shape("HELO (RDNS [IP]){.*?} by {(?P<by>\\S+)\\b}", dns=True),
    Shape("HELO ([IP{(?:[.:]\\d+)?}]){.*?} by BY ", dns=True),
)
MAIL_FETCHER: Final = re.compile(r"with (?:POP3|IMAP)")
LATER_SHAPES: Final = (
    Shape(
        f"RDNS ({_GREETING} {{(?P<helo>[^)]*)}}) ({{(?:(?P<ident>\\S*)@)?\\[?}}IP{{\\]?}}){{.*}} by BY ",
        dns=True,
    ),
    Shape("NAME ({(?:(?P<ident>\\S*)@)?\\[?}IP{\\]?}){.*} by BY ", dns=True),
    Shape("[IP] by BY with http for ", " with http for "),
    Shape("RDNS(IP) by BY via smap ", " via smap ", dns=True),
    Shape(f"RDNS(IP, {_GREETING} {{(?P<helo>\\S*)}}) by BY via smap ", " via smap ", dns=True),
    Shape("IP by BY ({(?:SMTPL|InterScan)\\b}"),
    Shape(
        f"RDNS ({_GREETING} {{(?P<helo>\\S*)}}) ({{(?:(?P<ident>\\S+)@)?}}IP{{.*?}}) by BY with ",
        dns=True,
    ),
    Shape(f"[IP] ({{(?:account \\S+ )?}}{_GREETING} {{(?P<helo>\\S*)}}) by BY ("),
    Shape("NAME ([IP] verified) by BY (", " (CommuniGate Pro", dns=True),
    Shape("([IP]) by BY with "),
    Shape("{(?P<helo>[^\\d]\\S+)} (IP) by BY "),
    Shape("HELO ([IP] [ANY]) by BY with "),
    Shape("IP by BY with "),
    Shape("HELO (RDNS[IP]) by BY ", dns=True),
    Shape(f"[IP]ANY ({_GREETING} {{(?P<helo>\\S*)}}) by BY "),
    Shape(f"IP ({_GREETING} {{(?P<helo>\\S*)}}) by BY "),
    Shape("HELO [IP] by BY "),
    Shape("RDNS(IP) by BY "),
    Shape("HELO (unverified [IP]) by BY "),
    Shape("IP ({[A-Za-z][^)]+}) by BY with "),
    Shape("[IP] ({(?P<sub>[^)]+)}) by BY "),
    Shape("RDNS ({(?:\\S+@)?}IP) by BY with "),
    Shape('RDNS(IP){(?:, claiming to be "(?P<helo>\\S+)")?} via ANY by {(?P<by>\\S+)},', dns=True),
    Shape("HELO (ANY@IP with login) by {(?P<by>\\S+\\.yahoo\\.com)} with SMTP", "with login"),
    Shape("X-Originating-IP: IP{$}", "X-Originating-IP"),
)
_LOCAL: Final = r"(?:localhost(?:\.localdomain)?|127\.0\.0\.1|::1)"
NO_HANDOVER: Final = tuple(
    re.compile(text)
    for text in (
        rf"\S+ \([^\s@]+@{_LOCAL}\) by \S+ \(",
        r"\S+ \S+ by \S+ with local-e?smtp ",
        r"127\.0\.0\.1 \(AVG SMTP \S+ \[\S+\]\)",
        r"\S+@\S+ by \S+ ",
        r"Unknown/Local \(",
        rf"{_LOCAL} \((?:\S+@)?{_LOCAL}[)\[]",
        rf"\S+ \((?:\S+@)?{_LOCAL}\) ",
        rf"\S+ \(\S+@\S+ \[{_LOCAL}\]\) ",
        r"\(AUTH: \S+\) by \S+ with ",
        r"localhost \(localhost \[\[UNIX: localhost\]\]\) by ",
        r"[^.]+ by \S+ with Novell_GroupWise",
        r"\S+ by \S+ with local",
        r"\S+ \(\[unix socket\]\) by \S+ \(Cyrus v",
        r"\S+ by \S+ (?:with|via|for|\()",
        r"\S+ (?:(?:with|via|for) \S+|\(unverified\)) by\b",
        r"\S+ \(unknown\) by \S+ \(SG\) with \b",
        r"\S+ \(\S+ \[local\]\) by \S+ \(OpenSMTPD\) with \b",
        r".*\(LSMTP for",
        r"\S+ named \S+ by gmailapi\.google\.com with HTTPREST\Z",
        r"\S+ id \S+\Z",
        r"\S+ \(\S+\) by \S+ \(Content Technologies ",
        r"\[<.*? \(Jetsend",
    )
)
