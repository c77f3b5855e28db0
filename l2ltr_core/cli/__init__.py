"""The `l2ltr` command: every part of the product without a screen.

Exit codes: 0 done, 2 bad input (one line on standard error says what and what to do), 130 interrupted.
Results go to standard output, notes and progress to standard error. Each group of commands has a file of its own;
what computes is imported when a command runs, so that `l2ltr --help` is quick.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence

from typer.exceptions import TyperException

from l2ltr_core.cli import checkpoint, evaluate, gallery, inspect, localize, report, train, twin, walk
from l2ltr_core.cli.options import command_group
from l2ltr_core.cli.terminal import INTERRUPTED, refuse
from l2ltr_core.errors import L2LTRError, MissingIndexError

app = command_group("Find where a street panorama was taken, on aerial imagery.")
app.command()(localize.localize)
app.command()(walk.walk)
app.command()(evaluate.evaluate)
app.command()(report.report)
app.command()(train.train)
app.add_typer(gallery.app, name="gallery")
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(inspect.app, name="inspect")
app.add_typer(twin.app, name="twin")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code. Bad input is one line on standard error, never a traceback."""
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what GDAL says is part of our own messages
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        code = app(list(sys.argv[1:] if arguments is None else arguments), standalone_mode=False)
    except TyperException as error:
        return refuse(
            f"{error.format_message().rstrip('.')}; `l2ltr --help` and `l2ltr COMMAND --help` tell more."
        )
    except MissingIndexError as error:
        command = f"l2ltr gallery build --out {error.folder} --checkpoint {error.checkpoint}"
        return refuse(f"{error} `{command}` builds it.")
    except L2LTRError as error:
        return refuse(str(error))
    except OSError as error:  # a full disk, a folder that may not be written
        return refuse(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")
    if code == INTERRUPTED:
        print(
            "l2ltr: interrupted; the same command goes on from there (train: with --resume).", file=sys.stderr
        )
    return code if isinstance(code, int) else 0
