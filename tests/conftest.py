"""What holds for every test: no network but this machine's own, few threads, the same examples every time."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from l2ltr_core.gallery import Gallery

# Read when torch, numpy and faiss are first imported, so set before any test module is.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "2")

# What a test starts (the app, a browser, GDAL's curl) has sockets of its own: a closed port is their proxy.
os.environ["HF_HUB_OFFLINE"] = "1"
for name, value in {
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "no_proxy": "localhost,127.0.0.1,::1",
}.items():
    os.environ[name] = os.environ[name.upper()] = value

settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")


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
