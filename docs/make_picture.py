"""Draws docs/quickstart.svg from a real run of the quickstart.

    python docs/make_picture.py

Its messages are taken as a pipe gets them, its answer as a terminal does.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 108


def main() -> None:
    """Runs the quickstart in a new workspace and writes the picture."""
    with tempfile.TemporaryDirectory() as place:
        log, answer = run([sys.executable, "-m", "fusionrec", "quickstart"], Path(place))
    *before, last = [line for line in log.splitlines() if "% done" not in line]
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("$ make quickstart", style="bold"))
    for line in before:
        console.print(Text(line))
    console.print(Text.from_ansi(answer.rstrip()))
    console.print(Text(f"{last}\n"))  # the picture ends within the last line, so it is an empty one
    # Without the web fonts that it would fetch: the picture needs nothing but itself.
    picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="fusionrec"), flags=re.S)
    (Path(__file__).parent / "quickstart.svg").write_text(picture, encoding="utf-8")


def run(command: list[str], place: Path) -> tuple[str, str]:
    """What a command says on stderr, and what it prints on a terminal; shown as it comes."""
    reader, writer = pty.openpty()
    # The paths in the picture are a reader's, not this machine's.
    environment = os.environ | {"COLUMNS": str(WIDTH), "FUSIONREC_HOME": ".fusionrec"}
    if data := environment.get("FUSIONREC_DATA"):
        (place / "data").symlink_to(Path(data).absolute())
        environment["FUSIONREC_DATA"] = "data"
    with subprocess.Popen(
        command, cwd=place, env=environment, stdout=writer, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(writer)
        log = []
        for line in process.stderr or ():
            log.append(line)
            sys.stderr.write(line)
        answer = b""
        while True:
            try:
                answer += (part := os.read(reader, 65536))
            except OSError:  # the terminal's other end is closed
                break
            if not part:
                break
    if process.returncode:
        raise SystemExit(process.returncode)
    shown = answer.decode().replace("\r\n", "\n")
    return "".join(log), shown.replace(f"{place.resolve()}/", "")


if __name__ == "__main__":
    main()
