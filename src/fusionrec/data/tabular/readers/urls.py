"""URLs of tables: their kinds, passwords from the environment, and how they are shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

from fusionrec.errors import DataError

POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
FILES = ("https", "http", "s3", "gs")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PASSWORD = re.compile(r"(\w://[^\s:/@]*):\S*@")
_LITERAL = (
    "write the name of an environment variable in its place, such as user:${SHOP_PASSWORD}@host; "
    "or leave it out and set PGPASSWORD or PGPASSFILE"
)


def scheme_of(location: str) -> str:
    """The scheme of a URL in lower case; empty of a file's name or pattern."""
    found = _SCHEME.match(location)
    return found[1].lower() if found else ""


def check_scheme(url: str) -> None:
    """Raises a DataError if tables are not read from such a URL."""
    scheme = scheme_of(url)
    if scheme not in (*POSTGRESQL, *FILES):
        raise DataError(
            f"{shown(url)}: tables at {scheme}:// are not read",
            "postgresql://, https://, s3:// and gs:// are; from elsewhere export the table to CSV "
            "or Parquet",
        )


def shown(url: str) -> str:
    """A URL for people: without its password, and without options, which may hold others."""
    scheme, user, password, rest = _parts(url)
    if scheme in (*POSTGRESQL, "https", "http"):
        rest = rest.partition("?")[0]
    login = f"{user}{':***' if password else ''}@" if user or password else ""
    return f"{scheme}://{login}{rest}"


def redact(text: str) -> str:
    """A text with the password of each URL in it replaced by ``***``."""
    return _PASSWORD.sub(r"\1:***@", text)


def expand(url: str, environment: Mapping[str, str] = os.environ) -> str:
    """A URL with the password that an environment variable holds, quoted as URLs need it.

    Raises:
        DataError: it has a password of its own, or the variable is not set.
    """
    scheme, user, password, rest = _parts(url)
    options = parse_qsl(rest.partition("?")[2]) if scheme in POSTGRESQL else []
    if any("password" in name.lower() for name, _ in options):
        raise DataError(f"{shown(url)}: a password stands in the URL's options", _LITERAL)
    if not password:
        return url
    variable = _VARIABLE.fullmatch(password)
    if variable is None:
        raise DataError(f"{shown(url)}: a password stands in the URL", _LITERAL)
    if not (value := environment.get(variable[1])):
        raise DataError(
            f"{shown(url)}: the environment variable {variable[1]} is not set",
            f"set it to the password: export {variable[1]}=...",
        )
    return f"{scheme}://{user}:{quote(value, safe='')}@{rest}"


def _parts(url: str) -> tuple[str, str, str, str]:
    """Scheme, user, password and the rest. Of a database all up to the last ``@`` is the login: a
    password may hold any sign, also unquoted.
    """
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    end = len(rest) if scheme in POSTGRESQL else len(re.split(r"[/?#]", rest, maxsplit=1)[0])
    at = rest.rfind("@", 0, end)
    if at < 0:
        return scheme, "", "", rest
    user, _, password = rest[:at].partition(":")
    return scheme, user, password, rest[at + 1 :]
