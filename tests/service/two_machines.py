"""Two services in two networks, with one PostgreSQL and one object store; started by its test.

It is run in a network and mount namespace of its own. There it makes two more, ``one`` and ``two``,
each joined to it by a pair of virtual cards: what is asked, and the object store, come over these.

Usage: ``unshare --net --mount python two_machines.py FOLDER LEDGER V1 V2``: a folder for all, the
ledger's URL, and the folders of two versions. Prints what was seen, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import httpx
from moto.server import ThreadedMotoServer

from fusionrec.deploy.build import build_index
from fusionrec.ledger import Ledger
from fusionrec.registry import Artifact
from machines import machines, publish
from serving import Server

_SECONDS = 30.0


def main(folder: Path, ledger: str, versions: list[Path]) -> dict[str, Any]:
    """What was seen at each step."""
    _run("mount -t tmpfs tmpfs /run", "ip link set lo up")  # named namespaces are kept there
    for number, name in enumerate(("one", "two"), 1):
        _run(
            f"ip netns add {name}",
            f"ip link add card{number} type veth peer name card netns {name}",
            f"ip addr add 10.77.{number}.1/24 dev card{number}",
            f"ip link set card{number} up",
            f"ip -n {name} addr add 10.77.{number}.2/24 dev card",
            f"ip -n {name} link set card up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} route add default via 10.77.{number}.1",
        )
    store = ThreadedMotoServer(ip_address="10.77.1.1", port=0, verbose=False)
    store.start()
    keys = {"ENDPOINT_URL": "http://{}:{}".format(*store.get_host_and_port()), "DEFAULT_REGION": ""}
    keys |= {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "us-east-1"}
    os.environ |= {f"AWS_{name}": value for name, value in keys.items()}
    boto3.resource("s3").Bucket("shop").create()
    machine = machines(folder, "s3://shop/versions", ledger)
    homes = {name: machine(name) for name in ("one", "two")}
    first, second = (publish(homes["one"], Artifact.load(version)) for version in versions)
    build_index(homes["one"], first)
    secret = Ledger(ledger).add_key("all", ["read", "feedback", "admin"])

    def serve(number: int, name: str) -> Server:
        within = ["ip", "netns", "exec", name]
        return Server(homes[name], "--host", f"10.77.{number}.2", within=within)

    with ThreadPoolExecutor(2) as pool:
        servers = list(pool.map(serve, (1, 2), homes))
    try:
        bearing = {"Authorization": f"Bearer {secret}"}
        clients = [httpx.Client(base_url=one.url, headers=bearing, timeout=20) for one in servers]
        return _seen(clients, second.version, store.stop) | {
            "files": [
                sorted(path.name for path in home.models.glob("v*")) for home in homes.values()
            ]
        }
    finally:
        for server in servers:
            server.kill()


def _seen(
    clients: list[httpx.Client], newer: str, stop_store: Callable[[], None]
) -> dict[str, Any]:
    one, two = clients
    seen: dict[str, Any] = {"begin": [_answer(client)["version"] for client in clients]}
    liked = _answer(one)["items"][0]["id"]
    said = {"user": "10", "item": liked, "kind": "hide", "id": "hidden"}
    seen["acknowledged"] = one.post("/v1/feedback", json=said).status_code
    seen["shown by two"] = liked in [item["id"] for item in _answer(two)["items"]]
    asked = one.post(f"/v1/versions/{newer}/activate")
    seen["activated"] = [asked.status_code, *(_moved(client, newer) for client in clients)]
    stop_store()
    back = two.post("/v1/versions/rollback")
    seen["without the store"] = [back.status_code, *(_moved(client, "v1") for client in clients)]
    seen["ready"] = [client.get("/readyz").status_code for client in clients]
    return seen


def _answer(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/v1/recommendations", params={"user": "10", "k": 5})
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def _moved(client: httpx.Client, version: str) -> bool:
    end = time.monotonic() + _SECONDS
    while _answer(client)["version"] != version:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _run(*commands: str) -> None:
    for command in commands:
        subprocess.run(command.split(), check=True)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], [Path(one) for one in sys.argv[3:]])))
