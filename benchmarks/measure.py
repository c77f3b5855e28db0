"""How everything is measured here: in turns, on one core, against the machine's own ceiling of that moment."""

from __future__ import annotations

import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

CEILING_SIZE = 2048


@dataclass(frozen=True)
class Race:
    """Seconds of every round of two that took turns, and the machine's ceiling in the same rounds."""

    reference_s: tuple[float, ...]
    ours_s: tuple[float, ...]
    ceiling: float
    """Multiplications a second of one core in a large float32 matrix product, the best of the rounds."""

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times faster ours was, round by round."""
        return tuple(plain / ours for plain, ours in zip(self.reference_s, self.ours_s, strict=True))

    @property
    def ratio(self) -> float:
        """The median of `ratios`."""
        return statistics.median(self.ratios)

    @property
    def reference_ms(self) -> float:
        """The median round of the reference, milliseconds."""
        return 1000 * statistics.median(self.reference_s)

    @property
    def ours_ms(self) -> float:
        """The median round of ours, milliseconds."""
        return 1000 * statistics.median(self.ours_s)

    def of_ceiling(self, multiplications: float) -> float:
        """The part of the ceiling that ours reaches when its work is that many multiplications."""
        return multiplications / statistics.median(self.ours_s) / self.ceiling


def race(
    reference: Callable[[], object],
    ours: Callable[[], object],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> Race:
    """Both in turns on one core, after a first call of each that is not counted.

    The default clock counts the processor's own seconds, so that a busy machine disturbs the ratio little;
    what waits for files or other threads needs `time.perf_counter`.
    """
    torch.set_num_threads(1)
    reference()
    ours()
    seconds: tuple[list[float], list[float]] = ([], [])
    ceilings = []
    for _ in range(rounds):
        ceilings.append(ceiling())
        for times, call in zip(seconds, (reference, ours), strict=True):
            start = clock()
            call()
            times.append(clock() - start)
    return Race(tuple(seconds[0]), tuple(seconds[1]), max(ceilings))


def ceiling() -> float:
    """Multiplications a second of this core in a large float32 matrix product, just now."""
    matrix = torch.ones(CEILING_SIZE, CEILING_SIZE)
    start = time.process_time()
    matrix @ matrix
    return CEILING_SIZE**3 / (time.process_time() - start)


def peak_mb(function: Callable[..., object], *arguments: object) -> float:
    """The most memory that a call adds to a new process of its own; NaN where the system does not say.

    `function` is one of a module's own and its arguments can be pickled: both travel to the new process.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_added_mb, function, arguments).result()


def _added_mb(function: Callable[..., object], arguments: tuple[object, ...]) -> float:
    torch.set_num_threads(1)
    with suppress(OSError):  # the peak so far, such as of receiving the arguments, does not count
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = _own_mb("VmRSS")
    function(*arguments)
    return own_peak_mb() - before


def own_peak_mb() -> float:
    """The most memory this process has held; NaN where the system does not say.

    Not `getrusage`, whose answer a child process inherits from the process that started it.
    """
    return _own_mb("VmHWM")


def _own_mb(name: str) -> float:
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024


def processor() -> str:
    """The processor's name, as far as the system tells, and how many cores it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"
