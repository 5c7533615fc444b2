"""Visits to the desk: a browser's connection, which keeps cookies and follows no redirect."""

from __future__ import annotations

import re
from typing import Any

import httpx

from serving import Shop


class Visit(httpx.Client):
    """A connection to a service's desk; ``key`` is the name of a key that it logs in with."""

    def __init__(self, shop: Shop, key: str = "", scopes: tuple[str, ...] = ("admin",)) -> None:
        super().__init__(base_url=shop.client.base_url)
        if key:
            secret = shop.ledger.add_key(key, scopes)
            told = self.post("/ops/login", data={"key": secret})
            assert told.status_code == 303, told.text

    def __enter__(self) -> Visit:  # httpx refuses to enter a client that has asked something
        return self

    def token(self) -> str:
        """What every form of this session holds."""
        return re.search(r'name="token" value="(\w+)"', self.get("/ops/user/forget?id=x").text)[1]

    def fill(self, path: str, **fields: Any) -> httpx.Response:
        """Sends a form of the desk."""
        return self.post(path, data={"token": self.token(), **fields})
