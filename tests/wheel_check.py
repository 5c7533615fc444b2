"""Builds the wheel, and checks that it is whole and runs, without a network: ``make test-all``.

    python tests/wheel_check.py

The wheel holds every file of ``src/fusionrec``, its own record of them, and nothing else; installed
into an empty folder, ``python -m fusionrec --version`` runs from there. Exits with 1 where not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent
_PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
_WHERE = "import fusionrec; print(fusionrec.__file__, fusionrec.__version__)"


def _run(*words: str | Path, **options: object) -> str:
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        _run(*_PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
        (wheel,) = folder.glob("*.whl")
        source = {
            path.relative_to(ROOT / "src").as_posix()
            for path in (ROOT / "src" / "fusionrec").rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        held = {one for one in ZipFile(wheel).namelist() if ".dist-info/" not in one}
        if held != source:
            missing, strange = sorted(source - held), sorted(held - source)
            sys.exit(f"{wheel.name} lacks {missing} and holds {strange}")
        installed = folder / "installed"
        _run(*_PIP, "install", "--no-deps", "--no-index", "--target", installed, wheel)
        here = {"cwd": folder, "env": os.environ | {"PYTHONPATH": str(installed)}}
        file, version = _run(sys.executable, "-c", _WHERE, **here).split()
        said = _run(sys.executable, "-m", "fusionrec", "--version", **here)
        if not Path(file).is_relative_to(installed) or version not in said:
            sys.exit(f"fusionrec {version} of {file} says {said!r}")
        print(f"{wheel.name}: {len(held)} files; {said.strip()}")


if __name__ == "__main__":
    main()
