"""The command `mailweir dkim`: make a signing key, look at a message's signatures."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from prometheus_client import CollectorRegistry

from mailweir_core.asking import Asking
from mailweir_core.clock import SystemClock
from mailweir_mail.auth.arc import ArcResult, ArcStatus, validate
from mailweir_mail.auth.dkim import (
    DkimResult,
    KeyType,
    make_private_key,
    to_pem,
    txt_record,
    verify,
)
from mailweir_mail.auth.dkim.tags import domain_name
from mailweir_runtime.dns import Resolver, declare, open_resolver

EXIT_FAILED: Final = 1
EXIT_INVALID: Final = 2
RSA_BITS: Final = 2048
LINE: Final = 200  # of a TXT record's strings, each of at most 255 octets
DNS_SECONDS: Final = 10.0

app = typer.Typer(
    help="Keys that mail is signed with, and signatures of messages.", no_args_is_help=True
)


@app.command()
def keygen(
    domain: Annotated[str, typer.Option(help="The domain that is vouched for.")],
    selector: Annotated[str, typer.Option(help="The key's name; another one for each new key.")],
    directory: Annotated[
        Path, typer.Option("--dir", help="The ingress' directory of signing keys.", file_okay=False)
    ],
    type_: Annotated[
        KeyType, typer.Option("--type", help="RSA is what everybody verifies.")
    ] = KeyType.RSA,
    bits: Annotated[int, typer.Option(min=1024, max=4096, help="Length of an RSA key.")] = RSA_BITS,
) -> None:
    """Make a key and print the DNS record to publish. A key that is there is never overwritten."""
    names = domain_name(domain.encode()), domain_name(selector.encode())
    if names[0] is None or "." not in names[0] or names[1] is None:
        _end(EXIT_INVALID, f"not a domain and a selector: {domain!r}, {selector!r}")
    key = make_private_key(type_, bits)
    file = directory / names[0] / f"{names[1]}.pem"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(to_pem(key))
    except FileExistsError:
        _end(EXIT_INVALID, f"{file} is there already; take another selector")
    except OSError as error:
        _end(EXIT_FAILED, f"cannot write {file}: {error}")
    typer.echo(f"{file}\n", err=True)
    typer.echo(zone_line(f"{names[1]}._domainkey.{names[0]}", txt_record(key)))


def zone_line(name: str, text: str) -> str:
    """Return a TXT record as a zone file has it, in strings that are short enough."""
    strings = [f'"{text[at : at + LINE]}"' for at in range(0, len(text), LINE)]
    return f"{name}. IN TXT ( {' '.join(strings)} )"


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE|-", show_default=False)],
    dns: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The resolver that is asked for keys.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Verify a message's DKIM signatures and its ARC chain; exit 0 only if one signature holds."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        results, chain = asyncio.run(_checked(raw, dns))
    except OSError as error:
        _end(EXIT_INVALID, f"cannot read {file}: {error}")
    except ValueError as error:
        _end(EXIT_INVALID, str(error))
    if as_json:
        typer.echo(json.dumps({"dkim": [asdict(r) for r in results], "arc": asdict(chain)}))
    else:
        for line in report(results, chain):
            typer.echo(line)
    if not any(result.passed for result in results):
        raise typer.Exit(EXIT_FAILED)


def report(results: tuple[DkimResult, ...], chain: ArcResult) -> list[str]:
    """Return a line for each signature, and one for the chain if there is one."""
    lines = [_line(result) for result in results] or ["dkim=none"]
    if chain.status is not ArcStatus.NONE:
        sealers = " ".join(chain.sealers)
        lines.append(f"arc={chain.status} ({chain.instance}: {sealers}) {chain.detail}".rstrip())
    return lines


def _line(result: DkimResult) -> str:
    line = f"dkim={result.result} d={result.domain} s={result.selector} a={result.algorithm}"
    if result.key_bits:
        line += f" ({result.key_bits} bits)"
    if result.signed_length is not None:
        line += f" l={result.signed_length}"
    if result.testing:
        line += " testing"
    return f"{line} {result.detail}".rstrip()


async def _checked(raw: bytes, dns: str) -> tuple[tuple[DkimResult, ...], ArcResult]:
    clock = SystemClock()
    metrics = declare(CollectorRegistry(), "dkim")
    async with open_resolver(dns, clock=clock, metrics=metrics) as resolver:
        return (
            await _answered(verify(raw, clock.now()), resolver),
            await _answered(validate(raw, clock.now()), resolver),
        )


async def _answered(asking: Asking[Any], resolver: Resolver) -> Any:
    """Drive with answers from a resolver."""
    try:
        questions = next(asking)
        while True:
            questions = asking.send(await resolver.resolve(questions, DNS_SECONDS))
    except StopIteration as end:
        return end.value


def _end(code: int, line: str) -> NoReturn:
    typer.echo(f"mailweir dkim: {line}", err=True)
    raise typer.Exit(code)
