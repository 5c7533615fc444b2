"""Two machines train one model through Paddle's launcher, as docs/models.md says: a release check.

    python tests/two_machines.py

The machines are network namespaces of one user, each with a host name and an address of its own,
joined by a cable; they see one workspace. Both must end well and name the same version, of which
there is one. Takes half a minute; needs Linux with user namespaces, ``unshare``, ``nsenter`` and
``ip``, and says what is missing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 120
HOSTS = "127.0.0.1 localhost\n10.77.0.1 one\n10.77.0.2 two\n"
# A machine is a process that sleeps in namespaces of its own.
MACHINES = """\
set -e
machine() {
  exec unshare -n -u -m sh -c \
    "mount --bind hosts /etc/hosts; hostname $1; touch up-$1; exec sleep SECONDS" > log 2>&1
}
inside() { nsenter -t $1 -n -u -m --wd="$PWD" "${@:2}"; }
ip link set lo up
machine one & one=$!
machine two & two=$!
trap 'kill $one $two' EXIT
until [ -e up-one ] && [ -e up-two ]; do sleep .1; done
ip link add one type veth peer name two
ip link set one netns $one
ip link set two netns $two
for side in "$one one 10.77.0.1" "$two two 10.77.0.2"; do
  set -- $side
  inside $1 ip link set lo up
  inside $1 ip address add $3/24 dev $2
  inside $1 ip link set $2 up
done
inside $one LAUNCH --log_dir log-one TRAIN & first=$!
inside $two LAUNCH --log_dir log-two TRAIN & second=$!
wait $first
wait $second
"""


def main() -> None:
    """Trains, and raises SystemExit with the reason if that fails."""
    for tool in ("unshare", "nsenter", "ip", "bash"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is needed to make two machines")
    if subprocess.run(["unshare", "-rnum", "true"], check=False).returncode:
        raise SystemExit("this system lets no user make namespaces: try it as root")
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder))


def train(folder: Path) -> None:
    """Trains in a folder that both machines see."""
    (folder / "hosts").write_text(HOSTS)
    launch = [sys.executable, "-m", "paddle.distributed.launch", "--master", "10.77.0.1:29600"]
    launch += ["--nnodes", "2", "--nproc_per_node", "1"]
    command = [str(Path(sys.executable).with_name("fusionrec")), "--home", str(folder / "home")]
    command += ["train", "--data", "synthetic", "--model", "fusion", "--preset", "quick"]
    command += ["--set", "training.batch=300"]
    script = MACHINES.replace("LAUNCH", shlex.join(launch)).replace("TRAIN", shlex.join(command))
    done = subprocess.run(
        ["unshare", "-rn", "--kill-child", "bash", "-c", script.replace("SECONDS", str(SECONDS))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    logs = {path.parent.name: path.read_text() for path in folder.glob("log-*/workerlog.0")}
    said = "\n".join([done.stdout, done.stderr, *logs.values()])
    if done.returncode:
        raise SystemExit(f"the training ended with {done.returncode}\n{said}")
    versions = [path.name for path in (folder / "home" / "models").glob("v*")]
    if versions != ["v1"] or sorted(logs) != ["log-one", "log-two"]:
        raise SystemExit(f"expected one version of two machines, got {versions} of {list(logs)}")
    if not all("v1" in log.split() for log in logs.values()):
        raise SystemExit(f"the machines do not name the same version\n{said}")
    print("two machines trained v1 together")


if __name__ == "__main__":
    main()
