"""Mail of our own users: counted in its quotas, or held until there is room."""

from mailweir_core.clock import Clock
from mailweir_core.ids import is_ref
from mailweir_core.outcome import Outcome
from mailweir_ratelimit.policy.limits import NOTHING, failure
from mailweir_ratelimit.policy.outbound import over
from mailweir_ratelimit.policy.question import Question
from mailweir_ratelimit.policy.quota import Amount, day_ends
from mailweir_ratelimit.policy.waiting import Waiting
from mailweir_ratelimit.quotas import Quotas, Sending
from mailweir_ratelimit.rules import Rules
from mailweir_ratelimit.waiting import WaitingList


class Outgoing:
    """Counts what users send, and remembers what waits."""

    def __init__(self, quotas: Quotas, waiting: WaitingList, clock: Clock) -> None:
        """Take what to count and remember with."""
        self._quotas = quotas
        self._waiting = waiting
        self._clock = clock

    async def check(self, question: Question, rules: Rules) -> Outcome:
        """Count a message of an authenticated user; never raises."""
        policy = rules.policy.ratelimit.outbound
        login = question.session.auth_user.casefold()
        amount = Amount(1, len(question.recipients), question.size)
        mail = Sending(question.ref, login, amount)
        standing = await self._quotas.charge(mail, rules.allowances.of(login), policy)
        if standing.failed:
            return failure((standing.failed,))
        if standing.over is None:
            return NOTHING
        allowance, unit = standing.over
        outcome = over(allowance, unit, day_ends(standing.day, policy.timezone), policy.timezone)
        if rules.policy.quarantine.active and is_ref(mail.ref):
            await self._waiting.add(Waiting(mail.ref, login, amount, self._clock.now()))
        return outcome
