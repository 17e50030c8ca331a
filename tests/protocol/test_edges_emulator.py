"""Both edges against the strict emulator, which judges them with code of its own: happy paths, refusals, lost answers."""

from __future__ import annotations

import os

import pytest

from tests.protocol.support import Bytes, WallClock
from vod_widget import errors
from vod_widget.emulator.faults import CorruptBody, Drop, ErrorIn200, NoCrc, NoETag, Redirect, Reset, Status, Truncate
from vod_widget.model import Credentials, Part, UploadAddress, UploadMetadata
from vod_widget.oss import OssStore
from vod_widget.vod_api import SdkVodApi

MIB = 1 << 20


@pytest.fixture
def edges():
    clock = WallClock()
    store, api = OssStore(clock, pool_size=4, read_timeout_s=60), SdkVodApi(clock, timeout_s=60)
    yield store, api
    store.close()
    api.close()


@pytest.fixture
def control(edges, emulator):
    keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
    return edges[1].open(keys, emulator.region, emulator.endpoint)


@pytest.fixture
def grant(control):
    return control.create_upload_video(
        UploadMetadata(title="Täst 電影 ~*+", tags=("a", "b c")),
        file_name="talk.mp4",
        size_bytes=3 * MIB,
        reference_id="reference-0001",
    )


@pytest.fixture
def session(edges, grant):
    return edges[0].open(grant.auth, grant.address)


def send_all(session, data: bytes, part_size: int, headers: dict[str, str] | None = None):
    upload_id = session.init_multipart(headers or {})
    parts = []
    for number, start in enumerate(range(0, len(data), part_size), start=1):
        piece = data[start : start + part_size]
        stored = session.upload_part(upload_id, number, Bytes(piece))
        parts.append(Part(number, start, start + len(piece), stored.etag, stored.crc64))
    return upload_id, tuple(parts)


def test_a_file_in_parts_arrives_byte_for_byte(emulator, control, grant, session):
    data = os.urandom(2 * MIB + 12345)
    assert session.head() is None
    upload_id, parts = send_all(session, data, MIB)
    listed = session.list_parts(upload_id).parts
    assert [(p.part_number, p.size_bytes, p.etag, p.crc64) for p in listed] == [
        (p.part_number, p.size_bytes, p.etag, p.crc64) for p in parts
    ]
    done = session.complete(upload_id, parts, {})
    info = session.head()
    assert (info.size_bytes, info.crc64, info.etag) == (len(data), done.crc64, done.etag)
    assert emulator.object_path(grant.media_id).read_bytes() == data
    assert emulator.unfinished_uploads == []
    assert control.find_video(video_id=grant.media_id).size_bytes == len(data)


def test_a_small_file_goes_in_one_request(emulator, grant, session):
    info = session.put_object(Bytes(b"hello"), {"x-oss-notification": "eyJWb2QiOnt9fQ=="})
    assert (info.crc64, session.head().size_bytes) == (session.head().crc64, 5)
    assert emulator.object_path(grant.media_id).read_bytes() == b"hello"
    assert [r.op for r in emulator.requests if r.op == "PutObject"] == ["PutObject"]


def test_abort_drops_the_parts_and_may_be_repeated(emulator, session):
    upload_id, _ = send_all(session, bytes(MIB), MIB)
    session.abort(upload_id)
    session.abort(upload_id)
    assert emulator.unfinished_uploads == []
    with pytest.raises(errors.NoSuchUploadError):
        session.list_parts(upload_id)


@pytest.mark.slow
def test_more_than_a_thousand_parts_are_listed_in_pages(emulator, session):
    upload_id = session.init_multipart({})
    for number in range(1, 1004):
        session.upload_part(upload_id, number, Bytes(b"%d" % number))
    first = session.list_parts(upload_id)
    second = session.list_parts(upload_id, first.following)
    assert [p.part_number for p in (*first.parts, *second.parts)] == list(range(1, 1004))
    assert (first.following, second.following) == (1000, None)
    assert session.list_parts(upload_id, 1003).parts == ()


def test_refresh_keeps_the_object_and_find_knows_the_reference(control, grant):
    again = control.refresh_upload_video(grant.media_id)
    assert (again.address, again.media_id) == (grant.address, grant.media_id)
    found = control.find_video(reference_id="reference-0001")
    assert (found.video_id, found.status, found.title) == (grant.media_id, "Uploading", "Täst 電影 ~*+")
    assert control.find_video(reference_id="reference-9999") is None


