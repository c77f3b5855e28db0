"""Which build of torch `make` installs: CUDA only where a driver can use it; a missing index is no failure."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scripts import install_torch


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """Pretend to be a machine, run the script and return what it did."""

    def run(
        *,
        system: str = "Linux",
        driver: bool = False,
        torch: bool = False,
        answers: bool = True,
        pip: int = 0,
    ) -> list[str]:
        done = []

        def install() -> subprocess.CompletedProcess[bytes]:
            done.append("installed")
            return subprocess.CompletedProcess([], pip)

        monkeypatch.setattr(install_torch.platform, "system", lambda: system)
        monkeypatch.setattr(install_torch.shutil, "which", lambda name: "there" if driver else None)
        monkeypatch.setattr(install_torch, "DRIVER", tmp_path / "version")
        monkeypatch.setattr(
            install_torch.importlib.util, "find_spec", lambda name: object() if torch else None
        )
        monkeypatch.setattr(install_torch, "answers", lambda url: answers)
        monkeypatch.setattr(install_torch, "install", install)
        assert install_torch.main() == 0
        return done

    return run


def test_the_cpu_build_is_installed_where_no_driver_is_seen(machine: Callable[..., list[str]]) -> None:
    assert machine() == ["installed"]


@pytest.mark.parametrize("there", [{"driver": True}, {"system": "Darwin"}, {"torch": True}])
def test_nothing_is_done_where_another_build_is_right_or_there(
    machine: Callable[..., list[str]], there: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine(**there) == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("trouble", [{"answers": False}, {"pip": 1}])
def test_one_line_says_that_the_usual_build_comes_where_the_index_fails(
    machine: Callable[..., list[str]], trouble: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    machine(**trouble)
    assert capsys.readouterr().out.splitlines()[-1].startswith("torch's CPU build cannot be fetched")


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_an_index_answers_or_does_not() -> None:
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/torch/"
        assert install_torch.answers(address)
        server.shutdown()
    assert not install_torch.answers(address)
