"""Outbound limits as a user, a thief and an admin meet them: the whole product, real SMTP and REST."""

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
import pytest_asyncio

from mailweir_testkit.product import Product, product
from mailweir_testkit.sink import Caught, Sink, sink

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("edge"),
    pytest.mark.asyncio(loop_scope="module"),
]

LOGIN: Final = "demo@example.com"
ROBBED: Final = "robin@example.com"
"""Another user, so that neither test spends what the other counts."""
PASSWORD: Final = "correct horse battery staple"
POSTMASTER: Final = "postmaster@example.com"
GTUBE: Final = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
LIMIT: Final = 200
A_SESSION: Final = 50
"""Messages that a user sends in one session."""
Reply = tuple[int, str]


def letter(number: int, text: str = "", sender: str = LOGIN) -> bytes:
    """Return a message that is like no other."""
    words = " ".join(f"{(number * 7919 + n * 104729) % 99991:x}" for n in range(40))
    return (
        f"From: <{sender}>\r\nTo: carl@example.com\r\nSubject: letter {number} {words[:9]}\r\n"
        f"Message-ID: <{number}.{words[:5]}@example.com>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n"
        f"Dear Carl,\r\n\r\n{words}\r\n{text}\r\nYours\r\n"
    ).encode()


@dataclass(frozen=True)
class Office:
    """The product, a user of it, and the outside that its mail goes to."""

    product: Product
    sink: Sink
    login: str
    password: str

    @contextlib.contextmanager
    def logged_in(self) -> Any:
        """Yield a submission session of the user."""
        host, port = self.product.address("submission")
        context = ssl.create_default_context(cafile=str(self.product.data / "tls" / "cert.pem"))
        context.check_hostname = False  # the certificate names the gateway and localhost
        with smtplib.SMTP(host, port, timeout=20) as client:
            client.starttls(context=context)
            client.login(self.login, self.password)
            yield client

    async def send(self, letters: Sequence[bytes]) -> list[Reply]:
        """Send in one session; return the reply to each message."""
        return await asyncio.to_thread(self._send, letters)

    def _send(self, letters: Sequence[bytes]) -> list[Reply]:
        replies = []
        with self.logged_in() as client:
            for content in letters:
                client.mail(self.login)
                client.rcpt("carl@example.com")
                code, text = client.data(content)
                replies.append((code, text.decode()))
        return replies

    async def rest(self, method: str, path: str, **more: Any) -> Any:
        """Ask REST; return the decoded answer."""
        with self.product.client() as client:
            answer = await asyncio.to_thread(client.request, method, path, **more)
            answer.raise_for_status()
            return answer.json() if answer.content else None

    async def usage(self) -> dict[str, Any]:
        """Return how many messages the user has used."""
        page = await self.rest("GET", "/limits", params={"subject": self.login})
        return next(item for item in page["items"] if item["unit"] == "messages")

    async def record(self, ref: str, state: str) -> dict[str, Any]:
        """Return a record once it has a state."""
        async with asyncio.timeout(40):
            while True:
                with self.product.client() as client:
                    answer = await asyncio.to_thread(client.get, f"/messages/{ref}")
                found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
                if found.get("state") == state:
                    return found
                await asyncio.sleep(0.1)

    async def notice(self, to: str, subject: str) -> Caught:
        """Return a notice once it has reached its reader; raises where there are two."""
        line = f"Subject: {subject}\r\n".encode()
        async with asyncio.timeout(40):
            while not (found := [m for m in self._to(to) if line in (m.content or b"")]):
                await asyncio.sleep(0.1)
        (one,) = found
        return one

    def _to(self, address: str) -> list[Caught]:
        return [mail for mail in self.sink.mails if mail.recipients == (address,)]

    def copies(self, ref: str) -> int:
        """Return how often a message has left."""
        return sum(mail.ref == ref for mail in self.sink.mails)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with sink() as target:
        hop = f"smtp://{target.address[0]}:{target.address[1]}"
        data = tmp_path_factory.mktemp("outbound") / "data"
        running = product(data, "--no-samples", "--next-hop", hop)
        made = await asyncio.to_thread(running.__enter__)
        try:
            password = (data / "demo.password").read_text().strip()
            yield Office(made, target, LOGIN, password)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


