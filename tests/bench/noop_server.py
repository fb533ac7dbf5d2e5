"""aiosmtpd with a handler that does nothing: what a message costs before anybody looks at it.

Prints its port. `hostname` is given, or every connection would ask DNS for our name.
"""

import asyncio
import logging

from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP


async def main() -> None:
    """Serve until killed."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Sink(), hostname="bench.example.com", data_size_limit=26_214_400),
        "127.0.0.1",
        0,
        backlog=1024,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
