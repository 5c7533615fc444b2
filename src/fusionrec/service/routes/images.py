"""The route of the items' pictures."""

from __future__ import annotations

import hashlib
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from fusionrec.errors import UsageError
from fusionrec.service.paths import IMAGE
from fusionrec.service.responses import StateOf
from fusionrec.service.routes.recommendations import held
from fusionrec.service.schemas import Id

router = APIRouter(tags=["items"])

_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture", "content": {"image/*": {}}},
    304: {"description": "The picture that the client has is still this one"},
}


@router.get(IMAGE, summary="A picture", responses=_PICTURE)
def image(name: Id, request: Request, state: StateOf) -> Response:
    """A file that an item's field of the kind `image` names: PNG, JPEG, WebP or GIF."""
    if state.images is None:
        hint = "[service] images in settings.toml names the folder"
        raise UsageError("this service shows no pictures of its own", hint, code="not_found")
    found = state.images.read(name)
    tag = f'"{hashlib.blake2b(found.body, digest_size=9).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=3600"}
    if tag in held(request):
        return Response(status_code=304, headers=headers)
    return Response(found.body, 200, headers, found.kind)
