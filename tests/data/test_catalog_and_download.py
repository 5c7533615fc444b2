"""Finding and downloading data sets, against a server of this machine."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from builders import python
from fusionrec.data import catalog, download
from fusionrec.data.catalog import find, first_available, load
from fusionrec.data.download import download_file
from fusionrec.errors import DataError, DownloadError, UsageError

CONTENT = bytes(range(256)) * 1000


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def nothing_found_elsewhere(monkeypatch, closed_url):
    """No FUSIONREC_DATA, no host and no package index, unless a test says otherwise."""

    def closed(folder: Path) -> Path:
        raise DownloadError("pip could not download it")

    monkeypatch.delenv("FUSIONREC_DATA", raising=False)
    monkeypatch.setattr(catalog, "GROUPLENS", closed_url)
    monkeypatch.setattr(catalog, "_pip_download", closed)


def download_x(server, target: Path, *progress) -> None:
    download_file(server.url + "/x", target, md5(CONTENT), *progress)


@pytest.fixture
def interrupted(server, tmp_path):
    """A download of CONTENT that broke off after 100,000 bytes."""
    server.contents["/x"] = CONTENT
    server.break_off_at = 100_000
    with pytest.raises(DownloadError) as caught:
        download_x(server, tmp_path / "x")
    assert "goes on where it broke off" in caught.value.hint
    assert not (tmp_path / "x").exists()
    assert (tmp_path / "x.part").stat().st_size == 100_000
    server.break_off_at = None
    server.ranges.clear()
    return tmp_path / "x"


def complete(target: Path) -> bool:
    """Whether the file is there, right, and alone."""
    return target.read_bytes() == CONTENT and list(target.parent.iterdir()) == [target]


def test_download_reports_progress(server, tmp_path):
    server.contents["/x"] = CONTENT
    steps, target = [], tmp_path / "new" / "x"
    download_x(server, target, lambda *step: steps.append(step))
    assert complete(target)
    assert steps[-1] == ("downloading", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)


def test_a_broken_off_download_is_resumed(server, interrupted):
    server.status = 503  # a server that fails for a moment costs no part
    with pytest.raises(DownloadError, match="503"):
        download_x(server, interrupted)
    server.status, server.ranges, steps = 200, [], []
    download_x(server, interrupted, lambda *step: steps.append(step))
    assert complete(interrupted)
    assert server.ranges == ["bytes=100000-"]
    _, done, total = steps[0]
    assert done > 100_000
    assert total == len(CONTENT)


@pytest.mark.parametrize(
    ("change", "requests"),
    [({"ignore_range": True}, 1), ({"etag": '"two"'}, 1), ({"wrong_range": True}, 2)],
)
def test_a_server_that_gives_no_rest_is_asked_for_all(server, interrupted, change, requests):
    for name, value in change.items():
        setattr(server, name, value)
    download_x(server, interrupted)
    assert complete(interrupted)
    assert len(server.ranges) == requests


def test_a_part_without_its_mark_or_of_full_length_is_begun_anew(server, interrupted):
    part, mark = interrupted.with_name("x.part"), interrupted.with_name("x.part.etag")
    kept = mark.read_text()
    mark.unlink()
    download_x(server, interrupted)
    assert server.ranges == [None]
    assert complete(interrupted)
    part.write_bytes(CONTENT)  # as if it had ended before the last step
    mark.write_text(kept)
    download_x(server, interrupted)
    assert complete(interrupted)


def test_a_changed_part_is_found_out(server, interrupted):
    interrupted.with_name("x.part").write_bytes(b"?" * 100_000)
    with pytest.raises(DownloadError) as caught:
        download_x(server, interrupted)
    assert md5(CONTENT) in caught.value.message
    assert md5(b"?" * 100_000 + CONTENT[100_000:]) in caught.value.message
    assert list(interrupted.parent.iterdir()) == []
    download_x(server, interrupted)
    assert complete(interrupted)


def test_a_refusal_names_the_status(server, tmp_path):
    with pytest.raises(DownloadError, match="404"):
        download_x(server, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_end_is_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 1000)
    server.contents["/x"] = CONTENT
    with pytest.raises(DownloadError, match="at most 1,000"):
        download_x(server, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_port_fails_soon_and_with_a_hint(closed_url, tmp_path):
    begin = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        find("ml-1m", tmp_path)
    assert time.monotonic() - begin < 5
    assert closed_url in caught.value.message
    assert "FUSIONREC_DATA" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_cannot_be_written(server, tmp_path):
    with (tmp_path / "x.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process"):
            download_x(server, tmp_path / "x")
    with pytest.raises(DownloadError, match="could not be written"):
        download_x(server, tmp_path / "x.part" / "x")


def test_order_of_sources(files, server, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "GROUPLENS", server.url)
    workspace, given = tmp_path / "workspace", tmp_path / "given"
    archive = files.zip(at="served.zip").read_bytes()
    server.contents["/ml-1m.zip"] = archive
    monkeypatch.setitem(catalog.ARCHIVES, "ml-1m", md5(archive))

    with pytest.raises(DownloadError, match="not allowed"):
        find("ml-1m", workspace, download=False)
    downloaded = find("ml-1m", workspace)
    assert downloaded == (workspace / "ml-1m.zip", f"a download from {server.url}")
    again = find("ml-1m", workspace)
    assert again == (workspace / "ml-1m.zip", f"the workspace ({workspace})")
    assert len(server.ranges) == 1

    monkeypatch.setenv("FUSIONREC_DATA", str(given))
    with pytest.raises(UsageError, match="must name a folder"):
        find("ml-1m", workspace)
    given.mkdir()
    assert find("ml-1m", workspace)[0] == workspace / "ml-1m.zip"
    folder = files.folder(at="given/ml-1m")
    assert find("ml-1m", workspace) == (folder, f"FUSIONREC_DATA ({given})")
    zipped = files.zip(at="given/ml-1m.zip")
    assert find("ml-1m", workspace)[0] == zipped

    path = str(files.zip(at="mine.zip"))
    assert find(path, workspace) == (Path(path), path)


@pytest.mark.parametrize("name", ["ml-2m", "no/such.zip", ""])
def test_an_unknown_name_is_wrong_use(tmp_path, name):
    with pytest.raises(UsageError, match="ml-1m, ml-100k, synthetic") as caught:
        find(name, tmp_path)
    assert "path" in caught.value.hint


@pytest.fixture
def mirror(files, monkeypatch):
    """A wheel-like zip in the place of the package; gives what pip would have to write."""
    contents = files.contents("mirror")
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(catalog, "MIRROR_FILES", sums)

    def pip(folder: Path) -> Path:
        wheel = folder / "some-1-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("recbole/__init__.py", "raise SystemExit('must not run')")
            for name, content in contents.items():
                archive.writestr(f"recbole/dataset_example/ml-100k/{name}", content)
        return wheel

    monkeypatch.setattr(catalog, "_pip_download", pip)
    return contents


def test_ml_100k_comes_from_the_mirror_when_its_host_is_closed(mirror, tmp_path):
    workspace = tmp_path / "workspace"
    dataset = load("ml-100k", workspace)
    assert (dataset.name, len(dataset)) == ("ml-100k", 3)
    archive, _ = find("ml-100k", workspace, download=False)
    assert list(workspace.iterdir()) == [archive] == [workspace / "ml-100k-mirror.zip"]


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_mirror_with_other_files_is_refused(mirror, closed_url, tmp_path, harm):
    if harm == "changed":
        mirror["ml-100k.user"] += b"4\t24\tM\tother\t0\n"
    else:
        del mirror["ml-100k.user"]
    with pytest.raises(DownloadError) as caught:
        find("ml-100k", tmp_path / "workspace")
    assert closed_url in caught.value.message  # both failures are named
    assert "ml-100k.user" in caught.value.message
    assert list((tmp_path / "workspace").iterdir()) == []


@pytest.mark.parametrize("pip_fails", [True, False])
def test_pip_is_asked_for_a_wheel_only(tmp_path, monkeypatch, pip_fails):
    monkeypatch.undo()
    asked = []

    def run(command, **options):
        asked.extend(command)
        if not pip_fails:
            (tmp_path / "some.whl").touch()
        return subprocess.CompletedProcess(command, int(pip_fails), "", "Some\nERROR: no route")

    monkeypatch.setattr(subprocess, "run", run)
    if pip_fails:
        with pytest.raises(DownloadError, match="ERROR: no route"):
            catalog._pip_download(tmp_path)
    else:
        assert catalog._pip_download(tmp_path) == tmp_path / "some.whl"
    assert asked[:3] == [sys.executable, "-m", "pip"]
    assert {"download", "--no-deps", "--only-binary=:all:", "recbole==1.2.1"} <= set(asked)


def test_load_by_path_the_sample_by_name_and_no_other_data_set_under_the_name(files, tmp_path):
    assert load(str(files.folder()), tmp_path).name == "ml-1m"
    assert load("synthetic", tmp_path).synthetic
    files.zip("ml-100k", at="ml-1m.zip")
    with pytest.raises(DataError, match="expected ml-1m, got the files of ml-100k"):
        load("ml-1m", tmp_path)


def test_first_available_says_which_and_why(files, tmp_path):
    dataset, said = first_available(tmp_path)
    assert dataset.synthetic
    assert said.startswith("The data set is the synthetic sample")
    assert "ml-1m could not be had" in said
    assert "ml-100k could not be had" in said

    files.zip("ml-100k", at="ml-100k.zip")
    (tmp_path / "ml-1m.zip").write_text("damaged")
    dataset, said = first_available(tmp_path)
    assert dataset.name == "ml-100k"
    assert "because ml-1m could not be had" in said

    files.zip(at="ml-1m.zip")
    dataset, said = first_available(tmp_path)
    assert dataset.name == "ml-1m"
    assert said == f"The data set is ml-1m, from the workspace ({tmp_path})."


def test_importing_is_light():
    code = (
        "import sys, fusionrec.data.catalog, fusionrec.data.samples.movielens;"
        "print([m for m in ('pandas', 'httpx', 'pyarrow', 'paddle') if m in sys.modules])"
    )
    assert python(code).strip() == "[]"


@pytest.mark.real_data
def test_real_sources(movielens_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONREC_DATA", str(movielens_dir))
    dataset, said = first_available(tmp_path, download=False)
    assert (dataset.name, len(dataset)) == ("ml-1m", 1_000_209)
    assert "FUSIONREC_DATA" in said
