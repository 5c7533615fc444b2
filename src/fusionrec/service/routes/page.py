"""Routes of the page: its document, script and stylesheet."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from fusionrec.errors import UsageError
from fusionrec.service.routes.recommendations import held
from fusionrec.service.ui.assets import page_files

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The page."""
    return _file(request, "")


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
async def file(request: Request, name: str) -> Response:
    """A file of the page."""
    return _file(request, f"static/{name}")


def _file(request: Request, address: str) -> Response:
    found = page_files().get(address)
    if found is None:
        raise UsageError(f"the page has no file {address[:200]!r}", code="not_found")
    accepted = request.headers.get("accept-encoding", "")
    return found.response(accepted, held(request), request.query_params.get("v", ""))
