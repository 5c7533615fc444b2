"""Reads the table of users or items; an id may have any number of rows."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Side
from fusionrec.data.tabular.casting import as_text, cast_numbers
from fusionrec.data.tabular.cautions import caution_ids
from fusionrec.data.tabular.findings import SHOWN, Findings
from fusionrec.data.tabular.ids import EMPTY, NEW, UNFIT, Ids, factorize
from fusionrec.data.tabular.number_formats import UNUSUAL
from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.tabular.readers.files import SourceFile
from fusionrec.data.tabular.spec import FieldSpec, UsersSpec
from fusionrec.data.values import LONGEST_ID, clean_text

LONGEST_VALUE = 1_000  # characters of a category
LONGEST_TEXT = 10_000
_NEAR = 0.05  # share of ids; if so many are nearly alike, they are likely written in two ways
_MATCHED = 0.1  # share of users or items; a table with fewer of them may have other ids
_JOINER = "\x1f"  # between the categories of a list, when joined
_UNKNOWN: Mapping[str, Any] = {
    "category": "", "categories": (), "text": "", "number": math.nan, "image": "",
}  # fmt: skip


class EntityReader:
    """Collects a side's table; memory is bounded by the distinct ids, not by the rows.

    An id may have several rows, as in a list of orders with each product's title. The last known
    value of each attribute counts; categories of all rows come together.

    Args:
        side: whose table it is.
        spec: its part of the ``fusionrec.toml``; without files only ids are added.
        findings: collects what is left out or repeated.

    Attributes:
        ids: those of the table, then those that were added.
    """

    def __init__(self, side: Side, spec: UsersSpec, findings: Findings) -> None:
        self.ids = Ids()
        self._side, self._spec, self._findings = side, spec, findings
        self._columns: dict[str, list[Any]] = {name: [] for name in spec.fields}
        self._changed: set[int] = set()
        self._folded = 0
        self._known = 0  # ids of the table, which have the first positions

    def read(self, source: SourceFile, on_bytes: OnBytes) -> None:
        """Reads a file.

        Raises:
            DataError: a column is missing, or as ``SourceFile.batches``.
        """
        names = [self._spec.id]
        source.require(self._spec.id, f"{self._side}s.id")
        for name, field in self._spec.fields.items():
            names.append(field.column or name)
            source.require(names[-1], f"{self._side}s.fields.{name}")
        row = 1
        for batch in source.batches(list(dict.fromkeys(names)), on_bytes, self._findings.once):
            self._take(batch, names, source.path.name, row)
            row += len(batch)
        self._known = len(self.ids)

    def report(self, positions: np.ndarray) -> None:
        """Adds findings about odd ids and rows, and about a table that has hardly any of the ids in
        the interactions, whose ``positions`` are int32 [n].
        """
        side, findings, ids, known = self._side, self._findings, self.ids, self._known
        says = f"rows of the {side}s' table that repeat an id"
        findings.add(f"{side}s_folded", self._folded, says)
        says = f"{side}s whose rows in the table differ, so that the last known value counts"
        findings.add(f"{side}s_changed", len(self._changed), says)
        if known:
            says = f"{side}s that are missing from the table of {side}s, known by their ids alone"
            example = f"{ids.all[known]!r:.60}" if len(ids) > known else ""
            findings.add(f"{side}s_strange", len(ids) - known, says, example)
        near, pairs = ids.near_duplicates()
        says = f"{side} ids that differ from another in case, outer spaces or .0 alone, all kept"
        many = near > _NEAR * len(ids)
        findings.add(f"{side}s_near", near, says, ", ".join(pairs), warning=many)
        rows = np.bincount(positions)
        named = np.flatnonzero(rows)
        caution_ids(side, ids.all, rows, known, findings)
        matched = int((named < known).sum())
        if self._spec.files and matched < _MATCHED * len(named):
            findings.first(
                f"{side}s_unmatched",
                len(named) - matched,
                f"{side}s of the interactions that are not in {self._spec.files} by its column "
                f"{self._spec.id!r}; is that the column of their ids?",
                f"{matched or 'none'} of {len(named):,} are there",
            )

    def table(self) -> Table:
        """The table of all ids; added ids have no known attributes."""
        for name in self._columns:
            self._filled(name)
        return Table(self.ids.all, self._columns)

    def _filled(self, name: str) -> list[Any]:
        """A column, with a value for every id."""
        column = self._columns[name]
        unknown = _UNKNOWN[self._spec.fields[name].kind]
        column.extend([unknown] * (len(self.ids) - len(column)))
        return column

    def _take(self, batch: Any, names: Sequence[str], file: str, first: int) -> None:
        texts, codes = factorize(batch.column(names[0]), f"{file}: {names[0]}")
        known = self.ids.look_up(texts)
        row_ids = known[codes]
        unfit = f"an id of over {LONGEST_ID} characters, or with a control character"
        for kind, name, why in ((EMPTY, "empty", "no id"), (UNFIT, "unfit", unfit)):
            if len(rows := np.flatnonzero(row_ids == kind)):
                says = f"rows of the {self._side}s' table left out for {why}"
                shown = f", {texts[codes[rows[0]]]!r:.{SHOWN}}" if kind == UNFIT else ""
                example = f"{file}, row {first + rows[0]}{shown}"
                self._findings.add(f"{self._side}s_{name}", len(rows), says, example)
        columns = [_flat(batch.column(name), f"{file}: {name}") for name in names[1:]]
        usable = np.flatnonzero(row_ids >= NEW)
        if len(usable) == 0:
            return
        before = len(self.ids)
        self.ids.assign(texts, known, codes[usable])
        self._folded += len(usable) - (len(self.ids) - before)
        firsts, lasts = _distinct(usable, codes, columns)
        for (name, field), values in zip(self._spec.fields.items(), columns, strict=True):
            several = field.kind == "categories"
            rows = firsts if several else lasts
            parsed = self._parsed(name, field, values.take(rows), file)
            (self._gather if several else self._set)(name, known[codes[rows]], parsed)

    def _gather(self, name: str, positions: np.ndarray, values: list[Any]) -> None:
        """Adds categories to those that are known."""
        column, new = self._filled(name), dict[int, list[str]]()
        for position, several in zip(positions.tolist(), values, strict=True):
            if several:
                new.setdefault(position, []).extend(several)
        for position, several in new.items():
            column[position] = tuple(dict.fromkeys((*column[position], *several)))

    def _set(self, name: str, positions: np.ndarray, values: list[Any]) -> None:
        column, kind = self._filled(name), self._spec.fields[name].kind
        number, unknown = kind == "number", _UNKNOWN[kind]
        for position, value in zip(positions.tolist(), values, strict=True):
            known = not math.isnan(value) if number else bool(value)
            old = column[position]
            if known and value != old:
                if not (math.isnan(old) if number else old == unknown):
                    self._changed.add(position)
                column[position] = value

    def _parsed(self, name: str, field: FieldSpec, values: Any, file: str) -> list[Any]:
        """A column's values as a Table holds them."""
        if field.kind == "number":
            return self._numbers(name, field.missing, values, file)
        missing = frozenset(field.missing)
        texts = as_text(values, f"{file}: {name}").to_pylist()
        clean = partial(self._clean, name, field.kind == "text", file)
        if field.kind != "categories":
            cleaned = (clean(text or "") for text in texts)
            return ["" if text in missing else text for text in cleaned]
        parts = [(text or "").replace(_JOINER, field.separator) for text in texts]
        several = (dict.fromkeys(map(clean, text.split(field.separator))) for text in parts)
        return [tuple(v for v in values if v and v not in missing) for values in several]

    def _numbers(self, name: str, missing: Collection[str], values: Any, file: str) -> list[float]:
        """A column's numbers; NaN for those that mean "not known", such as -1."""
        parsed, forms = cast_numbers(values, f"{file}: {name}", self._spec.decimal)
        texts = as_text(values, name)
        for form, rows in forms.items():
            example = f"{file}, {texts[int(rows.argmax())].as_py()!r:.{SHOWN}}"
            says = f"values of {name} {UNUSUAL[form]}"
            self._findings.add(f"{self._side}s_{name}_{form}", int(rows.sum()), says, example)
        unread = texts.take(np.flatnonzero(np.isnan(parsed))).to_pylist()
        bad = [text for text in unread if text and text.strip() and text.strip() not in missing]
        self._findings.add(
            f"{self._side}s_{name}_unfit",
            len(bad),
            f"values of {name} that are no numbers, and count as not known",
            f"{file}, {bad[0]!r:.{SHOWN}}" if bad else "",
        )
        known: list[float] = parsed.tolist()
        if not missing:
            return known
        return [
            math.nan if text and text.strip() in missing else value
            for value, text in zip(known, texts.to_pylist(), strict=True)
        ]

    def _clean(self, name: str, cut: bool, file: str, text: str) -> str:
        """A value without outer spaces; one that is too long is cut, or else empty."""
        text, longest = clean_text(text), LONGEST_TEXT if cut else LONGEST_VALUE
        if len(text) <= longest:
            return text
        then = "are cut there" if cut else "count as not known"
        says = f"values of {name} longer than {longest:,} characters, which {then}"
        self._findings.add(f"{self._side}s_{name}_long", 1, says, f"{file}, {text[:40]!r}…")
        return text[:longest] if cut else ""


