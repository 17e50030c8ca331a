"""What connections tell of the line, over real sockets of this machine."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from vod_widget import _connection
from vod_widget._link import Link

FAULT_KIND = "L"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")

SENT_BYTES = 8 * 2**20


@contextlib.contextmanager
def connection_that_sent(size_bytes: int) -> Iterator[socket.socket]:
    """A connection whose other end has read and answered everything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()

    def read_all() -> None:
        left = size_bytes
        while left > 0:
            left -= len(far.recv(2**20))
        far.sendall(b"done")

    reader = threading.Thread(target=read_all)
    reader.start()
    with near, far:
        near.sendall(bytes(size_bytes))
        assert near.recv(4) == b"done"
        reader.join()
        yield near


def test_counts_hold_every_connection_and_stay_when_one_is_closed() -> None:
    link = Link()
    with connection_that_sent(SENT_BYTES) as first:
        one = link.facts([first])
        assert link.facts([first]) == one
    with connection_that_sent(SENT_BYTES) as second:
        two = link.facts([first, second])

    assert one.sent_segments > 100
    assert one.delivered_bytes >= 0.9 * SENT_BYTES
    assert two.delivered_bytes >= one.delivered_bytes + 0.9 * SENT_BYTES
    assert two.sent_segments > one.sent_segments
    assert link.facts([]).delivered_bytes == two.delivered_bytes


def test_a_round_trip_on_this_machine_is_known_with_its_queue() -> None:
    link = Link()
    with connection_that_sent(SENT_BYTES) as sock:
        facts = link.facts([sock])

    assert facts.rtt_s is not None
    assert facts.rtt_s < 0.5
    assert facts.queue_s is not None
    assert facts.queue_s >= 0
    assert facts.congestion


def test_a_connection_that_hardly_sent_tells_the_round_trip_and_nothing_of_queues() -> None:
    link = Link()
    with connection_that_sent(1000) as sock:
        facts = link.facts([sock])

    assert facts.rtt_s is not None
    assert facts.rtt_s < 0.5
    assert facts.queue_s is None


def test_a_connection_to_another_machine_is_paced_and_holds_little_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connection, "is_loopback", lambda _host: False)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
        assert _connection._tune(sock, None)
        rate = sock.getsockopt(socket.SOL_SOCKET, _connection._SO_MAX_PACING_RATE, 4)
        held = sock.getsockopt(socket.IPPROTO_TCP, _connection._TCP_NOTSENT_LOWAT)
    assert int.from_bytes(rate, sys.byteorder) == _connection._PACE_MOST_BYTES_PER_S
    assert held == _connection._NOTSENT_BYTES
