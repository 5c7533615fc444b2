"""Creates clients and collection schemas with pymilvus, which is imported on use."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from fusionrec.index.connection import Place
from fusionrec.index.error_mapping import silence_logs
from fusionrec.index.layout import ID, ROW, VECTOR, Layout

# Pause between reconnects, in milliseconds; gRPC's default grows to two minutes.
_RECONNECT = {"grpc.initial_reconnect_backoff_ms": 200, "grpc.max_reconnect_backoff_ms": 2_000}
# pymilvus pings every ten seconds. A server allows that; an embedded Milvus, in this same process,
# disconnects clients that ping more often than every five minutes: never ping it.
_NO_PINGS = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": False}


def connect(place: Place) -> Any:
    """A client with its own connection; raises whatever pymilvus raises."""
    from pymilvus import MilvusClient

    silence_logs()
    secure: dict[str, Any] = {}
    if place.uri.startswith("https:"):
        secure = {"server_pem_path": place.ca, "server_name": place.server_name}
    client = MilvusClient(
        uri=place.uri,
        token=place.credentials if place.is_server else "",
        db_name=place.database if place.is_server else "",
        timeout=place.timeout,
        grpc_options=_RECONNECT if place.is_server else _RECONNECT | _NO_PINGS,
        # A shared connection would outlive its clients, and keep the port of a closed store.
        dedicated=True,
        **secure,
    )
    _read_columns(client._get_connection())
    return client


def _read_columns(handler: Any) -> None:
    """Lets a client's ``search`` return int64 [m] rows and float32 [m] scores of each vector, best
    first, instead of a dictionary for each hit, which takes longer than the rest of its work.
    """
    from pymilvus.client.utils import check_status

    def execute(request: Any, timeout: float | None = None, context: Any = None, **_: Any) -> Any:
        metadata = None if context is None else context.to_grpc_metadata()
        response = handler._stub.Search(request, timeout=timeout, metadata=metadata)
        check_status(response.status)
        found = response.results
        rows = np.array(found.ids.int_id.data, dtype=np.int64)
        scores = np.array(found.scores, dtype=np.float32)
        ends = list(accumulate(found.topks))
        parts = [slice(end - size, end) for end, size in zip(ends, found.topks, strict=True)]
        return [(rows[part], scores[part]) for part in parts]

    handler._execute_search = execute


def collection_schema(client: Any, layout: Layout, d: int, description: str) -> Any:
    """The schema of a collection with vectors of length d; see ``Layout``."""
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, description=description)
    schema.add_field(ROW, DataType.INT64, is_primary=True)
    schema.add_field(ID, DataType.VARCHAR, max_length=layout.id_bytes)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=d)
    for c in layout.columns:
        limits = {"max_length": c.max_bytes} if c.kind in ("varchar", "array") else {}
        if c.kind == "array":
            limits |= {"element_type": DataType.VARCHAR, "max_capacity": c.capacity}
        schema.add_field(c.name, DataType[c.kind.upper()], **limits)
    return schema
