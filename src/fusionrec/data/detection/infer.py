"""Infers a ``fusionrec.toml`` from the files of a folder, with a reason for each value."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fusionrec.data.detection.doubts import Doubt
from fusionrec.data.detection.entity_files import EntityFile, choose_entity_files
from fusionrec.data.detection.entity_tables import NESTED, describe_ids, infer_table, spec_keys
from fusionrec.data.detection.inferred import InferredKey, InferredSpec, InferredTable
from fusionrec.data.detection.refusals import no_interactions, nothing_read
from fusionrec.data.detection.role_doubts import role_doubts, share_of_repeats
from fusionrec.data.detection.roles import InteractionFile, find_interaction_files, role_of
from fusionrec.data.detection.sample_findings import sample_findings
from fusionrec.data.detection.scan import ScannedFolder, scan_folder
from fusionrec.data.detection.shapes_found import shaped
from fusionrec.data.detection.table_file import MOST_ROWS
from fusionrec.data.detection.unused import (
    explain_unused_columns,
    other_parts,
    refused_columns,
    unused_files,
)
from fusionrec.data.schema import Side
from fusionrec.errors import UsageError
from fusionrec.workspace import found_path

_SIDES: tuple[Side, ...] = ("item", "user")


def infer_spec(
    path: Path,
    name: str = "",
    rows: int = MOST_ROWS,
    *,
    told: Mapping[str, str] | None = None,
    sources: Sequence[str] = (),
) -> InferredSpec:
    """Infers what the tables of a folder hold.

    Args:
        path: the folder, with its subfolders; or one file.
        name: of the data set; the folder's by default.
        rows: how many to read of each table, from its beginning.
        told: what is known: a key such as ``interactions.rating`` -> its value, "" for none.
        sources: URLs of databases whose tables are looked at too.

    Raises:
        UsageError: the folder does not exist.
        DataError: it holds no readable file or none of interactions; the message describes each.
    """
    if found_path(path) is None:
        raise UsageError(
            f"{path}: there is no such folder or file", "name the folder that holds the files"
        )
    folder, told = (path if path.is_dir() else path.parent), told or {}
    scanned = scan_folder(folder, rows, "" if path.is_dir() else path.name, sources)
    if not scanned.files:
        raise nothing_read(path, scanned)
    keys = {key.removeprefix("interactions."): value for key, value in told.items()}
    candidates = find_interaction_files(scanned.files, list(shaped(scanned.files)), keys)
    if not candidates:
        raise no_interactions(path, scanned)
    interactions = _with_names(candidates[0], keys)
    file = interactions.file
    tables = choose_entity_files(interactions, scanned.files)
    left_out = interactions.left_out | dict.fromkeys(file.nested, NESTED)
    names = {"user_id", "item_id"}
    made: dict[Side, InferredTable] = {}
    for side in _SIDES:  # of two columns of one name, the item's keeps it
        if table := infer_table(interactions, tables[side], side, names, left_out):
            made[side] = table
    # Columns of the interactions' file that tables use, or explain why they do not.
    own = [made[side] for side in made if tables[side] is None]
    used = {attribute.source for table in own for attribute in table.fields}
    explain_unused_columns(interactions, made, used.union(*(t.left_out for t in own)), left_out)
    unused, lost = unused_files(scanned, candidates, tables)
    rows_keys = tuple(_interaction_keys(interactions, tables, keys))
    values = {key.key: key.value for key in rows_keys}
    doubts = (
        *_doubts(interactions, left_out, scanned, {f.name for f in scanned.files} - unused.keys()),
        *sample_findings(interactions, values),
        *lost,
    )
    return InferredSpec(
        name or folder.resolve().name or "data",
        rows_keys,
        left_out,
        made.get("user"),
        made.get("item"),
        unused,
        scanned.refused,
        tuple(doubt for doubt in doubts if doubt.key not in told),
    )


def _with_names(found: InteractionFile, told: Mapping[str, str]) -> InteractionFile:
    """Interactions without a header line, with columns named by what they hold."""
    file = found.file
    if not file.headerless or file.spec.names:
        return found
    roles: dict[str, str] = {column: side for side, column in found.ids.items()}
    roles |= {signal.column: signal.key for signal in found.signals}
    names = tuple(roles.get(column, column) for column in file.sample.column_names)
    named = replace(
        file,
        spec=replace(
            file.spec, names=names, explode=tuple(roles.get(c, c) for c in file.spec.explode)
        ),
        sample=file.sample.rename_columns(names),
        types={roles.get(name, name): kind for name, kind in file.types.items()},
    )
    told = {"user": "user", "item": "item", **told}
    again = find_interaction_files([named], told=told)
    if not again:
        return found
    doubts = {signal.key: signal.doubts for signal in found.signals}
    signals = tuple(
        replace(one, doubts=tuple(_renamed(doubt, roles) for doubt in doubts.get(one.key, ())))
        for one in again[0].signals
    )
    return replace(again[0], fits=found.fits, signals=signals)


def _renamed(doubt: Doubt, names: Mapping[str, str]) -> Doubt:
    """A doubt about columns that now have other names."""
    says, mend = doubt.says, doubt.mend
    for old, new in names.items():
        says = re.sub(rf"\b{re.escape(old)}\b", new, says)  # column_1 is not column_10
        mend = mend.replace(f'"{old}"', f'"{new}"')
    return replace(
        doubt, says=says, mend=mend, columns=tuple(names.get(c, c) for c in doubt.columns)
    )


def _doubts(
    found: InteractionFile,
    left_out: Mapping[str, str],
    scanned: ScannedFolder,
    used: Collection[str],
) -> Iterator[Doubt]:
    yield from role_doubts(found)
    for signal in found.signals:
        yield from signal.doubts
    yield from refused_columns(found, left_out)
    yield from other_parts(found, scanned)
    for file in scanned.files:
        for note in file.notes if file.name in used else ():
            yield Doubt("file", f"{file.name}: {note}")
    for name, why in scanned.refused.items():
        says = f"{name} is not used: {why}; when it is mended, run init with --force"
        yield Doubt("file_refused", says)


def _interaction_keys(
    interactions: InteractionFile, tables: Mapping[Side, EntityFile | None], told: Mapping[str, str]
) -> Iterator[InferredKey]:
    file = interactions.file
    yield from spec_keys(file, file.seen)
    for side in ("user", "item"):
        name = interactions.ids[side]
        why = [describe_ids(file.columns[name])]
        if entity := tables[side]:
            part = "" if entity.file.complete else ", as far as that was read"
            share = f"{entity.share:.0%} of the rows name one that {entity.file.name} has"
            why.append(share + part)
        if not role_of(name, side):
            why.append("its name does not say so: check it")
        yield InferredKey(side, name, tuple(why))
    for signal in interactions.signals:
        for key, value in {signal.key: signal.column, **signal.settings}.items():
            yield InferredKey(key, value, signal.why.get(key, ()))
    again = share_of_repeats(interactions)
    share = f"{again:.1%} of the rows repeat the user and item of an earlier row"
    why = [share if again else "no two rows have the same user and item"]
    if again > 0.05:
        why.append('"keep" if people take items repeatedly, and these may be recommended again')
    yield InferredKey("repeats", told.get("repeats", "last"), tuple(why))
