"""A disk that is really full while an index is built: what answered goes on answering."""

from __future__ import annotations

import json

COMMANDS = """
from pathlib import Path

mount, home = Path(sys.argv[1]), Path(sys.argv[1]) / "home"
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={sys.argv[3]}", "tmpfs", mount], check=True)
subprocess.run(["cp", "-r", sys.argv[2], home], check=True)
ended = {}

def fill(left):
    "Takes all of the disk but some bytes."
    free = os.statvfs(mount).f_bavail * os.statvfs(mount).f_frsize
    with (mount / "filler").open("wb") as file:
        for _ in range(max(free - left, 0) // 4096):
            file.write(bytes(4096))

ask = ("recommend", "--user", "10", "-k", "3", "--json")
ended["index"] = fusionrec(home, "index")
ended["before"] = fusionrec(home, *ask)
for left in (0, 60_000):  # at its first write, and half way
    fill(left)
    ended[f"full {left}"] = fusionrec(home, "index")
    ended[f"asked {left}"] = fusionrec(home, *ask)
    (mount / "filler").unlink()
    ended[f"after {left}"] = fusionrec(home, *ask)
ended["again"] = fusionrec(home, "index")
ended["at last"] = fusionrec(home, *ask)
print(json.dumps(ended))
"""


def test_the_version_before_answers_while_the_disk_is_full(workspace, with_mounts):
    ended = with_mounts(COMMANDS, workspace.home, 24_000_000)  # bytes of the disk
    right = json.loads(ended["before"][1])["items"]
    failed = [name for name, (code, *_) in ended.items() if name.startswith("full") and code]
    assert failed  # at least the disk without any room
    for name in failed:
        said = ended[name][2]  # by the store, or by the ledger
        assert "the disk is full" in said or "the disk's free space" in said, said
        assert "Traceback" not in said
    for name, (code, out, err) in ended.items():
        if name.startswith(("asked", "after", "at last")):
            assert code == 0, (name, err)
            assert json.loads(out)["items"] == right, name
    assert ended["again"][0] == 0, ended["again"][2]
    assert json.loads(ended["at last"][1])["place"].endswith("milvus.db")
