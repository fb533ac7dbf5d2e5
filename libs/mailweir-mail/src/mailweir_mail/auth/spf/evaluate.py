"""check_host() of RFC 7208 §4: walks a domain's record, and those it includes or is redirected to."""

from dataclasses import dataclass
from typing import Final

from mailweir_core.asking import Asking
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_core.net import Address, parse_ip
from mailweir_mail.auth.names import MAX_NAME, ask_name

from .macros import MacroString, SpfSyntaxError, Values, asks_for_name, expand, parse_macros
from .model import (
    MAX_EXPLANATION,
    MAX_MX_NAMES,
    MAX_PTR_NAMES,
    MAX_TERMS,
    MAX_VOID,
    SpfResult,
    SpfStatus,
    Stop,
    broken,
)
from .record import Mechanism, SpfRecord, is_spf, parse_record

_ASKING_DNS: Final = frozenset({"include", "a", "mx", "ptr", "exists"})
_VOID: Final = (DnsStatus.NODATA, DnsStatus.NXDOMAIN)


def check_sender(
    ip: Address | str, mail_from: str, helo: str, *, receiver: str = "", now: int = 0
) -> Asking[SpfResult]:
    """Check MAIL FROM, or the HELO name for the null sender as RFC 7208 §2.4 has it; see `check_host`."""
    sender = mail_from or f"postmaster@{helo}"
    domain = sender.rpartition("@")[2]
    return (yield from check_host(ip, domain, sender, helo, receiver=receiver, now=now))


def check_host(
    ip: Address | str,
    domain: str,
    sender: str,
    helo: str,
    *,
    receiver: str = "",
    now: int = 0,
) -> Asking[SpfResult]:
    """Say whether `ip` may send for `domain` (RFC 7208 §4). Never raises.

    `sender` is the address for macros; without a local part it is `postmaster` (§4.3). `receiver` and `now`
    (seconds since 1970) fill macros of an explanation.
    """
    name = ask_name(domain)
    address = parse_ip(str(ip))
    if name is None or address is None or not _is_domain(name):
        detail = "no address of a client" if address is None else "not a domain to ask for"
        return SpfResult(SpfStatus.NONE, name or domain, detail=detail)
    local, _, sender_domain = sender.rpartition("@")
    values = Values(
        local or "postmaster",
        sender_domain or name,
        name,
        address,
        helo,
        receiver or "unknown",
        now=now,
    )
    check = _Check(values)
    try:
        found = yield from check.domain(name)
    except Stop as stop:
        return SpfResult(stop.result, name, lookups=check.terms, detail=stop.detail)
    if found is None:
        return SpfResult(SpfStatus.NONE, name, lookups=check.terms, detail="no SPF record")
    why = yield from check.explanation(found)
    where = f"by the record of {found.domain}" if found.domain != name else ""
    return SpfResult(found.result, name, found.mechanism, why, check.terms, where)


def _is_domain(name: str) -> bool:
    """Say whether a name is one of several labels, and no address, in brackets or without (§4.3)."""
    return "." in name and name[0] != "[" and not name.rpartition(".")[2].isdigit()


@dataclass(frozen=True, slots=True)
class _Found:
    """What one record says: its result, the term that matched, and the record and domain that decided."""

    result: SpfStatus
    domain: str
    record: SpfRecord
    mechanism: str = ""


