"""Finds a data set by name or path: FUSIONREC_DATA, the workspace, or a download."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from fusionrec.data.dataset import Dataset
from fusionrec.data.download import download_file
from fusionrec.errors import DataError, DownloadError, Progress, UsageError, reason
from fusionrec.workspace import found_path, make_folder

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
# MD5, since that is what GroupLens publishes.
ARCHIVES = {
    "ml-1m": "c4d9eecfca2ab87c1945afe126590906",
    "ml-100k": "0e33842e24a9c977be4e0107933c0723",
}
SYNTHETIC = "synthetic"
KNOWN = (*ARCHIVES, SYNTHETIC)

# A mirror of ml-100k, for networks that reach only a package index: a wheel that includes these
# files; nothing else of it is read.
MIRROR_PACKAGE = "recbole==1.2.1"
MIRROR_FILES = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}
_MIRROR_FOLDER = "recbole/dataset_example/ml-100k"
_ELSEWHERE = (
    "check the network, or get the archive by another way and give its path, "
    "or put it into the folder that FUSIONREC_DATA names"
)


def find(
    name_or_path: str, workspace_data: Path, progress: Progress | None = None, download: bool = True
) -> tuple[Path, str]:
    """The files of a data set, from the first source that has them; downloaded if none does.

    Args:
        name_or_path: ``ml-1m``, ``ml-100k``, or a path to a zip, a folder or a ``fusionrec.toml``
            (write ``./ml-1m`` for a folder of that name in the working directory).
        workspace_data: the folder for downloads; created if needed.
        progress: called with the bytes done and in all (None if unknown).
        download: whether the network may be used.

    Returns:
        The path, and its source, to follow the word "from", such as ``FUSIONREC_DATA (/data)``.

    Raises:
        UsageError: neither a known name nor an existing path; FUSIONREC_DATA is no folder.
        DownloadError: the data set is not on this machine, and every download failed.
    """
    name = name_or_path
    if name not in ARCHIVES:
        if name and (found := found_path(name)):
            return found, str(found)
        raise UsageError(
            f"{name!r} is no data set by name ({', '.join(KNOWN)}), and no such file or folder",
            "give a known name, or the path of a zip or a folder laid out as ml-1m or ml-100k, or "
            "of one with a fusionrec.toml (fusionrec init DIR writes it)",
        )
    target, mirror = workspace_data / f"{name}.zip", workspace_data / "ml-100k-mirror.zip"
    workspace = f"the workspace ({workspace_data})"
    places = [(target, workspace), (workspace_data / name, workspace)]
    if value := os.environ.get("FUSIONREC_DATA"):
        folder = Path(value).expanduser()
        if not folder.is_dir():
            raise UsageError(
                f"FUSIONREC_DATA must name a folder, got {value!r}", "correct or unset it"
            )
        given = f"FUSIONREC_DATA ({folder})"
        places = [(folder / f"{name}.zip", given), (folder / name, given), *places]
    if name == "ml-100k":
        places.append((mirror, workspace))
    for path, source in places:
        if path.exists():
            return path, source
    if not download:
        raise DownloadError(f"{name} is not here, and downloading was not allowed", _ELSEWHERE)
    try:
        download_file(f"{GROUPLENS}/{name}.zip", target, ARCHIVES[name], progress)
        return target, f"a download from {GROUPLENS}"
    except DownloadError as error:
        if name != "ml-100k":
            raise
        first = error
    try:
        _download_mirror(mirror)
    except DownloadError as second:
        raise DownloadError(f"{first.message}; and {second.message}", _ELSEWHERE) from second
    return mirror, f"the package {MIRROR_PACKAGE}"


def _download_mirror(target: Path) -> None:
    """Downloads the mirror's wheel and saves its three data files as a zip.

    Raises:
        DownloadError: the package cannot be downloaded, or its files are not as expected.
    """
    try:
        make_folder(target.parent)
        # In the target's folder, so that moving it is atomic.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".mirror-") as folder:
            wheel = _pip_download(Path(folder))
            archive = Path(folder) / target.name
            with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(archive, "w", 8) as sink:
                for file, expected in MIRROR_FILES.items():
                    content = source.read(f"{_MIRROR_FOLDER}/{file}")
                    got = hashlib.sha256(content).hexdigest()
                    if got != expected:
                        raise DownloadError(
                            f"{file} of {MIRROR_PACKAGE}: expected SHA-256 {expected}, got {got}",
                            _ELSEWHERE,
                        )
                    sink.writestr(f"ml-100k/{file}", content)
            archive.replace(target)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DownloadError(
            f"ml-100k's files could not be taken from {MIRROR_PACKAGE}: {reason(error)}", _ELSEWHERE
        ) from error


def _pip_download(folder: Path) -> Path:
    """The mirror's wheel, downloaded by pip with its own configuration; nothing is installed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    command += ["download", "--no-deps", "--only-binary=:all:", "--retries=1", "--timeout=10"]
    command += [f"--dest={folder}", MIRROR_PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"pip took longer than 300 s for {MIRROR_PACKAGE}") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        why = (done.stderr.strip() or "no wheel came").splitlines()[-1]
        raise DownloadError(f"pip could not download {MIRROR_PACKAGE}: {why}", _ELSEWHERE)
    return wheels[0]


def load(
    name_or_path: str,
    workspace_data: Path,
    progress: Progress | None = None,
    download: bool = True,
    *,
    accept: bool = False,
    allow_remote: bool = False,
) -> Dataset:
    """A data set by name or path, read and checked; ``synthetic`` gives the made-up sample.

    The arguments are those of ``find`` and ``read``; ``progress`` also follows the reading of
    tables.

    Raises:
        UsageError, DownloadError: as ``find``.
        DataError: as ``read``, or the files are not those of the named data set.
    """
    if name_or_path == SYNTHETIC:
        from fusionrec.data.samples.movielens import synthetic

        return replace(synthetic(), source=SYNTHETIC)
    from fusionrec.data.load import read

    path, _ = find(name_or_path, workspace_data, progress, download)
    allowed = {"accept": accept, "allow_remote": allow_remote}
    dataset = read(path, workspace_data, progress, **allowed)
    if name_or_path in ARCHIVES and dataset.name != name_or_path:
        raise DataError(
            f"{path}: expected {name_or_path}, got the files of {dataset.name}",
            "rename or remove it",
        )
    source = name_or_path if name_or_path in ARCHIVES else str(path.absolute())
    return replace(dataset, source=source)


def first_available(
    workspace_data: Path, progress: Progress | None = None, download: bool = True
) -> tuple[Dataset, str]:
    """The first available one of ml-1m, ml-100k and the synthetic sample.

    Returns:
        The data set, and a sentence with its name, its source and why it was chosen.

    Raises:
        UsageError: FUSIONREC_DATA is no folder.
    """
    reasons: list[str] = []
    for name in ARCHIVES:
        try:
            _, source = find(name, workspace_data, progress, download)
            dataset = load(name, workspace_data, progress, download)
        except DataError as error:
            reasons.append(f"{name} could not be had ({error.message})")
        else:
            why = f", because {reasons[0]}" if reasons else ""
            return dataset, f"The data set is {name}, from {source}{why}."
    return load(SYNTHETIC, workspace_data), (
        "The data set is the synthetic sample, made up here: no figure on it says anything of "
        f"people. It was taken because {' and '.join(reasons)}."
    )
