"""``python -m fusionrec`` is the command ``fusionrec``."""

from fusionrec.cli import entry

if __name__ == "__main__":
    entry()
