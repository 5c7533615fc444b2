"""Keys of a ``fusionrec.toml`` that say where rows are, how they are read and shaped."""

from __future__ import annotations

from dataclasses import dataclass

from fusionrec.config import Settings, check

FILENAME = "filename"  # a column that every table has: its file's name without the ending


@dataclass(frozen=True)
class ReadSpec(Settings):
    """Where rows are, and how a file's text becomes columns.

    Attributes:
        files: a file or a pattern such as ``events-*.csv.gz`` beside the ``fusionrec.toml``; or the
            URL of a file or a database, such as ``postgresql://reader@host/shop``.
        table: of a database or a spreadsheet, the table or sheet; the only one by default.
        query: of a database, a SELECT in place of a table.
        names: of a text file without a header line, its columns' names.
        skip: of a text file, how many lines stand before the header (or the rows); 0: found by
            content.
        delimiter: of a text file, what stands between values; empty: found by content.
        encoding: of a text file; empty: UTF-8, or found by content.
        decimal: what stands before the fraction of a number written as text, ``.`` or ``,``; the
            other one may then stand between thousands.
    """

    files: str = ""
    table: str = ""
    query: str = ""
    names: tuple[str, ...] = ()
    skip: int = 0
    delimiter: str = ""
    encoding: str = ""
    decimal: str = "."

    def __post_init__(self) -> None:
        check(self.decimal in (".", ","), f'decimal must be "." or ",", got {self.decimal!r}')
        check(self.skip >= 0, f"skip must be 0 or more lines, got {self.skip}")
        check(not (self.table and self.query), "only one of table and query can be given")
        check(len(set(self.names)) == len(self.names), "names must differ from each other")


@dataclass(frozen=True)
class JoinSpec(ReadSpec):
    """A table whose columns are added to each row, found by a key: ``join = { … }``.

    Attributes:
        on: the column of the key in the rows.
        key: its name in the joined table; empty: the same name.
    """

    on: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("files", "on"):
            check(bool(getattr(self, name)), f"a join needs {name}")


@dataclass(frozen=True)
class SourceSpec(ReadSpec):
    """``ReadSpec``, and what makes one row of each interaction, user or item of it.

    The shapes are applied in this order: ``fill``, ``explode``, ``unpivot``, ``join``.

    Attributes:
        fill: columns that are written in the first row of a group alone, such as an order's number
            and customer: a row in which all of them are empty has those of the row above.
        explode: columns whose cells hold several values, each of which becomes a row of its own;
            of several columns the first values belong together, then the second ones.
        separator: between the values of such a cell; JSON lists and lists of a file need none.
        unpivot: of a wide table, the columns that stay; each other column becomes a row with
            ``column``, its name, and ``value``, its value. Empty values are left out.
        join: tables that add columns, one after the other.
    """

    fill: tuple[str, ...] = ()
    explode: tuple[str, ...] = ()
    separator: str = ","
    unpivot: tuple[str, ...] = ()
    join: tuple[JoinSpec, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check(bool(self.separator), "separator must not be empty")
