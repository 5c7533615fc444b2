"""How long it takes until the page shows its first card on a slow phone.

    python benchmarks/first_card.py --home .fusionrec
    python benchmarks/first_card.py --home .fusionrec --user 42 --runs 9

Chromium as a phone (390 x 844) with a processor four times as slow, on two connections:
``slow 4G`` (a round trip of 150 ms, 1.6 Mbit/s) and ``slow 3G`` (400 ms, 400 kbit/s). Both ways
take turns, each run with an empty cache: ``joined`` is the page as the service sends it, and
``modules`` the same files one by one, as they are written. Prints one JSON object: of each the
median milliseconds from the navigation to the first card with a title (and the least and most),
requests until then, and kilobytes sent.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from playwright.sync_api import Browser, sync_playwright
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fusionrec.service.app import create_app
from fusionrec.service.settings import ServiceSettings
from fusionrec.service.ui.assets import STATIC
from fusionrec.workspace import Workspace

NETWORKS = {"slow 4G": (150, 1_600), "slow 3G": (400, 400)}  # ms, kbit/s
SLOWER = 4  # times, the processor
_WATCH = """new MutationObserver((_, watch) => {
  if (!document.querySelector('.card h3')?.textContent) return;
  watch.disconnect();
  window.firstCard = performance.now();
}).observe(document, {childList: true, subtree: true});"""


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="a workspace with an index")
    parser.add_argument("--user", help="for whom; else for nobody")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    app = create_app(Workspace(given.home), settings=ServiceSettings(rate=0.0))
    server = uvicorn.Server(uvicorn.Config(with_modules(app), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        pass
    port = server.servers[0].sockets[0].getsockname()[1]
    asked = f"user={given.user}" if given.user else ""
    ways = {"joined": f"?{asked}", "modules": f"?modules=1&{asked}"}
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        found: dict[str, dict[str, list[dict[str, float]]]] = {
            network: {way: [] for way in ways} for network in NETWORKS
        }
        for _ in range(given.runs + 1):  # the first one warms the service
            for network, of_ways in found.items():
                for way, query in ways.items():
                    url = f"http://127.0.0.1:{port}/{query}"
                    of_ways[way].append(visit(browser, url, *NETWORKS[network]))
        browser.close()
    server.should_exit = True
    thread.join()
    result = {n: {w: summary(runs[1:]) for w, runs in of.items()} for n, of in found.items()}
    print(json.dumps(result, indent=1))


def with_modules(app: ASGIApp) -> ASGIApp:
    """The service, which sends the page's files one by one where the address asks for that."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == "/" and b"modules" in scope["query_string"]:
            text = (STATIC / "index.html").read_text("utf-8").replace("static/", "modules/")
            await Response(text, media_type="text/html")(scope, receive, send)
        elif path.startswith("/modules/"):
            body = (STATIC / Path(path).name).read_bytes()
            kind = mimetypes.guess_type(path)[0]
            await Response(body, media_type=kind)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return wrapped


def visit(browser: Browser, url: str, latency: float, kbit: float) -> dict[str, float]:
    """Loads the page as a new visitor: milliseconds to the first card, requests, kilobytes."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(_WATCH)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    rate = kbit * 1_000 / 8
    session.send("Network.emulateNetworkConditions", {
        "offline": False, "latency": latency, "downloadThroughput": rate, "uploadThroughput": rate,
    })  # fmt: skip
    seen: dict[str, float] = {"requests": 0, "kb": 0}

    def asked(_: Any) -> None:
        seen["requests"] += 1

    def came(event: dict[str, Any]) -> None:
        seen["kb"] += event["encodedDataLength"] / 1_000

    session.on("Network.requestWillBeSent", asked)
    session.on("Network.loadingFinished", came)
    page.goto(url, wait_until="commit")
    page.wait_for_function("() => window.firstCard")
    counted = dict(seen)
    ms = page.evaluate("firstCard")
    context.close()
    return {"ms": ms, **counted}


def summary(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Medians, and the least and most milliseconds."""
    ms = [run["ms"] for run in runs]
    medians = {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
    return {
        "ms": round(medians["ms"]),
        "from_to": [round(min(ms)), round(max(ms))],
        "requests": round(medians["requests"]),
        "kb": round(medians["kb"], 1),
    }


if __name__ == "__main__":
    main()
