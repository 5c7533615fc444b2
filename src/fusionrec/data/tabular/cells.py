"""Splits cells that hold several values: separated ones, lists in text, and lists of a file."""

from __future__ import annotations

import ast
import json
from typing import Any

import numpy as np

from fusionrec.data.tabular.casting import as_text

_MARK = "\x1f"  # no id may hold it
_LIST = r"(?s)^(\[.*\]|\(.*\))$"
# Lists of text in one kind of quotes, and lists without any; NumPy writes spaces for commas.
_QUOTED = {
    quote: rf"(?s)^{quote}[^{quote}\\]*{quote}([\s,]+{quote}[^{quote}\\]*{quote})*,?$"
    for quote in "'\""
}
_BARE = r"^[^'\"\\()\[\]{}]*$"
_NOTHING = r"\b(null|None)\b"


def split(values: Any, separator: str) -> tuple[Any, np.ndarray]:
    """The values of all cells one after the other, and how many each cell holds, int64 [n].

    Text is split where the separator stands, or is read as a list if it is in brackets: of JSON, of
    Python or of NumPy. Outer spaces are removed, empty values are null; those at a cell's end do
    not count.

    Args:
        values: a pyarrow Array of n cells: text, or lists of anything; other types are one value
            each.
        separator: between the values of a text; spaces stand for any number of them.

    Raises:
        DataError: as ``as_text``.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
    if any(is_kind(values.type) for is_kind in kinds):
        lists = values
    else:
        lists = pc.split_pattern(_marked(as_text(values, "explode"), separator), _MARK)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(lists)
    if pa.types.is_string(flat.type):
        flat = pc.utf8_trim_whitespace(flat)
        flat = pc.if_else(pc.equal(flat, ""), None, flat)
    return flat, lengths.astype(np.int64)


def _marked(texts: Any, separator: str) -> Any:
    """Texts with a mark between their values; null where there are none."""
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(texts)
    in_brackets = pc.fill_null(pc.match_substring_regex(texts, _LIST), False)
    if separator.isspace():
        marked = pc.replace_substring_regex(texts, r"\s+", _MARK)
    else:
        marked = pc.replace_substring(texts, separator, _MARK)
    if pc.any(in_brackets).as_py():
        lists = _marked_lists(texts.filter(in_brackets), separator)
        marked = pc.replace_with_mask(marked, in_brackets, lists)
    marked = pc.replace_substring_regex(marked, rf"[{_MARK}\s]+$", "")
    return pc.if_else(pc.equal(marked, ""), None, marked)


def _marked_lists(texts: Any, separator: str) -> Any:
    """As ``_marked``, of texts in brackets. Only mixed lists are parsed one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    inner = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(texts, 1, -1))
    bare = pc.and_not(
        pc.match_substring_regex(inner, _BARE), pc.match_substring_regex(inner, _NOTHING)
    )
    by_spaces = pc.replace_substring_regex(inner, r"\s+", _MARK)
    by_commas = pc.replace_substring(inner, ",", _MARK)
    marked = pc.if_else(pc.match_substring(inner, ","), by_commas, by_spaces)
    left = pc.invert(bare)
    for quote, pattern in _QUOTED.items():
        fits = pc.and_(left, pc.match_substring_regex(inner, pattern))
        ends = pc.replace_substring_regex(inner, rf"^{quote}|{quote},?$", "")
        between = pc.replace_substring_regex(ends, rf"{quote}[\s,]+{quote}", _MARK)
        marked, left = pc.if_else(fits, between, marked), pc.and_not(left, fits)
    if pc.any(left).as_py():
        parsed = [_parsed(text, separator) for text in texts.filter(left).to_pylist()]
        marked = pc.replace_with_mask(marked, left, pa.array(parsed, pa.string()))
    return marked


def _parsed(text: str, separator: str) -> str:
    """A list in text with marks between its values; what is none is split as other text is."""
    for read in (json.loads, ast.literal_eval):
        try:
            values = read(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(values, list | tuple):
            return _MARK.join(map(_text, values))
    return text.replace(separator, _MARK)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
