"""Maildir as a next hop: one file per recipient, there once however often it is delivered.

Order: write into `tmp` → fsync → rename into `new` → fsync the directory. The name follows from the
reference, the release and the recipient, so a delivery that was cut off before it was noted replaces its
own file; a file that a reader has moved to `cur` is looked for when that may have happened.
Files have LF line ends, as Unix readers expect, with `Return-Path` and `Delivered-To` on top.
"""

import asyncio
import errno
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from mailweir_delivery.policy.replies import Ending, Verdict, deferred
from mailweir_delivery.ports import Leg, Parcel

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class MaildirCarrier:
    """Writes into the Maildir that a hop names; in a thread, since it waits for the disk."""

    async def deliver(
        self, parcel: Parcel, recipients: Sequence[str], leg: Leg
    ) -> Mapping[str, Ending]:
        """Return how it ended for each recipient."""
        return await asyncio.to_thread(_deliver, parcel, tuple(recipients), Path(leg.hop.path))


def file_name(parcel: Parcel, recipient: str) -> str:
    """Return the name of a recipient's file: the same whenever the same thing is delivered."""
    person = sha256(recipient.encode()).hexdigest()[:16]
    return f"{int(parcel.received_at)}.{parcel.ref}_{parcel.release}_{person}.mailweir"


def _deliver(parcel: Parcel, recipients: tuple[str, ...], root: Path) -> dict[str, Ending]:
    try:
        _prepare(root)
        for recipient in recipients:
            name = file_name(parcel, recipient)
            if not (parcel.maybe_repeated and _is_there(root, name)):
                _write(parcel, recipient, root, name)
        _sync_directory(root / "new")
    except OSError as error:
        # for all of them: what was renamed but not synced may be lost, and is replaced next time
        code = "4.3.1" if error.errno in _FULL else "4.3.0"
        detail = f"{root}: {error.strerror or error}"
        trouble = deferred(code, detail, str(root), try_next=True, host_fault=True)
        return dict.fromkeys(recipients, trouble)
    taken = Ending(Verdict.DELIVERED, "2.0.0", "written", next_hop=str(root))
    return dict.fromkeys(recipients, taken)


def _prepare(root: Path) -> None:
    if (root / "cur").is_dir():  # the last one made
        return
    root.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    for name in ("tmp", "new", "cur"):
        (root / name).mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    _sync_directory(root)


def _is_there(root: Path, name: str) -> bool:
    if (root / "new" / name).exists():
        return True
    with os.scandir(root / "cur") as read:  # there it has flags behind its name
        return any(entry.name.partition(":")[0] == name for entry in read)


def _write(parcel: Parcel, recipient: str, root: Path, name: str) -> None:
    head = f"Return-Path: <{parcel.sender}>\nDelivered-To: {recipient}\n".encode()
    partial = root / "tmp" / name
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(partial, flags, FILE_MODE), "wb") as file:
        file.write(head)
        file.write(parcel.content.replace(b"\r\n", b"\n"))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(root / "new" / name)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
