"""What the command line's answers are called: columns, counts, options, filters."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from builders import Ended, recipe
from event_data import data_set, schema
from fusionrec.data.schema import Field
from fusionrec.deploy.build import build_index
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

Run = Callable[..., Ended]

FIELDS = (
    Field("column_2", "item", "category", True, label="作者"),
    Field("page_count", "item", "number", True),
    Field("shelf", "item", "category", True, label="Shelf"),
)


@pytest.fixture(scope="module")
def poems(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """What people took, of which u0 took everything; one field's label is in another script."""
    user, item = np.divmod(np.arange(20 * 12), 12)
    kept = (user == 0) | ((user + item) % 3 == 0)
    columns = {
        "column_2": ["李白", "杜甫"] * 6,
        "page_count": [float(n) for n in range(12)],
        "shelf": ["a"] * 12,
    }
    data = data_set(schema(*FIELDS), user[kept], item[kept], items=columns)
    home = Workspace(tmp_path_factory.mktemp("poems"))
    build_index(home, train(data, recipe(epochs=1, batch=50), home))
    return home


@pytest.mark.parametrize(
    ("asked", "measure"),
    [
        (("recommend", "-k", "3"), "Times taken"),
        (("recommend", "-k", "3", "--liked", "i1"), "Score"),
        (("similar", "i1"), "Score"),
        (("search", "李"), "Score"),
    ],
)
def test_columns_are_called_by_their_labels(
    poems: Workspace, fusionrec: Run, asked: tuple[str, ...], measure: str
) -> None:
    ended = fusionrec(poems, *asked)
    assert ended.code == 0, ended.err
    header, *rows = ended.out.splitlines()
    assert header.split("\t") == ["Rank", "Id", "Title", measure, "作者", "Page count", "Shelf"]
    assert rows


def test_a_note_names_the_option_as_it_is_written(poems: Workspace, fusionrec: Run) -> None:
    said = "the person has taken all items already: `--seen` shows what was taken"
    assert f"note: {said}\n" in fusionrec(poems, "recommend", "--user", "u0").err
    assert json.loads(fusionrec(poems, "recommend", "--user", "u0", "--json").out)["notes"] == [
        said
    ]
    assert len(fusionrec(poems, "recommend", "--user", "u0", "--seen").out.splitlines()) > 1


def test_a_refused_filter_names_labels_beside_the_names(poems: Workspace, fusionrec: Run) -> None:
    filters = "filters are: column_2 (作者), page_count, shelf"
    refused = fusionrec(poems, "recommend", "--where", "作者=李白")
    assert refused.code == 2
    assert "answers cannot be filtered by '作者'" in refused.err
    assert filters in refused.err
    near = fusionrec(poems, "recommend", "--where", "colunm_2=李白").err
    assert f"did you mean 'column_2'? {filters}" in near
    assert filters in fusionrec(poems, "recommend", "--where", "作者").err
