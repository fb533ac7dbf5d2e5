"""Keys of lists are files."""

from pathlib import Path

import pytest

from mailweir_runtime.dns import read_keys


def test_keys_are_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("abc-1\n")
    (tmp_path / ".hidden").write_text("no key at all")
    (tmp_path / "directory").mkdir()
    assert read_keys(tmp_path) == {"a": "abc-1"}
    assert read_keys(None) == {}


@pytest.mark.parametrize("content", ["", "two words", "k" * 300, "ä", "a/b"])
def test_what_is_no_key(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(ValueError, match="key"):
        read_keys(tmp_path)
