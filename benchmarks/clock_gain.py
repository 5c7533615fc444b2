"""What reading times gains: the sequence model with and without, paired over users.

    python benchmarks/clock_gain.py --data ml-100k --seeds 0 1 2 --set training.epochs=20

Protocol next-item: every variant is asked for the same items. With the clock it is told the time of
what is asked for, as a service knows the time of a request. Prints a line of JSON for each variant,
with the difference from the first and its 95% interval.
"""

from __future__ import annotations

import argparse
import json

from fusionrec.evaluation.bootstrap import compare
from fusionrec.evaluation.metrics_table import MetricsRow
from fusionrec.models.presets import SEQUENCE
from shared import load_data, next_item, settings

VARIANTS = {
    "neither": {},
    "gaps": {"model.gaps": "true"},
    "clock": {"model.clock": "true"},
    "gaps and clock": {"model.gaps": "true", "model.clock": "true"},
}
METRICS = ("hr@10", "ndcg@10")


def main() -> None:
    """Reads the arguments, and trains and measures every variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--preset", default="quick", choices=list(SEQUENCE))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="settings of all, as name=value")
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--validation", action="store_true", help="ask for the validation items")
    arguments = parser.parse_args()
    dataset = load_data(arguments.data)
    asked = {"seeds": tuple(arguments.seeds), "validation": arguments.validation}
    first: MetricsRow | None = None
    for name in arguments.only:
        recipe = SEQUENCE[arguments.preset].change(settings(arguments.set) | VARIANTS[name])
        row = next_item(dataset, recipe, baselines=("popular",), **asked).row(recipe.name)
        found: dict[str, object] = {"variant": name, "seconds": round(row.seconds)}
        for metric in METRICS:
            found[metric] = round(row.figure(metric), 4)
            if first is not None:
                c = compare(row, first, metric)
                found[f"{metric} gained"] = [round(x, 4) for x in (c.difference, c.low, c.high)]
        first = first or row
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