def ref_of(reply: Reply) -> str:
    return reply[1].rpartition("[")[2].rstrip("]")


async def test_the_201st_message_of_the_day_is_held_until_the_limit_is_raised(
    office: Office,
) -> None:
    replies = []
    for first in range(0, LIMIT, A_SESSION):
        replies += await office.send([letter(n) for n in range(first, first + A_SESSION)])
    assert {code for code, _ in replies} == {250}
    assert not any("held" in text for _, text in replies)

    (held,) = await office.send([letter(LIMIT)])
    assert held[0] == 250
    assert "held and not yet sent" in held[1]
    assert f"the limit of {LIMIT} messages a day of {LOGIN} is reached" in held[1]

    ref = ref_of(held)
    record = await office.record(ref, "held")
    assert record["reason"] == "over-outbound-limit"
    used = await office.usage()
    assert (used["used"], used["limit"], used["held"]) == (LIMIT, LIMIT, 1)
    assert used["source"] == "ratelimit.outbound.default_user"
    for reader in (LOGIN, POSTMASTER):
        near = await office.notice(reader, f"Outbound limit nearly reached: {LOGIN}")
        assert near.sender == ""
        assert b"Auto-Submitted: auto-generated\r\n" in (near.content or b"")
        full = await office.notice(reader, f"Outbound limit reached: {LOGIN}")
        assert b"is reached: 200 messages today" in (full.content or b"")
    assert office.copies(ref) == 0

    await office.rest("PUT", f"/limits/users/{LOGIN}", json={"messages": LIMIT + 50})
    await office.record(ref, "delivered")
    assert office.copies(ref) == 1
    used = await office.usage()
    assert (used["used"], used["limit"], used["held"]) == (LIMIT + 1, LIMIT + 50, 0)
    assert used["source"] == f"ratelimit.outbound.users[{LOGIN}].limit"
    (after,) = await office.send([letter(LIMIT + 1)])
    assert "held" not in after[1]


async def test_a_thiefs_burst_of_spam_blocks_the_account(office: Office) -> None:
    account = {"password": PASSWORD, "senders": [ROBBED]}
    await office.rest("PUT", f"/users/{ROBBED}", json=account)
    office = replace(office, login=ROBBED, password=PASSWORD)
    await until_let_in(office)
    burst = [office.send([letter(1000 + n, GTUBE, ROBBED)]) for n in range(5)]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(refused(one)) for one in burst]
    assert any("5.7.1" in text for task in running for text in task.result())

    async with asyncio.timeout(20):
        while not (ban := await bans(office)):
            await asyncio.sleep(0.1)
    assert "sent mail with a score of" in ban["evidence"]
    assert ban["by"] == "outbound"
    with pytest.raises(smtplib.SMTPAuthenticationError):
        await until_locked_out(office)
    told = await office.notice(POSTMASTER, f"Account blocked: {ROBBED}")
    assert b"Usually a password has been stolen" in (told.content or b"")

    await office.rest("DELETE", f"/bans/account:{ROBBED}")
    await until_let_in(office)
    (again,) = await office.send([letter(2000, sender=ROBBED)])
    assert again[0] == 250
    await asyncio.sleep(1)
    assert await bans(office) == {}


async def refused(sending: Any) -> list[str]:
    """Return what the thief is told, however his session ends."""
    try:
        return [text for code, text in await sending if code >= 400]
    except (smtplib.SMTPException, OSError) as error:
        return [str(error)]


async def bans(office: Office) -> dict[str, Any]:
    page = await office.rest("GET", "/bans", params={"text": f"account:{office.login}"})
    found: dict[str, Any] = page["items"][0] if page["items"] else {}
    return found


async def until_let_in(office: Office) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(smtplib.SMTPException):
                await office.send([])
                return
            await asyncio.sleep(0.1)


async def until_locked_out(office: Office) -> None:
    async with asyncio.timeout(20):
        while True:
            await office.send([])
            await asyncio.sleep(0.1)
