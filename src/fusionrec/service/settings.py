"""Settings of the service: the table ``[service]`` of the workspace's settings."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from functools import lru_cache

from fusionrec.config import Settings, check, settings_table
from fusionrec.deploy.deployment import COPIED
from fusionrec.workspace import Workspace

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?")
SHOWN_DAYS = 30.0  # in which it counts what a user was shown


@dataclass(frozen=True)
class ServiceSettings(Settings):
    """Where the service listens, who may ask, and how much.

    Attributes:
        host: the address to listen at. Only at a loopback address without ``proxies`` do reading
            and feedback need no key.
        port: 0 to 65,535; 0 takes a free one.
        workers: processes that answer.
        hosts: names by which it may be asked (the header ``Host`` without a port), beside those of
            the loopback address. At another address any name, if none is listed.
        origins: other origins whose pages may ask, such as ``https://shop.example``.
        images: the folder of the items' pictures, as seen from the workspace's; empty: none.
        image_hosts: hosts from which the page may load pictures, by https.
        proxies: addresses of reverse proxies whose ``X-Forwarded-For`` is believed.
        copy: up to this many items a copy of the vectors in memory is searched, exactly, or of
            many vectors approximately (``is_compressed``); the store is opened, verified and
            followed all the same. 0: never. None: up to ``COPIED`` items
            of an embedded store, and none of a server's.
        connections: open at once, in each process; beyond that the one that was idle longest is
            closed.
        connections_per_address: the same for one address, which is not a proxy's; and how many
            requests of one client are answered at once, behind a proxy too.
        wait_seconds: the longest that an answer may wait for others; if it would wait longer, it
            is refused at once. 0 is no limit.
        threads: answers made at once, in each process.
        rate, burst: requests a second of one key or else address, and at once; counted in each
            process. A rate of 0 is no limit.
        body: bytes of a request's body.
        body_seconds, head_seconds: the longest that a body, and a request's head, may take.
        idle_seconds: how long a connection stays open without a request.
        ledger_seconds: the longest that an answer waits for the ledger; then it is given without
            feedback.
        impression_days: how long it is kept what users were shown; 0: for ever.
        write_seconds: the longest that a request waits for a write; then it is refused.
        stop_seconds: how long requests under way may take when the service is stopped.

    Raises:
        ConfigError: a setting is out of its range.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    images: str = ""
    image_hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    copy: int | None = None
    neighbourhoods: bool = True
    connections: int = 1_000
    connections_per_address: int = 250
    wait_seconds: float = 0.25
    threads: int = 8
    rate: float = 200.0
    burst: int = 400
    body: int = 1_000_000
    body_seconds: float = 10.0
    head_seconds: float = 10.0
    idle_seconds: int = 5
    ledger_seconds: float = 1.0
    impression_days: float = 90.0
    write_seconds: float = 10.0
    stop_seconds: int = 10

    def __post_init__(self) -> None:
        check(bool(self.host), "host must not be empty; 127.0.0.1 is this machine alone")
        check(0 <= self.port <= 65_535, f"port must be 0 to 65535, got {self.port}")
        counts = ("workers", "connections", "connections_per_address", "threads", "burst", "body")
        for name in (*counts, "idle_seconds"):
            value = getattr(self, name)
            check(value >= 1, f"{name} must be 1 or more, got {value}")
        for name in ("body_seconds", "head_seconds", "ledger_seconds", "write_seconds"):
            value = getattr(self, name)
            check(0 < value < math.inf, f"{name} must be seconds above 0, got {value}")
        for name in ("rate", "wait_seconds"):
            value = getattr(self, name)
            check(0 <= value < math.inf, f"{name} must be 0 or more, got {value}")
        days = self.impression_days
        text = f"impression_days must be 0 or at least {SHOWN_DAYS:g}, got {days}"
        check(days == 0 or SHOWN_DAYS <= days < math.inf, text)
        check(self.copy is None or self.copy >= 0, f"copy must be 0 or more, got {self.copy}")
        check(self.stop_seconds >= 0, f"stop_seconds must be 0 or more, got {self.stop_seconds}")
        for name in self.image_hosts:  # they stand in a header, so nothing else may
            said = f"an image host is such as img.example.org, in small letters, got {name!r:.200}"
            check(bool(_HOST.fullmatch(name)), said)
        for proxy in self.proxies:
            check(bool(_network(proxy)), f"a proxy is an address such as 10.0.0.2, got {proxy!r}")
        for origin in self.origins:
            ok = origin.startswith(("http://", "https://")) and origin.count("/") == 2
            check(ok, f"an origin is such as https://shop.example, got {origin!r}")

    @classmethod
    def of(cls, workspace: Workspace) -> ServiceSettings:
        """The settings of a workspace; raises ConfigError if the file cannot be used."""
        return cls.from_dict(settings_table(workspace.settings, "service"), "service.")

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine can reach it; through a proxy others can."""
        return is_loopback(self.host) and not self.proxies

    @property
    def searched(self) -> str:
        """What is searched, in words."""
        if self.copy is None:
            return f"a copy in memory of up to {COPIED:,} items of an embedded Milvus, else Milvus"
        return (
            f"a copy in memory of up to {self.copy:,} items, else Milvus" if self.copy else "Milvus"
        )

    def copies(self, items: int, *, server: bool) -> bool:
        """Whether so many items of a store, on a server or embedded, are searched in a copy."""
        usual = 0 if server else COPIED
        return items <= (usual if self.copy is None else self.copy)

    def is_proxy(self, address: str) -> bool:
        """Whether an address is one of ``proxies``."""
        return bool(self.proxies) and _is_within(address, self.proxies)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


@lru_cache(4_096)
def _is_within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for text in networks if (network := _network(text)))


@lru_cache(64)
def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
