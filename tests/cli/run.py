"""The command, run in this process."""

from __future__ import annotations

import pytest

from l2ltr_core import cli


class Run:
    """One run of the command in this process: exit code and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
        capsys.readouterr()
        self.code = cli.main([str(argument) for argument in arguments])
        self.out, self.err = capsys.readouterr()


def refused(run: Run) -> str:
    """The one line that a refusal is."""
    assert run.code == 2
    assert run.out == ""
    lines = run.err.splitlines()
    assert len(lines) == 1, run.err
    assert lines[0].startswith("l2ltr: ")
    return lines[0]
