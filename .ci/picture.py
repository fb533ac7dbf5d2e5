"""Draw what a command prints as an SVG picture for the docs.

Usage: picture.py OUT.svg TITLE COLUMNS COMMAND…    (the command runs in a terminal of that width)
"""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

# rich's own template loads a font from the network; a picture of ours asks nobody for anything
FONT_FACE = re.compile(r"@font-face \{\{.*?\}\}", re.DOTALL)


def output_of(command: list[str], columns: int) -> str:
    """Run a command on a terminal of its own and return what it wrote."""
    leader, follower = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "LINES": "60", "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    chunks = []
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # the terminal is gone with its last writer
            break
        if not chunk:
            break
        chunks.append(chunk)
    process.wait()
    return b"".join(chunks).decode("utf-8", "replace").replace("\r\n", "\n")


def publishable(text: str) -> str:
    """Return the text without secrets and without the folders of this machine."""
    text = text.replace(f"{Path.cwd()}/", "")
    return re.sub(r"(shown this once: (?:\x1b\[[0-9;]*m)*)[\w-]+", r"\1…", text)


def main() -> None:
    """Run, draw, write."""
    out, title, columns, *command = sys.argv[1:]
    from rich._export_format import CONSOLE_SVG_FORMAT

    console = Console(record=True, width=int(columns), file=io.StringIO(), force_terminal=True)
    shown = publishable(output_of(command, int(columns)).rstrip())
    console.print(Text.from_ansi(shown))
    template = FONT_FACE.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code", "DejaVu Sans Mono")
    svg = console.export_svg(title=title, theme=MONOKAI, code_format=template, unique_id="picture")
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


main()