@dataclass(slots=True)
class _Check:
    """One check: what it knows of the client, and how much of the limits is used."""

    values: Values
    terms: int = 0
    voids: int = 0
    names: tuple[str, ...] | None = None
    nameless: bool = False

    @property
    def kind(self) -> RecordType:
        """Return the type of addresses that the client's can be compared with."""
        return RecordType.A if self.values.ip.version == 4 else RecordType.AAAA

    # -- records -------------------------------------------------------------------------------------------

    def domain(self, name: str) -> Asking[_Found | None]:
        """Evaluate the record of a domain; None where it has none. Raises Stop for an error."""
        record = yield from self._record(name)
        if record is None:
            return None
        for mechanism in record.mechanisms:
            if (yield from self._matches(mechanism, name)):
                return _Found(mechanism.result, name, record, mechanism.text)
        if record.redirect is None:
            return _Found(SpfStatus.NEUTRAL, name, record)
        self._count_term()
        target = yield from self._target(record.redirect, name)
        found = (yield from self.domain(target)) if target and "." in target else None
        if found is None:
            raise broken(f"redirect to {target or 'no name'}, which has no record")
        return found

    def _record(self, name: str) -> Asking[SpfRecord | None]:
        answer = yield from _ask(name, RecordType.TXT)
        if answer.status is DnsStatus.TEMPERROR:
            raise _unanswered(name, answer)
        texts = [text for text in answer.records if is_spf(text)]
        if len(texts) > 1:
            raise broken(f"{len(texts)} records at {name}")
        if not texts:
            return None
        record = parse_record(texts[0])
        if isinstance(record, str):
            raise broken(f"record of {name}: {record}")
        return record

    def _count_term(self) -> None:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise broken(f"more than {MAX_TERMS} terms that ask DNS")

    def _seen(self, name: str, answer: DnsAnswer) -> tuple[str, ...]:
        """Return an answer's records; raises Stop where there is none to be had, or too little was found."""
        if answer.status is DnsStatus.TEMPERROR:
            raise _unanswered(name, answer)
        self._note_void(answer.status in _VOID or not answer.records)
        return answer.records

    def _note_void(self, void: bool) -> None:
        self.voids += void
        if self.voids > MAX_VOID:
            raise broken(f"more than {MAX_VOID} questions without an answer")

    # -- mechanisms ----------------------------------------------------------------------------------------

    def _matches(self, mechanism: Mechanism, domain: str) -> Asking[bool]:
        if mechanism.name not in _ASKING_DNS:
            return mechanism.name == "all" or self._in_network(mechanism)
        self._count_term()
        target: str | None = domain
        if mechanism.target is not None:
            target = yield from self._target(mechanism.target, domain)
        if mechanism.name == "include":
            return (yield from self._includes(target))
        if target is None:
            return False  # §4.8: a name that DNS cannot be asked for matches nothing
        match mechanism.name:
            case "a":
                answer = yield from _ask(target, self.kind)
                return self._holds(mechanism, self._seen(target, answer))
            case "mx":
                return (yield from self._mx(mechanism, target))
            case "ptr":
                names = yield from self._client_names()
                self._note_void(
                    self.nameless
                )  # §4.6.4 speaks of terms: each ptr counts, %{p} does not
                return any(_is_within(name, target) for name in names)
        answer = yield from _ask(target, RecordType.A)
        return bool(self._seen(target, answer))

    def _in_network(self, mechanism: Mechanism) -> bool:
        ip = self.values.ip
        if mechanism.name != f"ip{ip.version}":
            return False
        shift = 32 - mechanism.four if ip.version == 4 else 128 - mechanism.six
        return int(ip) >> shift == mechanism.network

    def _includes(self, target: str | None) -> Asking[bool]:
        found = (yield from self.domain(target)) if target and "." in target else None
        if found is None:
            raise broken(f"include of {target or 'no name'}, which has no record")
        return found.result is SpfStatus.PASS

    def _holds(self, mechanism: Mechanism, records: tuple[str, ...]) -> bool:
        ip = self.values.ip
        shift = 32 - mechanism.four if ip.version == 4 else 128 - mechanism.six
        number = int(ip) >> shift
        return any(int(a) >> shift == number for a in _addresses(records, ip.version))

    def _mx(self, mechanism: Mechanism, target: str) -> Asking[bool]:
        answer = yield from _ask(target, RecordType.MX)
        hosts = [record.partition(" ")[2] for record in self._seen(target, answer)]
        if len(hosts) > MAX_MX_NAMES:
            raise broken(f"more than {MAX_MX_NAMES} hosts for mx of {target}")
        names = [name for name in map(ask_name, hosts) if name]
        answers = yield from _ask_all(names, self.kind)
        # one by one: what follows the host that matches is not there to count or to fail
        return any(
            self._holds(mechanism, self._seen(name, answer))
            for name, answer in zip(names, answers, strict=True)
        )

    # -- names ---------------------------------------------------------------------------------------------

    def _client_names(self) -> Asking[tuple[str, ...]]:
        """Return the client's names that lead back to it (§5.5); an error is no name."""
        if self.names is None:
            ip = self.values.ip
            answer = yield from _ask(ip.reverse_pointer, RecordType.PTR)
            self.nameless = answer.status in _VOID
            names = [name for name in map(ask_name, answer.records[:MAX_PTR_NAMES]) if name]
            answers = yield from _ask_all(names, self.kind)
            self.names = tuple(
                name
                for name, found in zip(names, answers, strict=True)
                if int(ip) in _addresses(found.records, ip.version)
            )
        return self.names

    def _values(self, pieces: MacroString, domain: str) -> Asking[Values]:
        name = "unknown"
        if asks_for_name(pieces):
            names = yield from self._client_names()
            near = [n for n in names if _is_within(n, domain)]
            name = domain if domain in near else next(iter([*near, *names]), name)
        known = self.values
        return Values(
            known.local,
            known.sender_domain,
            domain,
            known.ip,
            known.helo,
            known.receiver,
            name,
            known.now,
        )

    def _target(self, pieces: MacroString, domain: str) -> Asking[str | None]:
        """Return the name that a domain-spec means, or None where DNS cannot be asked for it."""
        text = expand(pieces, (yield from self._values(pieces, domain))).removesuffix(".")
        while len(text) > MAX_NAME and "." in text:
            text = text.partition(".")[2]  # §7.3: the left side is cut, label by label
        return ask_name(text) if text.isascii() else None

    def explanation(self, found: _Found) -> Asking[str]:
        """Return the publisher's words for a fail (§6.2); whatever is wrong with them, there are none."""
        if found.result is not SpfStatus.FAIL or found.record.exp is None:
            return ""
        name = yield from self._target(found.record.exp, found.domain)
        if name is None:
            return ""
        answer = yield from _ask(name, RecordType.TXT)
        text = answer.records[0] if len(answer.records) == 1 else ""
        if len(text) > MAX_EXPLANATION or not text.isascii():
            return ""
        try:
            pieces = parse_macros(text, explanation=True)
        except SpfSyntaxError:
            return ""
        words = expand(pieces, (yield from self._values(pieces, found.domain)))
        return words[:MAX_EXPLANATION] if words.isascii() and words.isprintable() else ""


def _unanswered(name: str, answer: DnsAnswer) -> Stop:
    return Stop(SpfStatus.TEMPERROR, f"{name}: {answer.detail or 'no answer'}")


def _ask(name: str, kind: RecordType) -> Asking[DnsAnswer]:
    (answer,) = yield (DnsQuestion(name, kind),)
    found: DnsAnswer = answer
    return found


def _ask_all(names: list[str], kind: RecordType) -> Asking[tuple[DnsAnswer, ...]]:
    if not names:
        return ()
    return (yield tuple(DnsQuestion(name, kind) for name in names))


def _addresses(records: tuple[str, ...], version: int) -> list[int]:
    found = (parse_ip(record) for record in records)
    return [int(ip) for ip in found if ip is not None and ip.version == version]


def _is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)