def _flat(values: Any, where: str) -> Any:
    """A column whose values can be compared: lists of texts are joined."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_nested(values.type):
        number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        return values if number else as_text(values, where)
    lists = as_text(values, where)
    if pa.types.is_nested(lists.type.value_type):
        return pa.nulls(len(lists), pa.string())
    offsets, inner = lists.offsets, pc.fill_null(lists.values, "")
    return pc.binary_join(pa.ListArray.from_arrays(offsets, inner), _JOINER)


def _distinct(
    rows: np.ndarray, ids: np.ndarray, columns: Sequence[Any]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that differ in id or attributes, in order: of equal rows the first, and the last."""
    key = ids[rows].astype(np.int64)
    if len(np.unique(key)) == len(rows):
        return rows, rows
    for column in columns:
        encoded = column.take(rows).dictionary_encode()
        width = len(encoded.dictionary) + 1
        codes = encoded.indices.fill_null(width - 1).to_numpy(zero_copy_only=False)
        key = np.unique(key * width + codes, return_inverse=True)[1].astype(np.int64)
    count, order = int(key.max()) + 1, np.arange(len(key))
    first, last = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    first[key[::-1]], last[key] = order[::-1], order  # of equal keys the one set last stays
    return rows[np.sort(first)], rows[np.sort(last)]
