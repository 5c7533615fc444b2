"""Rejects valid requests that the active model cannot interpret."""

from __future__ import annotations

from collections.abc import Sequence

from fusionrec.data.schema import Schema
from fusionrec.errors import UsageError
from fusionrec.service.schemas import EventRequest


def check_events(events: Sequence[EventRequest], schema: Schema) -> None:
    """Refuses ratings where interactions are events: nobody would ever read them.

    Raises:
        UsageError: which ones (code ``ratings_mean_nothing``); none of the events was taken.
    """
    rated = [n for n, event in enumerate(events) if event.kind == "rating"]
    if rated and schema.events:
        message = "kind must be 'like', 'dislike', 'view' or 'hide'"
        raise UsageError(
            f"ratings mean nothing here: {schema.name} knows what people took, not how they rated "
            "it",
            "send kind 'like' without a rating for what they took or like, 'dislike' or 'hide' for "
            "what they do not want to see, 'view' for what they looked at",
            code="ratings_mean_nothing",
            errors=[{"where": f"events.{n}.kind", "message": message} for n in rated],
        )
