"""The embedded store is not pinged, since it hangs up on whoever pings it every ten seconds."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from fusionrec.index import Place
from fusionrec.index.milvus_client import connect


@pytest.mark.parametrize(
    ("uri", "quiet"), [("milvus.db", True), ("http://milvus.example:19530", False)]
)
def test_an_embedded_store_is_never_pinged(tmp_path, monkeypatch, uri, quiet):
    made = Mock()
    monkeypatch.setattr("pymilvus.MilvusClient", made)
    connect(Place(uri if "://" in uri else str(tmp_path / uri)))
    given = made.call_args.kwargs
    assert ("grpc.keepalive_time_ms" in given["grpc_options"]) is quiet
    assert given["grpc_options"]["grpc.max_reconnect_backoff_ms"] == 2_000
