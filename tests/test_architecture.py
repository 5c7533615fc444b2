"""Rooms, and who may know whom: read from the code, late imports included."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import fusionrec

ROOT = Path(fusionrec.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# A room imports only rooms in lines below its own; rooms in one line do not know each other.
ORDER = (
    ("cli",),
    ("service",),
    ("api",),
    ("evaluation",),
    ("deploy",),
    ("recommend", "training"),
    ("registry",),
    ("models",),
    ("index",),
    ("features",),
    ("data",),
    ("ledger", "metrics"),
    ("workspace",),
    ("config",),
    ("errors", "_version"),
)
LINE = {room: number for number, rooms in enumerate(reversed(ORDER)) for room in rooms}

# Which packages from outside are known where, and nowhere else.
KNOWN_IN = {
    "paddle": {"models", "training"},
    "pymilvus": {"index"},
    "milvus_lite": {"index"},
    "sqlite3": {"ledger", "recommend"},
    "sqlalchemy": {"ledger"},
    "click": {"cli"},
    "rich": {"cli"},
    "httpx": {"data"},
    "fastapi": {"service"},
    "starlette": {"service"},
    "uvicorn": {"service"},
    "pydantic": {"service"},
    "anyio": {"service"},
    "greenlet": {"index"},
    "orjson": {"service"},
    "prometheus_client": {"service"},
    "pandas": {"data"},
    "pyarrow": {"data", "evaluation", "recommend", "registry"},
    "safetensors": {"registry", "training"},
    "matplotlib": {"evaluation"},
}


def room_of(module: str) -> str:
    """The room of a module such as ``fusionrec.data.schema``."""
    return module.split(".")[1]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("fusionrec", *(part for part in parts if part != "__init__")))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it; of a package, its parts that are named."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                inner = ROOT.parent / f"{node.module}.{alias.name}".replace(".", "/")
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                found.add(f"{node.module}.{alias.name}" if is_module else node.module)
    return found


def inner(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] == "fusionrec"}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_room_imports_only_rooms_below_it(path):
    module = module_of(path)
    if module in ("fusionrec", "fusionrec.__main__"):
        return
    room = room_of(module)
    assert room in LINE, f"ORDER does not name {room}"
    for name in inner(path):
        if name == "fusionrec" or room_of(name) == room:
            continue
        assert LINE[room_of(name)] < LINE[room], f"{module} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_packages_from_outside_are_known_in_their_rooms_alone(path):
    module = module_of(path)
    room = room_of(module) if module != "fusionrec" else ""
    for name in imports(path):
        allowed = KNOWN_IN.get(name.split(".")[0])
        assert allowed is None or room in allowed, f"{module} imports {name}"


SQL = ("SELECT ", "INSERT ", "UPDATE ", "DELETE FROM ", "CREATE ", "DROP ", "PRAGMA")


def test_sql_is_written_in_the_ledger_and_the_word_index_alone():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                sql = node.value.lstrip().startswith(SQL)
                assert not sql or room_of(module_of(path)) == "ledger" or path.stem == "fulltext", (
                    path
                )


COMMAND = re.compile(r"(?<![\w'/.-])(fusionrec [a-z]+|--[a-z]+)")


@pytest.mark.parametrize(
    "room", ["index", "ledger", "registry", "recommend", "deploy", "service", "features"]
)
def test_only_the_command_line_words_commands(room):
    """What a service may answer says what to do by an error's code; each face words it."""
    for path in sorted((ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in documented:
                assert not COMMAND.search(str(node.value)), f"{path}:{node.lineno}"


def test_the_word_index_keeps_nothing():
    """It is made of the items and nothing else: what must last is in the ledger's database."""
    calls = [
        node
        for path in FILES
        if module_of(path) == "fusionrec.recommend.fulltext"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    opened = [ast.unparse(call.args[0]) for call in calls if call.func.attr == "connect"]
    assert opened == ["':memory:'"]


def test_no_module_imports_itself_through_others():
    edges = {module_of(path): inner(path) for path in FILES}
    del edges["fusionrec"]  # what it names it imports when it is asked for, after all of this

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        for name in edges.get(module, ()):
            visit(name, (*above, module))

    for module in edges:
        visit(module, ())


def test_no_room_but_data_and_the_quickstart_names_a_field_of_movielens():
    """Everything after the files loops over the schema. (``title`` and ``year`` mean other things,
    too, and are left to the test with a second schema.)
    """
    from fusionrec.data.movielens import MOVIELENS

    names = {f.name for f in MOVIELENS.fields} | {f.flag for f in MOVIELENS.fields}
    names -= {"title", "year"}
    for path in FILES:
        if path.is_relative_to(ROOT / "data") or path == ROOT / "cli" / "quickstart.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant):
                assert node.value not in names, f"{path}:{node.lineno}"
            if isinstance(node, ast.Attribute):
                assert node.attr not in names, f"{path}:{node.lineno}"


def test_data_of_movielens_alone_names_what_films_have():
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sorted(ROOT.rglob("*"))
        if path.suffix in (".py", ".js", ".html", ".css")
        and "genre" in path.read_text("utf-8").lower()
    ]
    assert found
    movielens = ("data/movielens/", "data/samples/movielens.py")
    assert [name for name in found if not name.startswith(movielens)] == []
