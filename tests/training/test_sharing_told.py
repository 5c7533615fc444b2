"""A training says at its beginning that its version cannot be shared."""

from __future__ import annotations

import pytest

from builders import carousel
from fusionrec.errors import ArtifactError
from fusionrec.models.presets import preset_recipe
from fusionrec.training.train import train
from fusionrec.workspace import Workspace


def test_that_a_version_cannot_be_shared_is_said_before_it_is_trained(tmp_path):
    workspace, said = Workspace(tmp_path / "home"), []
    workspace.home.mkdir()
    workspace.settings.write_text(f"[versions]\nurl = '{tmp_path / 'nowhere'}'\n", "utf-8")
    with pytest.raises(ArtifactError) as raised:
        train(carousel(), preset_recipe("linear", "quick"), workspace, log=said.append)
    assert raised.value.code == "not_shared"
    assert said[0].startswith("note: as it is now, the version will not be shared: ")
