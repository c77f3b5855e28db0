"""Every benchmark in one table: `make bench`, or `python -m benchmarks --help` for a part of them.

The table is printed, and with `--out` also written as a page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.table import Row, report
from l2ltr_core.errors import L2LTRError

BENCHMARKS = ("encoder", "training", "evaluation", "gallery", "localization", "twin", "pages")
"""Modules of this package, each with a `rows(rounds)`."""
TITLE = """# Benchmarks

Written by `make bench`. The reference is the same work done plainly, in `benchmarks/`; both take turns on
one core, and a ratio above 1 says how many times faster ours is. The ceiling is what this core reaches in a
large float32 matrix product in the same minutes. Memory is what the work adds to a process of its own.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a Markdown file to write as well")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown or options.rounds < 1:
        parser.error(f"there is no benchmark {unknown[0]!r}" if unknown else "give at least one round")
    rows, left_out = measure(options.names or BENCHMARKS, options.rounds)
    table = report(rows, left_out)
    print(table, end="")
    if options.out:
        options.out.write_text(TITLE + table, encoding="utf-8")
    return 0


def measure(names: Sequence[str], rounds: int) -> tuple[list[Row], list[str]]:
    """The rows of the named benchmarks, and what this machine or these assets cannot do, and why."""
    rows: list[Row] = []
    left_out = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            rows.extend(import_module(f"benchmarks.{name}").rows(rounds))
        except ModuleNotFoundError as error:
            left_out.append(f"Left out of {name}: it needs the package {error.name}, which is not installed.")
        except L2LTRError as error:
            left_out.append(f"Left out of {name}: {error}")
    return rows, left_out


if __name__ == "__main__":
    sys.exit(main())
