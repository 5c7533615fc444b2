"""Places: read from options, environment and file, and never showing what is secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusionrec.errors import ConfigError, UsageError
from fusionrec.index import MilvusStore, Place, place_from

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("uri", "name", "credentials"),
    [
        ("http://h:1", "http://h:1", ""),
        ("http://h:1/films", "http://h:1/films", ""),
        (f"https://root:{SECRET}@h:19530/?token={SECRET}", "https://h:19530", f"root:{SECRET}"),
        (f"https://{SECRET}@h", "https://h", SECRET),
        ("https://a:p%40ss%3A@h", "https://h", "a:p@ss:"),
        ("http://[::1]:19530", "http://[::1]:19530", ""),
    ],
)
def test_a_uri_is_taken_apart(uri: str, name: str, credentials: str) -> None:
    place = Place(uri)
    assert (place.name, place.credentials) == (name, credentials)
    assert place.is_server
    assert SECRET not in place.uri


def test_a_local_path_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Place("a/../milvus.db").name == str(tmp_path.resolve() / "milvus.db")
    assert Place("~/m.db").name == str(Path.home() / "m.db")
    assert not Place("milvus.db").is_server


@pytest.mark.parametrize(
    "uri", ["milvus", f"tcp://u:{SECRET}@h", "http://", "ftp://h", "http://h:x"]
)
def test_uris_of_no_known_form(uri: str) -> None:
    with pytest.raises(UsageError) as raised:
        Place(uri)
    assert SECRET not in f"{raised.value} {raised.value.hint}"
    with pytest.raises(UsageError):
        MilvusStore(uri)


def test_nothing_secret_is_shown() -> None:
    place = Place(f"https://root:{SECRET}@h/films", token=f"me:{SECRET}!", password=f"{SECRET}%")
    for shown in (repr(place), str(place), f"{place}", f"{place!r}", place.name, place.uri):
        assert SECRET not in shown
    assert "films" in repr(place)
    assert {f"me:{SECRET}!", f"{SECRET}!", f"{SECRET}%", f"{SECRET}%25"} <= {*place.secrets}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"search_timeout": -1.0}, "search_timeout"),
        ({"replicas": 0}, "replicas"),
        ({"shards": 17}, "shards"),
        ({"password": SECRET}, "needs a user"),
        ({"ca": "/no/such.pem"}, "no file of certificates"),
        ({"uri": "http://h", "ca": __file__}, "https"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        Place(**settings)
    assert SECRET not in f"{raised.value} {raised.value.hint}"


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[milvus]\nuri = "http://file"\ndatabase = "f"\ntoken = "f"\ntimeout = 5\n')
    environment = {"FUSIONREC_MILVUS": "http://env", "FUSIONREC_MILVUS_TIMEOUT": "7.5"}
    assert place_from({}, {}, file) == Place("http://file", "f", database="f", timeout=5.0)
    assert place_from({}, environment, file) == Place("http://env", "f", database="f", timeout=7.5)
    assert place_from({"uri": "x.db", "timeout": "9"}, environment, file).timeout == 9
    assert place_from({"uri": "x.db"}, environment, file).uri == str(Path("x.db").resolve())
    assert place_from({}, {}, tmp_path / "none") == Place()
    assert place_from({"replicas": "2"}, {"FUSIONREC_MILVUS_SHARDS": "3"}, file) == Place(
        "http://file", "f", database="f", timeout=5.0, replicas=2, shards=3
    )
    # Who is named nearer to hand is meant, not the token from further out.
    named = place_from({"user": "me", "password": "p"}, {"FUSIONREC_MILVUS_TOKEN": "t"}, file)
    assert named.credentials == "me:p"
    by_name = {"FUSIONREC_MILVUS_USER": "me", "FUSIONREC_MILVUS_PASSWORD": "p"}
    assert place_from({}, by_name, file).credentials == "me:p"
    assert place_from({"token": "t"}, by_name, file).credentials == "t"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[milvus]\npasword = '{SECRET}'", "did you mean password"),
        (f"[milvus]\npassword = '{SECRET}", "cannot be read as TOML"),
        ("[milvus]\npassword = 123456", "a text in quotes"),
        ("[milvus]\ntimeout = 'soon'", "number of seconds"),
        ("[milvus]\nreplicas = 'two'", "a whole number"),
        ("milvus = 3", "must be a table"),
    ],
)
def test_a_settings_file_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        place_from({}, {}, tmp_path / "settings.toml")
    shown = f"{raised.value} {raised.value.hint}"
    assert said in shown
    assert SECRET not in shown
    assert "123456" not in shown
    assert raised.value.__cause__ is None


def test_a_place_without_a_uri_is_the_recorded_one() -> None:
    known = Place(token="t", timeout=3.0)
    assert known.at("http://h:1/films") == Place("http://h:1", "t", database="films", timeout=3.0)
    assert Place("http://h").at("http://other") == Place("http://h")
    with pytest.raises(UsageError, match="needs a URI"):
        MilvusStore(known)
