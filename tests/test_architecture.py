"""Rooms, and who may know whom: read from the code, late imports included."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from source import FILES, ROOT, module_of, name_of, nodes_of, tree_of

# A room imports only rooms in lines below its own; rooms in one line do not know each other.
ORDER = (
    ("cli",),
    ("service",),
    ("api",),
    ("evaluation",),
    ("deploy",),
    ("recommend", "training"),
    ("baselines",),
    ("regression",),
    ("registry",),
    ("models",),
    ("index",),
    ("features",),
    ("data",),
    ("ledger", "metrics"),
    ("workspace",),
    ("config", "engine", "processors"),
    ("errors", "_version"),
)
LINE = {room: number for number, rooms in enumerate(reversed(ORDER)) for room in rooms}

# Which packages from outside are known where, and nowhere else.
KNOWN_IN = {
    "paddle": {"models", "training"},
    "pymilvus": {"index"},
    "milvus_lite": {"index"},
    "faiss": {"index"},
    "sqlite3": {"data", "ledger", "recommend"},
    "psycopg": {"data"},
    "duckdb": {"data"},
    "fsspec": {"data"},
    "sqlalchemy": {"ledger"},
    "click": {"cli"},
    "rich": {"cli"},
    "httpx": {"data"},
    "fastapi": {"service"},
    "jinja2": {"evaluation", "service"},
    "starlette": {"service"},
    "uvicorn": {"service"},
    "pydantic": {"service"},
    "anyio": {"service"},
    "greenlet": {"index"},
    "orjson": {"service"},
    "prometheus_client": {"service"},
    "charset_normalizer": {"data"},
    "pandas": {"data"},
    "python_calamine": {"data"},
    "pyarrow": {"data", "evaluation", "recommend", "registry"},
    "ray": {"engine"},
    "snowballstemmer": {"recommend"},
    "safetensors": {"registry", "training"},
    "matplotlib": {"evaluation"},
    "openTSNE": {"deploy"},
}


def room_of(module: str) -> str:
    """The room of a module such as ``fusionrec.data.schema``."""
    return module.split(".")[1]


@cache
def imports(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it; of a package, its parts that are named."""
    found = set()
    for node in nodes_of(path):
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


def test_order_names_every_room():
    modules = {module_of(path) for path in FILES} - {"fusionrec", "fusionrec.__main__"}
    assert {room_of(module) for module in modules} == LINE.keys()


def test_a_room_imports_only_rooms_below_it():
    wrong = [
        f"{module} imports {name}"
        for path in FILES
        if (module := module_of(path)) not in ("fusionrec", "fusionrec.__main__")
        for name in inner(path) - {"fusionrec"}
        if room_of(name) != room_of(module) and LINE[room_of(name)] >= LINE[room_of(module)]
    ]
    assert wrong == []


def test_packages_from_outside_are_known_in_their_rooms_alone():
    wrong = []
    for path in FILES:
        module = module_of(path)
        room = room_of(module) if module != "fusionrec" else ""
        for name in imports(path):
            if room not in KNOWN_IN.get(name.split(".")[0], {room}):
                wrong.append(f"{module} imports {name}")
    assert wrong == []


SQL = ("SELECT ", "INSERT ", "UPDATE ", "DELETE FROM ", "CREATE ", "DROP ", "PRAGMA")


DATABASES = {"fulltext", "sqlite_files", "duckdb_files", "postgresql"}


def test_sql_is_written_where_databases_are_spoken_to_and_nowhere_else():
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in FILES
        if not name_of(path).startswith("ledger/") and path.stem not in DATABASES
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.lstrip().startswith(SQL)
    ]
    assert wrong == []


COMMAND = re.compile(r"(?<![\w'/.-])(fusionrec [a-z]+|--[a-z]+)")


def docstrings(path: Path) -> set[int]:
    """Ids of the nodes that are docstrings."""
    return {
        id(node.body[0].value)
        for node in nodes_of(path)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }


def test_only_the_command_line_words_commands():
    """What a service may answer says what to do by an error's code; each face words it."""
    rooms = {"index", "ledger", "registry", "recommend", "deploy", "service", "features"}
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in FILES
        if path.relative_to(ROOT).parts[0] in rooms
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and COMMAND.search(str(node.value))
        if id(node) not in docstrings(path)
    ]
    assert wrong == []


def test_the_word_index_keeps_nothing():
    """It is made of the items and nothing else: what must last is in the ledger's database."""
    calls = [
        node
        for path in FILES
        if module_of(path) == "fusionrec.recommend.fulltext"
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    opened = [ast.unparse(call.args[0]) for call in calls if call.func.attr == "connect"]
    assert opened == ["':memory:'"]


def test_no_module_imports_itself_through_others():
    edges = {module_of(path): inner(path) for path in FILES}
    del edges["fusionrec"]  # what it names it imports when it is asked for, after all of this

    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module not in done:
            for name in edges.get(module, ()):
                visit(name, (*above, module))
            done.add(module)

    for module in edges:
        visit(module, ())


MODULES = {module_of(path): path for path in FILES}


def imported_with(module: str, found: set[str]) -> None:
    """Adds all modules that are imported when one is, packages above it too; no late imports."""
    if module in found:
        return
    found.add(module)
    for node in tree_of(MODULES[module]).body if module in MODULES else ():
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                imported_with(name, found)
    if "." in module:
        imported_with(module.rpartition(".")[0], found)


def test_paddle_is_imported_when_a_network_is_trained_and_not_before():
    late = ("api", "cli", "service.app", "deploy.open", "training.train", "training.blend_train")
    for name in (*late, "training.network_part"):
        found = set[str]()
        imported_with(f"fusionrec.{name}", found)
        assert len(found) > 5, name
        assert ("paddle" in found) == (name not in late), name


def test_no_room_but_data_and_the_quickstart_names_a_field_of_movielens():
    """Everything after the files loops over the schema. (``title`` and ``year`` mean other things,
    too, and are left to the test with a second schema.)
    """
    from fusionrec.data.movielens import MOVIELENS

    names = {f.name for f in MOVIELENS.fields} | {f.flag for f in MOVIELENS.fields}
    names -= {"title", "year"}
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in FILES
        if not name_of(path).startswith("data/") and name_of(path) != "cli/quickstart.py"
        for node in nodes_of(path)
        if (isinstance(node, ast.Constant) and node.value in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
    ]
    assert wrong == []


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
