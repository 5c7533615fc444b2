"""What is well formed, and means nothing to the version that answers."""

from __future__ import annotations

from collections.abc import Sequence

from fusionrec.data.schema import Schema
from fusionrec.registry import Artifact
from fusionrec.service.problems import UnfitError
from fusionrec.service.schemas import EventRequest, PersonRequest

_SHOWN = 20  # faults of one request that are told
_SAID = (
    "send kind 'like' without a rating for what they took or like, 'dislike' or 'hide' for what "
    "they do not want to see, 'view' for what they looked at"
)


def check_told(ask: PersonRequest, artifact: Artifact) -> None:
    """Refuses to read of a person what the version has no meaning for.

    Raises:
        UnfitError: an item is rated, where interactions are events.
        UsageError: there is a profile, and the version has no towers.
    """
    rated = [n for n, one in enumerate(ask.history) if one.rating is not None]
    if rated and artifact.schema.events:
        said = "rating must be left out"
        faults = [{"where": f"body.history.{n}.rating", "message": said} for n in rated[:_SHOWN]]
        hint = "leave the rating out: what stands in the history counts as taken"
        raise UnfitError(_meaningless(artifact.schema), hint, faults)
    if ask.profile:
        artifact.require_towers(
            "it knows neither users nor profiles", "say which items the person likes: `liked`"
        )


def check_events(told: Sequence[EventRequest], schema: Schema) -> None:
    """Refuses ratings where interactions are events: nobody would ever read them.

    Raises:
        UnfitError: which ones; none of the events was taken.
    """
    rated = [n for n, one in enumerate(told) if one.kind == "rating"]
    if rated and schema.events:
        said = "kind must be 'like', 'dislike', 'view' or 'hide'"
        faults = [{"where": f"events.{n}.kind", "message": said} for n in rated[:_SHOWN]]
        raise UnfitError(_meaningless(schema), _SAID, faults)


def _meaningless(schema: Schema) -> str:
    return f"ratings mean nothing here: {schema.name} knows what people took, not how they rated it"
