"""Pictures of items: which files are shown, and that models do not read them."""

from __future__ import annotations

import os

import numpy as np
import picture_data
import pytest

from builders import recipe
from fusionrec.config import settings_table
from fusionrec.data.detection.infer import infer_spec
from fusionrec.data.schema import Field
from fusionrec.data.tabular.spec import read_spec
from fusionrec.deploy.build import build_index
from fusionrec.errors import ConfigError, DataError
from fusionrec.features.encoder import Encoder
from fusionrec.features.flat import flatten
from fusionrec.service.settings import ServiceSettings
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from serving import opened


@pytest.fixture(scope="module")
def hung(tmp_path_factory):
    """A service over works with pictures, in the workspace's folder ``pictures``."""
    base = tmp_path_factory.mktemp("gallery")
    made = Workspace(base / "home")
    build_index(made, train(picture_data.gallery(base / "data"), recipe(epochs=1), made))
    picture_data.pictures(made.home / "pictures")
    with opened(made, images="pictures", image_hosts=("img.example.org",)) as shop:
        yield shop


def image(shop, name, **headers):
    return shop.client.get(f"/v1/images/{name}", headers=headers)


def test_a_picture_comes_with_its_type_and_is_kept(hung):
    got = image(hung, "sub%2Fa%20b%231.png")
    assert (got.status_code, got.content) == (200, picture_data.png())
    assert got.headers["content-type"] == "image/png"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "private, max-age=3600"
    again = image(hung, "sub/a%20b%231.png", **{"If-None-Match": got.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert image(hung, "within.png").content == picture_data.png()


@pytest.mark.parametrize("kind", picture_data.BEGINNINGS)
def test_a_type_is_told_by_content(hung, kind):
    got = image(hung, kind.replace("/", "."))
    assert (got.status_code, got.headers["content-type"]) == (200, kind)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gone.png", "is not here"),
        ("text.png", "is neither PNG"),
        ("drawing.svg", "is neither PNG"),
        ("large.png", "larger than 10,000,000"),
        ("out.png", "is not here"),
        ("circle.png", "is not here"),
        ("parent%2Foutside.png", "is not here"),
        ("..%2Foutside.png", "is not here"),
        ("sub%2F..%2F..%2Foutside.png", "is not here"),
        ("%2Fetc%2Fhostname", "is not here"),
        ("sub", "is not here"),
        ("sub%2F..", "is not here"),
        ("a%FFb.png", ""),
        ("a%00b.png", ""),
        ("x" * 400, "is not here"),
        ("x" * 600, ""),
    ],
)
def test_nothing_else_of_a_machine_is_shown(hung, name, why):
    got = image(hung, name)
    assert got.status_code in ((404,) if why else (400, 404, 422))
    assert why in got.json().get("detail", "")
    assert str(hung.workspace.home) not in got.text


def test_a_pipe_is_not_waited_for(hung):

    os.mkfifo(hung.workspace.home / "pictures" / "pipe.png")
    assert image(hung, "pipe.png").status_code == 404


def test_the_policy_names_what_the_page_may_load(hung, shop):
    policy = hung.client.get("/").headers["content-security-policy"]
    assert policy.endswith("; img-src 'self' blob: https://img.example.org")
    assert hung.client.get("/v1/schema").json()["images"] == {
        "files": True, "hosts": ["img.example.org"],
    }  # fmt: skip
    assert "img-src" not in shop.client.get("/").headers["content-security-policy"]
    assert shop.client.get("/v1/schema").json()["images"] == {"files": False, "hosts": []}
    assert image(shop, "a.png").status_code == 404


def test_a_picture_needs_the_scope_of_items(public):
    assert image(public, "a.png").status_code == 401


def test_answers_hold_the_name_and_neither_filters_nor_words(hung):
    item = hung.client.get("/v1/items/9").json()
    assert item["content"]["photo"] == picture_data.ADDRESS
    about = {one["name"]: one for one in hung.client.get("/v1/schema").json()["item"]}
    assert about["photo"]["kind"] == "image"
    assert [one["name"] for one in hung.client.get("/v1/schema").json()["filters"]] == ["motif"]
    assert hung.ids("/v1/search", q="png") == []
    assert hung.client.get("/v1/recommendations?where=photo=gone.png").status_code == 400
    changed = {"name": "New one", "photo": "sub/a b#1.png"}
    put = hung.client.put("/v1/items/new", json=changed, headers=hung.admin)
    assert put.json()["content"]["photo"] == "sub/a b#1.png"


def test_models_read_no_pictures(tmp_path):
    sets = [picture_data.gallery(tmp_path / str(n), images=n == 1) for n in range(2)]
    encoders = [Encoder.fit(one, np.arange(len(one.item))) for one in sets]
    assert encoders[1].vocabularies == encoders[0].vocabularies
    encoded = [
        one.encode_table("item", data.items) for one, data in zip(encoders, sets, strict=True)
    ]
    assert list(encoded[1]) == list(encoded[0])
    flat = [flatten(*one) for one in zip(encoders, ("item", "item"), encoded, strict=True)]
    np.testing.assert_array_equal(flat[1], flat[0])
    encoders[1].save(tmp_path / "encoder.json")
    assert Encoder.load(tmp_path / "encoder.json").schema == sets[1].schema


def test_images_are_of_items_alone_and_filter_nothing(tmp_path):
    with pytest.raises(DataError, match="images are of items"):
        Field("photo", "user", "image")
    picture_data.gallery(tmp_path / "data")
    spec = tmp_path / "data" / "fusionrec.toml"
    spec.write_text(spec.read_text() + "filter = true\n")
    with pytest.raises(ConfigError, match="no answer is filtered by an image"):
        read_spec(spec)


@pytest.mark.parametrize(
    "host", ["", "*", "*.org", "IMG.example.org", "https://a.org", "a.org; script-src *", "a.org\n"]
)
def test_a_host_is_one_name(host):
    with pytest.raises(ConfigError, match="an image host is such as"):
        ServiceSettings(image_hosts=(host,))


def test_a_folder_that_is_not_there_is_said_at_start(indexed):
    indexed.home.joinpath("settings.toml").write_text('[service]\nimages = "gone"\n')
    given = ServiceSettings.from_dict(settings_table(indexed.settings, "service"))
    with (
        pytest.raises(ConfigError, match="no folder of images"),
        opened(indexed, images=given.images),
    ):
        pass


def test_init_takes_names_of_pictures_for_them(tmp_path):
    picture_data.gallery(tmp_path / "data", 60)
    (tmp_path / "data" / "fusionrec.toml").unlink()
    found = infer_spec(tmp_path / "data")
    kinds = {one.source: one.column for one in found.items.fields}
    assert (kinds["photo"].kind, kinds["photo"].filter) == ("image", False)
