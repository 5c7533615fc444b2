"""Tables of SQLite, DuckDB and PostgreSQL as sources of rows."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import psycopg
import pytest
from tabular_files import RATED, describe, write

from fusionrec.data.load import read
from fusionrec.data.tabular import cache, copies
from fusionrec.data.tabular.cache import cached_tables
from fusionrec.data.tabular.casting import as_text
from fusionrec.data.tabular.readers import postgresql
from fusionrec.data.tabular.readers.urls import expand, redact, shown
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.data.tabular.sources import open_files, tables_of
from fusionrec.errors import ConfigError, DataError
from fusionrec.workspace import Workspace

ROWS = [("a", "x", 1.0, 3), ("b", "x", 5.0, 1), ("a", "y", 4.0, 2), ("c", "y", 2.0, 4)]


def sqlite(path: Path, *statements: str) -> Path:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def rated(path: Path, kind: str) -> Path:
    """A database with the table of ROWS."""
    connection = sqlite3.connect(path) if kind == "sqlite" else duckdb.connect(str(path))
    connection.execute("CREATE TABLE stars (u VARCHAR, i VARCHAR, r DOUBLE, t BIGINT)")
    connection.executemany("INSERT INTO stars VALUES (?, ?, ?, ?)", ROWS)
    connection.commit()
    connection.close()
    return path


def rows_of(location: Path | str, columns: list[str] | None = None, **keys: str) -> list[tuple]:
    """All rows of a table, as text."""
    path = Path(location)
    spec = ReadSpec(files=path.name if path.exists() else str(location), **keys)
    (source,) = open_files(spec, path.parent if path.exists() else Path(), allow_remote=True)
    found = []
    for batch in source.batches(columns):
        texts = [as_text(column, "").to_pylist() for column in batch.columns]
        found += zip(*texts, strict=True)
    return found


def kept(folder: Path) -> dict[str, tuple[bytes, int]]:
    """What a folder holds, and when it was written."""
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("key", [{"table": "stars"}, {"query": "SELECT u, i, r, t FROM stars;"}])
def test_a_database_file_is_read_whatever_it_is_called_and_left_as_it_was(tmp_path, kind, key):
    folder = tmp_path / "mine"
    folder.mkdir()
    rated(folder / "shop.data", kind)
    toml = describe(folder, "shop.data", **key, **RATED)
    before = kept(folder)
    made = cached_tables(toml, tmp_path / "data").dataset()
    assert kept(folder) == before
    assert list(made.users.ids) == ["a", "b", "c"]
    assert made.rating.tolist() == [1, 5, 4, 2]
    assert made.time.tolist() == [3, 1, 2, 4]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_tables_and_views_are_listed_and_the_only_one_is_taken(tmp_path, kind):
    path = rated(tmp_path / "one", kind)
    assert tables_of(path) == ["stars"]
    assert rows_of(path, ["i", "u"])[:2] == [("x", "a"), ("x", "b")]
    connect = sqlite3.connect if kind == "sqlite" else duckdb.connect
    connection = connect(str(path))
    connection.execute("CREATE VIEW liked AS SELECT * FROM stars WHERE r > 3")
    connection.commit()
    connection.close()
    assert sorted(tables_of(path)) == ["liked", "stars"]
    assert rows_of(path, ["u"], table="liked") == [("b",), ("a",)]
    with pytest.raises(DataError, match="holds 2 tables: ") as refused:
        rows_of(path)
    assert 'table = "' in refused.value.hint
    with pytest.raises(DataError, match="no table 'starz'") as refused:
        rows_of(path, table="starz")
    assert "stars" in refused.value.hint


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_table_without_rows_has_columns(tmp_path, kind):
    path = rated(tmp_path / "a.db", kind)
    query = "SELECT u, i FROM stars WHERE r > 9"
    (source,) = open_files(ReadSpec(files="a.db", query=query), tmp_path)
    assert list(source.types) == ["u", "i"]
    assert rows_of(path, query=query) == []


def test_a_csv_has_no_tables(tmp_path):
    assert tables_of(write(tmp_path / "a.csv", {"a": ["1"]})) == []


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_what_stands_in_a_log_of_sqlite_is_read_and_the_log_stays(tmp_path, ending):
    made = rated(tmp_path / "a.db", "sqlite")
    connection = sqlite3.connect(made, isolation_level=None)
    folder = tmp_path / "copy"
    folder.mkdir()
    if ending == "-wal":
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("INSERT INTO stars VALUES ('d', 'z', 3.0, 9)")
    else:  # a hot journal: what it holds undoes a change that was never finished
        connection.execute("PRAGMA cache_size=1")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE more AS WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                           "FROM n WHERE i < 20000) SELECT i FROM n")  # fmt: skip
        connection.execute("DELETE FROM stars")
    for part in (made, made.with_name(f"a.db{ending}")):
        shutil.copyfile(part, folder / part.name)
    connection.close()
    before = kept(folder)
    assert set(before) == {"a.db", f"a.db{ending}"}
    found = rows_of(folder / "a.db", ["u"], table="stars")
    assert found == [*[(user,) for user, *_ in ROWS], *([("d",)] if ending == "-wal" else [])]
    assert kept(folder) == before


def test_the_log_counts_when_the_cache_is_asked(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    made = rated(folder / "a.db", "sqlite")
    connection = sqlite3.connect(made, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    toml = describe(folder, "a.db", **RATED)
    assert len(cached_tables(toml, tmp_path / "data").user) == 4
    connection.execute("INSERT INTO stars VALUES ('d', 'z', 3.0, 9)")
    assert len(cached_tables(toml, tmp_path / "data").user) == 5
    connection.close()


def test_columns_of_sqlite_that_hold_several_types(tmp_path):
    sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id, n INTEGER, price REAL, empty INT, photo BLOB, day DATE, odd)",
        "INSERT INTO t VALUES ('A1', 1, 2.5, NULL, x'00ff', '2024-01-05', 1)",
        "INSERT INTO t VALUES (17, 2, 3, NULL, x'01', '2024-01-06', x'00')",
        "INSERT INTO t VALUES (1.5, NULL, 4, NULL, NULL, NULL, 9007199254740993)",
    )
    (source,) = open_files(ReadSpec(files="a.db"), tmp_path)
    assert source.types == {
        "id": "string", "n": "int64", "price": "double", "empty": "int64", "day": "string",
        "odd": "string",
    }  # fmt: skip
    said: list[tuple] = []
    (batch,) = source.batches(on_finding=lambda *finding: said.append(finding))
    assert batch.column("id").to_pylist() == ["A1", "17", "1.5"]
    assert batch.column("n").to_pylist() == [1, 2, None]
    assert batch.column("odd").to_pylist() == ["1", None, "9007199254740993"]
    assert [(name, count) for name, count, *_ in said] == [("bytes_odd", 1)]
    with pytest.raises(DataError, match=r"no column 'photo' .*table t"):
        next(source.batches(["photo"]))


def test_a_column_may_change_its_type_after_the_first_rows(tmp_path):
    path = sqlite(tmp_path / "a.db", "CREATE TABLE t (id)", "CREATE INDEX other ON t (id DESC)")
    ids = [*range(3000), "B7", 2.5]
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(one,) for one in ids])
    connection.close()
    assert rows_of(path) == [(str(one),) for one in ids]


def test_sqlite_texts_of_another_encoding(tmp_path):
    path = sqlite(tmp_path / "a.db", "CREATE TABLE t (name)",
                  "INSERT INTO t VALUES (CAST(x'4dfc6c6c6572' AS TEXT))")  # fmt: skip
    with pytest.raises(DataError) as refused:
        rows_of(path)
    assert 'encoding = "latin-1"' in refused.value.hint
    assert rows_of(path, encoding="latin-1") == [("Müller",)]
    with pytest.raises(DataError, match="unknown encoding"):
        rows_of(path, encoding="klingon")


QUERIES = (
    "SELECT 1 AS a; DROP TABLE stars",
    "DROP TABLE stars",
    "DELETE FROM stars RETURNING u",
    "ATTACH 'other.db' AS other",
    "PRAGMA user_version",
    "COPY stars TO 'out.csv'",
    "INSTALL httpfs",
    "SELECT load_extension('x')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT nothing FROM stars",
    "SELECT u, u FROM stars",
    "SELEC 1",
    "-- nothing",
)


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_this_file_and_nothing_else(tmp_path, kind, query):
    path = rated(tmp_path / "a.db", kind)
    before = kept(tmp_path)
    with pytest.raises(DataError) as refused:
        rows_of(path, query=query)
    assert refused.value.hint
    assert kept(tmp_path) == before


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_query_without_end_is_ended(tmp_path, kind):
    rated(tmp_path / "a.db", kind)
    query = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS m FROM n"
    )
    spec = ReadSpec(files="a.db", query=query)
    with pytest.raises(DataError, match=r"longer than 0\.3 s"):
        list(open_files(spec, tmp_path, seconds=0.3)[0].batches())


ODD = 'a"b', "line\nbreak", "sel;ect", "[x]", "rowid", "ünï"


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_odd_names_and_many_columns(tmp_path, kind):
    path = tmp_path / f"a b{'?' if kind == 'sqlite' else ''}#%41'.db"
    connection = sqlite3.connect(path) if kind == "sqlite" else duckdb.connect(str(path))
    for name in ODD:
        quoted = name.replace('"', '""')
        connection.execute(f'CREATE TABLE "{quoted}" ("{quoted}" VARCHAR, "_rowid_" VARCHAR)')
        connection.execute(f"INSERT INTO \"{quoted}\" VALUES ('1', '2')")
    wide = [f"c{n}" for n in range(2000)]
    connection.execute(f"CREATE TABLE wide ({', '.join(f'{name} INT' for name in wide)})")
    connection.execute(f"INSERT INTO wide VALUES ({', '.join('7' for _ in wide)})")
    connection.commit()
    connection.close()
    assert set(tables_of(path)) == {*ODD, "wide"}
    for name in ODD:
        assert rows_of(path, [name], table=name) == [("1",)]
    assert rows_of(path, table="wide") == [("7",) * 2000]


def test_more_columns_than_can_be_read_are_refused(tmp_path):
    rated(tmp_path / "a.db", "duckdb")
    query = f"SELECT {', '.join(f'u AS c{n}' for n in range(10_001))} FROM stars"
    with pytest.raises(DataError, match="at most 10,000 columns, got 10,001"):
        open_files(ReadSpec(files="a.db", query=query), tmp_path)


HOSTILE = {
    "a view that loads code": "CREATE VIEW bad AS SELECT load_extension('/tmp/x.so') AS u",
    "a view of nothing": "CREATE VIEW bad AS SELECT * FROM gone",
    "a view of itself": "CREATE VIEW bad AS SELECT * FROM bad",
    "a huge value": "CREATE VIEW bad AS SELECT zeroblob(900000000) AS u",
}


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_schema_is_refused(tmp_path, schema):
    path = rated(tmp_path / "a.db", "sqlite")
    sqlite(path, schema)
    assert "bad" in tables_of(path)
    assert len(rows_of(path, table="stars")) == 4
    with pytest.raises(DataError):
        rows_of(path, table="bad")


def test_generated_columns_virtual_tables_and_tables_without_rowid(tmp_path):
    path = sqlite(
        tmp_path / "a.db",
        "CREATE TABLE g (a INTEGER, b AS (a * 2), c TEXT AS (a || 'x') STORED)",
        "INSERT INTO g (a) VALUES (3)",
        "CREATE TABLE k (u TEXT PRIMARY KEY, n INT) WITHOUT ROWID",
        "INSERT INTO k VALUES ('z', 1), ('a', 2)",
        "CREATE VIRTUAL TABLE words USING fts5 (title)",
        "INSERT INTO words VALUES ('a lamp')",
    )
    assert tables_of(path) == ["g", "k", "words"]
    assert rows_of(path, table="g") == [("3", "6", "3x")]
    assert rows_of(path, table="k") == [("a", "2"), ("z", "1")]
    assert rows_of(path, table="words") == [("a lamp",)]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_damaged_files_are_refused(tmp_path, kind):
    whole = rated(tmp_path / "a.db", kind).read_bytes()
    rng = np.random.default_rng(1)
    path = tmp_path / "b.db"
    for trial in range(40):
        damaged = bytearray(whole)
        for at in rng.integers(20, len(whole), 1 + 20 * (trial % 3)):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(100, len(whole))] if trial % 4 == 3 else damaged)
        try:
            for table in tables_of(path):
                rows_of(path, table=table)
        except DataError as refused:
            assert refused.hint  # noqa: PT017


def test_types_of_duckdb(tmp_path):
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT 170141183460469231731687303715884105727::HUGEINT AS huge, "
            "'red'::ENUM('red', 'blue') AS color, "
            "uuid '00000000-0000-0000-0000-000000000001' AS id, "
            "['a', 'b'] AS tags, 'x'::BLOB AS photo, 1.50::DECIMAL(9,2) AS price, true AS yes, "
            "timestamptz '2024-01-01 10:00:00+00' AS at, date '2024-01-01' AS day, "
            "time '10:00' AS hour, interval 1 day AS long, {'a': 1} AS nested"
        )
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.t AS SELECT 1 AS a")
    assert tables_of(path) == ["t", "shop.t"]
    assert rows_of(path, table="shop.t") == [("1",)]
    (source,) = open_files(ReadSpec(files="a.duckdb", table="t"), tmp_path)
    assert "photo" not in source.types
    assert source.types["nested"].startswith("struct")
    assert source.types["at"].startswith("timestamp")
    names = [name for name in source.types if name not in ("nested", "at", "day")]
    assert rows_of(path, names, table="t") == [
        ("170141183460469231731687303715884105727", "red", "00000000-0000-0000-0000-000000000001",
         ["a", "b"], "1.50", "true", "10:00:00", "1 day"),
    ]  # fmt: skip


def test_a_duckdb_that_another_process_writes(tmp_path):
    path = rated(tmp_path / "a.db", "duckdb")
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        with pytest.raises(DataError) as refused:
            rows_of(path)
        other.communicate(b"\n")
    assert "another process" in refused.value.hint
    assert len(rows_of(path)) == 4


def test_without_the_package_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    path = rated(tmp_path / "a.db", "duckdb")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(DataError) as refused:
        rows_of(path)
    assert "fusionrec[duckdb]" in refused.value.hint
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DataError) as refused:
        tables_of("postgresql://reader@host/shop")
    assert "fusionrec[postgresql]" in refused.value.hint


# ------------------------------------------------------------------------------------- PostgreSQL


@pytest.fixture
def shop(postgres):
    """The URL of a schema with the table of ROWS, and its name."""
    url = postgres.new_schema().replace("postgresql+psycopg", "postgresql")
    name = url.rpartition("%3D")[2]
    execute(
        url,
        "CREATE TABLE stars (u text, i text, r real, t bigint)",
        *(f"INSERT INTO stars VALUES {row}" for row in ROWS),
    )
    return url, name


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_table_of_postgresql_is_trained_on_and_never_stale(shop, tmp_path, monkeypatch):
    url, name = shop
    toml = describe(tmp_path, url, table=f"{name}.stars", **RATED)
    with pytest.raises(DataError) as refused:
        read(tmp_path, tmp_path / "data")
    assert "--allow-remote" in refused.value.hint
    made = read(tmp_path, tmp_path / "data", allow_remote=True)
    assert made.rating.tolist() == [1, 5, 4, 2]
    assert made.time.tolist() == [3, 1, 2, 4]
    converted = []
    plain = cache.convert
    monkeypatch.setattr(cache, "convert", lambda *given: converted.append(1) or plain(*given))
    read(tmp_path, tmp_path / "data", allow_remote=True)
    assert converted == []
    execute(url, "INSERT INTO stars VALUES ('d', 'z', 3, 9)")
    assert len(read(tmp_path, tmp_path / "data", allow_remote=True).user) == 5
    assert converted == [1]
    assert toml.exists()
    left = [p.name for p in (tmp_path / "data" / "tables").iterdir()]
    assert len(left) == 1
    assert not left[0].startswith(".")


def test_all_tables_of_postgresql_are_of_one_moment(shop, tmp_path, monkeypatch):
    url, name = shop
    execute(url, "CREATE TABLE things (i text, label text)",
            "INSERT INTO things VALUES ('x', 'a lamp'), ('y', 'a bed')")  # fmt: skip
    tables = f'[items]\nfiles = "{url}"\nquery = "SELECT i, label FROM {name}.things ORDER BY i"'
    tables += '\nid = "i"\n[items.fields.label]\nkind = "text"'
    describe(tmp_path, url, tables=tables, table="stars", **RATED)
    plain = copies._Tables._write

    def write_and_change(self, source):
        made = plain(self, source)
        execute(url, "DELETE FROM stars", "DELETE FROM things")
        return made

    monkeypatch.setattr(copies._Tables, "_write", write_and_change)
    made = read(tmp_path, tmp_path / "data", allow_remote=True)
    assert len(made.user) == 4
    assert [*made.items.columns["label"]] == ["a lamp", "a bed"]


def test_types_of_postgresql(shop):
    url, name = shop
    execute(
        url,
        "CREATE TYPE color AS ENUM ('red', 'blue')",
        "CREATE DOMAIN stock AS integer",
        """CREATE TABLE odd ("a""b" integer, "line\nbreak" numeric(9,2), tags text[], grid int[][],
           color color, left_over stock, photo bytea, id uuid, doc jsonb, at timestamptz, day date,
           yes boolean, fixed char(4), far timestamp)""",
        """INSERT INTO odd VALUES (1, 2.50, '{a,NULL}', '{{1,2},{3,4}}', 'red', 7, 'x',
           '00000000-0000-0000-0000-000000000001', '{"a": 1}', '2024-01-01 10:00:00+02',
           '2024-01-01', true, 'ab', 'infinity')""",
        "INSERT INTO odd VALUES (NULL, 'NaN')",
        "CREATE VIEW seen AS SELECT color FROM odd WHERE yes",
    )
    assert tables_of(url)[:3] == [f"{name}.odd", f"{name}.seen", f"{name}.stars"]
    assert rows_of(url, table="seen") == [("red",)]
    (source,) = open_files(ReadSpec(files=url, table="odd"), Path(), allow_remote=True)
    kinds = ["int64", "string", "list<item: string>", "list<item: string>", "string", "int64",
             "string", "string", "timestamp[us, tz=UTC]", "date32[day]", "bool", "string",
             "timestamp[us]"]  # fmt: skip
    assert list(source.types.values()) == kinds
    assert "photo" not in source.types
    (batch,) = source.batches()
    first, second = batch.to_pylist()
    assert first | {"at": str(first["at"]), "day": str(first["day"])} == {
        'a"b': 1, "line\nbreak": "2.50", "tags": ["a", None], "grid": None, "color": "red",
        "left_over": 7, "id": "00000000-0000-0000-0000-000000000001", "doc": '{"a": 1}',
        "at": "2024-01-01 08:00:00+00:00", "day": "2024-01-01", "yes": True, "fixed": "ab",
        "far": None,
    }  # fmt: skip
    assert second["line\nbreak"] == "NaN"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS a; COMMIT; DROP TABLE stars",
        "DELETE FROM stars RETURNING u",
        "WITH gone AS (DELETE FROM stars RETURNING u) SELECT u FROM gone",
        "SELECT setval('number', 9) AS a",
        "SELECT nothing FROM stars",
        "SELECT u, u FROM stars",
        "SELECT 1) AS q; COMMIT; DROP TABLE stars; SELECT * FROM (SELECT 1",
        "COPY stars TO '/tmp/out.csv'",
        "",
    ],
)
def test_a_query_of_postgresql_changes_nothing(shop, query):
    url, _ = shop
    execute(url, "CREATE SEQUENCE number", "CREATE TABLE other (a text)")
    with pytest.raises(DataError) as refused:
        rows_of(url, query=query)
    assert refused.value.hint
    assert len(rows_of(url, table="stars")) == 4


def test_postgresql_is_read_in_batches_and_not_for_ever(shop):
    url, _ = shop
    query = "SELECT n, n % 7 AS m FROM generate_series(1, 300000) n ORDER BY n;"
    (source,) = open_files(ReadSpec(files=url, query=query), Path(), allow_remote=True)
    sizes = [len(batch) for batch in source.batches(["n"])]
    assert sum(sizes) == 300_000
    assert len(sizes) > 2
    assert max(sizes) <= 1 << 16
    slow = ReadSpec(files=url, query="SELECT pg_sleep(9)::text AS a")
    with pytest.raises(DataError) as refused:
        list(open_files(slow, Path(), allow_remote=True, seconds=0.2)[0].batches())
    assert "too long" in refused.value.hint


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://u:geheim@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:ge/he@im?x@h/db?sslmode=on", "postgresql://u:***@h/db"),
        ("postgres://u@h/db?password=geheim", "postgres://u@h/db"),
        ("postgresql://u:${NO_SUCH}@h/db", "postgresql://u:***@h/db"),
        ("https://u:geheim@h/a.csv?token=geheim", "https://u:***@h/a.csv"),
        ("s3://key:geheim@bucket/a.csv", "s3://key:***@bucket/a.csv"),
    ],
)
def test_passwords_come_from_the_environment_and_are_not_shown(tmp_path, fusionrec, url, seen):
    assert shown(url) == seen
    describe(tmp_path, url, **RATED)
    with pytest.raises(DataError) as refused:
        read(tmp_path, tmp_path / "data", allow_remote=True)
    said = f"{refused.value.message} {refused.value.hint}"
    assert seen in said
    assert "geheim" not in said
    assert "${" in said or "export NO_SUCH" in said
    for given in ([], ["--allow-remote"]):
        ended = fusionrec(Workspace(tmp_path / "home"), "check", str(tmp_path), *given)
        assert ended.code == 1
        assert seen in ended.err
        assert "geheim" not in ended.err
    if "?" not in url.partition("@")[0]:
        assert "geheim" not in redact(f"got '{url.partition('?')[0]}' and more")


def test_a_password_of_the_environment_is_used_and_not_shown(monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", "p@ss:w/rd%")
    url = expand("postgresql://reader:${SHOP_PASSWORD}@127.0.0.1:1/shop")
    assert url == "postgresql://reader:p%40ss%3Aw%2Frd%25@127.0.0.1:1/shop"
    with pytest.raises(DataError) as refused:
        tables_of("postgresql://reader:${SHOP_PASSWORD}@127.0.0.1:1/shop")
    assert "p@ss" not in refused.value.message
    assert "postgresql://reader:***@127.0.0.1:1/shop" in refused.value.message


@pytest.mark.parametrize(
    "url",
    ["postgresql://u@h:port/db", "postgresql://u@h/db?service=x", "postgresql://u@h/db?nonsense=1"],
)
def test_other_urls_of_postgresql_are_refused(url):
    with pytest.raises(DataError) as refused:
        tables_of(url)
    assert refused.value.hint


def test_a_password_of_the_wrong_place_in_a_toml_is_not_shown(tmp_path):
    text = '[interactions]\nfiles = ["postgresql://u:geheim@h/db"]\nuser = "u"\nitem = "i"'
    (tmp_path / "fusionrec.toml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, tmp_path / "data")
    assert "geheim" not in refused.value.message


@pytest.mark.parametrize("url", ["mysql://u:geheim@h/db", "ftp://h/a.csv", "file:///etc/passwd"])
def test_urls_of_other_kinds_are_refused(tmp_path, url):
    with pytest.raises(DataError, match="are not read") as refused:
        open_files(ReadSpec(files=url), tmp_path, allow_remote=True)
    assert "export" in refused.value.hint
    assert "geheim" not in refused.value.message


@pytest.mark.parametrize("way", ["up", "absolute", "link", "pattern"])
def test_files_outside_the_folder_need_to_be_allowed(tmp_path, fusionrec, way):
    columns = dict(zip("uirt", map(list, zip(*ROWS, strict=True)), strict=True))
    outside = write(tmp_path / "rows.csv", columns)
    folder = tmp_path / "mine"
    folder.mkdir()
    names = {"up": "../rows.csv", "absolute": str(outside), "link": "link.csv", "pattern": "*.csv"}
    if way in ("link", "pattern"):
        (folder / "link.csv").symlink_to(outside)
    describe(folder, names[way], **RATED)
    with pytest.raises(DataError, match="lies outside") as refused:
        read(folder, tmp_path / "data")
    assert "--allow-remote" in refused.value.hint
    assert len(read(folder, tmp_path / "data", allow_remote=True).user) == 4
    check = Workspace(tmp_path / "home"), "check", str(folder)
    assert "--allow-remote" in fusionrec(*check).err
    assert fusionrec(*check, "--allow-remote").code == 0


def test_a_link_within_the_folder_and_a_folder_that_is_a_link_are_allowed(tmp_path):
    columns = dict(zip("uirt", map(list, zip(*ROWS, strict=True)), strict=True))
    folder = tmp_path / "mine"
    (folder / "deep").mkdir(parents=True)
    write(folder / "deep" / "rows.csv", columns)
    (folder / "link.csv").symlink_to("deep/rows.csv")
    describe(folder, "link.csv", **RATED)
    (tmp_path / "other").symlink_to(folder)
    assert len(read(tmp_path / "other", tmp_path / "data").user) == 4


def test_the_session_of_a_snapshot_cannot_write(shop):
    url, _ = shop
    with postgresql.connected(url) as connection, pytest.raises(psycopg.Error):
        connection.execute("DELETE FROM stars")
