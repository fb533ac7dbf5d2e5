"""Maildirs as next hops: durable, and once."""

import errno
import mailbox
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mailweir_delivery.adapters.maildir import MaildirCarrier, file_name
from mailweir_delivery.policy.replies import Ending, Verdict
from mailweir_delivery.policy.routing import Hop, Kind, Tls
from mailweir_delivery.ports import Leg, Parcel
from mailweir_policy import Policy

A, B = "a@example.com", "b@example.com"
CONTENT = "Subject: hällo\r\n\r\nFrom here\r\n.dot\r\n".encode()


def make(**fields: Any) -> Parcel:
    usual: dict[str, Any] = {
        "ref": "01ARZ3NDEKTSV4RRFFQ69G5FAV-1", "release": 0, "sender": "s@example.org",
        "content": CONTENT, "received_at": 1_750_000_000.7,
    }  # fmt: skip
    return Parcel(**(usual | fields))


async def deliver(
    root: Path, *recipients: str, parcel: Parcel | None = None
) -> Mapping[str, Ending]:
    leg = Leg(Hop(Kind.MAILDIR, path=str(root)), Tls.OPPORTUNISTIC, Policy())
    return await MaildirCarrier().deliver(parcel or make(), recipients or (A,), leg)


def new(root: Path) -> list[Path]:
    return sorted((root / "new").iterdir())


async def test_each_recipient_has_a_file_that_mail_programs_read(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "in"
    endings = await deliver(root, A, B)
    assert {e.verdict for e in endings.values()} == {Verdict.DELIVERED}
    assert endings[A].next_hop == str(root)
    messages = list(mailbox.Maildir(root, create=False))
    assert sorted(m["Delivered-To"] for m in messages) == [A, B]
    assert {m["Return-Path"] for m in messages} == {"<s@example.org>"}
    first = next(path.read_bytes() for path in new(root) if A.encode() in path.read_bytes())
    assert (
        first
        == b"Return-Path: <s@example.org>\nDelivered-To: a@example.com\n"
        + CONTENT.replace(b"\r\n", b"\n")
    )
    assert list((root / "tmp").iterdir()) == []


async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    root = tmp_path / "in"
    await deliver(root)
    for path, mode in ((root, 0o700), (root / "new", 0o700), (new(root)[0], 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


async def test_a_crash_between_rename_and_ack_leaves_one_file(tmp_path: Path) -> None:
    await deliver(tmp_path)
    before = new(tmp_path)[0].stat().st_ino
    await deliver(tmp_path, parcel=make(maybe_repeated=True))
    assert [p.stat().st_ino for p in new(tmp_path)] == [before]


async def test_a_crash_within_writing_is_written_over(tmp_path: Path) -> None:
    await deliver(tmp_path, B)
    (tmp_path / "tmp" / file_name(make(), A)).write_bytes(b"half of a mess")
    await deliver(tmp_path, A, parcel=make(maybe_repeated=True))
    assert len(new(tmp_path)) == 2
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("flags", ["", ":2,", ":2,S"])
async def test_what_a_reader_has_taken_is_not_delivered_again(tmp_path: Path, flags: str) -> None:
    await deliver(tmp_path)
    (path,) = new(tmp_path)
    path.rename(tmp_path / "cur" / f"{path.name}{flags}")
    endings = await deliver(tmp_path, parcel=make(maybe_repeated=True))
    assert endings[A].verdict is Verdict.DELIVERED
    assert new(tmp_path) == []


async def test_other_messages_recipients_and_releases_have_other_files(tmp_path: Path) -> None:
    await deliver(tmp_path, A, B)
    await deliver(tmp_path, parcel=make(ref="01ARZ3NDEKTSV4RRFFQ69G5FAV-2"))
    await deliver(tmp_path, parcel=make(release=1))
    assert len(new(tmp_path)) == 4


async def test_a_name_keeps_within_the_directory() -> None:
    name = file_name(make(), "../../etc/passwd@x")
    assert name.startswith("1750000000.01ARZ3NDEKTSV4RRFFQ69G5FAV-1_0_")
    assert "/" not in name
    assert ":" not in name


async def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    await deliver(tmp_path, B)
    target = tmp_path / "precious"
    target.write_text("keep")
    (tmp_path / "tmp" / file_name(make(), A)).symlink_to(target)
    endings = await deliver(tmp_path, A)
    assert endings[A].verdict is Verdict.DEFERRED
    assert target.read_text() == "keep"


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "4.3.1"), (errno.EDQUOT, "4.3.1"), (errno.EIO, "4.3.0")]
)
async def test_trouble_with_the_disk_defers_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    synced = 0

    def fsync(_: int) -> None:
        nonlocal synced
        synced += 1
        if synced > 2:  # the directory and the first file go well
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    endings = await deliver(tmp_path, A, B)
    assert {(e.verdict, e.enhanced) for e in endings.values()} == {(Verdict.DEFERRED, code)}
    assert os.strerror(number) in endings[A].reply
    assert endings[A].host_fault
    monkeypatch.undo()
    await deliver(tmp_path, A, B, parcel=make(maybe_repeated=True))
    assert len(new(tmp_path)) == 2


async def test_a_path_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    endings = await deliver(tmp_path / "file")
    assert endings[A].verdict is Verdict.DEFERRED
