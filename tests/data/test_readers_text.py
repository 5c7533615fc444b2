"""Text of any layout and encoding."""

from __future__ import annotations

import json

import pytest

from fusionrec.data.tabular.readers.files import is_table, open_source, sample
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import ConfigError, DataError, FusionrecError

ROWS = [(f"u{n % 7}", f"i{n % 11}", str(n % 5 + 1)) for n in range(40)]
NAMES = ["user", "item", "rating"]
NUMBERED = ["column_1", "column_2", "column_3"]


def text(rows=ROWS, mark=",", first=()):
    return "".join(f"{mark.join(row)}\n" for row in (*first, *rows))


def read(path, content, spec=ReadSpec(), name="table"):  # noqa: B008
    (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return sample(path / name, 1000, spec)


@pytest.mark.parametrize("mark", ["\t", ",", ";", "|", "::", ":", " ", "   ", "\x01"])
@pytest.mark.parametrize("header", [True, False])
def test_any_delimiter_is_found_with_a_header_or_without(tmp_path, mark, header):
    found = read(tmp_path, text(mark=mark, first=[NAMES] if header else []))
    names = NAMES if header else NUMBERED
    assert list(found.columns) == names
    assert list(zip(*found.columns.values(), strict=True)) == ROWS
    assert found.source.delimiter == (mark.strip(" ") or " ")
    assert found.source.headerless is not header
    assert is_table(tmp_path / "table")


@pytest.mark.parametrize(
    ("content", "names", "rows"),
    [
        ("sep=|\n" + text(mark="|", first=[NAMES]), NAMES, 40),
        ("# exported 2020-01-01\n" + text(first=[NAMES]), NAMES, 40),
        ("# user,item,rating\n" + text(), NAMES, 40),
        ("#user\titem\trating\n" + text(mark="\t"), NAMES, 40),
        ("// by hand\n% and twice\n\n" + text(first=[NAMES]), NAMES, 40),
        ("40\n11\n" + text(), NUMBERED, 40),
        ("All our ratings, 2020\n\n" + text(first=[NAMES]), NAMES, 40),
        ("%%MatrixMarket matrix\n% x\n7 11 3\n1 2 3\n4 5 6\n", NUMBERED, 2),
        ('"user" "item"\n"1" "a b" 3\n"2" "c d" 4\n', ["column_1", "user", "item"], 2),
        ("user,item\nu1,i1,\nu2,i2,\n", ["user", "item"], 2),
        ("user,item,,\nu1,i1\nu2,i2\n", ["user", "item"], 2),
        ("user,,rating,\nu1,i1,3,\nu2,i2,4,\n", ["user", "column_2", "rating"], 2),
        ("user,rating,rating\nu1,3,4\n", ["user", "rating", "rating_2"], 1),
        ("\ufeffuser;item\nu1;i1\n", ["user", "item"], 1),
        ('\ufeff"user";"item"\nu1;i1\n', ["user", "item"], 1),
        ("user;price\nu1;3,50\nu2;4,25\nu3;1,00\n", ["user", "price"], 3),
        ("1,Toy Story (1995),A|B\n2,Heat,C\n3,\"x, y\",A|B|C\n", NUMBERED, 3),
        ("user_id:token\titem_id:token\nu1\ti1\n", ["user_id:token", "item_id:token"], 1),
        (",1,2,3\nu1,5,,1\nu2,,2,3\n", ["column_1", "1", "2", "3"], 2),
        ("day,n\n2020-01-01 10:00:00,1\n2020-01-02 11:00:00,2\n", ["day", "n"], 2),
        ("alice,milk\nbob,bread\nalice,bread\n", ["column_1", "column_2"], 3),
        ("[user],[item]\nu1,i1\n", ["[user]", "[item]"], 1),
        ("user\nann\nbob\n", ["user"], 2),
        ("user,item\r\n\r\nu1,i1\r\n,\r\n , \r\n  \r\nu2,i2\r\n", ["user", "item"], 3),
        ("user,item\ru1,i1\ru2,i2\r", ["user", "item"], 2),
    ],
)  # fmt: skip
def test_headers_and_what_stands_before_them(tmp_path, content, names, rows):
    found = read(tmp_path, content)
    left_out = any("before the table are left out" in note for note in found.source.notes)
    assert left_out is content.startswith(("40", "All"))
    assert (list(found.columns), found.rows) == (names, rows)


BOTH = {"user": ["u1", "u2", "u3"], "item": ["i 1", "i2", "i3"], "n": ["4", "5", "4"]}
BELOW = "u1,i 1,4\nu2,i2,5\nu3,i3,4\n"


@pytest.mark.parametrize(
    "content",
    [
        "user, item, n\nu1, i 1, 4\nu2, i2, 5\nu3, i3, 4\n",
        'user, "item", n\nu1, "i 1", 4\n"u2" , i2, 5\nu3, i3, 4\n',
        "user ; item ;n\nu1 ;i 1 ;4\nu2 ;i2  ;5\nu3 ;i3  ;4\n",
        " user | item | n\n------+------+---\n u1   | i 1  | 4\n u2   | i2   | 5\n"
        " u3   | i3   | 4\n(3 rows)\n\n",
        "+----+---+---+\n| user | item | n |\n+----+---+---+\n| u1 | i 1 | 4 |\n| u2 | i2 | 5 |\n"
        "| u3 | i3 | 4 |\n+----+---+---+\n3 rows in set (0.00 sec)\n",
        "| user | item | n |\n|---|:---|--:|\n| u1 | i 1 | 4 |\n| u2 | i2 | 5 |\n| u3 | i3 | 4 |\n",
        "user^item^n\nu1^i 1^4\nu2^i2^5\nu3^i3^4\n",
        "All rows,,\n,,\nuser,item,n\n" + BELOW,
        "All rows of 2020\n\nMade: today, by Ann\n\nuser,item,n\n" + BELOW,
        "user,item,n\n----,----,-\n" + BELOW,
        "user,item,n\n" + BELOW + "\nSource: our shop\n(3 rows affected)\n",
    ],
)
def test_tables_that_were_printed_for_people(tmp_path, content):
    assert {k: v for k, v in read(tmp_path, content, name="t.csv").columns.items() if v} == BOTH


def test_lines_that_do_not_fit_are_left_out_only_below_the_table(tmp_path):
    found = []
    source = read(tmp_path, "user,item\n" + "u1,i1\n" * 9 + "Total\n(9 rows)\n").source
    list(source.batches(on_finding=lambda *finding: found.append(finding)))
    assert [finding[1:] for finding in found] == [
        (2, "lines below the table that are left out", "Total", True)
    ]
    with pytest.raises(DataError, match="line 3: expected 2 values as in the header, got 1"):
        read(tmp_path, "user,item\nu1,i1\nTotal\nu1,i1\n")


@pytest.mark.parametrize("title", ['"A \\"big\\" tale, {}"', "A tale\\, {}"])
def test_backslashes_may_escape(tmp_path, title):
    rows = [(f"u{n % 5}", title.format(n), "3") for n in range(9)]
    titles = read(tmp_path, text(rows, first=[NAMES])).columns["item"]
    assert titles[3] == title.format(3).strip('"').replace("\\", "")


@pytest.mark.parametrize("name", ["u1", "u2"])
def test_a_row_of_more_values_than_names_is_refused_unless_it_is_named(tmp_path, name):
    content = f"user,item\nu1,i1,7\n{name},i2,8\n"
    if name == "u2":
        assert list(read(tmp_path, content).columns) == ["column_1", "user", "item"]
        return
    with pytest.raises(DataError, match="expected 2 values as in the header, got 3: 'u1,i1,7'"):
        read(tmp_path, content)


def test_names_skip_and_delimiter_may_be_given(tmp_path):
    spec = ReadSpec(names=tuple(NAMES))
    assert list(read(tmp_path, text(), spec).columns) == NAMES
    assert read(tmp_path, text(), spec).rows == read(tmp_path, text(first=[NAMES]), spec).rows == 40
    assert not read(tmp_path, text(), spec).source.headerless
    found = read(tmp_path, "a,b\n1,2\nuser item\n1 2\n", ReadSpec(skip=2, delimiter="whitespace"))
    assert found.columns == {"user": ["1"], "item": ["2"]}
    assert read(tmp_path, "a||b\n1||2\n", ReadSpec(delimiter="||")).columns == {
        "a": ["1"],
        "b": ["2"],
    }
    ended = ReadSpec(names=("user", "item"))
    assert read(tmp_path, "u1,i1,\nu2,i2,\n", ended).columns["item"] == ["i1", "i2"]
    with pytest.raises(ConfigError, match="expected names for 3 columns, got 2"):
        read(tmp_path, text(), ReadSpec(names=("user", "item")))
    with pytest.raises(DataError) as error:
        read(tmp_path, text()).source.require("user")
    assert "names = [...] in fusionrec.toml" in error.value.hint


@pytest.mark.parametrize("mark", [" ", ",", "\t"])
def test_lines_of_any_number_of_ids_keep_the_rest_in_the_last_column(tmp_path, mark):
    lines = [[f"u{n}", *(f"i{n * k % 13}" for k in range(1, n % 5 + 2))] for n in range(30)]
    found = read(tmp_path, text(lines, mark))
    assert found.columns == {
        "column_1": [line[0] for line in lines],
        "column_2": [mark.join(line[1:]) for line in lines],
    }
    assert (found.source.ragged, found.source.headerless) == (mark, True)
    spec = ReadSpec(names=("who", "first", "more"), delimiter=mark)
    found = read(tmp_path, text(lines, mark), spec)
    assert found.columns["first"] == [line[1] for line in lines]
    assert found.columns["more"] == [mark.join(line[2:]) or None for line in lines]


PROSE = """Dear reader,
this is a text, and no table. It has several lines; some of them
are long, others are not: so nobody can say how many columns there are.
It ends here."""


@pytest.mark.parametrize(
    ("name", "content"),
    [("notes.txt", PROSE), ("notes", PROSE), ("README", text()), ("fusionrec.toml", "a = 1\n"),
     ("page.dat", "<html><p>1,2</p></html>"), ("x.dat", b"%PDF-1.4\n1,2\n"),
     ("x.dat", b"\x00\x01\x02,"), ("x.png", text()), ("x.dat", b"")],
)  # fmt: skip
def test_other_files_are_no_tables(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert not is_table(tmp_path / name)


SAMPLES = {
    "gbk": "用户,商品,评分\n1,红色连衣裙,5\n2,蓝色牛仔裤,4\n3,运动鞋,3\n4,笔记本电脑,4\n",
    "big5": "使用者,商品,評分\n1,紅色洋裝,5\n2,藍色牛仔褲,4\n3,運動鞋,3\n4,筆記型電腦,4\n",
    "shift_jis": "ユーザー,商品,評価\n1,赤いドレス,5\n2,青いジーンズ,4\n3,東京のお菓子,4\n",
    "cp932": "user,本\n1,坊っちゃんの物語\n2,吾輩は猫である\n3,雪国\n4,ノルウェイの森\n",
    "euc_kr": "사용자,상품,평점\n1,빨간 드레스,5\n2,청바지,4\n3,운동화,3\n4,노트북,4\n",
    "cp1251": "пользователь,товар,оценка\n1,красное платье,5\n2,синие джинсы,4\n",
    "koi8_r": "user,книга\n1,Война и мир\n2,Мёртвые души\n3,Анна Каренина\n4,Мастер и Маргарита\n",
    "iso8859_5": "user,книга\n1,Война и мир\n2,Мёртвые души\n3,Анна Каренина\n4,Идиот\n",
    "cp866": "user,книга\n1,Война и мир\n2,Мёртвые души\n3,Анна Каренина\n4,Идиот\n",
    "iso8859_2": "user,kniha\n1,Dobrý voják Švejk\n2,Příběh o želvě a dešti\n3,Děti\n",
    "cp1253": "user,βιβλίο\n1,Η Οδύσσεια\n2,Ματωμένα χώματα\n3,Καπετάν Μιχάλης\n",
    "cp1252": "utilisateur,article,note\n1,Été à Paris,5\n2,Café crème,4\n3,Amélie,5\n",
    "utf-16": "käufer,товар,評価\n1,x,5\n2,y,4\n",
    "utf-16-le": "user,item,rating\n1,x,5\n2,漢字,4\n",
    "utf-16-be": "user,item,rating\n1,x,5\n2,漢字,4\n",
}


@pytest.mark.parametrize("encoding", SAMPLES)
@pytest.mark.parametrize("lines", [False, True])
def test_encodings_are_recognised_and_converted(tmp_path, encoding, lines):
    content = SAMPLES[encoding]
    if lines:
        names, *rows = (line.split(",") for line in content.splitlines())
        pairs = (zip(names, row, strict=True) for row in rows)
        content = "".join(f"{json.dumps(dict(pair), ensure_ascii=False)}\n" for pair in pairs)
    expected = read(tmp_path, content).columns
    found = read(tmp_path, content.encode(encoding))
    assert found.columns == expected
    assert found.source.notes[0].startswith("read as ")
    given = read(tmp_path, content.encode(encoding), ReadSpec(encoding=encoding))
    assert (given.columns, given.source.notes) == (expected, ())


def test_an_encoding_that_shows_late_is_found_or_named(tmp_path, monkeypatch):
    late = text(ROWS * 4000, first=[NAMES]).encode() + b"u1,Caf\xe9,3\n"
    assert len(late) > 1 << 20
    (tmp_path / "table").write_bytes(late)
    source = open_source(tmp_path / "table")
    assert [b.column(1).to_pylist()[-1] for b in source.batches()][-1] == "Café"
    monkeypatch.setattr("fusionrec.data.tabular.readers.encoding.CHECKED", 1 << 20)
    with pytest.raises(DataError, match=r"line 160002: not UTF-8 from byte 7 on") as error:
        list(open_source(tmp_path / "table").batches())
    assert 'encoding = "cp1252"' in error.value.hint


@pytest.mark.parametrize("spec", [ReadSpec(encoding="klingon"), ReadSpec(encoding="ascii85"),
                                  ReadSpec(delimiter='"'), ReadSpec(encoding="hex")])  # fmt: skip
def test_settings_that_cannot_be_are_refused(tmp_path, spec):
    with pytest.raises(ConfigError):
        read(tmp_path, text(), spec)


def test_a_wrong_encoding_is_a_clear_error(tmp_path):
    with pytest.raises(FusionrecError, match="line 2: not UTF-8 from byte 3"):
        read(tmp_path, "a,b\n1,é\n2,x\n".encode("cp1252"), ReadSpec(encoding="utf-8"))


def test_a_table_with_a_bad_row_is_one_whatever_its_name(tmp_path):
    (tmp_path / "table").write_text(text() + "u1,i1\n")
    assert is_table(tmp_path / "table")


def test_rows_without_a_value_are_counted(tmp_path):
    found = []
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n" + ",,\n" * 5000 + ",\n;\n4,5,6\n")
    batches = list(open_source(tmp_path / "t.csv").batches(on_finding=lambda *f: found.append(f)))
    assert sum(map(len, batches)) == 2
    assert [(count, says) for name, count, says, _ in found if name.startswith("empty_")] == [
        (5002, "rows of t.csv without any value")
    ]


def test_a_bad_row_is_named_by_its_line_behind_values_of_several_lines(tmp_path):
    rows = "a,b\n" + '"x\n\ny",1\n\n' * 1000 + "1,2,3\n4,5\n"
    (tmp_path / "t.csv").write_text(rows)
    with pytest.raises(DataError, match=r"line 4002: expected 2 values .* got 3: '1,2,3'"):
        list(open_source(tmp_path / "t.csv").batches())
