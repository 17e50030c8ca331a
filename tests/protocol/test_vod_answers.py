"""SdkVodApi against a scripted server: what it sends, what each answer means, and where it refuses to go."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from aliyunsdkcore.auth.composer import rpc_signature_composer as composer
from hypothesis import example, given
from hypothesis import strategies as st

from tests.helpers.raw_server import Peer, RawServer, answering, closed_door
from tests.protocol.support import SECRET, TOKEN, WallClock, sts_credentials
from vod_widget import errors
from vod_widget._vod_signing import sign, signed_form
from vod_widget.addresses import KNOWN_REGIONS
from vod_widget.model import Credentials, UploadMetadata, VideoStatus
from vod_widget.vod_api import SdkVodApi


class StandingClock(WallClock):
    """One whose wall time does not go on."""

    def now_s(self) -> float:
        return 1_800_000_000.0


def encoded(**fields: str) -> str:
    return base64.b64encode(json.dumps(fields).encode()).decode()


def grant_json(**more: object) -> bytes:
    auth = encoded(
        AccessKeyId="STS.upload", AccessKeySecret="upload-secret", SecurityToken="upload-token", Expiration="3000"
    )
    place = encoded(Endpoint="https://oss-cn-shanghai.aliyuncs.com", Bucket="outin-1", FileName="sv/a.mp4")
    return json.dumps({"RequestId": "R1", "UploadAuth": auth, "UploadAddress": place, **more}).encode()


VIDEO = (200, grant_json(VideoId="v" * 32), {})
IMAGE = (200, grant_json(ImageId="i" * 32, ImageURL="https://img.example/1.png"), {})


@pytest.fixture
def make_api():
    made: list[SdkVodApi] = []

    def make(**options) -> SdkVodApi:
        made.append(SdkVodApi(options.pop("clock", WallClock()), **{"timeout_s": 10.0, **options}))
        return made[-1]

    yield make
    for api in made:
        api.close()


def opened(api: SdkVodApi, server: RawServer, credentials=None):
    return api.open(credentials or sts_credentials(), "cn-shanghai", server.endpoint)


def create(session, **options):
    given = {"file_name": "a.mp4", "size_bytes": 5, "reference_id": "r" * 32, **options}
    return session.create_upload_video(given.pop("metadata", UploadMetadata(title="t")), **given)


def sent_params(server: RawServer, number: int = 0) -> dict[str, str]:
    return dict(parse_qsl(server.requests[number].body.decode(), keep_blank_values=True, strict_parsing=True))


# --- requests


def test_create_upload_video_sends_all_that_the_metadata_says(make_api):
    metadata = UploadMetadata(
        title="Café ~*+ 電影",
        description="d",
        tags=("a", "b c"),
        cate_id=234,
        cover_url="https://c.example/x.png",
        template_group_id="tg",
        workflow_id="wf",
        storage_location="sl",
        app_id="app-1",
        api_user_data='{"Extend":{"x":1}}',
        notification="never sent here",
    )
    with RawServer(answering(VIDEO)) as server:
        create(opened(make_api(), server), metadata=metadata, file_name="C:\\clips\\dir/talk.MP4", size_bytes=7)
    params = sent_params(server)
    wanted = {
        "Action": "CreateUploadVideo",
        "Version": "2017-03-21",
        "Format": "JSON",
        "Title": "Café ~*+ 電影",
        "Description": "d",
        "Tags": "a,b c",
        "CateId": "234",
        "CoverURL": "https://c.example/x.png",
        "TemplateGroupId": "tg",
        "WorkflowId": "wf",
        "StorageLocation": "sl",
        "AppId": "app-1",
        "UserData": '{"Extend":{"x":1}}',
        "FileName": "talk.MP4",
        "FileSize": "7",
        "ReferenceId": "r" * 32,
        "RegionId": "cn-shanghai",
        "SecurityToken": TOKEN,
    }
    assert {name: params.get(name) for name in wanted} == wanted
    assert "never sent here" not in server.requests[0].body.decode()


def test_what_is_not_given_is_not_sent(make_api):
    with RawServer(answering(VIDEO)) as server:
        create(opened(make_api(), server, Credentials("EMUkey0000000", "secret-secret")), reference_id="")
    absent = {"ReferenceId", "Description", "Tags", "CateId", "CoverURL", "UserData", "AppId", "SecurityToken"}
    assert absent & set(sent_params(server)) == set()


@pytest.mark.parametrize(
    ("file_name", "extension"),
    [("a.JPG", "jpg"), ("a.jpeg", "jpeg"), ("a.gif", "gif"), ("a.png", "png"), ("a.heic", "png"), ("a", "png")],
)
def test_create_upload_image_states_the_extension(make_api, file_name, extension):
    with RawServer(answering(IMAGE)) as server:
        grant = opened(make_api(), server).create_upload_image(
            UploadMetadata(title="t", image_type="cover"), file_name=f"/x/{file_name}"
        )
    params = sent_params(server)
    assert (params["ImageExt"], params["ImageType"], params["OriginalFileName"]) == (extension, "cover", file_name)
    assert (grant.media_id, grant.image_url) == ("i" * 32, "https://img.example/1.png")


def test_everything_is_signed_and_nothing_stands_in_the_url(make_api):
    with RawServer(answering(VIDEO)) as server:
        create(opened(make_api(), server))
    sent, params = server.requests[0], sent_params(server)
    signature = params.pop("Signature")
    # Our own arithmetic of the published rule.
    joined = "&".join(f"{quote(k, '~')}={quote(v, '~')}" for k, v in sorted(params.items()))
    text = f"POST&%2F&{quote(joined, '~')}"
    expected = base64.b64encode(hmac.new(f"{SECRET}&".encode(), text.encode(), hashlib.sha1).digest()).decode()
    assert signature == expected
    assert (sent.method, sent.target) == ("POST", "/")
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.headers["x-acs-action"] == "CreateUploadVideo"


def test_the_published_vector_of_the_rpc_signature_comes_out_of_the_signer():
    # https://www.alibabacloud.com/help/en/vod/developer-reference/signature-method
    form = (
        "AccessKeyId=testAccessKeyId&Action=GetVideoPlayAuth&Format=JSON&SignatureMethod=HMAC-SHA1"
        "&SignatureNonce=8f8a035d-6496-4268-afd4-67c22837e38d&SignatureVersion=1.0&Timestamp=2017-10-10T12%3A02%3A54Z"
        "&Version=2017-03-21&VideoId=5aed81b74ba84920be578cdfe004af4b"
    )
    assert sign("GET", form, "testAccessKeySecret") == "Ibgh7y8Vp47LBuAsf5Xhi1SvDss="


@given(st.dictionaries(st.text("ABab", min_size=1), st.text() | st.integers(), max_size=4), st.text(min_size=1))
@example({"Title": " a+b*c~d/e%20=&'\u5f71\U0001f3ac\n"}, "s&/+=")
def test_it_signs_whatever_the_vendors_composer_signs(params: dict[str, Any], secret: str) -> None:
    form = signed_form(params, "key id", secret, stamp="2026-11-26T12:00:00Z", nonce="n").decode()
    sent = dict(parse_qsl(form, keep_blank_values=True))
    signature = sent.pop("Signature")
    text = vars(composer)["__compose_string_to_sign"]("POST", sent)
    assert signature == vars(composer)["__get_signature"](text, secret)
    assert sent.items() >= {name: str(value) for name, value in params.items()}.items()


def test_each_try_has_a_nonce_of_its_own(make_api):
    with RawServer(answering(VIDEO)) as server:
        session = opened(make_api(), server)
        for _ in range(3):
            session.refresh_upload_video("v" * 32)
        assert server.connections == 1
    assert len({sent_params(server, n)["SignatureNonce"] for n in range(3)}) == 3


# --- answers

REFUSALS = [
    (400, "InvalidSecurityToken.Expired", errors.AuthExpiredError, "InvalidSecurityToken.Expired"),
    (400, "InvalidSecurityToken.Malformed", errors.KeysRefusedError, "InvalidSecurityToken.Malformed"),
    (404, "InvalidAccessKeyId.NotFound", errors.KeysRefusedError, "InvalidAccessKeyId.NotFound"),
    (400, "InvalidAccessKeyId.Inactive", errors.KeysRefusedError, "InvalidAccessKeyId.Inactive"),
    (400, "SignatureDoesNotMatch", errors.KeysRefusedError, "SignatureDoesNotMatch"),
    (400, "IncompleteSignature", errors.KeysRefusedError, "IncompleteSignature"),
    (403, "Forbidden.RAM", errors.AccessDeniedError, "Forbidden.RAM"),
    (403, "Forbidden", errors.AccessDeniedError, "Forbidden"),
    (403, "NoPermission", errors.AccessDeniedError, "NoPermission"),
    (403, "OperationDenied", errors.RequestRefusedError, "OperationDenied"),
    (403, "OperationDenied.Suspended", errors.RequestRefusedError, "OperationDenied.Suspended"),
    (403, "Forbidden.InitFailed", errors.RequestRefusedError, "Forbidden.InitFailed"),
    (400, "Throttling.User", errors.ThrottledError, "Throttling.User"),
    (400, "Throttling", errors.ThrottledError, "Throttling"),
    (429, "Anything", errors.ThrottledError, "Anything"),
    (400, "InvalidTimeStamp.Expired", errors.ClockSkewError, "InvalidTimeStamp.Expired"),
    (400, "IllegalTimestamp", errors.ClockSkewError, "IllegalTimestamp"),
    (400, "SignatureNonceUsed", errors.ConnectionLostError, "SignatureNonceUsed"),
    (404, "InvalidVideo.NotFound", errors.NotFoundError, "Video.Gone"),
    (400, "ReferenceIdExists", errors.AlreadyExistsError, "ReferenceIdExists"),
    (409, "Whatever", errors.AlreadyExistsError, "Whatever"),
    (400, "InvalidFileName.Extension", errors.RequestRefusedError, "InvalidFileName.Extension"),
    (404, "InvalidApi.NotFound", errors.RequestRefusedError, "InvalidApi.NotFound"),
    (408, "Slow", errors.RequestTimeoutError, "Slow"),
    (500, "InternalError", errors.ServerFaultError, "InternalError"),
    (503, "ServiceUnAvailable", errors.ServerFaultError, "ServiceUnAvailable"),
]


@pytest.mark.parametrize(("status", "code", "kind", "ours"), REFUSALS, ids=[r[1] for r in REFUSALS])
def test_each_code_of_the_gateway_has_its_error(make_api, status, code, kind, ours):
    body = json.dumps({"Code": code, "Message": "the reason", "RequestId": "REQ1", "HostId": "vod"}).encode()
    with RawServer(answering((status, body, {"Retry-After": "3"}))) as server:
        with pytest.raises(errors.VODError) as caught:
            create(opened(make_api(), server))
    assert type(caught.value) is kind
    assert caught.value.code == ours
    assert "the reason" in caught.value.message
    if isinstance(caught.value, errors.ThrottledError | errors.ServerFaultError):
        assert caught.value.retry_after_s == 3
    if isinstance(caught.value, errors.ServiceError):
        assert caught.value.request_id == "REQ1"
    if isinstance(caught.value, errors.TransportError):
        assert caught.value.was_sent


@pytest.mark.parametrize(("code", "step"), [("OperationDenied", "Activate"), ("OperationDenied.Suspended", "Resume")])
def test_a_service_that_is_off_is_activated_or_resumed(make_api, code, step):
    with RawServer(answering((403, json.dumps({"Code": code, "Message": "off"}).encode(), {}))) as server:
        with pytest.raises(errors.RequestRefusedError) as caught:
            create(opened(make_api(), server))
    assert caught.value.hint.startswith(step)


def test_a_missing_right_names_the_ram_action(make_api):
    refusal = (403, b'{"Code": "Forbidden.RAM", "Message": "no"}', {})
    with RawServer(answering(refusal)) as server:
        api = make_api()
        session = opened(api, server)
        for call, action in (
            (lambda: create(session), "vod:CreateUploadVideo"),
            (lambda: session.refresh_upload_video("v"), "vod:RefreshUploadVideo"),
            (lambda: session.find_video(video_id="v"), "vod:GetVideoInfo"),
            (lambda: api.assume_role(sts_credentials(), "arn", "nn", endpoint=server.endpoint), "sts:AssumeRole"),
        ):
            with pytest.raises(errors.AccessDeniedError) as caught:
                call()
            assert action in caught.value.hint


def test_a_reference_conflict_is_told_only_where_a_reference_was_given(make_api):
    body = b'{"Code": "InvalidParameter", "Message": "The reference id is already used."}'
    with RawServer(answering((400, body, {}))) as server:
        session = opened(make_api(), server)
        with pytest.raises(errors.AlreadyExistsError):
            create(session)
        with pytest.raises(errors.RequestRefusedError):
            create(session, reference_id="")
        with pytest.raises(errors.RequestRefusedError):
            session.refresh_upload_video("v")
        with pytest.raises(errors.RequestRefusedError):
            session.find_video(reference_id="r" * 8)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>please log in</html>", {}),
        (200, b"", {}),
        (200, b"[1]", {}),
        (200, b"[" * 200_000, {}),
        (200, VIDEO[1][:100], {}),
        (200, b'{"RequestId": "R"}', {}),
        (200, grant_json(VideoId=5), {}),
        (200, json.dumps({"VideoId": "v", "UploadAuth": "!!", "UploadAddress": "!!"}).encode(), {}),
        (403, b"<html>blocked</html>", {}),
        (400, b'{"Code": 5}', {}),
        (204, b"", {}),
        (202, VIDEO[1], {}),
    ],
    ids=[
        "portal",
        "empty",
        "list",
        "deep",
        "cut",
        "no id",
        "id number",
        "no base64",
        "403 html",
        "no code",
        "204",
        "202",
    ],
)
def test_an_answer_that_is_none_is_unexpected(make_api, answer):
    with RawServer(answering(answer)) as server, pytest.raises(errors.UnexpectedAnswerError):
        create(opened(make_api(), server))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_other_host_sees_nothing(make_api, status):
    with RawServer(answering(VIDEO)) as other:
        with RawServer(answering((status, VIDEO[1], {"Location": other.endpoint}))) as server:
            with pytest.raises(errors.UnexpectedAnswerError) as caught:
                create(opened(make_api(), server))
    assert (caught.value.code, other.connections) == ("Redirect", 0)


def test_a_gateway_page_is_a_fault_of_the_server(make_api):
    with RawServer(answering((502, b"<html>bad gateway</html>", {}))) as server:
        with pytest.raises(errors.ServerFaultError):
            create(opened(make_api(), server))


def test_an_endless_answer_is_cut(make_api):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.answer(200, b"x" * (10 << 20))

    with RawServer(script) as server, pytest.raises(errors.UnexpectedAnswerError):
        create(opened(make_api(), server))


def test_lost_answers_are_told_from_calls_that_never_left(make_api):
    def silent(peer: Peer) -> None:
        peer.read_request()

    with RawServer(silent) as server:
        with pytest.raises(errors.ConnectionLostError) as caught:
            create(opened(make_api(), server))
        assert caught.value.was_sent is True
    with closed_door() as closed, pytest.raises(errors.ConnectError) as caught:
        create(make_api().open(sts_credentials(), "cn-shanghai", f"http://127.0.0.1:{closed.getsockname()[1]}"))
    assert caught.value.was_sent is False


def test_the_whole_call_has_one_deadline(make_api):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not peer.server.released.wait(0.02):
            peer.send(b"{")

    # It drips until the test ends: a deadline that each byte moved would never come.
    with RawServer(script) as server, pytest.raises(errors.RequestTimeoutError) as caught:
        create(opened(make_api(timeout_s=0.3), server))
    assert caught.value.was_sent is True


def test_skew_is_learned_from_the_date_and_used_for_the_next_timestamp(make_api):
    clock = WallClock(error_s=-7200)
    real = clock.now_s() + 7200
    date = {"Date": email.utils.formatdate(real, usegmt=True)}
    with RawServer(answering((400, b'{"Code": "InvalidTimeStamp.Expired"}', date), VIDEO)) as server:
        api = make_api(clock=clock)
        session = opened(api, server)
        with pytest.raises(errors.ClockSkewError) as caught:
            create(session)
        assert caught.value.server_time_s == pytest.approx(real, abs=60)
        assert api.clock_offset_s == pytest.approx(7200, abs=60)
        create(session)
    stamps = [time.strptime(sent_params(server, n)["Timestamp"], "%Y-%m-%dT%H:%M:%SZ") for n in (0, 1)]
    assert time.mktime(stamps[1]) - time.mktime(stamps[0]) == pytest.approx(7200, abs=60)


@pytest.mark.parametrize("with_instant", [True, False], ids=["an instant", "a duration alone"])
def test_an_expiry_told_by_the_servers_clock_is_kept_by_ours(make_api, with_instant):
    clock = WallClock(error_s=7200)  # ours is two hours ahead, theirs is right
    real = clock.now_s() - 7200
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(real + 3000))
    instant = {"ExpireUTCTime": ends} if with_instant else {}
    auth = encoded(AccessKeyId="STS.u", AccessKeySecret="s" * 9, SecurityToken="t" * 9, Expiration="3000", **instant)
    date = {"Date": email.utils.formatdate(real, usegmt=True)}
    with RawServer(answering((200, grant_json(VideoId="v", UploadAuth=auth), date))) as server:
        grant = create(opened(make_api(clock=clock), server))
    assert grant.auth.expires_at_s - clock.now_s() == pytest.approx(3000, abs=60)
    assert grant.auth.credentials.expires_at_s == grant.auth.expires_at_s
    assert grant.auth.issued_at_s == pytest.approx(clock.now_s(), abs=60)


def test_find_video_reads_numbers_written_as_texts(make_api):
    found = b'{"Video": {"VideoId": "v1", "Status": "Normal", "Title": "T", "Size": "12"}, "RequestId": "R"}'
    with RawServer(answering((200, found, {}))) as server:
        session = opened(make_api(), server)
        assert session.find_video(reference_id="r" * 8) == VideoStatus("v1", "Normal", "T", 12)
    assert "VideoId" not in sent_params(server)


@pytest.mark.parametrize("size", ["0", 0, "", None, "many"])
def test_video_without_a_length_has_none_and_not_one_of_0_bytes(make_api, size):
    found = json.dumps({"Video": {"VideoId": "v1", "Size": size}}).encode()
    with RawServer(answering((200, found, {}))) as server:
        assert opened(make_api(), server).find_video(video_id="v1").size_bytes is None


@pytest.mark.parametrize("video", [{"Status": "Normal"}, {"VideoId": ""}, []])
def test_video_without_an_id_is_no_answer(make_api, video):
    with RawServer(answering((200, json.dumps({"Video": video}).encode(), {}))) as server:
        with pytest.raises(errors.UnexpectedAnswerError):
            opened(make_api(), server).find_video(reference_id="r" * 8)


def test_right_is_known_only_from_an_answer_that_speaks_of_rights(make_api):
    answers = [(400, b'{"Code": "MissingParameter"}', {}), (403, b'{"Code": "Forbidden.RAM"}', {}), (503, b"", {})]
    with RawServer(answering(*answers)) as server:
        session = opened(make_api(), server)
        assert [session.may("vod:CreateUploadVideo") for _ in range(2)] == [True, False]
        with pytest.raises(errors.ServerFaultError):
            session.may("vod:CreateUploadVideo")


@pytest.mark.parametrize("code", ["InvalidVideo.NotFound", "InvalidReferenceId.NotFound"])
def test_find_video_gives_none_when_there_is_none(make_api, code):
    with RawServer(answering((404, json.dumps({"Code": code}).encode(), {}))) as server:
        assert opened(make_api(), server).find_video(video_id="v") is None


def test_find_video_needs_exactly_one_id(make_api):
    session = make_api().open(sts_credentials(), "cn-shanghai", None)
    for options in ({}, {"video_id": "v", "reference_id": "r"}):
        with pytest.raises(errors.InvalidArgumentError):
            session.find_video(**options)


@pytest.mark.parametrize(("error_s", "offset_s"), [(7200.0, 7200.0), (2.0, 0.0)], ids=["wrong", "right to a second"])
def test_life_of_a_role_key_is_told_by_our_clock_where_that_is_wrong(make_api, error_s, offset_s):
    clock = StandingClock()
    real = clock.now_s() - error_s
    ends_s = float(int(real) + 3600)
    key = {
        "AccessKeyId": "STS.x",
        "AccessKeySecret": "s" * 9,
        "SecurityToken": "t" * 9,
        "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends_s)),
    }
    answer = (200, json.dumps({"Credentials": key}).encode(), {"Date": email.utils.formatdate(real, usegmt=True)})
    with RawServer(answering(answer)) as server:
        made = make_api(clock=clock).assume_role(sts_credentials(), "arn", "name", endpoint=server.endpoint)
    assert made.expires_at_s == pytest.approx(ends_s + offset_s, abs=60 if offset_s else 0)


def test_permission_that_cannot_be_read_has_a_code_of_its_own(make_api):
    with RawServer(answering((200, grant_json(VideoId="v", UploadAuth="!!"), {}))) as server:
        with pytest.raises(errors.UnexpectedAnswerError) as caught:
            create(opened(make_api(), server))
    assert caught.value.code == "Protocol.Auth"


def test_a_role_key_without_its_fields_is_unexpected(make_api):
    for body in (b"{}", b'{"Credentials": {"AccessKeyId": "STS.x", "Expiration": "2026-01-01T00:00:00Z"}}'):
        with RawServer(answering((200, body, {}))) as server, pytest.raises(errors.UnexpectedAnswerError):
            make_api().assume_role(sts_credentials(), "arn", "name", endpoint=server.endpoint)


# --- where it goes


@pytest.mark.parametrize("region", KNOWN_REGIONS)
def test_each_region_has_its_https_host(make_api, region):
    assert f"https://vod.{region}.aliyuncs.com" in repr(make_api().open(sts_credentials(), region, None))


@pytest.mark.parametrize("region", ["cn-atlantis", "cn-hangzhou", "", "CN-SHANGHAI", "cn-shanghai.evil.com/", "a b"])
def test_an_unknown_region_is_refused_before_anything_is_sent(make_api, region):
    with pytest.raises(errors.InvalidArgumentError) as caught:
        make_api().open(sts_credentials(), region, None)
    assert caught.value.code == "Region"


def test_an_unknown_region_lists_the_known_ones(make_api):
    with pytest.raises(errors.InvalidArgumentError) as caught:
        make_api().open(sts_credentials(), "cn-atlantis", None)
    assert all(region in caught.value.hint for region in KNOWN_REGIONS)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://vod.cn-shanghai.aliyuncs.com",
        "https://vod.cn-shanghai.aliyuncs.com.evil.com",
        "https://evil.com",
        "https://evilvod.cn-shanghai.aliyuncs.com",
        "https://user:pw@vod.cn-shanghai.aliyuncs.com",
        "https://vod.cn-shanghai.aliyuncs.com/path",
        "https://vod.cn-shanghai.aliyuncs.com?x=1",
        "http://192.168.1.1:8080",
        "https://192.168.1.1",
        "vod.cn-shanghai.aliyuncs.com",
        "http://localhost.evil.com",
        "http://127.0.0.1:99999",
    ],
)
def test_other_hosts_and_plain_http_are_refused(make_api, endpoint):
    with pytest.raises(errors.EndpointRefusedError):
        make_api().open(sts_credentials(), "cn-shanghai", endpoint)


def test_the_vendors_hosts_are_accepted_with_a_slash_and_in_a_vpc(make_api):
    for endpoint in ("https://vod.cn-shanghai.aliyuncs.com/", "https://vod-vpc.cn-beijing.aliyuncs.com"):
        assert make_api().open(sts_credentials(), "cn-shanghai", endpoint)


def test_a_real_key_is_not_sent_to_this_machine(make_api):
    real = Credentials("LTAI5tSomethingReal0", "secret-secret")
    with pytest.raises(errors.CredentialError) as caught:
        make_api().open(real, "cn-shanghai", "http://127.0.0.1:1")
    assert caught.value.code == "Auth.RealKey"


def test_the_environment_changes_nothing(make_api, monkeypatch, home):
    (home / ".netrc").write_text("machine 127.0.0.1 login joe password hunter2\n")
    (home / ".netrc").chmod(0o600)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with RawServer(answering(VIDEO)) as server:
        create(opened(make_api(), server))
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("answer", "url"),
    [
        ('{"PlayInfoList": {"PlayInfo": [{"Format": "flv", "PlayURL": "https://a/1.flv"}, {"Format": "mp4", "PlayURL": "https://a/1.mp4"}]}}', "https://a/1.mp4"),
        ('{"PlayInfoList": {"PlayInfo": [{"Format": "mp4", "PlayURL": "javascript:alert(1)"}]}}', None),
        ('{"PlayInfoList": {"PlayInfo": []}}', None),
        ('{"PlayInfoList": null}', None),
    ],
)  # fmt: skip
def test_play_url_takes_what_a_browser_plays_and_nothing_but_http(make_api, answer, url):
    with RawServer(answering((200, answer.encode(), {}))) as server:
        assert opened(make_api(), server).play_url("v1") == url
    assert sent_params(server)["VideoId"] == "v1"


def test_categories_below_leaves_out_what_is_no_category(make_api):
    answer = b'{"SubCategories": {"Category": [{"CateId": 7, "CateName": "A", "SubTotal": 2}, {"CateId": "x", "CateName": "B"}, {}]}}'
    with RawServer(answering((200, answer, {}), (200, b'{"SubCategories": null}', {}))) as server:
        session = opened(make_api(), server)
        [(category, has_more)] = session.categories_below()
        assert (category.cate_id, category.path, category.level, has_more) == (7, "A", 0, True)
        assert session.categories_below(category) == []
    assert [sent_params(server, n)["CateId"] for n in (0, 1)] == ["-1", "7"]
