"""Who listens on a port: found through /proc, and honestly unknown where that is not to be had."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from odradek.cli.port_owner import owner_of

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc to read")


@needs_proc
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_owner_is_this_process_when_it_listens(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, 0), family=family) as server:
        owner = owner_of(server.getsockname()[1])

    assert owner is not None
    assert owner.process_id == os.getpid()
    assert str(os.getpid()) in str(owner)


@needs_proc
def test_owner_is_unknown_when_nobody_listens() -> None:
    with socket.socket() as bound_but_not_listening:
        bound_but_not_listening.bind(("127.0.0.1", 0))

        assert owner_of(bound_but_not_listening.getsockname()[1]) is None


def test_owner_is_unknown_when_the_system_does_not_tell(tmp_path: Path) -> None:
    assert owner_of(9092, proc=tmp_path) is None


def test_owner_is_unknown_when_the_socket_belongs_to_a_process_that_is_closed_to_us(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    line = "0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4242 1"
    (tmp_path / "net" / "tcp").write_text(f"header\n{line}\n")
    (tmp_path / "77").mkdir()

    assert owner_of(9092, proc=tmp_path) is None
