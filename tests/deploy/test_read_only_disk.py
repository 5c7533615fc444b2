"""A workspace on a file system that is really read-only answers; nothing is called damaged."""

from __future__ import annotations

import json

from fusionrec.ledger import Event, Ledger

COMMANDS = """
mount, home = sys.argv[1:]
subprocess.run(["mount", "--bind", home, mount], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", mount], check=True)
ended = {}
for words in (
    ["doctor"],
    ["recommend", "--user", "10", "-k", "3", "--json"],
    ["search", "the", "-k", "1"],
    ["index"],
    ["models", "activate", "v1"],
    ["train", "--data", "synthetic", "--preset", "quick"],
):
    ended[words[0]] = fusionrec(mount, *words)
print(json.dumps(ended))
"""


def test_a_read_only_workspace_answers_and_nothing_is_called_damaged(indexed, with_mounts):
    ledger = Ledger(indexed.ledger)
    ledger.record([Event("1", "10", "3", "hide")])
    ledger.close()
    indexed.checkpoints.mkdir()
    ended = with_mounts(COMMANDS, indexed.home)
    for name, (code, out, err) in ended.items():
        assert "damaged" not in out + err, (name, out, err)
        assert "rebuil" not in out + err, (name, out, err)
        assert "Traceback" not in err
        assert code == (0 if name in ("recommend", "search") else 1), (name, err)
    answer = json.loads(ended["recommend"][1])
    assert answer["place"] == "exact"
    assert len(answer["items"]) == 3
    assert "Read-only file system" in answer["notes"][0]
    assert "fusionrec index" not in ended["doctor"][1]
    assert "file system that can be written" in " ".join(ended["doctor"][1].split())
    for name in ("index", "models", "train"):
        assert "cannot be written: Read-only file system" in ended[name][2]