def test_a_reference_is_used_once(control, grant):
    with pytest.raises(errors.AlreadyExistsError):
        control.create_upload_video(
            UploadMetadata(title="t"), file_name="x.mp4", size_bytes=1, reference_id="reference-0001"
        )


def test_refreshing_a_video_that_is_gone_says_so(control):
    with pytest.raises(errors.NotFoundError) as caught:
        control.refresh_upload_video("0" * 32)
    assert caught.value.code == "Video.Gone"


def test_a_role_may_do_what_the_account_may(edges, emulator):
    keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
    role = edges[1].assume_role(keys, emulator.role_arn, "notebook", 900, endpoint=emulator.endpoint)
    assert role.expires_at_s - WallClock().now_s() == pytest.approx(900, abs=60)
    image = edges[1].open(role, emulator.region, emulator.endpoint)
    grant = image.create_upload_image(UploadMetadata(title="i"), file_name="a.jpg")
    edges[0].open(grant.auth, grant.address).put_object(Bytes(b"\xff\xd8\xff"), {})
    assert emulator.object_path(grant.media_id).read_bytes() == b"\xff\xd8\xff"
    identity = edges[1].get_caller_identity(role, endpoint=emulator.endpoint)
    assert identity["AccountId"] == emulator.account_id


def test_a_policy_narrows_the_role(edges, emulator):
    keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
    policy = '{"Version":"1","Statement":[{"Effect":"Allow","Action":["vod:GetVideoInfo"],"Resource":"*"}]}'
    role = edges[1].assume_role(keys, emulator.role_arn, "narrow", policy=policy, endpoint=emulator.endpoint)
    session = edges[1].open(role, emulator.region, emulator.endpoint)
    with pytest.raises(errors.AccessDeniedError) as caught:
        session.create_upload_image(UploadMetadata(title="i"), file_name="a.jpg")
    assert "vod:CreateUploadImage" in caught.value.hint


def test_wrong_keys_are_refused(edges, emulator):
    for key_id, secret in ((emulator.access_key_id, "wrong-secret"), ("EMUunknown00000", "wrong-secret")):
        session = edges[1].open(Credentials(key_id, secret), emulator.region, emulator.endpoint)
        with pytest.raises(errors.AccessDeniedError):
            session.find_video(video_id="x")


def test_an_old_credential_is_expired_in_both_planes(edges, emulator, session):
    keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
    role = edges[1].assume_role(keys, emulator.role_arn, "old", 900, endpoint=emulator.endpoint)
    emulator.clock.advance(4000)
    for call in (
        lambda: session.init_multipart({}),
        lambda: session.put_object(Bytes(b"x"), {}),
        session.head,
        lambda: edges[1].open(role, emulator.region, emulator.endpoint).find_video(video_id="x"),
    ):
        with pytest.raises(errors.AuthExpiredError):
            call()


@pytest.mark.parametrize("skew_s", [3600.0, -3600.0, 86_400.0 * 30])
def test_a_wrong_clock_is_learned_and_the_second_try_succeeds(edges, emulator, skew_s):
    store, api = edges
    emulator.clock.skew(skew_s)
    control = api.open(
        Credentials(emulator.access_key_id, emulator.access_key_secret), emulator.region, emulator.endpoint
    )
    metadata = UploadMetadata(title="t")
    with pytest.raises(errors.ClockSkewError):
        control.create_upload_image(metadata, file_name="a.png")
    grant = control.create_upload_image(metadata, file_name="a.png")
    assert grant.auth.expires_at_s - WallClock().now_s() == pytest.approx(3000, abs=60)
    session = store.open(grant.auth, grant.address)
    with pytest.raises(errors.ClockSkewError):
        session.put_object(Bytes(b"x"), {})
    assert store.clock_offset_s == pytest.approx(skew_s, abs=60)
    session.put_object(Bytes(b"x"), {})


def test_a_credential_opens_only_its_own_object(edges, grant):
    place = UploadAddress(grant.address.endpoint, grant.address.bucket, "sv/another.mp4")
    with pytest.raises(errors.AccessDeniedError):
        edges[0].open(grant.auth, place).put_object(Bytes(b"x"), {})


