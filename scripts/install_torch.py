"""Put torch's CPU build into this Python's environment, where no NVIDIA driver is seen.

The usual index serves Linux a build that carries CUDA, several gigabytes of libraries that a machine without a
GPU never loads. Where PyTorch's own index does not answer, nothing is installed here, and torch comes from the
usual index with everything else.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TIMEOUT_S = 5.0
ROOT = Path(__file__).parents[1]
DRIVER = Path("/proc/driver/nvidia/version")


def main() -> int:
    """Install, or say in one line why not."""
    if is_installed() or not wants_cpu_build():
        return 0
    if answers(CPU_INDEX + "/torch/"):
        print("No NVIDIA driver is seen: torch is installed in its CPU build.", flush=True)
        if install().returncode == 0:
            return 0
    print("torch's CPU build cannot be fetched; the usual build is installed, with CUDA (some gigabytes).")
    return 0


def is_installed() -> bool:
    """Whether this environment has torch, in whichever build."""
    return importlib.util.find_spec("torch") is not None


def wants_cpu_build() -> bool:
    """Whether this is Linux, where the usual build carries CUDA, without an NVIDIA driver to use it."""
    return platform.system() == "Linux" and not DRIVER.exists() and shutil.which("nvidia-smi") is None


def answers(url: str) -> bool:
    """Whether a server sends this page in time; in a process of its own, since looking up a name has no timeout."""
    ask = "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=float(sys.argv[2]))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", ask, url, str(TIMEOUT_S)],
            capture_output=True,
            timeout=2 * TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def install() -> subprocess.CompletedProcess[bytes]:
    """torch and the torchvision that belongs to it; their own needs follow from the usual index."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    bounds = ["--constraint", str(ROOT / "requirements.txt")]
    return subprocess.run([*pip, *bounds, "--index-url", CPU_INDEX, "torch", "torchvision"], check=False)


if __name__ == "__main__":
    sys.exit(main())
