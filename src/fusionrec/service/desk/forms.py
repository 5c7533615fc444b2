"""Forms as a browser sends them."""

from __future__ import annotations

from urllib.parse import parse_qs

from fusionrec.errors import UsageError

MOST_BYTES, _MOST_FIELDS = 400_000, 200
_KIND = "application/x-www-form-urlencoded"


class Form:
    """The fields of a form.

    Args:
        body: as it came.
        content_type: of the body.

    Raises:
        UsageError: it is too large, or no form in UTF-8.
    """

    def __init__(self, body: bytes, content_type: str) -> None:
        if content_type.partition(";")[0].strip().casefold() != _KIND:
            raise UsageError(f"a form is expected, of the type {_KIND}")
        if len(body) > MOST_BYTES:
            raise UsageError(f"a form has at most {MOST_BYTES:,} bytes, got {len(body):,}")
        try:
            self._fields = parse_qs(
                body.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MOST_FIELDS,
            )
        except ValueError as error:
            raise UsageError("this is no form in UTF-8, or it has too many fields") from error

    def get(self, name: str) -> str | None:
        """A field's only value; None where there is none. Lines end as in Unix."""
        values = self._fields.get(name, [])
        if len(values) > 1:
            raise UsageError(f"the field {name[:100]!r} is given {len(values)} times")
        return values[0].replace("\r\n", "\n") if values else None

    def need(self, name: str) -> str:
        """As ``get``; raises UsageError where there is none."""
        value = self.get(name)
        if not value:
            raise UsageError(f"the field {name!r} is missing")
        return value
