"""``python -m fusionrec`` is the command ``fusionrec``."""

from fusionrec.cli import main

if __name__ == "__main__":
    main()
