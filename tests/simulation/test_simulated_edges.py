"""The simulated edges and the real ones agree: the same calls, the same values, the same errors and what is done of them.

One suite runs against both. The real ones speak HTTP with an emulator on loopback; what it cannot say, because no fault
of its makes it, is said byte for byte by a raw server: every answer that the simulation makes up.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.invariants import check_deadlines
from tests.helpers.raw_server import Peer, RawServer, closed_door
from tests.protocol.support import Bytes
from vod_widget import _connection, errors
from vod_widget._answer import Answer
from vod_widget.crc64 import crc64
from vod_widget.emulator import Emulator
from vod_widget.model import Credentials, Grant, Part, UploadAddress, UploadMetadata
from vod_widget.oss import OssStore
from vod_widget.retry import Action, classify, is_doubtful
from vod_widget.vod_api import SdkVodApi

from . import cloud as simulation
from .both_edges import (
    REGION,
    RPC,
    SWITCHES,
    TITLE,
    Real,
    Simulated,
    Still,
    all_calls,
    calls_of,
    control_calls,
    control_of,
    create,
    judged,
    numbers,
    send,
    verdict,
)
from .cloud import KINDS, PAGE_PARTS, PART, SimApi, tiny_parts


@pytest.fixture(scope="module")
def emulator_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder: Path = tmp_path_factory.mktemp("edges")
    with Emulator(data_dir=folder, switches=SWITCHES) as running:
        yield running


@pytest.fixture(autouse=True)
def _tiny() -> Iterator[None]:
    with tiny_parts():
        yield


@pytest.fixture(params=["simulated", "real"])
def edges(request: pytest.FixtureRequest) -> Iterator[Simulated | Real]:
    if request.param == "simulated":
        yield Simulated()
        return
    emulator: Emulator = request.getfixturevalue("emulator_of_all")
    found = Real(emulator)
    yield found
    found.close()


@pytest.fixture
def control(edges: Any) -> Any:
    return control_of(edges)


@pytest.fixture
def grant(control: Any) -> Grant:
    return create(control)


@pytest.fixture
def session(edges: Any, grant: Grant) -> Any:
    return edges.open(grant)


# ---- the control plane


def test_a_video_is_created_refreshed_and_found(control: Any) -> None:
    grant = create(control, reference := f"reference-{next(numbers):06d}")
    assert 0 < grant.auth.expires_at_s - grant.auth.issued_at_s <= 3000
    assert grant.auth.credentials.security_token is not None
    assert (grant.image_url, grant.auth.region, grant.address.bucket[:6]) == (None, REGION, "outin-")
    again = control.refresh_upload_video(grant.media_id)
    assert (again.media_id, again.address) == (grant.media_id, grant.address)
    assert again.auth.credentials.access_key_id != grant.auth.credentials.access_key_id
    for found in (control.find_video(video_id=grant.media_id), control.find_video(reference_id=reference)):
        assert (found.video_id, found.status, found.title) == (grant.media_id, "Uploading", TITLE)
    assert control.find_video(reference_id="reference-none") is None
    assert control.find_video(video_id="0" * 32) is None


def test_an_image_is_created(control: Any) -> None:
    grant = control.create_upload_image(UploadMetadata(title="i"), file_name="a.jpg")
    assert grant.media_id
    assert grant.image_url.endswith(".jpg")
    assert grant.address.object.endswith(".jpg")


def test_a_reference_is_used_once(control: Any) -> None:
    create(control, reference := f"reference-{next(numbers):06d}")
    assert judged(lambda: create(control, reference)) == (
        errors.AlreadyExistsError,
        "ReferenceIdExists",
        Action.LOOK,
        False,
    )


def test_a_video_that_is_gone_cannot_be_refreshed(control: Any) -> None:
    found = judged(lambda: control.refresh_upload_video("0" * 32))
    assert found == (errors.NotFoundError, "Video.Gone", Action.FAIL, False)


def test_unknown_keys_and_missing_rights_are_told(edges: Any) -> None:
    unknown = edges.api.open(Credentials("EMUnobody", "x"), REGION, edges.endpoint)
    assert judged(lambda: create(unknown))[0::2] == (errors.KeysRefusedError, Action.FAIL)
    keys = Credentials(edges.owner.access_key_id, edges.owner.access_key_secret)
    policy = '{"Version":"1","Statement":[{"Effect":"Allow","Action":["vod:GetVideoInfo"],"Resource":"*"}]}'
    role = edges.api.assume_role(keys, edges.role_arn, "narrow", policy=policy, endpoint=edges.endpoint)
    narrow = edges.api.open(role, REGION, edges.endpoint)
    assert narrow.find_video(video_id="0" * 32) is None
    found = judged(lambda: create(narrow))
    assert found == (errors.AccessDeniedError, "Forbidden.RAM", Action.FAIL, False)


def test_a_role_that_ran_out_is_told(edges: Any) -> None:
    keys = Credentials(edges.owner.access_key_id, edges.owner.access_key_secret)
    role = edges.api.assume_role(keys, edges.role_arn, "short", endpoint=edges.endpoint)
    edges.strike("CreateUploadVideo", "expire")
    found = judged(lambda: create(edges.api.open(role, REGION, edges.endpoint)))
    assert found == (errors.AuthExpiredError, "InvalidSecurityToken.Expired", Action.REFRESH, False)


@pytest.mark.parametrize("skew_s", [3600.0, -3600.0])
def test_a_wrong_clock_is_learned_in_both_planes(edges: Any, control: Any, skew_s: float) -> None:
    edges.skew(skew_s)
    assert judged(lambda: create(control))[0::2] == (errors.ClockSkewError, Action.RETRY)
    assert edges.api.clock_offset_s == pytest.approx(skew_s, abs=3)
    session = edges.open(create(control))
    assert judged(lambda: session.init_multipart({}))[0::2] == (errors.ClockSkewError, Action.RETRY)
    assert edges.store.clock_offset_s == pytest.approx(skew_s, abs=3)
    assert session.init_multipart({})


# ---- the data plane


def test_a_file_in_parts_arrives(session: Any, control: Any, grant: Grant) -> None:
    assert session.head() is None
    count = 2 * PAGE_PARTS + 1
    upload_id, parts = send(session, count)
    assert session.list_uploads() == (upload_id,)
    pages, after = [], 0
    while after is not None:
        page = session.list_parts(upload_id, after)
        pages.append(page)
        after = page.following
    assert [p.following for p in pages] == [PAGE_PARTS, 2 * PAGE_PARTS, None]
    listed = [(p.part_number, p.size_bytes, p.etag, p.crc64) for page in pages for p in page.parts]
    assert listed == [(p.part_number, PART, p.etag, p.crc64) for p in parts]
    assert parts[0].crc64 == crc64(b"\x01" * PART)
    done = session.complete(upload_id, parts, {})
    whole = b"".join(bytes([number]) * PART for number in range(1, count + 1))
    info = session.head()
    assert (info.size_bytes, info.etag, info.crc64) == (len(whole), done.etag, crc64(whole))
    assert (done.size_bytes, done.crc64, done.etag[-2:]) == (None, crc64(whole), f"-{count}")
    assert session.list_uploads() == ()
    assert control.find_video(video_id=grant.media_id).size_bytes == len(whole)


def test_a_file_goes_in_one_request(session: Any) -> None:
    info = session.put_object(Bytes(b"hello"), {"x-oss-notification": "eyJWb2QiOnt9fQ=="})
    seen = session.head()
    assert (info.size_bytes, info.etag, info.crc64) == (None, "5D41402ABC4B2A76B9719D911017C592", crc64(b"hello"))
    assert (seen.size_bytes, seen.etag, seen.crc64) == (5, info.etag, info.crc64)


def test_an_abort_may_be_repeated(session: Any) -> None:
    upload_id, parts = send(session, 1)
    session.abort(upload_id)
    session.abort(upload_id)
    assert session.list_uploads() == ()
    unknown = (errors.NoSuchUploadError, "NoSuchUpload", Action.LOOK, False)
    assert judged(lambda: session.list_parts(upload_id)) == unknown
    assert judged(lambda: session.upload_part(upload_id, 1, Bytes(b"x"))) == unknown
    assert judged(lambda: session.complete(upload_id, parts, {})) == unknown


def test_parts_that_do_not_fit_are_told(session: Any) -> None:
    wrong = (errors.RequestRefusedError, "Parts", Action.FAIL, False)
    upload_id, parts = send(session, 2)
    other = (Part(1, 0, PART, "0" * 32), parts[1])
    assert judged(lambda: session.complete(upload_id, other, {})) == wrong
    assert judged(lambda: session.complete(upload_id, (*parts, Part(3, 32, 48, parts[0].etag)), {})) == wrong
    assert judged(lambda: session.complete(upload_id, (parts[0], parts[0]), {})) == wrong
    small, least = send(session, 2, PART - 1)
    assert judged(lambda: session.complete(small, least, {})) == wrong
    # The client's edge puts parts in order, so that one named late is no fault.
    assert session.complete(upload_id, parts[::-1], {}).crc64 == crc64(b"\x01" * PART + b"\x02" * PART)


def test_a_header_that_the_storage_judges_is_sent(session: Any) -> None:
    upload_id = session.init_multipart({})
    headers = {"Content-MD5": "XUFAKrxLKna5cZ2REBfFkg=="}  # of "hello"
    session.upload_part(upload_id, 1, Bytes(b"hello"), headers)
    damaged = (errors.IntegrityError, "InvalidDigest", Action.RETRY, False)
    assert judged(lambda: session.upload_part(upload_id, 1, Bytes(b"jello"), headers)) == damaged
    assert judged(lambda: session.put_object(Bytes(b"jello"), headers)) == damaged
    assert judged(lambda: session.init_multipart({"x-oss-notification": "rubbish"}))[0::2] == (
        errors.RequestRefusedError,
        Action.FAIL,
    )


def test_a_credential_opens_only_its_own_object(edges: Any, grant: Grant) -> None:
    place = UploadAddress(grant.address.endpoint, grant.address.bucket, "sv/another.mp4")
    session = edges.store.open(grant.auth, place)
    denied = (errors.AccessDeniedError, "AccessDenied", Action.FAIL, False)
    assert judged(lambda: session.put_object(Bytes(b"x"), {})) == denied
    assert judged(session.head) == denied
    nowhere = edges.store.open(grant.auth, UploadAddress(grant.address.endpoint, "no-such-bucket", "sv/x.mp4"))
    assert judged(nowhere.head) == denied


def test_an_expired_credential_is_told_by_every_operation(edges: Any, grant: Grant, session: Any) -> None:
    edges.strike("InitiateMultipartUpload", "expire")
    expired = (errors.AuthExpiredError, "SecurityTokenExpired", Action.REFRESH, False)
    assert judged(lambda: session.init_multipart({})) == expired
    for call in calls_of(session, "0" * 32, ()).values():
        assert judged(call) == expired


def test_sums_that_are_spoiled_or_missing_are_seen(edges: Any, session: Any) -> None:
    upload_id, (right,) = send(session, 1)
    body = Bytes(b"\x01" * PART)

    def part(kind: str) -> Any:
        edges.strike("UploadPart", kind)
        return session.upload_part(upload_id, 1, body)

    assert part("damaged").crc64 not in (right.crc64, None)
    assert part("wrong_crc").crc64 == 1
    assert (part("no_crc").crc64, part("no_crc").etag) == (None, right.etag)
    assert part("wrong_etag").etag == "0" * 32
    unreadable = (errors.UnexpectedAnswerError, "Protocol", Action.RETRY, True)
    assert judged(lambda: part("no_etag")) == unreadable
    assert judged(lambda: part("digest")) == (errors.IntegrityError, "InvalidDigest", Action.RETRY, False)
    edges.strike("CompleteMultipartUpload", "no_crc")
    assert session.complete(upload_id, (right,), {}).crc64 is None
    edges.strike("HeadObject", "no_crc")
    assert session.head().crc64 is None


def test_a_body_that_breaks_off_had_no_effect(edges: Any, session: Any) -> None:
    upload_id = session.init_multipart({})
    edges.strike("UploadPart", "reset_mid")
    # More than the buffers of loopback hold, so that the end of the body cannot have left.
    body = Bytes(bytes(16 << 20))
    lost = (errors.ConnectionLostError, "Network.Lost", Action.RETRY, False)
    assert judged(lambda: session.upload_part(upload_id, 1, body)) == lost
    assert session.list_parts(upload_id).parts == ()


# ---- every operation with every refusal


LOST = (errors.ConnectionLostError, "Network.Lost", Action.RETRY, True)
SAID_BY_BOTH = {
    "reset": LOST,
    "lost": LOST,
    "500": (errors.ServerFaultError, "InternalError", Action.RETRY, True),
    "late_500": (errors.ServerFaultError, "InternalError", Action.RETRY, True),
    "503": (errors.ServerFaultError, "ServiceUnavailable", Action.RETRY, True),
    "408": (errors.RequestTimeoutError, "Network.Timeout", Action.RETRY, True),
    "redirect": (errors.UnexpectedAnswerError, "Redirect", Action.FAIL, True),
}


CODE_IN_200 = dict.fromkeys(("HeadObject", *RPC), "Protocol")


@pytest.mark.parametrize("kind", [*SAID_BY_BOTH, "429", "denied", "error_in_200", "late_error_in_200"])
def test_every_operation_tells_a_fault_alike(edges: Any, kind: str) -> None:
    for op, call in all_calls(edges).items():
        edges.strike(op, kind)
        expected = SAID_BY_BOTH.get(kind)
        if kind == "429":
            code = "Throttling.User" if op in RPC else "TooManyRequests"
            expected = (errors.ThrottledError, code, Action.RETRY, False)
        elif kind == "denied":
            code = "Forbidden.RAM" if op in RPC else "AccessDenied"
            expected = (errors.AccessDeniedError, code, Action.FAIL, False)
        elif kind.endswith("error_in_200"):
            code = CODE_IN_200.get(op, "InternalError")
            expected = (errors.UnexpectedAnswerError, code, Action.RETRY, True)
        with pytest.raises(errors.VODError) as caught:
            call()
        exc = caught.value
        assert (op, type(exc), exc.code, classify(exc), is_doubtful(exc)) == (op, *(expected or ()))
        assert getattr(exc, "retry_after_s", None) == (7.0 if kind == "503" else None)


def test_a_lost_answer_had_its_effect(edges: Any, control: Any, grant: Grant, session: Any) -> None:
    edges.strike("CreateUploadVideo", "lost")
    reference = f"reference-{next(numbers):06d}"
    assert judged(lambda: create(control, reference)) == LOST
    assert control.find_video(reference_id=reference) is not None
    edges.strike("RefreshUploadVideo", "breaks_off")
    assert judged(lambda: control.refresh_upload_video(grant.media_id)) == LOST
    edges.strike("InitiateMultipartUpload", "breaks_off")
    assert judged(lambda: session.init_multipart({})) == LOST
    assert len(session.list_uploads()) == 1
    upload_id, parts = send(session, 1)
    edges.strike("UploadPart", "lost")
    assert judged(lambda: session.upload_part(upload_id, 2, Bytes(b"x"))) == LOST
    assert [p.part_number for p in session.list_parts(upload_id).parts] == [1, 2]
    edges.strike("CompleteMultipartUpload", "reset")
    assert judged(lambda: session.complete(upload_id, parts, {})) == LOST
    assert session.head() is None
    edges.strike("CompleteMultipartUpload", "lost")
    assert judged(lambda: session.complete(upload_id, parts, {})) == LOST
    assert session.head().size_bytes == PART
    assert judged(lambda: session.complete(upload_id, parts, {}))[0] is errors.NoSuchUploadError


def test_a_bucket_that_is_gone_is_not_an_object_that_is_missing(
    edges: Any, session: Any, grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session.head() is None
    monkeypatch.delitem(edges.cloud.store._buckets, grant.address.bucket)
    assert judged(session.head) == (errors.NotFoundError, "Bucket", Action.FAIL, False)


# ---- what no fault of the emulator makes


SILENT = frozenset({*simulation.BEFORE, *simulation.AFTER, "kill_before", "kill_after", "reset_mid"})
"""Kinds whose outcome is no answer; each of them has a test of its own."""


@pytest.mark.parametrize("op", sorted(set(KINDS) - {"GetAuth"}))
def test_every_answer_of_the_simulation_means_the_same_over_http(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Answer] = []
    for edge in (simulation._Session, SimApi):

        def keep(*args: Any, _answer: Any = edge._answer, **more: Any) -> Answer:
            answers.append(_answer(*args, **more))
            return answers[-1]

        monkeypatch.setattr(edge, "_answer", keep)

    def serve(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.answer(answers[-1].status, answers[-1].content, dict(answers[-1].headers))

    store, api = OssStore(Still(), pool_size=1), SdkVodApi(Still(), pool_size=1)
    with RawServer(serve) as server:
        for kind in ("", *sorted({*KINDS[op]} - SILENT)):
            edges = Simulated()
            control = control_of(edges)
            grant = create(control)
            session = edges.open(grant)
            upload_id, parts = send(session, PAGE_PARTS + 1)
            there = UploadAddress(server.endpoint, grant.address.bucket, grant.address.object)
            keys = Credentials(edges.owner.access_key_id, edges.owner.access_key_secret)
            by_http = api.open(keys, REGION, server.endpoint), store.open(grant.auth, there)
            if kind:
                edges.strike(op, kind)
            here = {**control_calls(control, grant.media_id), **calls_of(session, upload_id, parts)}
            away = {**control_calls(by_http[0], grant.media_id), **calls_of(by_http[1], upload_id, parts)}
            simulated = verdict(here[op])
            assert edges.network.forced == []
            assert (kind, verdict(away[op])) == (kind, simulated)
    store.close()
    api.close()


@pytest.mark.parametrize("kind", ["timeout", "late", "refused", "dns"])
def test_silence_is_told_alike(kind: str) -> None:
    edges = Simulated()
    grant = create(control_of(edges))
    session = edges.open(grant)
    edges.strike("InitiateMultipartUpload", kind)
    edges.strike("CreateUploadVideo", kind)
    expected = verdict(lambda: session.init_multipart({})), verdict(lambda: create(control_of(edges)))
    store = OssStore(Still(), pool_size=1, read_timeout_s=0.05)
    api = SdkVodApi(Still(), pool_size=1, timeout_s=0.05)

    def hold(peer: Peer) -> None:
        peer.read_request()
        peer.hold()

    with RawServer(hold) as server, closed_door() as deaf:
        refused = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        place = {"refused": refused, "dns": "https://nowhere.invalid"}.get(kind, server.endpoint)
        there = UploadAddress(place, grant.address.bucket, grant.address.object)
        found = [verdict(lambda: store.open(grant.auth, there).init_multipart({}))]
        if kind != "dns":  # the control plane goes to no host that could be unknown
            keys = Credentials(edges.owner.access_key_id, edges.owner.access_key_secret)
            found.append(verdict(lambda: create(api.open(keys, REGION, place))))
    store.close()
    api.close()
    assert found == list(expected[: len(found)])


def test_the_simulation_asks_the_storage_as_the_real_edge_does(emulator_of_all: Emulator) -> None:
    simulated, over_http = Simulated(), Real(emulator_of_all)
    asked: list[Any] = []
    handle = simulated.cloud.oss.handle

    def keep(request: Any, body: bytes = b"") -> Any:
        asked.append((request.method, request.query, request.headers))
        return handle(request, body)

    simulated.cloud.oss.handle = keep  # type: ignore[method-assign]  # listens only
    first = emulator_of_all.requests[-1].number if emulator_of_all.requests else 0
    for edges in (simulated, over_http):
        control = control_of(edges)
        grant = create(control)
        session = edges.open(grant)
        upload_id, parts = send(session, 1)
        session.list_parts(upload_id, 1)
        for call in calls_of(session, upload_id, parts).values():
            call()
        if edges is simulated:
            mine = [plain(*each, grant, upload_id) for each in asked]
        else:
            records = [r for r in emulator_of_all.requests if r.number > first and r.bucket]
            yours = [plain(r.method, tuple(r.query.items()), r.headers, grant, upload_id) for r in records]
    over_http.close()
    assert mine == yours
    assert len(mine) == 11


def plain(method: str, query: Any, headers: Any, grant: Grant, upload_id: str) -> Any:
    """A request without what differs by chance: ids, and parameters that are empty."""
    names = {grant.address.object: "KEY", upload_id: "ID"}
    asked = {name: names.get(value, value) for name, value in query if value or name == "uploads"}
    said = {
        name: value
        for name, value in headers.items()
        if (name.startswith("x-oss-") and name != "x-oss-security-token") or name == "content-md5"
    }
    return method, asked, said


# ---- I11


def test_i11_no_call_of_the_real_edges_waits_without_a_deadline(
    emulator_of_all: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged by what the sockets themselves are told, in the thread that calls; one that does not block is not waited for.

    What waits for such a one is `_wait`, whose time is judged too.
    """
    caller, op = threading.get_ident(), "first"
    seen: dict[str, float | None] = {}
    not_blocking: set[str] = set()
    for name in ("connect", "connect_ex", "send", "recv"):
        method = getattr(socket.socket, name)

        def watched(sock: socket.socket, *args: Any, _name: str = name, _method: Any = method) -> Any:
            if threading.get_ident() == caller:
                if sock.gettimeout() == 0:
                    not_blocking.add(f"{op} {_name}")
                else:
                    seen[f"{op} {_name} {len(seen)}"] = sock.gettimeout()
            return _method(sock, *args)

        monkeypatch.setattr(socket.socket, name, watched, raising=False)
    wait = _connection._wait

    def waited_for(sock: socket.socket, timeout_s: float, **how: bool) -> bool:
        if timeout_s:  # without, it only looks
            seen[f"{op} wait {len(seen)}"] = timeout_s
        return wait(sock, timeout_s, **how)

    monkeypatch.setattr(_connection, "_wait", waited_for)
    edges = Real(emulator_of_all)
    prepared = all_calls(edges)
    for op, call in prepared.items():  # noqa: B007 - `watched` reads it
        call()
    edges.close()
    check_deadlines(seen)
    waited = {name.rpartition(" ")[0] for name in seen}
    assert waited >= {f"{op} wait" for op in prepared}
    assert waited | not_blocking >= {f"{op} {name}" for op in prepared for name in ("send", "recv")} | {
        "first connect_ex"
    }
