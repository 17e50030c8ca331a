"""Bodies beyond half a MiB go past the HTTP parser: they arrive whole, and the connection knows where it is."""

from __future__ import annotations

import hashlib
import random
import socket
import time
from email.utils import formatdate
from urllib.parse import quote, urlsplit

import pytest

from tests.emulator.raw import Grant, oss_sign, owner
from tests.helpers.until import until
from vod_widget.emulator import Emulator
from vod_widget.emulator.connection import BodyBroken, Tap
from vod_widget.emulator.faults import CorruptBody, Drop

DATA = random.Random(21).randbytes(3_000_000)


def head_of(emulator: Emulator, grant: Grant, size_bytes: int, key: str = "") -> bytes:
    """A signed PutObject up to its body."""
    keys, key = owner(emulator), key or grant.key
    date = formatdate(time.time(), usegmt=True)
    signature = oss_sign("PUT", f"/{grant.bucket}/{key}", "", {}, keys.access_key_secret, date)
    return (
        f"PUT /{grant.bucket}/{quote(key)} HTTP/1.1\r\nHost: {urlsplit(emulator.endpoint).netloc}\r\nDate: {date}\r\n"
        f"Authorization: OSS {keys.access_key_id}:{signature}\r\nContent-Length: {size_bytes}\r\n\r\n"
    ).encode()


def connect(emulator: Emulator) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(emulator.endpoint).port), timeout=60)


def answers(sock: socket.socket, count: int) -> list[int]:
    """Read so many answers without bodies, and return their statuses."""
    seen = b""
    while seen.count(b"\r\n\r\n") < count:
        block = sock.recv(65536)
        assert block, seen
        seen += block
    return [int(head.split(b" ")[1]) for head in seen.split(b"\r\n\r\n")[:count]]


def test_the_next_request_may_follow_at_once(emulator: Emulator, grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    taps: list[Tap] = []
    make = Tap.__init__
    monkeypatch.setattr(Tap, "__init__", lambda self, *given: (taps.append(self), make(self, *given))[1])
    one, other = head_of(emulator, grant, len(DATA)), head_of(emulator, grant, 5, key="small")
    with connect(emulator) as sock:
        for _ in range(2):
            sock.sendall(one + DATA + other + b"small")
            assert answers(sock, 2) == [200, 200]
    assert len(taps) == 2  # else this test looks at something else
    assert emulator.object_path(grant.media_id).read_bytes() == DATA
    assert [record.body_bytes for record in emulator.requests if record.op == "PutObject"] == [len(DATA), 5] * 2


def test_pieces_with_pauses_between_arrive_whole(
    emulator: Emulator, grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[Tap] = []
    wait = Tap.readable
    monkeypatch.setattr(Tap, "readable", lambda self: (waits.append(self), wait(self))[1])
    with connect(emulator) as sock:
        sock.sendall(head_of(emulator, grant, len(DATA)))
        for number, at in enumerate(range(0, len(DATA), 300_000)):
            until(lambda number=number: len(waits) > number, "the server waits for more")
            sock.sendall(DATA[at : at + 300_000])
        assert answers(sock, 1) == [200]
    assert emulator.object_path(grant.media_id).read_bytes() == DATA


def test_silent_clients_hold_up_nobody(emulator: Emulator, grant: Grant) -> None:
    silent = [connect(emulator) for _ in range(12)]  # more than there are threads
    for sock in silent:
        sock.sendall(head_of(emulator, grant, len(DATA)) + DATA[:1_000_000])
    with connect(emulator) as sock:
        sock.sendall(head_of(emulator, grant, len(DATA)) + DATA)
        assert answers(sock, 1) == [200]
    for sock in silent:
        sock.close()
    assert emulator.object_path(grant.media_id).read_bytes() == DATA


@pytest.mark.parametrize("rude", [False, True])
def test_a_client_that_goes_leaves_nothing(emulator: Emulator, grant: Grant, rude: bool) -> None:
    before = len(list((emulator.data_dir / "blobs").iterdir()))
    with connect(emulator) as sock:
        sock.sendall(head_of(emulator, grant, len(DATA)) + DATA[:2_000_000])
        if not rude:
            sock.shutdown(socket.SHUT_WR)
            assert answers(sock, 1) == [400]
    until(lambda: any(record.op == "PutObject" for record in emulator.requests), "the request is over")
    (record,) = [record for record in emulator.requests if record.op == "PutObject"]
    assert record.code == "IncompleteBody"
    assert len(list((emulator.data_dir / "blobs").iterdir())) == before
    with pytest.raises(LookupError):
        emulator.object_path(grant.media_id)


def test_a_client_that_is_gone_before_its_body_is_read_leaves_nothing(
    emulator: Emulator, grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_given: object) -> None:
        raise BodyBroken

    monkeypatch.setattr(Tap, "__init__", gone)
    before = len(list((emulator.data_dir / "blobs").iterdir()))
    with connect(emulator) as sock:
        sock.sendall(head_of(emulator, grant, len(DATA)) + DATA[:1000])
        assert answers(sock, 1) == [400]
    assert len(list((emulator.data_dir / "blobs").iterdir())) == before


def test_damage_and_a_lost_answer(emulator: Emulator, grant: Grant) -> None:
    emulator.faults.add(op="PutObject", action=CorruptBody())
    emulator.faults.add(op="PutObject", nth=2, when="after", action=Drop())
    with connect(emulator) as sock:
        sock.sendall(head_of(emulator, grant, len(DATA)) + DATA)
        assert answers(sock, 1) == [200]
        stored = emulator.object_path(grant.media_id).read_bytes()
        assert (stored[0], stored[1:]) == (DATA[0] ^ 0xFF, DATA[1:])
        sock.sendall(head_of(emulator, grant, len(DATA)) + DATA)
        assert sock.recv(1) == b""
    assert hashlib.md5(emulator.object_path(grant.media_id).read_bytes()).digest() == hashlib.md5(DATA).digest()
