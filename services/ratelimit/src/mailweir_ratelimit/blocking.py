"""Blocks accounts that send spam: usually somebody has stolen their password."""

from typing import Final, Protocol

from mailweir_core.bans import ACCOUNT, Ban, OffenceKind
from mailweir_ratelimit.metrics import Metrics
from mailweir_ratelimit.notices import Notifier
from mailweir_ratelimit.policy.manual import BanRefused
from mailweir_ratelimit.policy.notice import blocked_letter
from mailweir_ratelimit.policy.selectors import encoded
from mailweir_ratelimit.policy.verdicts import BLOCK_SECONDS, Verdict
from mailweir_ratelimit.ports import Cells, Change
from mailweir_ratelimit.rules import Rules
from mailweir_runtime.logs import get_logger

BLOCKED_PREFIX: Final = "b."
TOLD_PREFIX: Final = "t."
TOLD_SECONDS: Final = 3600.0
"""So long after the postmaster was told of an account nothing more is told of it."""
BY: Final = "outbound"
"""Who bans, as it stands in the ban."""
_log = get_logger(__name__)


class Banning(Protocol):
    """Who bans."""

    async def ban(
        self, subject: str, seconds: float, evidence: str, actor: str, close_all: bool = True, *,
        kind: OffenceKind = OffenceKind.MANUAL,
    ) -> Ban:  # fmt: skip
        """Ban a subject, 0 seconds for ever; raises BusError."""
        ...


class AccountBlocker:
    """Blocks once for each message: who lifts a block is not overruled by a record that comes again."""

    def __init__(self, cells: Cells, bans: Banning, notifier: Notifier, metrics: Metrics) -> None:
        """Remember in `cells` for which messages it was done."""
        self._cells = cells
        self._bans = bans
        self._notifier = notifier
        self._metrics = metrics

    async def block(self, verdict: Verdict, rules: Rules) -> None:
        """Block the account that sent a message, and tell the postmaster; raises CellsAway, BusError."""
        key = f"{BLOCKED_PREFIX}{verdict.ref}"
        if not rules.policy.ratelimit.outbound.block_account or (await self._cells.read((key,)))[0]:
            return
        login = verdict.session.auth_user.casefold()
        try:
            await self._ban(login, verdict, rules)
        except BanRefused as error:
            _log.error("account_not_blocked", login=login, ref=verdict.ref, detail=str(error))
            return
        await self._tell(login, verdict, rules)
        await self._cells.change(key, _note)

    async def _ban(self, login: str, verdict: Verdict, rules: Rules) -> None:
        seconds = rules.policy.ratelimit.outbound.block_seconds
        evidence = f"sent mail with a score of {verdict.score:g}, {verdict.ref}"
        await self._bans.ban(f"{ACCOUNT}{login}", seconds, evidence, BY, kind=OffenceKind.SCORE)
        self._metrics.blocked.inc()
        _log.warning("account_blocked", login=login, ref=verdict.ref, score=verdict.score)

    async def _tell(self, login: str, verdict: Verdict, rules: Rules) -> None:
        """Tell the postmaster, once for a burst."""
        key = f"{TOLD_PREFIX}{encoded(login)}"
        if (await self._cells.read((key,)))[0]:
            return
        identity = rules.policy.identity
        letter = blocked_letter(login, verdict.ref, verdict.score, identity, verdict.at)
        await self._notifier.send(letter)
        await self._cells.change(key, _note_told)


def _note_told(_value: bytes | None) -> Change[None]:
    return Change(None, b"1", TOLD_SECONDS)


def _note(_value: bytes | None) -> Change[None]:
    return Change(None, b"1", BLOCK_SECONDS * 2)
