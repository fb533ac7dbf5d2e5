"""Fuzz the mail parser and the header editing: `python tests/fuzz/fuzz_mail.py [--minutes 10] [--engine …]`.

With atheris (dependency group `fuzz`) the coverage of mailweir_mail leads the search; without it, seeds are
mutated at random for the same time. Either way an input that raises, breaks a promise, or takes longer than
`SLOW` seconds ends the run with a status other than 0 and is written to the folder of findings, from which it
should become a test.
"""

import argparse
import hashlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

SEEDS: Final = Path(__file__).with_name("seeds") / "mail"
SLOW: Final = 5.0  # seconds of CPU for one input of at most LONGEST octets
LONGEST: Final = 65_536
TOKENS: Final = (
    b"\r\n", b"\n", b"\n\n", b"\r\n\r\n", b"\n ", b"--", b"--b", b"--b--", b"\n--b\n", b": ", b"; ",
    b'="', b"=?utf-8?q?", b"=?gb2312?b?", b"?=", b"=", b"=3D", b"=\r\n", b"==", b"<", b">", b"<!--",
    b"-->", b"<a href=", b"<p style='display:none'>", b"</", b"<script>", b"<style>", b"<table>",
    b"<font color=", b"&#", b"(", b")", b"\\", b'"', b"'", b",", b"@", b"\0", b"\xff", b"\xc3",
    b"\x1b$B", b"\xff\xfe", b"http://", b"www.", b"Content-Type: ", b"multipart/mixed; boundary=b",
    b"message/rfc822", b"text/html", b"Content-Transfer-Encoding: base64", b"quoted-printable",
    b"x-uuencode", b"begin 644 a\n", b"From: ", b"Received: from ", b"X-Spam-Flag: ",
    b"Authentication-Results: mx; ", b"charset=", b"filename*0*=utf-8''",
)  # fmt: skip


def check(data: bytes) -> None:
    """Hold the parser and the editing to their promises on one input."""
    from mailweir_mail import (
        claims_authserv_id,
        first_header,
        parse,
        prepend_headers,
        split_at,
        without_headers,
    )
    from mailweir_testkit.mail import touch

    message = parse(data)
    touch(message)
    for part in message.parts():
        assert 0 <= part.header_start <= part.body_start <= part.body_end <= len(part.source)
    assert prepend_headers(data, [("X-Fuzz", message.subject)]).endswith(data)
    end = split_at(data)[0]
    clean = without_headers(
        data, ["received"], prefixes=["x-spam-"], matching=claims_authserv_id("mx")
    )
    assert clean.endswith(data[end:])
    assert first_header(clean, "x-spam-flag") is None


class Target(NamedTuple):
    """What is fuzzed: the function, where its seeds lie, and what its inputs are made of."""

    check: Callable[[bytes], None]
    seeds: Path
    tokens: Sequence[bytes]


MAIL: Final = Target(check, SEEDS, TOKENS)


def run_atheris(seconds: int, findings: Path, target: Target = MAIL) -> int:
    """Let coverage lead the search; libFuzzer ends the process by itself."""
    import atheris

    with atheris.instrument_imports(include=["mailweir_mail"]):
        import mailweir_mail  # noqa: F401 - imported here so that it is instrumented
    work = Path(tempfile.mkdtemp(prefix="fuzz-mail-"))
    shutil.copytree(target.seeds, work / "corpus")
    words = work / "words"
    words.write_text("".join(map(_dictionary_line, target.tokens)))
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={int(SLOW)}",
        "-rss_limit_mb=1024",
        f"-dict={words}",
        f"-artifact_prefix={findings}/",
        "-print_final_stats=1",
        str(work / "corpus"),
    )
    atheris.Setup([sys.argv[0], *options], target.check)
    atheris.Fuzz()
    return 0


def _dictionary_line(token: bytes) -> str:
    """Write a token as libFuzzer's dictionaries have it."""
    octets = "".join(f"\\x{octet:02x}" for octet in token)
    return f'"{octets}"\n'


def run_random(seconds: float, findings: Path, *, seed: int, target: Target = MAIL) -> int:
    """Mutate seeds, and what came of them, at random."""
    chance = random.Random(seed)
    pool = [path.read_bytes() for path in sorted(target.seeds.iterdir())]
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = mutate(chance, pool, target.tokens)
        started = time.process_time()
        try:
            target.check(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            print(
                f"{type(error).__name__}: {error}\nafter {count} inputs, kept as {keep(findings, data)}"
            )
            return 1
        if time.process_time() - started > SLOW:
            print(f"slow, kept as {keep(findings, data)}")
            return 1
        count += 1
        if chance.random() < 0.05:
            pool[chance.randrange(len(pool))] = data
    print(f"{count} inputs, nothing found (seed {seed})")
    return 0


def mutate(chance: random.Random, pool: list[bytes], tokens: Sequence[bytes] = TOKENS) -> bytes:
    """Change a seed in one to eight places."""
    data = bytearray(chance.choice(pool))
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(data))
        kind = chance.randrange(6)
        if kind == 0:
            data[at:at] = chance.choice(tokens)
        elif kind == 1:
            del data[at : at + chance.randint(1, 64)]
        elif kind == 2:
            data[at:at] = chance.randbytes(chance.randint(1, 8))
        elif kind == 3:
            data[at:at] = data[at : at + chance.randint(1, 64)] * chance.randint(1, 200)
        elif kind == 4:
            other = chance.choice(pool)
            start = chance.randint(0, len(other))
            data[at : at + 64] = other[start : start + chance.randint(1, 500)]
        elif at < len(data):
            data[at] ^= 1 << chance.randrange(8)
    return bytes(data[:LONGEST])


def keep(findings: Path, data: bytes) -> Path:
    """Write a finding and return where."""
    path = findings / f"crash-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path


def main(target: Target = MAIL, description: str | None = __doc__) -> int:
    """Fuzz for the time given, or check the files named."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--engine", choices=["auto", "atheris", "random"], default="auto")
    options.add_argument(
        "--findings", type=Path, default=None, help="where inputs that break something are kept"
    )
    options.add_argument("--seed", type=int, default=None, help="of the random engine")
    options.add_argument("files", nargs="*", type=Path, help="check these inputs instead")
    chosen = options.parse_args()
    for path in chosen.files:
        target.check(path.read_bytes())
    if chosen.files:
        return 0
    findings = chosen.findings or Path(tempfile.mkdtemp(prefix="findings-"))
    findings.mkdir(parents=True, exist_ok=True)
    if chosen.engine != "random":
        try:
            return run_atheris(int(chosen.minutes * 60), findings, target)
        except ImportError:
            if chosen.engine == "atheris":
                raise
            print(
                "atheris is not installed (dependency group `fuzz`): mutating at random",
                file=sys.stderr,
            )
    seed = random.randrange(2**32) if chosen.seed is None else chosen.seed
    return run_random(chosen.minutes * 60, findings, seed=seed, target=target)


if __name__ == "__main__":
    raise SystemExit(main())
