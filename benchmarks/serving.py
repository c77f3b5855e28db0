"""The app in a process of its own, for whatever visits it with a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60


@contextmanager
def served(log: Path, **environment: str) -> Iterator[tuple[str, int]]:
    """The app as `make run` starts it, writing to `log`: its address and its process number.

    Raises RuntimeError with what it wrote when it does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "streamlit", "run", "app/main.py", f"--server.port={port}",
        "--server.address=127.0.0.1", "--server.headless=true", "--server.fileWatcherType=none",
    ]  # fmt: skip
    with log.open("wb") as output:
        app = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield _healthy(f"http://127.0.0.1:{port}", app, log), app.pid
    finally:
        app.terminate()
        app.wait(timeout=20)


def _healthy(address: str, app: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and app.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return address
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"the app did not start:\n{log.read_text()}")
