"""What is wrong with the form of a request, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

_SHOWN = 20  # faults of one request that are told
_TYPED = "send the header Content-Type: application/json"
_BRANCHES = frozenset(["one", "several"])  # of the body of feedback; see ``asks.Told``
# By what pydantic calls a fault, without the kind of number or text in its name.
_SAID = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "literal_error": "must be {expected}",
    "string_type": "must be a text",
    "string_sub_type": "must be a text",
    "string_unicode": "must be a text of whole Unicode characters",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters at most",
    "string_pattern_mismatch": "must not hold a NUL, nor an id a line break",
    "too_short": "must have {min_length} entries or more",
    "too_long": "must have {max_length} entries at most",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number, and not so large",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object, such as {{}}",
    "model_type": "must be an object, such as {{}}",
    "model_attributes_type": "must be an object, such as {{}}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} at most",
}


def faults_of(
    error: RequestValidationError, content_type: str
) -> tuple[list[dict[str, str]], str | None]:
    """What is wrong with each part of a request, and what to do; what was sent is not repeated.

    Args:
        error: of the request.
        content_type: as the request says it, or empty.

    Returns:
        Faults, each with ``where`` and ``message``, one for each place; and a hint or None.
    """
    said = content_type.partition(";")[0].strip().casefold()
    told: dict[str, str] = {}
    hint = None
    for one in error.errors():
        place = _place(one["loc"], one["type"])
        where = ".".join(place)
        if where == "body" and one["type"] != "missing" and not said.endswith("json"):
            told[where], hint = "the body must be sent as JSON", _TYPED
        elif where in told:  # another of the kinds that a value may have
            told[where] = f"{place[-1]} must be a text, a number, or a list of texts"
        else:
            told[where] = _message(place, one)
        hint = hint or one.get("ctx", {}).get("hint")
    faults = [{"where": w[:200], "message": m[:500]} for w, m in told.items()]
    return faults[:_SHOWN], hint


def _place(loc: Sequence[str | int], kind: str) -> list[str]:
    """Where a fault is, as people see it: ``body``, ``query`` or ``path``, and names below it."""
    parts = [str(one) for one in loc]
    if kind == "json_invalid":
        return parts[:1]
    if len(parts) > 1 and parts[1] in _BRANCHES:
        del parts[1]
    # Where a value may be of several kinds, the kind stands last; and "[key]" after a key.
    if len(parts) > 2 and re.fullmatch(r"\[key\]|constrained-str|float|list\[.*\]", parts[-1]):
        del parts[-1]
    return parts


def _message(place: Sequence[str], fault: Mapping[str, Any]) -> str:
    name, kind, about = place[-1], str(fault["type"]), fault.get("ctx", {})
    if kind == "json_invalid":
        return f"the body is no JSON: {_at(fault)}"
    if kind not in _SAID:
        return str(fault["msg"])
    if len(place) == 1:
        name = f"the {name}"
    elif name.isdecimal():
        name = f"entry {name} of {place[-2]}"
    return f"{name} {_SAID[kind].format(**about)}"


def _at(fault: Mapping[str, Any]) -> str:
    reason = str(fault.get("ctx", {}).get("error", "")) or "it cannot be read"
    at = fault["loc"][-1]
    return f"{reason}, at character {at}" if isinstance(at, int) else reason
