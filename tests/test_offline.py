"""The tests' own promise: nothing leaves this machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

ELSEWHERE = ("192.0.2.1", 80)  # an address kept for documentation (RFC 5737), routed nowhere
refused = pytest.raises(AssertionError, match="tests run offline")


def test_a_connection_to_another_machine_is_refused() -> None:
    with socket.socket() as client, refused:
        client.connect(ELSEWHERE)


def test_a_datagram_to_another_machine_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, refused:
        client.sendto(b"hello", ELSEWHERE)


def test_a_name_of_the_internet_is_not_even_looked_up() -> None:
    with refused:
        socket.create_connection(("example.org", 80), timeout=1)


def test_a_server_on_this_machine_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(("localhost", server.getsockname()[1]), timeout=5)
        server.accept()[0].close()
        client.close()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets on this system")
def test_a_socket_in_the_file_system_is_reached(tmp_path: Path) -> None:
    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(address)
        server.listen()
        client.connect(address)
