"""The words of the language: one line of a script to its steps."""

import base64
from collections.abc import Callable, Mapping
from typing import Final

from mailweir_testkit.dialogue import proxy, steps
from mailweir_testkit.dialogue.errors import Place
from mailweir_testkit.dialogue.steps import Step
from mailweir_testkit.dialogue.text import parse_bytes

_LISTENERS: Final = ("mx", "submission", "submissions")


def read_step(place: Place, line: str) -> list[Step]:
    """Return the steps of a line; raises ValueError with a sentence where it is not of the language."""
    mark = line[:2]
    if mark in _MARKS:
        # one blank behind the mark belongs to the notation, any further one to the line
        return [_MARKS[mark](place, line[2:].removeprefix(" "))]
    word, _, rest = line.strip().partition(" ")
    reader = _WORDS.get(word)
    if reader is None:
        raise ValueError(f"unknown word {word!r}")
    return reader(place, rest.strip())


def _say(place: Place, text: str) -> Step:
    return steps.Say(place, text.encode() + b"\r\n")


def _expect(place: Place, text: str) -> Step:
    prefixes = tuple(part.strip() for part in text.split(" | "))
    if not all(prefixes):
        raise ValueError("write S: and what the reply begins with")
    return steps.Expect(place, prefixes)


_MARKS: Final[Mapping[str, Callable[[Place, str], Step]]] = {
    "C:": _say,
    "S:": _expect,
    "S+": lambda place, text: steps.ReplyLine(place, text.strip(), wanted=True),
    "S-": lambda place, text: steps.ReplyLine(place, text.strip(), wanted=False),
}


def _send(place: Place, rest: str) -> list[Step]:
    return [steps.Say(place, parse_bytes(rest))]


def _listener(place: Place, rest: str) -> list[Step]:
    if rest not in _LISTENERS:
        raise ValueError(f"the listener is one of {', '.join(_LISTENERS)}")
    return [steps.Listen(place, rest)]


def _use(place: Place, rest: str) -> list[Step]:
    if not rest.isidentifier():
        raise ValueError("write use NAME")
    return [steps.Use(place, rest)]


def _starttls(place: Place, _rest: str) -> list[Step]:
    return [steps.Say(place, b"STARTTLS\r\n"), steps.Expect(place, ("220",)), steps.Tls(place)]


def _auth(place: Place, rest: str) -> list[Step]:
    mechanism, login, password = rest.split()
    match mechanism:
        case "plain":
            word = base64.b64encode(f"\0{login}\0{password}".encode())
            return [steps.Say(place, b"AUTH PLAIN " + word + b"\r\n")]
        case "login":
            lines = [b"AUTH LOGIN", *(base64.b64encode(w.encode()) for w in (login, password))]
            first, second, third = (steps.Say(place, line + b"\r\n") for line in lines)
            challenge = steps.Expect(place, ("334",))
            return [first, challenge, second, challenge, third]
    raise ValueError("write auth plain|login LOGIN PASSWORD")


def _proxy(place: Place, rest: str) -> list[Step]:
    version, *words = rest.split()
    if version == "v2" and words == ["local"]:
        return [steps.Say(place, proxy.v2_local())]
    if version not in ("v1", "v2") or len(words) != 4:
        raise ValueError("write proxy v1|v2 SOURCE DESTINATION SOURCE-PORT DESTINATION-PORT")
    ends = proxy.Endpoints(words[0], words[1], int(words[2]), int(words[3]))
    return [steps.Say(place, proxy.v1(ends) if version == "v1" else proxy.v2(ends))]


def _took(place: Place, rest: str) -> list[Step]:
    sign, _, seconds = rest.partition(" ")
    if sign not in (">=", "<="):
        raise ValueError("write took >= SECONDS or took <= SECONDS")
    return [steps.Took(place, ">=" if sign == ">=" else "<=", float(seconds))]


def _mail(place: Place, rest: str) -> list[Step]:
    number, what, value = rest.split(maxsplit=2)
    if what not in tuple(steps.MailWord):
        raise ValueError(f"write mail N and one of {', '.join(steps.MailWord)}")
    content = parse_bytes(value) if what in ("has", "lacks", "ends") else value.encode()
    return [steps.MailIs(place, int(number), steps.MailWord(what), content)]


def _alone(make: Callable[[Place], Step]) -> Callable[[Place, str], list[Step]]:
    def read(place: Place, rest: str) -> list[Step]:
        if rest:
            raise ValueError(f"nothing may follow here, found {rest!r}")
        return [make(place)]

    return read


def _seconds(make: Callable[[Place, float], Step]) -> Callable[[Place, str], list[Step]]:
    return lambda place, rest: [make(place, float(rest))]


_WORDS: Final[Mapping[str, Callable[[Place, str], list[Step]]]] = {
    "send": _send,
    "listener": _listener,
    "use": _use,
    "connect": _alone(steps.Open),
    "reconnect": _alone(steps.Open),
    "close": _alone(lambda place: steps.Hang(place, "close")),
    "abort": _alone(lambda place: steps.Hang(place, "abort")),
    "half-close": _alone(lambda place: steps.Hang(place, "half-close")),
    "tls": _alone(steps.Tls),
    "starttls": _starttls,
    "auth": _auth,
    "proxy": _proxy,
    "expect-close": _alone(steps.ExpectClose),
    "expect-silence": _seconds(steps.ExpectSilence),
    "sleep": _seconds(steps.Sleep),
    "timeout": _seconds(steps.Patience),
    "took": _took,
    "accepted": lambda place, rest: [steps.Accepted(place, int(rest))],
    "mail": _mail,
}
