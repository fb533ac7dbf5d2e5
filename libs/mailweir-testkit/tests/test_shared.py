"""Finding the shared test data, and unpacking the corpus once."""

import tarfile
from pathlib import Path

import pytest

from mailweir_testkit import shared

MANIFEST = (
    "path,class,set,year,headers,bytes,near_dup_cluster\n"
    "one/ham/a.eml,ham,one,2020,full,5,1\n"
    "one/ham/b.eml,ham,one,2020,full,5,2\n"
    "two/spam/c.eml,spam,two,2021,partial,5,3\n"
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a shared folder with a tiny corpus."""
    source = tmp_path / "source"
    for name in ("one/ham/a", "one/ham/b", "two/spam/c"):
        path = source / f"{name}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"A: b\n")
    (source / "manifest.csv").write_text(MANIFEST)
    (tmp_path / "shared" / "corpus").mkdir(parents=True)
    (tmp_path / "shared" / "peers" / "haraka").mkdir(parents=True)
    with tarfile.open(tmp_path / "shared" / "corpus" / "mail.tar.xz", "w:xz") as tar:
        tar.add(source, ".")
    monkeypatch.setenv("MAILWEIR_SHARED", str(tmp_path / "shared"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_absent_data_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILWEIR_SHARED", str(tmp_path / "nowhere"))
    assert shared.shared_dir() is None
    assert shared.peers_dir("haraka") is None
    assert shared.corpus_dir() is None
    assert shared.corpus_manifest() == []
    assert shared.corpus_sample(10) == []


def test_peers_are_found(place: Path) -> None:
    assert shared.peers_dir("haraka") == place / "shared" / "peers" / "haraka"
    assert shared.peers_dir("unknown") is None


def test_the_corpus_is_unpacked_once_into_the_cache(place: Path) -> None:
    first = shared.corpus_dir()
    assert first is not None
    assert first.is_relative_to(place / "cache" / "mailweir")
    (first / "mark").touch()
    assert shared.corpus_dir() == first
    assert (first / "mark").exists()
    assert [path.name for path in (place / "cache" / "mailweir").glob("corpus-unpack-*")] == []


@pytest.mark.usefixtures("place")
def test_manifest_and_sample() -> None:
    manifest = shared.corpus_manifest()
    assert [(mail.path, mail.label, mail.set, mail.bytes) for mail in manifest] == [
        ("one/ham/a.eml", "ham", "one", 5),
        ("one/ham/b.eml", "ham", "one", 5),
        ("two/spam/c.eml", "spam", "two", 5),
    ]
    assert {mail.set for mail in shared.corpus_sample(2)} == {"one", "two"}
    assert len(shared.corpus_sample(3)) == 3
