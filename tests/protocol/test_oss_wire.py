"""OssStore against a scripted raw server: what it sends, and how it takes every kind of broken connection."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Iterator

import oss2
import pytest

from tests.helpers.raw_server import Peer, RawServer, answering, closed_door
from tests.helpers.until import until
from tests.protocol.support import KEY_ID, SECRET, TOKEN, Bytes, WallClock, address, leaked, printed, upload_auth
from vod_widget import errors
from vod_widget._connection import head_of
from vod_widget._http import Answer, Exchange, Wire, perform
from vod_widget.model import Part
from vod_widget.oss import OssStore

FAULT_KIND = "L"

STORED = (200, b"", {"ETag": '"AB12"', "x-oss-hash-crc64ecma": "18446744073709551615", "x-oss-request-id": "R1"})


@pytest.fixture
def make_store():
    made: list[OssStore] = []

    def make(**options) -> OssStore:
        options = {"pool_size": 2, "read_timeout_s": 10.0, **options}
        made.append(OssStore(options.pop("clock", WallClock()), **options))
        return made[-1]

    yield make
    for store in made:
        store.close()


def session(store: OssStore, server: RawServer):
    return store.open(upload_auth(), address(server.endpoint))


def test_a_part_goes_with_its_length_and_in_the_blocks_that_the_body_gave(make_store):
    body = Bytes(bytes(range(256)) * 10_000, block_bytes=1 << 20)
    with RawServer(answering(STORED)) as server:
        part = session(make_store(), server).upload_part("U" * 32, 7, body)
    sent = server.requests[0]
    assert (part.part_number, part.size_bytes, part.etag, part.crc64) == (7, 2_560_000, "AB12", 2**64 - 1)
    assert sent.headers["content-length"] == "2560000"
    assert sent.headers["accept-encoding"] == "identity"
    assert "transfer-encoding" not in sent.headers
    assert sent.body == bytes(body.data)
    assert body.given == [1048576, 1048576, 462848]


def test_the_request_is_signed_as_the_document_says_and_the_token_is_a_header(make_store):
    with RawServer(answering(STORED)) as server:
        session(make_store(), server).put_object(Bytes(b"hello"), {"x-oss-notification": "eyJ9"})
    sent = server.requests[0]
    text = (
        f"PUT\n\nvideo/mp4\n{sent.headers['date']}\nx-oss-notification:eyJ9\n"
        f"x-oss-security-token:{TOKEN}\n/outin-bucket/sv/one/two.mp4"
    )
    expected = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
    assert sent.headers["authorization"] == f"OSS {KEY_ID}:{expected}"
    assert sent.headers["x-oss-security-token"] == TOKEN
    assert TOKEN not in sent.target


def test_headers_of_the_caller_go_with_each_call_that_makes_an_object_or_a_part(make_store):
    given = {"x-oss-notification": "eyJ9"}
    init = b"<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>"
    done = b"<CompleteMultipartUploadResult><ETag>E</ETag></CompleteMultipartUploadResult>"
    with RawServer(answering(STORED, (200, init, {}), STORED, (200, done, {}))) as server:
        one = session(make_store(), server)
        one.put_object(Bytes(b"x"), given)
        upload_id = one.init_multipart(given)
        one.upload_part(upload_id, 1, Bytes(b"x"), given)
        one.complete(upload_id, (Part(1, 0, 1, "AB", 5),), given)
    assert [request.headers.get("x-oss-notification") for request in server.requests] == ["eyJ9"] * 4


def test_the_published_vector_of_signature_v1_comes_out_of_the_signer():
    # https://www.alibabacloud.com/help/en/oss, "Add a signature to the header": resource /oss-example/nelson.
    from oss2.http import Request

    from vod_widget.model import Credentials
    from vod_widget.oss import _Auth

    when = email.utils.parsedate_to_datetime("Thu, 17 Nov 2005 18:49:58 GMT").timestamp()
    auth = _Auth(Credentials("44CF9590006BF252F707", "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV"), lambda: when)
    headers = {
        "Content-MD5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
        "Content-Type": "text/html",
        "X-OSS-Meta-Author": "foo@bar.com",
        "X-OSS-Magic": "abracadabra",
    }
    request = Request("PUT", "http://oss-example.example/nelson", headers=headers)
    auth._sign_request(request, "oss-example", "nelson")
    assert request.headers["authorization"] == "OSS 44CF9590006BF252F707:26NBxoKdsyly4EDv6inkoDft/yA="


def test_a_connection_is_kept_for_the_next_request(make_store):
    with RawServer(answering(STORED)) as server:
        one = session(make_store(), server)
        for number in (1, 2, 3):
            one.upload_part("U", number, Bytes(b"x" * 1000))
        assert (server.connections, len(server.requests)) == (1, 3)


def test_request_has_one_deadline_also_where_each_block_is_taken_at_once(make_store):
    class Steps(WallClock):
        passed_s = 0.0

        def monotonic_s(self) -> float:
            return super().monotonic_s() + self.passed_s

    class Slow(Bytes):
        def __iter__(self):
            for block in super().__iter__():
                clock.passed_s += 20.0
                yield block

    clock = Steps()
    body = Slow(b"x" * 10_000, block_bytes=1000)
    store = make_store(clock=clock, send_deadline_s=lambda _length: 70.0)
    with RawServer(answering(STORED)) as server, pytest.raises(errors.RequestTimeoutError) as caught:
        session(store, server).put_object(body, {})
    assert (caught.value.was_sent, len(body.given)) == (False, 4)


def test_time_that_a_limit_holds_a_body_back_is_not_the_lines(make_store):
    class Steps(WallClock):
        passed_s = 0.0

        def monotonic_s(self) -> float:
            return super().monotonic_s() + self.passed_s

    class Limited(Bytes):
        paced_s = 0.0

        def __iter__(self):
            for block in super().__iter__():
                clock.passed_s += 20.0
                self.paced_s += 20.0
                yield block

    clock = Steps()
    store = make_store(clock=clock, send_deadline_s=lambda _length: 70.0)
    with RawServer(answering(STORED)) as server:
        session(store, server).put_object(Limited(b"x" * 10_000, block_bytes=1000), {})
    assert clock.passed_s == 200.0


@pytest.mark.parametrize("raised", [MemoryError(), ConnectionResetError()], ids=["no memory", "after the answer"])
def test_what_is_not_the_lines_fault_is_not_called_so(raised):
    exchange = Exchange(WallClock(), "PutObject", handed_over=True)
    exchange.answer = Answer(200, {}, b"")

    def send() -> None:
        raise raised

    expected = MemoryError if isinstance(raised, MemoryError) else errors.InvalidStateError
    with pytest.raises(expected):
        perform(exchange, send, lambda _exc: errors.InvalidStateError("could not be read"))


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("/a b", "v"),
        ("/a\r\nX: y", "v"),
        ("/a", "v\r\nX: y"),
        ("/a", "v\nX: y"),
        ("/a", "v\r"),
        ("/a", "v\0"),
        ("/a", "電"),
    ],
)
def test_request_whose_fields_would_end_early_is_not_sent(target, value):
    with pytest.raises(errors.InvalidArgumentError):
        head_of("PUT", target, "host", {"x-oss-notification": value})


def test_connection_to_one_host_is_never_used_for_another(make_store):
    store = make_store()
    with RawServer(answering(STORED)) as first, RawServer(answering(STORED)) as second:
        for server in (first, second, first):
            session(store, server).put_object(Bytes(b"x"), {})
        assert [(len(s.requests), s.connections) for s in (first, second)] == [(2, 1), (1, 1)]


def test_no_more_connections_are_kept_than_asked_for_and_none_after_the_end():
    class Used:
        sock = object()
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    pool = Wire(pool_size=1).session
    first, second, late = Used(), Used(), Used()
    pool._give_back(("http", "h"), first)
    pool._give_back(("http", "h"), second)
    assert [first.is_closed, second.is_closed] == [False, True]
    pool.close()
    pool._give_back(("http", "h"), late)
    assert [first.is_closed, late.is_closed] == [True, True]


def test_the_environment_changes_nothing(make_store, monkeypatch, home):
    (home / ".netrc").write_text("machine 127.0.0.1 login joe password hunter2\n")
    (home / ".netrc").chmod(0o600)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    with RawServer(answering(STORED)) as server:
        session(make_store(), server).put_object(Bytes(b"x"), {})
    assert server.requests[0].headers["authorization"].startswith("OSS ")
    assert server.requests[0].target.startswith("/outin-bucket/")


def test_a_cookie_is_never_sent_back(make_store):
    with RawServer(answering((200, b"", {"ETag": '"A"', "Set-Cookie": "track=1; Path=/"}))) as server:
        one = session(make_store(), server)
        one.put_object(Bytes(b"x"), {})
        one.put_object(Bytes(b"x"), {})
    assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_other_host_sees_nothing(make_store, status):
    with RawServer(answering(STORED)) as other:
        target = f"{other.endpoint}/outin-bucket/x"
        with RawServer(answering((status, b"", {"Location": target}))) as server:
            with pytest.raises(errors.UnexpectedAnswerError) as caught:
                session(make_store(), server).put_object(Bytes(b"x" * 100), {})
    assert (caught.value.code, caught.value.status, other.connections) == ("Redirect", status, 0)


@pytest.mark.parametrize(
    "endpoint",
    [
        "oss-cn-shanghai.aliyuncs.com",
        "http://oss-cn-shanghai.aliyuncs.com",
        "https://user@oss-cn-shanghai.aliyuncs.com",
        "https://oss-cn-shanghai.aliyuncs.com/path",
        "https://oss-cn-shanghai.aliyuncs.com\\@evil.example",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "https://oss。cn",
        "",
    ],
)
def test_only_https_or_loopback_is_opened(make_store, endpoint):
    with pytest.raises(errors.EndpointRefusedError):
        make_store().open(upload_auth(), address(endpoint))


def test_a_malformed_bucket_is_refused_before_anything_is_sent(make_store):
    from vod_widget.model import UploadAddress

    place = UploadAddress("https://oss-cn-shanghai.aliyuncs.com", "evil/..", "key")
    with pytest.raises(errors.EndpointRefusedError):
        make_store().open(upload_auth(), place)


def test_files_share_a_bucket_that_oss2_made_but_neither_keys_nor_looser_rules(make_store):
    store = make_store()
    place = address("https://oss-cn-shanghai.aliyuncs.com")
    store.connect_ahead(0, place)
    one, other = (store.open(upload_auth(), place)._bucket for _ in range(2))
    assert one.auth is not other.auth
    fresh = oss2.Bucket(one.auth, place.endpoint, place.bucket)
    assert (one.is_verify_object_strict, one.auth) == (fresh.is_verify_object_strict, fresh.auth)


def test_f1_f2_refused_and_unknown_hosts_never_got_anything(make_store):
    with closed_door() as closed, pytest.raises(errors.ConnectError) as caught:
        make_store().open(upload_auth(), address(f"http://127.0.0.1:{closed.getsockname()[1]}")).head()
    assert (caught.value.code, caught.value.was_sent) == ("Network.Refused", False)
    with pytest.raises(errors.ConnectError) as caught:
        make_store().open(upload_auth(), address("https://oss.invalid")).head()
    assert (caught.value.code, caught.value.was_sent) == ("Network.Dns", False)


def _reset_after(count: int):
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read(count)
        peer.reset()

    return script


@pytest.mark.parametrize("count", [0, 1, 300_000])
def test_f33_f34_reset_inside_the_body_is_a_lost_connection_without_effect(make_store, count):
    with RawServer(_reset_after(count)) as server:
        with pytest.raises(errors.ConnectionLostError) as caught:
            session(make_store(), server).upload_part("U", 1, Bytes(bytes(30 << 20)))
    assert caught.value.was_sent is False
    assert server.connections == 1  # nothing was tried again behind our back


def test_a_connection_that_ends_without_answer_may_have_had_its_effect(make_store):
    def script(peer: Peer) -> None:
        peer.read_request()

    with RawServer(script) as server:
        with pytest.raises(errors.ConnectionLostError) as caught:
            session(make_store(), server).upload_part("U", 1, Bytes(b"x" * 1000))
    assert caught.value.was_sent is True
    assert (server.connections, len(server.requests)) == (1, 1)


def test_f50_answer_cut_short_is_a_lost_connection(make_store):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b'HTTP/1.1 200 OK\r\nETag: "A"\r\nContent-Length: 100\r\n\r\nhalf')

    with RawServer(script) as server:
        with pytest.raises(errors.ConnectionLostError) as caught:
            session(make_store(), server).init_multipart({})
    assert caught.value.was_sent is True


def test_f47_stalled_reader_ends_in_a_timeout_without_effect(make_store):
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.hold()

    with RawServer(script) as server:
        with pytest.raises(errors.RequestTimeoutError) as caught:
            session(make_store(read_timeout_s=0.2), server).upload_part("U", 1, Bytes(bytes(30 << 20)))
    assert caught.value.was_sent is False


def test_a_silent_server_ends_in_a_timeout_that_may_have_had_its_effect(make_store):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.hold()

    with RawServer(script) as server:
        with pytest.raises(errors.RequestTimeoutError) as caught:
            session(make_store(read_timeout_s=0.2), server).upload_part("U", 1, Bytes(b"x"))
    assert caught.value.was_sent is True


def test_f49_dripping_answer_has_one_deadline(make_store):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while not peer.server.released.wait(0.02):
            peer.send(b"x")

    # It drips until the test ends: a deadline that each byte moved would never come.
    with RawServer(script) as server, pytest.raises(errors.RequestTimeoutError):
        session(make_store(read_timeout_s=0.3), server).head()


def test_f48_slow_reader_is_no_fault_while_bytes_flow_but_the_request_has_a_deadline(make_store):
    def script(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        peer.read_head()
        while not peer.server.released.wait(0.01):
            peer.sock.recv(4096)

    with RawServer(script) as server:
        store = make_store(read_timeout_s=5.0, send_deadline_s=lambda _length: 0.4)
        begun = time.monotonic()
        with pytest.raises(errors.RequestTimeoutError) as caught:
            session(store, server).upload_part("U", 1, Bytes(bytes(30 << 20)))
        assert time.monotonic() - begun > 0.3
    assert caught.value.was_sent is False


def test_slow_sending_outlives_the_connect_timeout(make_store):
    # urllib3 alone sends under the connect timeout, as one total: this would fail after 0.1 s.
    def script(peer: Peer) -> None:
        _, _, headers = peer.read_head()
        peer.server.released.wait(0.3)
        peer.read(int(headers["content-length"]))
        peer.answer(*STORED)

    with RawServer(script) as server:
        part = session(make_store(connect_timeout_s=0.1), server).upload_part("U", 1, Bytes(bytes(16 << 20)))
    assert part.etag == "AB12"


def test_f37_early_refusal_is_read_at_once_and_stops_the_sending(make_store):
    sending = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.answer(503, b"<Error><Code>ServiceUnavailable</Code></Error>", {"Retry-After": "7"})
        sending.set()
        peer.hold()

    class Waiting(Bytes):
        def __iter__(self):
            sending.wait(60)
            yield from super().__iter__()

    body = Waiting(bytes(64 << 20))
    with RawServer(script, answering(STORED)) as server:
        one = session(make_store(), server)
        with pytest.raises(errors.ServerFaultError) as caught:
            one.upload_part("U", 1, body)
        assert caught.value.retry_after_s == 7
        assert sum(body.given) < 8 << 20
        one.upload_part("U", 1, Bytes(b"x"))  # on a new connection: the old one waits for the rest of the part
        assert server.connections == 2


def test_a_success_before_the_whole_request_is_not_believed(make_store):
    sending = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.answer(*STORED)
        sending.set()
        peer.hold()

    class Waiting(Bytes):
        def __iter__(self):
            sending.wait(60)
            yield from super().__iter__()

    with RawServer(script) as server:
        with pytest.raises(errors.UnexpectedAnswerError):
            session(make_store(), server).upload_part("U", 1, Waiting(bytes(64 << 20)))


def test_f52_idle_connection_that_the_server_closed_is_replaced_without_a_fault(make_store):
    def once(peer: Peer) -> None:
        peer.read_request()
        peer.answer(*STORED)

    with RawServer(once) as server:
        one = session(make_store(), server)
        one.upload_part("U", 1, Bytes(b"x"))
        for thread in server._threads:
            thread.join(60)
        one.upload_part("U", 2, Bytes(b"y"))
        assert (server.connections, len(server.requests)) == (2, 2)


@pytest.mark.parametrize("garbage", [b"\x00\x01\x02\x03\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 nonsense\r\n\r\n"])
def test_what_is_not_http_is_unexpected(make_store, garbage):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(garbage)

    with RawServer(script) as server, pytest.raises(errors.UnexpectedAnswerError):
        session(make_store(), server).head()


def test_f16_endless_answer_is_cut_at_one_mebibyte(make_store):
    sent = 0

    def script(peer: Peer) -> None:
        nonlocal sent
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while not peer.server.released.is_set():
            peer.send(b"x" * 65536)
            sent += 65536

    with RawServer(script) as server:
        with pytest.raises(errors.UnexpectedAnswerError, match="larger than 1048576 bytes"):
            session(make_store(), server).init_multipart({})
    assert sent < 64 << 20


class Boom(BaseException):
    pass


@pytest.mark.parametrize(
    "failure",
    [
        errors.SourceNotFoundError("gone"),
        errors.SourceChangedError("changed"),
        BrokenPipeError("of the disk, not of the network"),
        TimeoutError("of the disk"),
        ConnectionResetError(104, "of the disk"),
        Boom("canceled"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_what_a_body_raises_comes_out_unchanged_and_the_connection_is_dropped(make_store, failure):
    class Failing(Bytes):
        def __iter__(self):
            yield self.data[:1000]
            raise failure

    def half(peer: Peer) -> None:
        peer.read_head()
        peer.read(2000)

    with RawServer(half, answering(STORED)) as server:
        one = session(make_store(), server)
        with pytest.raises(type(failure)) as caught:
            one.upload_part("U", 1, Failing(bytes(2000)))
        assert caught.value is failure
        assert failure.__context__ is None
        assert leaked(printed(failure)) == []
        one.upload_part("U", 1, Bytes(b"again"))
        assert server.connections == 2


@pytest.mark.parametrize(("promised", "given"), [(5000, 4999), (5000, 0)])
def test_a_body_that_is_too_short_is_seen_before_the_server_waits_for_it(make_store, promised, given):
    class Lying(Bytes):
        def __len__(self):
            return promised

    def script(peer: Peer) -> None:
        peer.read_request()

    with RawServer(script) as server:
        with pytest.raises(errors.SourceChangedError):
            session(make_store(), server).upload_part("U", 1, Lying(bytes(given), block_bytes=1000))
    assert server.requests == []


def test_a_body_that_is_too_long_never_runs_into_the_next_request(make_store):
    class Lying(Bytes):
        def __len__(self):
            return 5000

    with RawServer(answering(STORED)) as server:
        one = session(make_store(), server)
        with pytest.raises(errors.SourceChangedError):
            one.upload_part("U", 1, Lying(bytes(6001), block_bytes=1000))
        one.upload_part("U", 2, Bytes(b"next"))
        assert server.connections == 2
    # Two threads of the server wrote them down, in any order.
    bodies = [request.body for request in server.requests]
    assert b"next" in bodies
    assert set(bodies) <= {b"next", bytes(5000)}


def test_close_ends_requests_under_way_and_refuses_later_ones(make_store):
    asked = threading.Event()
    outcome: list[BaseException] = []

    def script(peer: Peer) -> None:
        peer.read_request()
        asked.set()
        peer.hold()

    with RawServer(script) as server:
        store = make_store(read_timeout_s=100.0)
        one = session(store, server)

        def work() -> None:
            try:
                one.upload_part("U", 1, Bytes(b"x"))
            except errors.VODError as exc:
                outcome.append(exc)

        thread = threading.Thread(target=work)
        thread.start()
        assert asked.wait(60)
        store.close()
        thread.join(60)
        assert not thread.is_alive()
        assert isinstance(outcome[0], errors.ConnectionLostError)
        with pytest.raises(errors.ConnectionLostError):
            one.head()
        assert server.connections <= 2


class Cuttable(Bytes):
    """A body whose request can be ended from outside."""

    cut = None
    held = is_unwanted = False

    def hold(self, cut):
        self.cut, self.held = cut, True
        if cut is not None and self.is_unwanted:
            cut()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port whose queue of connections is full: a further one is not answered, neither with yes nor with no."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = []
        while True:
            waiting.append(socket.socket())
            waiting[-1].settimeout(0.1)
            try:
                waiting[-1].connect(("127.0.0.1", port))
            except TimeoutError:
                break
        yield port
        for sock in waiting:
            sock.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "cut before it began", "closed"])
def test_connection_that_nobody_answers_ends_when_it_is_cut(make_store, deaf_port, how):
    store, body, raised = make_store(connect_timeout_s=100.0), Cuttable(bytes(10)), []
    one = store.open(upload_auth(), address(f"http://127.0.0.1:{deaf_port}"))

    def send() -> None:
        try:
            one.put_object(body, {})
        except errors.VODError as exc:
            raised.append(exc)

    body.is_unwanted = how == "cut before it began"
    thread = threading.Thread(target=send)
    thread.start()
    until(lambda: body.held, "it connects")
    if how == "cut":
        body.cut()
    elif how == "closed":
        store.close()
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(raised[0], errors.TransportError)
    assert raised[0].was_sent is False
    assert body.cut is None


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "closed"])
def test_server_that_is_silent_when_tls_begins_is_left_when_it_is_cut(make_store, how):
    hangs, raised = threading.Event(), []

    def silent(peer: Peer) -> None:
        peer.sock.recv(1)
        hangs.set()
        peer.hold()

    store, body = make_store(connect_timeout_s=100.0), Cuttable(bytes(10))
    with RawServer(silent) as server:
        one = store.open(upload_auth(), address(server.endpoint.replace("http:", "https:")))

        def send() -> None:
            try:
                one.put_object(body, {})
            except errors.VODError as exc:
                raised.append(exc)

        thread = threading.Thread(target=send)
        thread.start()
        assert hangs.wait(60)
        body.cut() if how == "cut" else store.close()
        thread.join(60)
        assert not thread.is_alive()
        assert isinstance(raised[0], errors.ConnectionLostError), "no word about TLS, which would not be tried again"
        assert raised[0].was_sent is False


@pytest.mark.parametrize("reads", [False, True], ids=["takes no more bytes", "does not answer"])
def test_request_that_hangs_ends_when_it_is_cut_and_the_next_one_is_not_touched(make_store, reads):
    hangs = threading.Event()

    def silent(peer: Peer) -> None:
        peer.read_request() if reads else peer.read_head()
        hangs.set()
        peer.hold()

    body = Cuttable(bytes(1000 if reads else 16 << 20))
    raised: list[BaseException] = []
    with RawServer(silent, answering(STORED)) as server:
        one = session(make_store(read_timeout_s=100.0), server)

        def send() -> None:
            try:
                one.put_object(body, {})
            except BaseException as exc:
                raised.append(exc)

        thread = threading.Thread(target=send)
        thread.start()
        assert hangs.wait(60)
        body.cut()
        thread.join(60)
        assert not thread.is_alive()
        assert isinstance(raised[0], errors.ConnectionLostError)
        assert raised[0].was_sent is reads
        assert body.cut is None  # so that nobody can end what comes after it on the same connection
        assert one.put_object(Cuttable(b"x"), {}).etag == "AB12"
