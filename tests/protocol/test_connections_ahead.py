"""Connections that are opened before a request needs them, over real sockets of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.raw_server import Peer, RawServer, answering
from tests.helpers.until import until
from tests.protocol.support import WallClock, address, upload_auth
from tests.protocol.test_edges_tls import certificate, server_context
from vod_widget._connection import Connection
from vod_widget._http import _Place
from vod_widget.oss import OssStore

FAULT_KIND = "L"

FOUND: Any = (200, b"", {"ETag": '"AB12"'})


@pytest.fixture
def store() -> Iterator[OssStore]:
    store = OssStore(WallClock(), pool_size=4)
    yield store
    store.close()


def head(store: OssStore, server: RawServer) -> None:
    assert store.open(upload_auth(), address(server.endpoint)).head() is not None


def coming(store: OssStore, server: RawServer) -> tuple[int, int]:
    """How many connections are being opened ahead, and for how many of them a request waits."""
    session, place = store._wire.session, _Place("http", f"127.0.0.1:{server.port}")
    return session._coming[place], session._awaited[place]


class Gate:
    """Holds every connection that is opened by a thread named "ahead" until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failure: Exception | None = None) -> None:
        self.opens = threading.Event()
        connect = Connection.connect

        def held(connection: Connection) -> None:
            if threading.current_thread().name == "ahead":
                assert self.opens.wait(60)
                if failure is not None:
                    raise failure
            connect(connection)

        monkeypatch.setattr(Connection, "connect", held)


def ahead(store: OssStore, server: RawServer) -> threading.Thread:
    thread = threading.Thread(target=store.connect_ahead, args=(4, address(server.endpoint)), name="ahead")
    thread.start()
    until(lambda: coming(store, server)[0] == 1, "a connection is being opened")
    return thread


def ask(store: OssStore, server: RawServer) -> threading.Thread:
    thread = threading.Thread(target=head, args=(store, server))
    thread.start()
    until(lambda: coming(store, server)[1] == 1, "the request waits for it")
    return thread


def test_a_request_takes_the_connection_that_was_opened_ahead(store: OssStore) -> None:
    with RawServer(answering(FOUND)) as server:
        store.connect_ahead(2, address(server.endpoint))
        until(lambda: server.connections == 1, "it is connected")
        head(store, server)
        assert (server.connections, len(server.requests)) == (1, 1)


def test_no_more_are_opened_than_asked_for_in_all(store: OssStore) -> None:
    with RawServer(answering(FOUND)) as server:
        head(store, server)
        for _ in range(4):
            store.connect_ahead(3)
        until(lambda: server.connections >= 3, "they are connected")
        assert store._wire._count(_Place("http", f"127.0.0.1:{server.port}")) == 3


def test_without_a_place_it_is_where_the_last_request_went_and_nowhere_before_any(store: OssStore) -> None:
    with RawServer(answering(FOUND)) as server:
        store.connect_ahead(4)
        assert len(store._wire._open) == 0
        head(store, server)
        store.connect_ahead(4)
        until(lambda: server.connections == 2, "it is connected")


@pytest.mark.parametrize("failure", [None, ConnectionRefusedError("nobody")], ids=["it comes", "it fails"])
def test_a_request_waits_for_the_one_that_is_coming_and_opens_its_own_only_when_that_fails(
    store: OssStore, monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    gate = Gate(monkeypatch, failure)
    with RawServer(answering(FOUND)) as server:
        threads = ahead(store, server), ask(store, server)
        gate.opens.set()
        for thread in threads:
            thread.join(60)
        assert (server.connections, len(server.requests)) == (1, 1)
    assert coming(store, server) == (0, 0)


def test_a_second_request_does_not_wait_for_the_same_one(store: OssStore, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    with RawServer(answering(FOUND)) as server:
        threads = ahead(store, server), ask(store, server)
        head(store, server)  # opens its own, and leaves it to the one that waits
        threads[1].join(60)
        assert (server.connections, len(server.requests)) == (1, 2)
        gate.opens.set()
        threads[0].join(60)


def test_a_store_that_is_closed_meanwhile_keeps_none(store: OssStore, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    with RawServer(answering(FOUND)) as server:
        thread = ahead(store, server)
        store.close()
        gate.opens.set()
        thread.join(60)
        assert not any(store._wire.session._idle.values())


@pytest.mark.parametrize("says", [None, b"HTTP/1.1 408 Too Long\r\nContent-Length: 0\r\n\r\n"])
def test_one_that_the_server_ended_before_any_request_is_replaced(store: OssStore, says: bytes | None) -> None:
    def end(peer: Peer) -> None:
        if says is not None:
            peer.send(says)
        peer.sock.close()

    with RawServer(end, answering(FOUND)) as server:
        store.connect_ahead(1, address(server.endpoint))
        (connection,) = store._wire._open
        until(connection._is_readable, "the end arrived")
        head(store, server)
        assert (server.connections, len(server.requests)) == (2, 1)


def test_tickets_that_tls_sends_after_connecting_do_not_cost_the_connection(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    store = OssStore(WallClock(), pool_size=4, ca_file=str(pem))
    with RawServer(answering(FOUND), tls=server_context(pem)) as server:
        store.connect_ahead(1, address(server.endpoint))
        (connection,) = store._wire._open
        until(connection._is_readable, "the tickets arrived")
        head(store, server)
        assert (server.connections, len(server.requests)) == (1, 1)
        store.close()
