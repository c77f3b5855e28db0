"""What holds for every test: no network but this machine's own, one thread, the same examples every time."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from l2ltr_core.gallery import Gallery

# Read when torch, numpy and faiss are first imported, so set before any test module is.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # `make test` has a process for each core

# What a test starts (the app, a browser, GDAL's curl) has sockets of its own: a closed port is their proxy.
os.environ["HF_HUB_OFFLINE"] = "1"
for name, value in {
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "no_proxy": "localhost,127.0.0.1,::1",
}.items():
    os.environ[name] = os.environ[name.upper()] = value

FIRST = ("e2e", "training")
"""Folders that take longest: a worker each begins with them, so that none waits for them at the end."""
GROUPS = {"e2e": "browser", "training/test_ranks.py": "processes", "training/test_trainer.py": "processes"}
"""What one worker runs: whoever shares a browser or starts processes of its own. Else a file is a group."""

settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the worker's group of each test, for `--dist loadgroup`, and put what takes longest first."""
    folder = Path(__file__).parent

    def file_of(item: pytest.Item) -> Path:
        return item.path.relative_to(folder)

    for item in items:
        file = file_of(item)
        names = [GROUPS[key] for key in (file.as_posix(), file.parts[0]) if key in GROUPS]
        item.add_marker(pytest.mark.xdist_group(names[0] if names else file.as_posix()))
    items.sort(
        key=lambda item: FIRST.index(first) if (first := file_of(item).parts[0]) in FIRST else len(FIRST)
    )


class NetworkError(AssertionError):
    """A test reached for another machine."""


def is_local(host: str | bytes | None) -> bool:
    """Whether a host, by name or by number, is this machine."""
    host = host.decode() if isinstance(host, bytes) else host
    if host in {None, "", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def host_of(address: Any) -> str | None:
    """The host of a socket's address; None for a path of the file system."""
    return address[0] if isinstance(address, tuple) else None


def guarded(function: Callable[..., Any], host: Callable[..., str | bytes | None]) -> Callable[..., Any]:
    """The function, refusing to be called where `host` of its arguments is another machine."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if not is_local(found := host(*args)):
            raise NetworkError(f"tests run offline, yet this one reached for {found!r}")
        return function(*args, **kwargs)

    return call


@pytest.fixture(autouse=True, scope="session")
def offline() -> Iterator[None]:
    """Refuse every connection, datagram and name look-up that would leave this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", guarded(socket.getaddrinfo, lambda host, *_: host))
        for method in ("connect", "connect_ex", "sendto"):
            original = getattr(socket.socket, method)
            patch.setattr(socket.socket, method, guarded(original, lambda *args: host_of(args[-1])))
        yield


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """The gallery `town` of `tests.town` on a 10 m grid, encoded by its `ColourEncoder`; not to be changed."""
    from l2ltr_core.gallery import build_gallery
    from l2ltr_core.imagery import open_imagery
    from tests.town import ColourEncoder, town, write_raster

    folder = tmp_path_factory.mktemp("town")
    raster = write_raster(folder / "town.tif", town(), tags={"ATTRIBUTION": "The town"})
    return build_gallery(open_imagery(raster), folder / "gallery", ColourEncoder(), name="town", spacing_m=10)


@pytest.fixture(scope="session")
def toy_assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy product of `tests.app.toy` in the form of the assets folder; not to be changed."""
    from tests.app import toy

    return toy.build(tmp_path_factory.mktemp("toy") / "assets")
