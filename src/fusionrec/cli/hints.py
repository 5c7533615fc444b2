"""What to do next after an error, in the words of the command line, by the error's code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionrec.deploy.doctor import Check
    from fusionrec.errors import FusionrecError


def _unknown_user(details: Mapping[str, Any]) -> str:
    options = [f"--profile {name}={value}" for name, value in details["profile"].items()]
    words = [details["similar"], "say what is known of them instead, such as", *options]
    return " ".join([*filter(None, words), "--liked ITEM"])


def _not_indexed(details: Mapping[str, Any]) -> str:
    place = f" --milvus {details['place']}" if details.get("place") else ""
    version = f" --version {details['version']}" if details.get("version") else ""
    return f"build the index: fusionrec index{place}{version}"


_HINTS: Mapping[str, str | Callable[[Mapping[str, Any]], str]] = {
    "host_not_found": "--host 127.0.0.1 is this machine alone, --host 0.0.0.0 every network",
    "index_stalled": "it may not be set up for this kind of index: try --kind HNSW, or look at the "
    "server's log",
    "needs_trained_version": "name a trained version: --version vN; fusionrec models lists them",
    "no_item_towers": "put the item and its vector into the file, then: fusionrec index --vectors "
    "FILE",
    "no_key": "make one: fusionrec keys add NAME; or listen at 127.0.0.1 without 'proxies'",
    "no_model": "train one: fusionrec train --data ml-1m, or fusionrec quickstart",
    "no_towers": "say what the person likes: --liked ITEM; or ask a trained version: --version vN",
    "not_indexed": _not_indexed,
    "not_shared": lambda details: f"share it then: fusionrec models push {details['version']}",
    "other_version": lambda details: (
        f"give the one here a new number: fusionrec models push {details['version']}"
    ),
    "port_taken": "--port 0 takes a free port",
    "ratings_mean_nothing": "name what the person likes or has taken: --liked ITEM",
    "shared_damaged": lambda details: (
        f"delete {details['version']}.json there, then the folder {details['version']}-…; then, on "
        f"a machine that has it whole: fusionrec models push {details['version']}"
    ),
    "store_damaged": "rebuild it from the model: fusionrec index",
    "unknown_database": "make it on the server, or name another one: --connect database=NAME",
    "unknown_item": "find its id with: fusionrec search WORDS; withdrawn ones: fusionrec items",
    "unknown_user": _unknown_user,
    "workspace_not_writable": "choose another with --home or FUSIONREC_HOME",
}


def hint_of(error: FusionrecError | Check) -> str | None:
    """What to do next; None where there is nothing to say."""
    worded = error.hint or _HINTS.get(error.code)
    return worded(error.details) if callable(worded) else worded
