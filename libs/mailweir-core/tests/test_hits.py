"""Counts of what bans have done, as they are stored."""

import re

import pytest
from hypothesis import given, strategies as st

from mailweir_core.bans import ban_key
from mailweir_core.hits import Hits, dump_hits, entry_hits_key, hits_key, hits_prefix, load_hits

COUNTS = st.builds(Hits, st.integers(0, 2**53), st.floats(0, 4e9))


@given(COUNTS)
def test_what_is_stored_is_read(hits: Hits) -> None:
    assert load_hits(dump_hits(hits)) == hits


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=60))
def test_a_key_is_one_for_the_bucket(subject: str, instance: str) -> None:
    key = hits_key(subject, instance)
    assert key.startswith(hits_prefix(subject))
    assert re.fullmatch(r"[A-Za-z0-9_=.-]*", key)
    assert key.count(".") == 2


def test_the_key_names_the_ban_and_the_process() -> None:
    assert hits_key("192.0.2.0/24", "mx-1.host-77") == (
        f"hits.{ban_key('192.0.2.0/24')}.mx-1_host-77"
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"7", b"[]", b'{"count":-1,"at":0}', b'{"count":true,"at":0}', b'{"count":1,"at":"x"}',
     b'{"count":1}', b'{"at":1}', b'{"count":1.5,"at":1}'],
)  # fmt: skip
def test_anything_else_is_no_count(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"object|count|at|Expecting"):
        load_hits(data)


def test_an_entry_of_a_list_has_one_count() -> None:
    assert entry_hits_key("abc") == "abc.sum"
    assert entry_hits_key("abc").partition(".")[0] == "abc"
