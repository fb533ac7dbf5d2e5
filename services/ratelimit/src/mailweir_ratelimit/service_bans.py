"""gRPC: offences in, bans out; bans listed, set and lifted by hand."""

from typing import Final

import grpc.aio

from mailweir.ratelimit.v1 import ratelimit_pb2 as pb, ratelimit_pb2_grpc
from mailweir_core.bans import CODES, Ban, OffenceKind
from mailweir_ratelimit.intrusion import Intrusion
from mailweir_ratelimit.policy.intrusion import Offence
from mailweir_ratelimit.policy.manual import BanRefused
from mailweir_ratelimit.ports import CellsAway
from mailweir_runtime.convert import text
from mailweir_runtime.rpc import Refused, RpcFailure

MOST_OFFENCES: Final = 1024


class BanMethods(ratelimit_pb2_grpc.RatelimitServiceServicer):
    """The part of the service that is about bans."""

    def __init__(self, intrusion: Intrusion) -> None:
        """Have `intrusion` do the work."""
        self._intrusion = intrusion

    async def Report(  # noqa: N802 - the name is the proto's
        self,
        request: pb.ReportRequest,
        context: "grpc.aio.ServicerContext[pb.ReportRequest, pb.ReportResponse]",
    ) -> pb.ReportResponse:
        """Take in offences, standings in their order. Raises Refused for too many of them."""
        del context
        if len(request.offences) > MOST_OFFENCES:
            detail = f"{len(request.offences)} offences in a call; the most is {MOST_OFFENCES}"
            raise Refused(RpcFailure.INVALID, detail)
        read = [offence_from_proto(message) for message in request.offences]
        bans = iter(await self._intrusion.report([one for one in read if one is not None]))
        standings = [None if one is None else next(bans) for one in read]
        return pb.ReportResponse(standings=[_standing(ban) for ban in standings])

    async def ListBans(  # noqa: N802 - the name is the proto's
        self,
        request: pb.ListBansRequest,
        context: "grpc.aio.ServicerContext[pb.ListBansRequest, pb.ListBansResponse]",
    ) -> pb.ListBansResponse:
        """Return a page of the bans in force."""
        del context
        page = await self._intrusion.bans(request.text, request.limit, request.cursor)
        bans = [ban_to_proto(ban, hits) for ban, hits in page.bans]
        return pb.ListBansResponse(bans=bans, next=page.next)

    async def ExportBans(  # noqa: N802 - the name is the proto's
        self,
        request: pb.ExportBansRequest,
        context: "grpc.aio.ServicerContext[pb.ExportBansRequest, pb.ExportBansResponse]",
    ) -> pb.ExportBansResponse:
        """Return the networks in force for the network layer."""
        del request, context
        return pb.ExportBansResponse(networks=list(map(str, await self._intrusion.export())))

    async def AddBan(  # noqa: N802 - the name is the proto's
        self,
        request: pb.AddBanRequest,
        context: "grpc.aio.ServicerContext[pb.AddBanRequest, pb.AddBanResponse]",
    ) -> pb.AddBanResponse:
        """Ban by hand; raises Refused with a sentence for what cannot be banned."""
        del context
        try:
            ban = await self._intrusion.ban(
                request.subject,
                request.seconds,
                request.evidence,
                request.actor,
                request.close_all,
            )
        except BanRefused as error:
            raise Refused(RpcFailure.INVALID, str(error)) from error
        return pb.AddBanResponse(ban=ban_to_proto(ban))

    async def RemoveBan(  # noqa: N802 - the name is the proto's
        self,
        request: pb.RemoveBanRequest,
        context: "grpc.aio.ServicerContext[pb.RemoveBanRequest, pb.RemoveBanResponse]",
    ) -> pb.RemoveBanResponse:
        """Lift a ban; raises Refused with a sentence for what names nothing, or while the bus is away."""
        del context
        try:
            removed = await self._intrusion.unban(request.subject, request.actor)
        except BanRefused as error:
            raise Refused(RpcFailure.INVALID, str(error)) from error
        except CellsAway as error:
            raise Refused(RpcFailure.UNAVAILABLE, str(error)) from error
        return pb.RemoveBanResponse(removed=removed)


def offence_from_proto(message: pb.Offence) -> Offence | None:
    """Return the offence of a message, None for a kind that a newer peer knows."""
    if message.kind not in tuple(OffenceKind):
        return None
    return Offence(
        kind=OffenceKind(message.kind),
        client_ip=message.client_ip,
        proxy_ip=message.proxy_ip,
        login=message.login,
        ref=message.ref,
        evidence=message.evidence,
        count=message.count,
        measure=message.measure,
        allowed=message.allowed,
    )


def ban_to_proto(ban: Ban, hits: int = 0) -> pb.Ban:
    """Return the message of a ban."""
    return pb.Ban(
        subject=text(ban.subject),
        kind=ban.kind,
        code=CODES[ban.kind],
        evidence=text(ban.evidence),
        since=ban.since,
        until=ban.until,
        strikes=ban.strikes,
        close_all=ban.close_all,
        by=text(ban.by),
        hits=hits,
    )


def _standing(ban: Ban | None) -> pb.Standing:
    return pb.Standing() if ban is None else pb.Standing(ban=ban_to_proto(ban))
