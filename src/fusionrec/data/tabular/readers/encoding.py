"""Finds the encoding of a text file from its bytes."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path
from typing import Any

from fusionrec.errors import ConfigError, DataError

CHECKED = 64 << 20  # bytes of a file that must be UTF-8 before it is taken for UTF-8
_BEGIN = 4096  # bytes that show UTF-16
_SAMPLE = 1 << 16  # bytes without ASCII lines, which show an encoding
# Supersets of what files are usually said to be in, with the usual name.
_NAMES = {
    "gb18030": "GBK",
    "big5": "Big5",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "cp949": "EUC-KR",
    "cp1252": "Latin-1 (cp1252)",
    "cp1251": "Cyrillic (cp1251)",
    "koi8_r": "Cyrillic (KOI8-R)",
    "iso8859_5": "Cyrillic (ISO 8859-5)",
    "cp866": "Cyrillic (cp866)",
    "cp1253": "Greek (cp1253)",
    "cp1250": "Central European (cp1250)",
    "iso8859_2": "Central European (ISO 8859-2)",
}
_LATIN = ["cp1252", "cp1250", "iso8859_2"]
# No letters, between letters: of another encoding.
_WITHIN = re.compile(r"(?<=[^\W\d_])(?:[^\w\s'’·.-]|[¹²³¼½¾])(?=[^\W\d_])|[\x7f-\x9f]")
_MOST_WITHIN = 0.02
_KANA = re.compile("[\u3041-\u30ff]")
_MOST_KANA = 0.2  # of Japanese; by chance there are hardly any
_MARKS = {
    codecs.BOM_UTF8: "",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_DAMAGED = 3  # characters of UTF-8 for each that is none: UTF-8 with damage, and no other encoding


def known_encoding(name: str) -> str:
    """The encoding that a setting names; empty for UTF-8.

    Raises:
        ConfigError: Python knows no such encoding of texts.
    """
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)  # refuses codecs of bytes, such as hex
        found = codecs.lookup(name).name
    except LookupError:
        found = ""
    if found:
        # What is called by these is mostly their superset.
        superset = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949"}
        return "" if found in ("utf-8", "utf-8-sig", "ascii") else superset.get(found, found)
    raise ConfigError(
        f"encoding must be one that Python knows, got {name!r:.60}", "such as gbk, cp1252 or utf-16"
    )


def find_encoding(path: Path, head: bytes, stream: Any) -> tuple[str, str]:
    """The encoding of a file; UTF-8 wherever its first ``CHECKED`` bytes are UTF-8.

    Args:
        path: for messages.
        head: how it begins.
        stream: the bytes that follow.

    Returns:
        The encoding's name in Python, empty for UTF-8; and a note, empty for UTF-8.

    Raises:
        DataError: the bytes are no text, or UTF-8 with damage.
    """
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding, f"read as {encoding.upper()}" if encoding else ""
    if b"\0" in head[:_BEGIN]:
        encoding = _utf_16(head[:_BEGIN])
        if encoding:
            return encoding, f"read as {encoding.upper()}"
        raise DataError(f"{path}: neither text nor a table format that is read", "is it damaged?")
    decoder, piece, line, read = codecs.getincrementaldecoder("utf-8")(), head, 1, 0
    while True:
        read += len(piece)
        try:
            decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            start = error.start - error.object.rfind(b"\n", 0, error.start)
            where = f"{path}, line {line}: not UTF-8 from byte {start} on"
            sample = error.object[max(0, error.start - _SAMPLE) :] + stream.read(_SAMPLE)
            return _other_encoding(where, sample)
        if not piece or read >= CHECKED:
            return "", ""
        line += piece.count(b"\n")
        piece = stream.read(1 << 20)


def _utf_16(begin: bytes) -> str:
    """The encoding of a text of two bytes per letter, of which one is mostly 0; empty if none."""
    even, odd = begin[::2].count(0), begin[1::2].count(0)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    text = begin.decode(encoding, "replace")
    if len(begin) == _BEGIN:
        text = text[:-1]  # may be cut off
    lined = "\n" in text or b"\n" not in begin
    lettered = all(letter.isprintable() or letter in "\t\r\n" for letter in text)
    is_it = min(even, odd) * 10 < max(even, odd) and lined and lettered and "\ufffd" not in text
    return encoding if is_it else ""


def _other_encoding(where: str, sample: bytes) -> tuple[str, str]:
    text = sample.decode(errors="replace")
    bad = text.count("\ufffd")
    if sum(not letter.isascii() for letter in text) - bad >= _DAMAGED * bad:
        raise DataError(where, "mend that line, or save the file as UTF-8")
    lines = sample.split(b"\n")
    whole = lines[1:-1] if len(lines) > 3 else lines  # the first and last may be cut off
    telling = [line for line in whole if not line.isascii()] or lines
    encoding = guess(b"\n".join(telling))
    if not encoding:
        raise DataError(where, 'save it as UTF-8, or name its encoding: encoding = "cp1252"')
    name = _NAMES[encoding]
    return (
        encoding,
        f'read as {name}; if letters look wrong, set another, such as encoding = "cp1250"',
    )


def guess(sample: bytes) -> str:
    """The likeliest encoding of bytes that are not UTF-8, one of a few usual ones; empty if none.

    Single-byte encodings can be told apart only by which letters are usual beside each other.
    """
    from charset_normalizer import from_bytes

    if _decodes(sample, "cp932") and _share(_KANA, sample.decode("cp932")) > _MOST_KANA:
        return "cp932"
    # Letters of Latin alphabets beyond ASCII stand alone, others beside each other.
    alone = not re.search(rb"[\x80-\xff]{2}", sample)
    among = _LATIN if alone else list(_NAMES)
    matches = from_bytes(sample, cp_isolation=among)
    found = [name for match in matches for name in (match.encoding, *match.could_be_from_charset)]
    likely = [name for name in found if name in among and _plausible(sample, name)]
    if likely and likely[0] in _LATIN and "cp1252" in likely:
        return "cp1252"
    if likely:
        return likely[0]
    latin = [name for name in _LATIN if _decodes(sample, name)]
    return next((name for name in latin if _plausible(sample, name)), latin[0] if latin else "")


def _share(pattern: re.Pattern[str], text: str) -> float:
    """Matches of a pattern for each letter beyond ASCII."""
    return len(pattern.findall(text)) / max(1, sum(not letter.isascii() for letter in text))


def _plausible(sample: bytes, encoding: str) -> bool:
    text = sample.decode(encoding, "replace")
    return not _half_width(sample, encoding) and _share(_WITHIN, text) < _MOST_WITHIN


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _half_width(sample: bytes, encoding: str) -> bool:
    """Whether most letters would be half-width katakana, as other single bytes seem to be."""
    if encoding != "cp932":
        return False
    letters = [letter for letter in sample.decode(encoding, "replace") if not letter.isascii()]
    return sum("\uff61" <= letter <= "\uff9f" for letter in letters) * 2 > len(letters)
