"""The file of autonomous systems."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from mailweir_reputation.adapters.asn import load_asn_file


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "asn.csv"
    path.write_text(text)
    return path


def test_commas_and_tabs_part_prefix_and_number(tmp_path: Path) -> None:
    table = load_asn_file(
        written(
            tmp_path,
            "prefix,asn\n# documentation\n\n192.0.2.0/24,64500\n198.51.100.0/24\tAS64501\tEXAMPLE\n"
            "2001:db8::/32, 64502\n",
        )
    )
    found = [table.of(ip_address(ip)) for ip in ("192.0.2.9", "198.51.100.1", "2001:db8::1")]
    assert found == [64500, 64501, 64502]


def test_a_file_may_begin_with_an_ipv6_prefix(tmp_path: Path) -> None:
    table = load_asn_file(written(tmp_path, "fd00::/8,7\n"))
    assert table.of(ip_address("fd00::1")) == 7


def test_without_a_file_nobody_is_known() -> None:
    assert len(load_asn_file(None)) == 0


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("192.0.2.1/24,1", "line 2: .*host bits"),
        ("192.0.2.0/24", "line 2: '' is no number"),
        ("192.0.2.0/24,x", "line 2: 'x' is no number"),
        ("192.0.2.0/24,4294967296", "line 2: '4294967296' is no number"),
        ("nonsense,1", "line 2: "),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load_asn_file(written(tmp_path, f"192.0.2.0/24,1\n{line}\n"))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        load_asn_file(tmp_path / "none")
