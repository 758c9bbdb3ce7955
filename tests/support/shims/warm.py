"""A process that has imported the trainer already, and forks for every command: tests stay quick.

What runs is the real `hydria`; only the seconds that its imports take are spent once.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.shims.node import be_on_node

START_TIMEOUT_S = 90
# What commands of Hydria import, some of it only where it is used.
IMPORTED = (
    "matplotlib.pyplot", "pyarrow.parquet", "torch.distributed", "torch.utils.tensorboard",
    "hydria.cli.doctor", "hydria.cli.job", "hydria.cli.prepare", "hydria.cli.report",
    "hydria.cli.submit", "hydria.cli.train", "hydria.report.page", "hydria.report.plots",
    "hydria.workloads.property.task", "hydria.workloads.run",
)  # fmt: skip
PASSED_ON = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)


def serve(place: str) -> None:
    """Import, then fork a process for every command that comes to the socket `place`."""
    for name in IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(place)
        door.listen(32)
        while True:
            caller, _ = door.accept()
            if os.fork() == 0:
                door.close()
                _answer(caller)
            caller.close()


def _answer(caller: socket.socket) -> None:
    text, streams, _, _ = socket.recv_fds(caller, 65536, 3)
    while not text.endswith(b"\n"):
        text += caller.recv(65536)
    asked = json.loads(text)
    caller.sendall(f"{os.getpid()}\n".encode())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    os.sched_setaffinity(0, asked["threads"])
    if asked["words"][0] == "doctor":
        be_on_node(os.environ)
    sys.argv = ["hydria", *asked["words"]]
    code = _run()
    caller.sendall(f"{code}\n".encode())
    os._exit(code)


def _run() -> int:
    import traceback

    from hydria.cli.main import main

    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def ask(place: str, words: list[str]) -> int:
    """Run `hydria WORDS` there; its exit code. Signals are passed on."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(place)
        asked = {
            "words": words, "env": dict(os.environ), "cwd": os.getcwd(),
            "threads": sorted(os.sched_getaffinity(0)),
        }  # fmt: skip
        text = json.dumps(asked).encode() + b"\n"
        sent = socket.send_fds(server, [text], [0, 1, 2])
        server.sendall(text[sent:])
        lines = server.makefile()
        pid = int(lines.readline())
        for number in PASSED_ON:
            signal.signal(number, lambda got, _: os.kill(pid, got))
        said = lines.readline()
        return int(said) if said else 137


@contextmanager
def warm_server(place: Path) -> Iterator[Path]:
    """A server that lives as long as the block, with all it has forked."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.shims.warm", "serve", str(place)],
        start_new_session=True,
    )
    end = time.monotonic() + START_TIMEOUT_S
    try:
        while not place.exists():
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.05)
        yield place
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(ask(sys.argv[1], sys.argv[2:]))
