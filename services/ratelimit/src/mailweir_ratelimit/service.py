"""gRPC: lists of questions in, lists of answers out; what limits and bans there are."""

from collections.abc import Sequence
from typing import Any, Final

from mailweir.ratelimit.v1 import ratelimit_pb2 as pb
from mailweir_core.outcome import Outcome, Status
from mailweir_ratelimit.checking import Checker
from mailweir_ratelimit.convert import (
    answer_to_proto,
    bucket_to_proto,
    question_from_proto,
    usage_to_proto,
)
from mailweir_ratelimit.intrusion import Intrusion
from mailweir_ratelimit.policy.limits import CHECK
from mailweir_ratelimit.policy.question import Answer, Question
from mailweir_ratelimit.ports import CellsAway
from mailweir_ratelimit.reporting import Reporter
from mailweir_ratelimit.rules import RulesBook
from mailweir_ratelimit.service_bans import BanMethods
from mailweir_runtime.rpc import Refused, RpcFailure

Context = Any  # grpc.aio.ServicerContext; its generic parameters say nothing here
MOST_RECIPIENTS: Final = 20_000
"""Recipients in one call, over all its questions."""
UNKNOWN_PHASE: Final = Answer(Outcome(CHECK, Status.SKIPPED, detail="a phase that is not known"))


class RatelimitService(BanMethods):
    """Answers questions and reports; bans are in `BanMethods`. A bus that is away is UNAVAILABLE."""

    def __init__(
        self, checker: Checker, reporter: Reporter, intrusion: Intrusion, rules: RulesBook,
        batch_items: int,
    ) -> None:  # fmt: skip
        """Take the policy from `rules` anew for each call."""
        super().__init__(intrusion)
        self._checker = checker
        self._reporter = reporter
        self._rules = rules
        self._batch_items = batch_items

    async def Check(  # noqa: N802 - the names are the proto's
        self, request: pb.CheckRequest, _context: Context
    ) -> pb.CheckResponse:
        """Count every item by one policy, results in order. Raises Refused for too many items."""
        if len(request.items) > self._batch_items:
            detail = f"{len(request.items)} items in a call; the most is {self._batch_items}"
            raise Refused(RpcFailure.INVALID, detail)
        recipients = sum(len(item.recipients) for item in request.items)
        if recipients > MOST_RECIPIENTS:
            detail = f"{recipients} recipients in a call; the most is {MOST_RECIPIENTS}"
            raise Refused(RpcFailure.INVALID, detail)
        questions = [question_from_proto(item) for item in request.items]
        answers = await self._answers(questions)
        return pb.CheckResponse(results=[answer_to_proto(answer) for answer in answers])

    async def _answers(self, questions: Sequence[Question | None]) -> Sequence[Answer]:
        known = [one for one in questions if one is not None]
        found = iter(await self._checker.check(known, self._rules.current))
        return [UNKNOWN_PHASE if one is None else next(found) for one in questions]

    async def ListUsage(  # noqa: N802
        self, request: pb.ListUsageRequest, _context: Context
    ) -> pb.ListUsageResponse:
        """Return a page of what users and domains have used of their outbound limits."""
        try:
            page = await self._reporter.usage(
                request.subject, request.limit, request.cursor, self._rules.current
            )
        except CellsAway as error:
            raise Refused(RpcFailure.UNAVAILABLE, str(error)) from error
        entries = [usage_to_proto(entry) for entry in page.entries]
        return pb.ListUsageResponse(entries=entries, next=page.next)

    async def ListBuckets(  # noqa: N802
        self, request: pb.ListBucketsRequest, _context: Context
    ) -> pb.ListBucketsResponse:
        """Return what the inbound buckets hold that an address, network, domain or mailbox counts in."""
        try:
            states = await self._reporter.buckets(request.subject, self._rules.current)
        except CellsAway as error:
            raise Refused(RpcFailure.UNAVAILABLE, str(error)) from error
        return pb.ListBucketsResponse(buckets=[bucket_to_proto(state) for state in states])