def test_parts_that_do_not_fit_are_named(session):
    upload_id, parts = send_all(session, bytes(250_000), 50_000)
    with pytest.raises(errors.RequestRefusedError) as caught:
        session.complete(upload_id, parts, {})
    assert caught.value.code == "Parts"
    wrong = (Part(1, 0, 50_000, "0" * 32),)
    with pytest.raises(errors.RequestRefusedError) as caught:
        session.complete(upload_id, wrong, {})
    assert caught.value.code == "Parts"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_complete_is_doubtful_and_head_tells_the_truth(emulator, session, when):
    upload_id, parts = send_all(session, bytes(MIB), MIB)
    emulator.faults.add(op="CompleteMultipartUpload", when=when, action=Drop())
    with pytest.raises(errors.ConnectionLostError) as caught:
        session.complete(upload_id, parts, {})
    assert (session.head() is not None) == (when == "after")
    if when == "after":
        assert caught.value.was_sent is True
        with pytest.raises(errors.NoSuchUploadError):
            session.complete(upload_id, parts, {})


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (ErrorIn200(), errors.UnexpectedAnswerError),
        (Truncate(20), errors.ConnectionLostError),
        (Redirect("http://127.0.0.1:9/"), errors.UnexpectedAnswerError),
        (Status(503, "ServiceUnavailable", headers={"Retry-After": "2"}), errors.ServerFaultError),
    ],
    ids=lambda a: type(a).__name__,
)
def test_a_spoiled_complete_is_never_success(emulator, session, action, kind):
    upload_id, parts = send_all(session, bytes(MIB), MIB)
    emulator.faults.add(op="CompleteMultipartUpload", when="after", action=action)
    with pytest.raises(kind):
        session.complete(upload_id, parts, {})


def test_a_part_stored_with_a_lost_answer_is_listed(emulator, session):
    upload_id = session.init_multipart({})
    emulator.faults.add(op="UploadPart", when="after", action=Drop())
    with pytest.raises(errors.ConnectionLostError) as caught:
        session.upload_part(upload_id, 1, Bytes(b"x" * 1000))
    assert caught.value.was_sent is True
    assert [p.size_bytes for p in session.list_parts(upload_id).parts] == [1000]


def test_spoiled_part_answers_are_seen(emulator, session):
    upload_id = session.init_multipart({})
    body = Bytes(b"x" * 1000)
    right = session.upload_part(upload_id, 1, body)
    emulator.faults.add(op="UploadPart", action=CorruptBody())
    assert session.upload_part(upload_id, 1, body).crc64 != right.crc64
    emulator.faults.add(op="UploadPart", action=NoCrc())
    assert session.upload_part(upload_id, 1, body).crc64 is None
    emulator.faults.add(op="UploadPart", action=NoETag())
    with pytest.raises(errors.UnexpectedAnswerError):
        session.upload_part(upload_id, 1, body)
    emulator.faults.add(op="UploadPart", action=Reset(after_body_bytes=500))
    with pytest.raises(errors.ConnectionLostError):
        session.upload_part(upload_id, 1, Bytes(bytes(20 * MIB)))
    emulator.faults.add(op="UploadPart", action=Status(503, "ServiceUnavailable", read_body=False))
    with pytest.raises(errors.ServerFaultError):
        session.upload_part(upload_id, 1, Bytes(bytes(20 * MIB)))


def test_a_lost_create_is_found_by_its_reference(emulator, control):
    emulator.faults.add(op="CreateUploadVideo", when="after", action=Drop())
    with pytest.raises(errors.ConnectionLostError) as caught:
        control.create_upload_video(
            UploadMetadata(title="t"), file_name="x.mp4", size_bytes=1, reference_id="reference-7"
        )
    assert caught.value.was_sent is True
    assert control.find_video(reference_id="reference-7") is not None


def test_both_planes_work_over_tls_with_the_emulators_authority(tmp_path):
    from vod_widget.emulator import Emulator

    with Emulator(data_dir=tmp_path / "e", tls_port=0) as emulator:
        ca, clock = str(emulator.tls_ca_file), WallClock()
        api, store = SdkVodApi(clock, ca_file=ca), OssStore(clock, pool_size=1, ca_file=ca)
        keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
        grant = api.open(keys, emulator.region, emulator.tls_endpoint).create_upload_image(
            UploadMetadata(title="t"), file_name="a.png"
        )
        assert grant.address.endpoint.startswith("https://")
        store.open(grant.auth, grant.address).put_object(Bytes(b"x" * MIB), {})
        assert emulator.object_path(grant.media_id).stat().st_size == MIB
        api.close()
        store.close()
    assert all(r.secure for r in emulator.requests)
