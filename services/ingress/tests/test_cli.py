"""`mailweir dkim`: what it makes can be published, and what is signed with it holds."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mailweir_ingress.cli import app, report, zone_line
from mailweir_mail.auth.arc import ArcResult, ArcStatus
from mailweir_mail.auth.dkim import (
    DkimResult,
    DkimStatus,
    SigningKey,
    load_private_key,
    sign,
)
from mailweir_testkit.dns import dns_server

MESSAGE = b"From: anna@example.com\r\nSubject: x\r\n\r\nhello\r\n"


def keygen(directory: Path, *more: str) -> Result:
    """Run `keygen`."""
    options = ("--domain", "Example.com", "--selector", "s1", "--dir", str(directory))
    return CliRunner().invoke(app, ["keygen", *options, *more])


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
async def test_from_a_key_to_a_signature_that_holds(tmp_path: Path, kind: str) -> None:
    made = keygen(tmp_path, "--type", kind)
    assert made.exit_code == 0, made.output
    file = tmp_path / "example.com" / "s1.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in made.output
    key = SigningKey("example.com", "s1", load_private_key(file.read_bytes()))
    mail = tmp_path / "mail.eml"
    mail.write_bytes(sign(MESSAGE, key, 1_700_000_000) + MESSAGE)
    async with dns_server({"example.com": f"{made.stdout}\n"}) as dns:
        arguments = ["check", str(mail), "--dns", dns.address]
        said = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert said.exit_code == 0, said.output
        assert said.stdout.startswith(f"dkim=pass d=example.com s=s1 a={kind}-sha256")
        told = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--json"])
        document = json.loads(told.stdout)
        assert document["dkim"][0]["result"] == "pass"
        assert document["arc"]["status"] == "none"
        mail.write_bytes(mail.read_bytes().replace(b"hello", b"hallo"))
        said = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert (said.exit_code, said.stdout.split()[0]) == (1, "dkim=fail")


def test_a_key_that_is_there_stays(tmp_path: Path) -> None:
    keygen(tmp_path, "--type", "ed25519")
    file = tmp_path / "example.com" / "s1.pem"
    before = file.read_bytes()
    again = keygen(tmp_path)
    assert (again.exit_code, "another selector" in again.stderr) == (2, True)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("domain", "selector"), [("com", "s"), ("a/../b.c", "s"), ("x.example", "../s"), ("", "s")]
)
def test_names_cannot_leave_the_directory(tmp_path: Path, domain: str, selector: str) -> None:
    options = ["--domain", domain, "--selector", selector, "--dir", str(tmp_path)]
    assert CliRunner().invoke(app, ["keygen", *options]).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "example.com").write_text("in the way")
    made = keygen(tmp_path)
    assert made.exit_code != 0
    assert made.exception is None or isinstance(made.exception, SystemExit)


def test_what_cannot_be_checked_is_said(tmp_path: Path) -> None:
    absent = CliRunner().invoke(app, ["check", str(tmp_path / "x"), "--dns", "127.0.0.1:53"])
    assert (absent.exit_code, "cannot read" in absent.stderr) == (2, True)
    mail = tmp_path / "mail.eml"
    mail.write_bytes(MESSAGE)
    bad = CliRunner().invoke(app, ["check", str(mail), "--dns", "resolver.example:53"])
    assert (bad.exit_code, "name server" in bad.stderr) == (2, True)
    unsigned = CliRunner().invoke(app, ["check", "-", "--dns", "127.0.0.1:53"], input=MESSAGE)
    assert (unsigned.exit_code, unsigned.stdout) == (1, "dkim=none\n")


def test_a_report_has_all_that_matters() -> None:
    result = DkimResult(
        DkimStatus.FAIL, "a.example", "s", algorithm="rsa-sha256", key_bits=1024, testing=True,
        signed_length=3, detail="why",
    )  # fmt: skip
    chain = ArcResult(ArcStatus.PASS, 2, ("a.example", "b.example"))
    assert report((result,), chain) == [
        "dkim=fail d=a.example s=s a=rsa-sha256 (1024 bits) l=3 testing why",
        "arc=pass (2: a.example b.example)",
    ]


def test_strings_of_a_record_fit_a_zone_file() -> None:
    line = zone_line("s._domainkey.example.com", "x" * 450)
    assert [len(part) for part in line.split('"')[1::2]] == [200, 200, 50]
