"""A gallery: pictures that people took home, some of which cannot be shown."""

from __future__ import annotations

import csv
import struct
import zlib
from pathlib import Path

import numpy as np

from fusionrec.data.catalog import load as load_data
from fusionrec.data.dataset import Dataset

KINDS = ("Portrait", "Harbour", "Still life")
BEGINNINGS = {
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "image/gif": b"GIF89a\1\0\1\0\0\0\0;",
    "image/webp": b"RIFF\x1a\0\0\0WEBPVP8L",
}
LONG = "Wortungetüm" * 45  # of 495 letters without a space
TITLES = {
    0: "Calm sea", 1: "<img src=x onerror=\"document.title='run'\">", 2: "🦊 fox 🏳️‍🌈 flag",
    3: "البحر الهادئ عند الغروب", 4: LONG, 5: "", 6: "No file here", 7: "Text in disguise",
    8: "Elsewhere", 9: "By address", 10: "No picture at all",
}  # fmt: skip
ADDRESS = "https://img.example.org/9.png"
IMAGES = {
    0: "sub/a b#1.png", 6: "gone.png", 7: "text.png", 8: "https://other.example/8.png",
    9: ADDRESS, 10: "",
}  # fmt: skip
_TOML = """name = "gallery"

[interactions]
files = "taken.csv"
user = "visitor"
item = "work"

[items]
files = "works.csv"
id = "work"
title = "name"

[items.fields.name]
kind = "text"

[items.fields.motif]
filter = true

[items.fields.photo]
kind = "image"
"""


def png(side: int = 8, colour: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    """A square of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(colour) * side) * side)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gallery(folder: Path, works: int = 24, *, images: bool = True) -> Dataset:
    """The data set: visitors take works of the motif of their number modulo three."""
    folder.mkdir(parents=True)
    rng, number = np.random.default_rng(0), np.arange(works)
    rows = ["visitor,work"]
    for visitor in range(40):
        taken = rng.choice(number[number % 3 == visitor % 3], 3, replace=False)
        rows += [f"{visitor},{work}" for work in taken]
    (folder / "taken.csv").write_text("\n".join(rows))
    with (folder / "works.csv").open("w", newline="") as file:
        told = csv.writer(file)
        told.writerow(["work", "name", "motif", "photo"])
        for n in number.tolist():
            image = IMAGES.get(n, "sub/a b#1.png")
            told.writerow([n, TITLES.get(n, f"Work {n}"), KINDS[n % 3], image])
    toml = _TOML if images else _TOML.partition("[items.fields.photo]")[0]
    (folder / "fusionrec.toml").write_text(toml)
    return load_data(str(folder), folder.with_name(f"{folder.name}-kept"))


def pictures(folder: Path) -> Path:
    """A folder with pictures, and with what must not be shown."""
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a b#1.png").write_bytes(png())
    (folder / "text.png").write_text("no picture")
    (folder / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "large.png").write_bytes(png() + bytes(10_000_000))
    for kind, body in BEGINNINGS.items():
        (folder / kind.replace("/", ".")).write_bytes(body)
    outside = folder.with_name("outside.png")
    outside.write_bytes(png())
    (folder / "out.png").symlink_to(outside)
    (folder / "parent").symlink_to(folder.parent)
    (folder / "within.png").symlink_to(folder / "sub" / "a b#1.png")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    return folder
