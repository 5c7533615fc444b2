"""The application: routes behind the guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from fusionrec._version import __version__
from fusionrec.index import Place
from fusionrec.service.coalescing import Coalescer, in_loop
from fusionrec.service.desk.pages import STATIC as DESK_STATIC
from fusionrec.service.desk.routes import ROUTERS as DESK_ROUTERS
from fusionrec.service.middleware import RequestGuard
from fusionrec.service.problems import EVERY_ROUTE, handle
from fusionrec.service.responses import check_once
from fusionrec.service.routes import (
    histories,
    images,
    items,
    meta,
    page,
    people,
    recommendations,
    reference,
    traffic,
    users,
    versions,
)
from fusionrec.service.settings import ServiceSettings
from fusionrec.service.state import ServiceState
from fusionrec.service.ui.assets import page_files
from fusionrec.workspace import Workspace

_EXPOSED = ("ETag", "Retry-After", "Fusionrec-Version", "Fusionrec-Index", "Fusionrec-Kind")


def create_app(
    workspace: Workspace,
    place: Place | str = "",
    settings: ServiceSettings | None = None,
    log: Callable[[str], None] = lambda _: None,
    *,
    exact: bool = False,
) -> FastAPI:
    """A workspace as an ASGI application: open when this returns, closed at the application's
    shutdown. Arguments and errors are those of ``ServiceState``; the settings are the workspace's
    by default.
    """
    settings = settings or ServiceSettings.of(workspace)
    state = ServiceState(workspace, place, settings, log, exact=exact)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = settings.threads
        yield
        await to_thread.run_sync(state.close)

    app = FastAPI(
        title="fusionrec",
        version=__version__,
        description="Recommendations, similar items, search, and feedback that counts at once.",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # that page loads scripts from another host
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.fusionrec = state
    app.state.gathering, app.state.turn = Coalescer(), asyncio.Lock()
    app.state.gathering_here = Coalescer(in_loop)
    answers = recommendations.fast_router, people.router, recommendations.router
    others = (
        histories.router,
        users.router,
        items.router,
        images.router,
        versions.router,
        traffic.router,
        meta.router,
    )
    for router in (*answers, *others, reference.router):
        app.include_router(router, dependencies=[Depends(check_once)], responses=EVERY_ROUTE)
    page_files()  # made at start, so that no request waits for them
    app.include_router(page.router)
    app.mount("/ops/static", StaticFiles(directory=DESK_STATIC), name="desk")
    for router in DESK_ROUTERS:
        app.include_router(router, dependencies=[Depends(check_once)])
    handle(app)
    asked, hide = state.metrics.request, state.folders.hide
    app.add_middleware(
        RequestGuard, settings=settings, key_of=state.ledger.key_of, seen=asked, hide=hide
    )
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=("GET", "POST", "PUT", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "If-None-Match"),
            expose_headers=_EXPOSED,
        )
    _describe_keys(app)
    return app


def _describe_keys(app: FastAPI) -> None:
    """Says in the OpenAPI document how a key is sent."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        made = plain()
        schemes = made.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["key"] = {"type": "http", "scheme": "bearer", "description": "frk_..."}
        made["security"] = [{}, {"key": []}]
        return made

    app.openapi = described  # type: ignore[method-assign]
