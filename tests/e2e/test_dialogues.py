"""Every script in `dialogues/` is played against the ingress."""

from pathlib import Path

import pytest

from mailweir_testkit.dialogue import Opener, Script, parse_file, play

SCRIPTS = sorted((Path(__file__).parent / "dialogues").glob("*.smtp"))


def test_there_are_scripts_and_each_says_what_it_shows() -> None:
    assert len(SCRIPTS) >= 40
    for path in SCRIPTS:
        assert parse_file(path).about.endswith("."), path.name


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
async def test_dialogue(path: Path, opened: Opener) -> None:
    script: Script = parse_file(path)
    async with opened(script) as theatre:
        await play(script, theatre)
