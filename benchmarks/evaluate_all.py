"""All protocols on some data sets, as a fragment of Markdown for RESULTS.md.

    python benchmarks/evaluate_all.py --data ml-1m ml-100k --preset full > fragment.md

Each protocol runs as its own command, so that its wall time is what a user sees. Progress goes to
stderr. A protocol that fails says so in the fragment, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from fusionrec.evaluation import PROTOCOLS


def main() -> None:
    """Reads the arguments and runs every protocol on every data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["ml-1m", "ml-100k"])
    parser.add_argument("--protocols", nargs="+", default=list(PROTOCOLS), choices=PROTOCOLS)
    parser.add_argument("--model", default="fusion")
    parser.add_argument("--preset", default="full")
    parser.add_argument("--rating-seeds", default="0..9", help="seeds of rating, such as 0..9")
    parser.add_argument("--seed", default="0", help="of the other protocols")
    parser.add_argument("--set", nargs="*", default=[], help="settings, as name=value")
    arguments = parser.parse_args()
    for data in arguments.data:
        print(f"## {data}\n", flush=True)
        for protocol in arguments.protocols:
            print(run(data, protocol, arguments), flush=True)


def run(data: str, protocol: str, arguments: argparse.Namespace) -> str:
    """One protocol's section."""
    words = ["evaluate", "--protocol", protocol, "--data", data]
    words += ["--model", arguments.model, "--preset", arguments.preset]
    rating = protocol == "rating"
    words += ["--seeds", arguments.rating_seeds] if rating else ["--seed", arguments.seed]
    for setting in arguments.set:
        words += ["--set", setting]
    done = subprocess.run(
        [sys.executable, "-m", "fusionrec", *words, "--json"], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        command = shlex.join(["fusionrec", *words])
        return f"### {protocol}\n\n`{command}` ended with exit code {done.returncode}.\n"
    return section(json.loads(done.stdout))


def section(found: dict[str, Any]) -> str:
    """What a command found, as Markdown."""
    parts = [f"### {found['protocol']}: {found['asks']}", figures(found)]
    if found["comparisons"]:
        parts.append(comparisons(found["comparisons"]))
    if found["index"]:
        index = found["index"]
        parts.append(
            f"Through Milvus {index['differ']} of {index['users']} lists of {index['k']} differ "
            "from the exact ones."
        )
    if found["notes"]:
        parts.append("\n".join(f"- {note}" for note in found["notes"]))
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(found["seeds"]))
    parts.append(
        f"`{found['command']}`: {len(found['runs'])} runs, seeds {seeds}, {found['users']:,} users "
        f"tested, {found['seconds']:.0f} s, {found['machine']}."
    )
    return "\n\n".join(parts) + "\n"


def figures(found: dict[str, Any]) -> str:
    """A line per model and baseline, and per figure from elsewhere."""
    metrics = list(found["rows"][0]["figures"])
    lines = [
        [row["name"], *(cell(row["figures"].get(m)) for m in metrics), f"{row['seconds']:.0f}"]
        for row in found["rows"]
    ]
    for anchor in found["anchors"]:
        source = "; ".join(text for text in (anchor["source"], anchor["note"]) if text)
        known = (cell(anchor["figures"].get(m), 3) for m in metrics)
        lines.append([f"*{anchor['name']}* ({source})", *known, ""])
    return table(["", *metrics, "s"], lines)


def comparisons(compared: Sequence[dict[str, Any]]) -> str:
    """The model against the best baseline."""
    lines = [
        [
            c["metric"],
            f"{c['model']} − {c['baseline']}",
            f"{c['difference']:+.4f}",
            f"{c['low']:+.4f} to {c['high']:+.4f}",
            c["mark"],
        ]
        for c in compared
    ]
    return table(["metric", "", "difference", "95% interval", ""], lines)


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


def cell(value: float | None, digits: int = 4) -> str:
    """A figure; nothing where there is none."""
    return "" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
