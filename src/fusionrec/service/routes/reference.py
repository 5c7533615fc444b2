"""The API's reference at /docs: Swagger UI over /v1/openapi.json, from files of this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from fusionrec.service.request_limits import REFERENCE

router = APIRouter(include_in_schema=False)

_OWN = Path(__file__).parents[1] / "static" / "reference"
_FILES = ("reference.js", "reference.css")
_LIBRARY = ("swagger-ui-bundle.js", "swagger-ui.css")
# The library's sheet and script hold small pictures, as data: URLs. Nothing else is looser than on
# other pages: scripts, styles and requests are this service's own alone.
_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'"
)


def _library() -> Path:
    """The folder of Swagger UI's files; the package that brings them is not imported."""
    spec = find_spec("fastapi_offline")
    assert spec is not None, "fastapi-offline is a dependency"
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"


@router.get(REFERENCE)
async def page() -> Response:
    """The page."""
    return FileResponse(_OWN / "index.html", headers={"Content-Security-Policy": _POLICY})


@router.get(f"{REFERENCE}/{{name}}")
async def file(name: str) -> Response:
    """One of its files."""
    if name in _LIBRARY:
        return FileResponse(_library() / name)
    return FileResponse(_OWN / name) if name in _FILES else Response(status_code=404)
