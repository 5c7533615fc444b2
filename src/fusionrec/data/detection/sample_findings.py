"""Converts the rows that were looked at, for what the converter would say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.detection.doubts import Doubt
from fusionrec.data.detection.roles import InteractionFile
from fusionrec.data.detection.table_file import TableFile
from fusionrec.data.tabular.convert import convert_sources
from fusionrec.data.tabular.readers.source import MemoryTable
from fusionrec.data.tabular.source_spec import SourceSpec
from fusionrec.data.tabular.spec import InteractionsSpec, Spec
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

# How rows are read, which was done for the sample; ``files`` must name something.
_READ = {field.name for field in fields(SourceSpec)} - {"files", "decimal"}
# By doubts about the ids and the scale.
_SAID = {"users_single", "items_single", "one_user", "one_item", "repeated"}
# Doubt about a column -> the finding that says the same.
_ALSO_SAID = {"zero_is_no_rating": "rating_unfit", "events_unknown": "event_other"}
_MANY = 0.05  # share of rows; if so many are left out, it is said


def _with_truths(file: TableFile) -> pa.Table:
    """The sample with booleans where the file has them, which are ratings of 0 and 1."""
    import pyarrow as pa

    table = file.sample
    for number, name in enumerate(table.column_names):
        if file.types.get(name) == "bool":
            table = table.set_column(number, name, table[name].cast(pa.bool_()))
    return table.combine_chunks()


def sample_findings(found: InteractionFile, keys: Mapping[str, Any]) -> Iterator[Doubt]:
    """What ``check`` would warn of, seen in the first rows.

    Args:
        found: the interactions.
        keys: the values of ``[interactions]``.
    """
    table = _with_truths(found.file)
    types = {field.name: str(field.type) for field in table.schema}
    doubts = (doubt.name for signal in found.signals for doubt in signal.doubts)
    said = _SAID.union(_ALSO_SAID.get(name, name) for name in doubts)
    plain = {name: value for name, value in keys.items() if name not in _READ}
    spec = Spec(interactions=InteractionsSpec.from_dict(plain))
    source = MemoryTable(Path(found.file.name), "sample", "", types, table=table)
    try:
        made = convert_sources(
            spec, {"users": [], "items": [], "interactions": [(source, lambda _: None)]}
        )
    except DataError as error:
        yield Doubt("unusable", error.message, grave=True)
        return
    for finding in made.findings:
        if finding.name in said:
            continue
        if finding.warning:
            says = str(finding).removesuffix(f"; to change it: {finding.mend}")
            yield Doubt(finding.name, says, finding.mend)
        elif finding.left_out and finding.count > _MANY * made.rows:
            yield Doubt(finding.name, f"{finding.count / made.rows:.0%} of the rows: {finding}")
