"""The page's files as they are sent: joined into one script and one stylesheet, compressed."""

from __future__ import annotations

import gzip
import re

import httpx
import pytest
from browsing import CHROMIUM, PHONE

from fusionrec.service.ui.assets import STATIC, page_files
from fusionrec.service.ui.joined import join_modules, join_page, join_styles

MODULES = sorted(path.name for path in STATIC.glob("*.js"))
REQUESTS = 5  # to the first card, beside the icon
MOST = 120_000  # bytes of the whole page
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")


def joined(folder, **modules: str) -> str:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return join_modules(folder, "main.js")


def test_each_module_is_in_the_script_once():
    script = page_files()["static/page.js"].body.decode()
    made = re.findall(r"^const \$(\w+) = \(\(\) => \{$", script, re.MULTILINE)
    assert sorted(f"{name}.js" for name in made) == MODULES
    assert re.search(r"^(import|export)\b", script, re.MULTILINE) is None


@needs_browser
def test_each_module_is_a_script_by_itself(chromium):
    page = chromium.new_page()
    for name in MODULES:
        page.evaluate(
            "text => { new Function(`'use strict';` + text); }", join_modules(STATIC, name)
        )
    page.close()


@needs_browser
def test_what_modules_give_is_what_others_read(chromium, tmp_path):
    script = joined(
        tmp_path,
        one='/** What\n * is given. */\nexport const A = "a";\n// import x\n'
        "export function b() { return A + c; }\nconst c = `c${1}`;\nexport class D {}\n",
        two='import * as one from "./one.js";\nexport async function later() { return one.b(); }\n',
        main='import { later } from "./two.js";\n'
        'import {\n  A as first,\n  D,\n} from "./one.js";\n'
        "const A = 2;\nlater().then((text) => (globalThis.found = [first, A, text, D.name]));\n",
    )
    page = chromium.new_page()
    found = page.evaluate(f"async () => {{ {script} await 0; await 0; return globalThis.found; }}")
    assert found == ["a", 2, "ac1", "D"]
    assert script.count("const $one =") == 1
    assert "given" not in script
    page.close()


@pytest.mark.parametrize(
    "text",
    [
        'import a from "./a.js";',
        'import "./a.js";',
        'import { a } from "https://elsewhere.example/a.js";',
        'import { a } from "../a.js";',
        "export default 1;",
        "export let a = 1;",
        "export { a };",
        'export * from "./a.js";',
        'const a = import("./a.js");',
        "const a = import.meta.url;",
        "const a = await 1;",
        "const a = `\n`;",
        "/* a */ const a = 1;",
        'import { a } from "./nothing.js";',
        'import { a } from "./main.js";',
    ],
)
def test_forms_that_are_not_known_are_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"main\.js"):
        joined(tmp_path, main=f"{text}\n", a="export const a = 1;\n")


def test_stylesheets_keep_their_order_and_load_nothing(tmp_path):
    (tmp_path / "a.css").write_text("/* A\n page. */\nb {\n  color: red;\n}\n")
    (tmp_path / "c.css").write_text("i { color: blue; }\n")
    assert join_styles(tmp_path, ["c.css", "a.css"]) == "i { color: blue; }\nb {\ncolor: red;\n}\n"
    (tmp_path / "c.css").write_text("i { background: url(x.png); }\n")
    with pytest.raises(ValueError, match=r"c\.css: expected rules alone, got 'url\('"):
        join_styles(tmp_path, ["c.css"])
    (tmp_path / "index.html").write_text("<p>")
    with pytest.raises(ValueError, match="expected one module"):
        join_page(tmp_path, "index.html", "", "")


def test_files_are_compressed_where_the_client_takes_that(server):
    with httpx.stream("GET", f"{server.url}/static/page.js") as answer:  # httpx takes gzip
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(raw) == page_files()["static/page.js"].body
    for refused in ("identity", "gzip;q=0", "br, *;q=0.0"):
        plain = httpx.get(f"{server.url}/static/page.js", headers={"Accept-Encoding": refused})
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == "Accept-Encoding"
        assert plain.headers["etag"] != answer.headers["etag"]
    assert httpx.get(f"{server.url}/static/nothing.js").status_code == 404


def test_files_are_kept_by_their_tags(server):
    document = httpx.get(server.url)
    tag = document.headers["etag"]
    assert tag.startswith('"')
    assert document.headers["cache-control"] == "no-cache"
    held = httpx.get(server.url, headers={"If-None-Match": tag})
    assert (held.status_code, held.content) == (304, b"")
    for address in re.findall(r'(?:src|href)="(static/page[^"]+)"', document.text):
        found = httpx.get(f"{server.url}/{address}")
        assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
        other = httpx.get(f"{server.url}/{address.replace('?v=', '?v=0')}")
        assert other.headers["cache-control"] == "no-cache"
    assert httpx.head(server.url).headers["etag"] == tag


@needs_browser
def test_the_first_card_takes_few_requests(visit):
    tab = visit(viewport=PHONE)
    paths = [one.partition(tab.url)[2].partition("?")[0] for one in tab.asked]
    asked = [path for path in paths if path != "/static/icon.svg"]
    assert sorted(asked) == [
        "/", "/static/page.css", "/static/page.js", "/v1/recommendations", "/v1/schema",
    ]  # fmt: skip
    assert len(asked) <= REQUESTS
    assert sum(len(one.body) for one in page_files().values()) <= MOST
