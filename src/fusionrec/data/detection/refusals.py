"""Says why nothing could be inferred."""

from __future__ import annotations

from pathlib import Path

from fusionrec.data.detection.entity_tables import NESTED
from fusionrec.data.detection.roles import OTHER, id_columns, role_of
from fusionrec.data.detection.scan import ScannedFolder
from fusionrec.data.detection.table_file import TableFile
from fusionrec.data.tabular.readers.source import lacks_header
from fusionrec.data.tabular.spec import MINIMAL_SPEC
from fusionrec.errors import DataError


def nothing_read(folder: Path, scanned: ScannedFolder) -> DataError:
    hint = "put the files there, each with a header line"
    if scanned.refused:
        why = "; ".join(f"{name}: {why}" for name, why in list(scanned.refused.items())[:10])
        hint = f"mend them, or {hint}"
    else:
        other = f"; it holds {', '.join(scanned.ignored[:5])}" if scanned.ignored else ""
        why = f"no file of a format that is read{other}"
    return DataError(f"{folder} holds no table that could be read: {why}", hint)


def no_interactions(path: Path, scanned: ScannedFolder) -> DataError:
    seen = [f"{file.name} ({_why_not(file)})" for file in scanned.files[:10]]
    seen += [f"{name} ({why})" for name, why in list(scanned.refused.items())[:5]]
    bare = [file.name for file in scanned.files if lacks_header(file.columns)]
    header = f"; {', '.join(bare)} seems to have no header line" if bare else ""
    return DataError(
        f"no file in {path} seems to say who took what: a column of users beside one of items. "
        f"Seen were {'; '.join(seen)}{header}",
        MINIMAL_SPEC,
    )


def _why_not(file: TableFile) -> str:
    """The columns of a table, and what speaks against it as interactions."""
    names = ", ".join(list(file.columns)[:12])
    ids = list(id_columns(file))
    people = [stats for stats in ids if role_of(stats.name, "user")]
    once = [stats.name for stats in ids if stats.unique > 0.95]
    if file.nested:
        return f"{names}; {', '.join(file.nested)}: {NESTED}"
    named = (s for s in file.columns.values() if max(role_of(s.name, side) for side in OTHER) > 1)
    if gaps := [s.name for s in named if s.filled < s.rows / 2]:
        return f"{names}: most rows have no {gaps[0]}; were its cells merged?"
    if people and people[0].name in once:
        return f"{names}: one row for each {people[0].name}"
    if not people and once:
        return f"{names}: one row for each {once[0]}, and no column of people"
    if not people:
        return f"{names}: no column of people"
    return f"{names}: no column of items beside {people[0].name}"
