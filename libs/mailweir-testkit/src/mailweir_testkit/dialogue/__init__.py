"""SMTP dialogue scripts: a small language for what a client says and what a server must answer.

`parse` reads a script (`*.smtp`) into steps, `play` runs them against a `Theatre`. The language is
described in `tests/e2e/dialogues/README.md`.
"""

from mailweir_testkit.dialogue.errors import DialogueError, ScriptError
from mailweir_testkit.dialogue.play import Kept, Opener, Theatre, play
from mailweir_testkit.dialogue.script import Account, Script, parse, parse_file

__all__ = [
    "Account",
    "DialogueError",
    "Kept",
    "Opener",
    "Script",
    "ScriptError",
    "Theatre",
    "parse",
    "parse_file",
    "play",
]
