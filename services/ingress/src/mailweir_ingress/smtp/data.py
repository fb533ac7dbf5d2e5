"""The data of one message: from whatever pieces the network brings to the message as it was sent.

The data ends at <CRLF>.<CRLF> and nowhere else (RFC 5321 §4.1.1.4, §2.3.8). Whoever takes a bare LF or CR for
a line end sees another end than the server before or behind it, and what follows is smuggled in as a second
message. Dots are unstuffed after CRLF only, for the same reason; what becomes of bare CR and LF comes after.

Everything works on large pieces with C-level searches: the cost per byte is what counts here.
"""

import io
import re
from enum import Enum, auto
from typing import Final

from mailweir_ingress.smtp.budget import Reservation

END: Final = b"\r\n.\r\n"
_TAIL: Final = len(END) - 1
# As expressions these are found in half the time that `find` takes.
_END: Final = re.compile(re.escape(END))
_DOTTED: Final = re.compile(rb"\r\n\.")
_FEW: Final = 100
"""So many lines that begin with a dot are looked at one by one in a piece of data."""
_ANY_NEWLINE: Final = re.compile(rb"\r*\n|\r+")


class DataState(Enum):
    """How the reading goes."""

    GOOD = auto()
    TOO_BIG = auto()  # over the limit: the rest is swallowed
    NO_MEMORY = auto()  # no room over all sessions: the rest is swallowed
    ENDLESS = auto()  # more was swallowed than a reply is worth: close


class DataReader:
    """Collects one message's data; feed it until it says that the end came.

    Memory is taken from a reservation piece by piece, so that a client pays for what it sends, not for what
    it announces.
    """

    __slots__ = (
        "_buffer", "_dotted", "_limit", "_reservation", "_swallow", "received", "rest", "state",
    )  # fmt: skip

    def __init__(self, limit: int, reservation: Reservation, swallow: int) -> None:
        """Take messages up to `limit` bytes; of a message that is refused, swallow up to `swallow` more."""
        # As if a CRLF had come before: an end directly behind DATA, and a first line with a dot, are then
        # no special cases.
        self._buffer = bytearray(b"\r\n")
        self._dotted = False  # there is, or may be, a line that begins with a dot
        self._limit = limit + limit // 3 + len(END)  # every line a dot and CRLF: 4 bytes sent for 3
        self._reservation = reservation
        self._swallow = swallow
        self.state = DataState.GOOD
        self.received = 0
        self.rest = b""

    def feed(self, chunk: bytes | bytearray) -> bool:
        """Take the next piece; returns True once the end came. `rest` is then what came behind it."""
        buffer = self._buffer
        before = len(buffer)
        buffer += chunk
        self.received += len(chunk)
        end = self._find_end(max(0, before - _TAIL))
        if end >= 0:
            self.rest = bytes(memoryview(buffer)[end + len(END) :])
            self.received -= len(self.rest)
            del buffer[end + 2 :]
        self._account(ended=end >= 0)
        return end >= 0

    def message(self) -> bytes:
        """Return the message with its dots unstuffed, line ends as they were sent; once."""
        raw, self._buffer = self._buffer, bytearray()
        if self._dotted:
            raw = raw.replace(b"\r\n.", b"\r\n")
        return bytes(memoryview(raw)[2:])

    def _find_end(self, start: int) -> int:
        """Return where the end begins at or behind `start`, or -1; note lines that begin with a dot.

        One pass does both, since lines with a dot are few. Where they are not, C is faster than we are.
        """
        buffer = self._buffer
        for _ in range(_FEW):
            found = _DOTTED.search(buffer, start)
            if found is None:
                return -1
            start = found.start()
            if buffer.startswith(END, start):
                return start
            self._dotted = True
            start += 1
        found = _END.search(buffer, start)
        return -1 if found is None else found.start()

    def _account(self, *, ended: bool) -> None:
        if self.state is DataState.GOOD:
            if self.received > self._limit:
                self.state = DataState.TOO_BIG
            elif not self._reservation.cover(self.received):
                self.state = DataState.NO_MEMORY
            else:
                return
        self._reservation.release()
        del self._buffer[:-_TAIL]  # enough to see the end when it comes
        if not ended and self.received > self._limit + self._swallow:
            self.state = DataState.ENDLESS


def has_bare_newline(content: bytes) -> bool:
    """Say whether there is a CR or LF that is not part of a CRLF."""
    # The decoder of text files notes which line ends it has met, in one pass; counting takes three.
    decoder = io.IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(content.decode("latin-1"), final=True)
    return decoder.newlines not in (None, "\r\n")


def normalise(content: bytes) -> bytes:
    """Return the content with CRLF for every bare LF and every run of bare CR.

    A run of CR before a LF goes with it: doubled line ends would put an empty line into the header section,
    and what was a header field for us would be body text for the next hop, or the other way round.
    """
    return _ANY_NEWLINE.sub(b"\r\n", content)
