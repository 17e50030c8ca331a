"""The gateway: each mistake of a caller gets its own code, and nothing else does."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import pytest

from tests.emulator.raw import Keys, call, create, owner, rpc_params, rpc_sign, send
from vod_widget.emulator import Emulator, Switches

GOOD = {"Title": "talk", "FileName": "talk.mp4"}


@pytest.mark.parametrize(("method", "form"), [("GET", False), ("POST", False), ("POST", True)])
def test_get_and_post_work_with_parameters_in_query_or_form(emulator: Emulator, method: str, form: bool) -> None:
    answer = call(emulator, "CreateUploadVideo", GOOD, method=method, form=form)
    assert answer.status == 200
    assert set(answer.json) == {"RequestId", "VideoId", "UploadAddress", "UploadAuth"}
    assert answer.headers["content-type"].startswith("application/json")


def test_default_format_is_xml_without_indentation(emulator: Emulator) -> None:
    answer = call(emulator, "CreateUploadVideo", GOOD, change={"Format": None})
    assert answer.xml.tag == "CreateUploadVideoResponse"
    assert answer.text("VideoId")
    assert b"\n" not in answer.body.split(b"?>", 1)[1]
    error = call(emulator, "CreateUploadVideo", {}, change={"Format": "xml"})
    assert error.xml.tag == "Error"
    assert [node.tag for node in error.xml] == ["RequestId", "HostId", "Code", "Message"]


def test_error_json_has_the_four_keys_and_a_help_link(emulator: Emulator) -> None:
    answer = call(emulator, "CreateUploadVideo", {"FileName": "a.mp4"})
    assert answer.status == 400
    assert set(answer.json) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert answer.json["Code"] == "MissingTitle"
    assert answer.json["Message"] == "Title is mandatory for this action."


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"Action": None}, 400, "MissingAction"),
        ({"Action": "MakeCoffee"}, 404, "InvalidApi.NotFound"),
        ({"Action": "AssumeRole"}, 404, "InvalidApi.NotFound"),
        ({"Version": None}, 400, "MissingVersion"),
        ({"Version": "2017-03-22"}, 400, "InvalidVersion"),
        ({"Format": "YAML"}, 400, "InvalidParameter.Format"),
        ({"AccessKeyId": None}, 400, "MissingAccessKeyId"),
        ({"AccessKeyId": "EMUnobody"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"Signature": None}, 400, "MissingSignature"),
        ({"Signature": "AAAA"}, 400, "SignatureDoesNotMatch"),
        ({"SignatureMethod": None}, 400, "MissingSignatureMethod"),
        ({"SignatureMethod": "HMAC-MD5"}, 400, "InvalidSignatureMethod"),
        ({"SignatureVersion": "2.0"}, 400, "InvalidSignatureVersion"),
        ({"SignatureNonce": None}, 400, "MissingSignatureNonce"),
        ({"Timestamp": None}, 400, "MissingTimestamp"),
        ({"Timestamp": None, "TimeStamp": "2026-01-01T00:00:00Z"}, 400, "MissingTimestamp"),
        ({"Timestamp": "2026-01-01 00:00:00"}, 400, "InvalidTimeStamp.Format"),
        ({"Timestamp": "2026-1-2T3:4:5Z"}, 400, "InvalidTimeStamp.Format"),
        ({"Timestamp": "2026-13-01T00:00:00Z"}, 400, "InvalidTimeStamp.Format"),
        ({"Timestamp": "2020-01-01T00:00:00Z"}, 400, "InvalidTimeStamp.Expired"),
        ({"SecurityToken": "CAISrubbish"}, 400, "InvalidSecurityToken.Malformed"),
    ],
)
def test_each_wrong_common_parameter_has_its_code(
    emulator: Emulator, change: dict[str, str | None], status: int, code: str
) -> None:
    answer = call(emulator, "CreateUploadVideo", GOOD, change=change)
    assert (answer.status, answer.code) == (status, code)
    assert emulator.assets == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_verbs_are_refused(emulator: Emulator, method: str) -> None:
    answer = call(emulator, "CreateUploadVideo", GOOD, method=method)
    assert (answer.status, answer.code) == (400, "UnsupportedHTTPMethod")


def test_mismatch_prints_the_servers_string_to_sign(emulator: Emulator) -> None:
    keys = owner(emulator)
    params = rpc_params("CreateUploadVideo", GOOD, keys)
    params["Signature"] = rpc_sign("GET", params, "wrong secret")
    query = "&".join(f"{k}={v}" for k, v in params.items())
    message = send(emulator.endpoint, "GET", f"/?{query}", {}).json["Message"]
    assert message.partition("server string to sign is:")[2].startswith("GET&%2F&AccessKeyId%3DEMU")
    assert keys.access_key_secret not in message


def test_verb_is_part_of_the_signature(emulator: Emulator) -> None:
    keys = owner(emulator)
    params = rpc_params("GetCallerIdentity", {}, keys)
    params["Signature"] = rpc_sign("GET", params, keys.access_key_secret)
    target = f"/?{urlencode(params)}"
    assert send(emulator.endpoint, "POST", target, {}).code == "SignatureDoesNotMatch"
    assert send(emulator.endpoint, "GET", target, {}).status == 200


def test_a_name_sent_twice_is_refused(emulator: Emulator) -> None:
    answer = send(emulator.endpoint, "GET", "/?Action=GetVideoInfo&Format=JSON&VideoId=a&VideoId=b", {})
    assert (answer.status, answer.code) == (400, "InvalidParameter")


def test_nonce_works_once_and_only_a_good_signature_uses_it_up(emulator: Emulator) -> None:
    change = {"SignatureNonce": "n-1"}
    assert call(emulator, "GetCallerIdentity", change={**change, "Signature": "x"}).code == "SignatureDoesNotMatch"
    assert call(emulator, "GetCallerIdentity", change=change).status == 200
    again = call(emulator, "GetCallerIdentity", change=change)
    assert (again.status, again.code) == (400, "SignatureNonceUsed")


def test_a_nonce_is_used_up_for_its_key_only(emulator: Emulator) -> None:
    user = emulator.cloud.keys.add_user(name="other")
    other = Keys(user.access_key_id, user.access_key_secret)
    change = {"SignatureNonce": "n-1"}
    assert call(emulator, "GetCallerIdentity", change=change).status == 200
    assert call(emulator, "GetCallerIdentity", keys=other, change=change).status == 200
    assert call(emulator, "GetCallerIdentity", keys=other, change=change).code == "SignatureNonceUsed"


@pytest.mark.parametrize(("skew_s", "good"), [(890, True), (-890, True), (910, False), (-910, False)])
def test_timestamp_may_be_fifteen_minutes_off(emulator: Emulator, skew_s: float, good: bool) -> None:
    emulator.clock.skew(skew_s)
    answer = call(emulator, "GetCallerIdentity")
    assert (answer.code is None) == good
    if not good:
        assert (answer.status, answer.code) == (400, "InvalidTimeStamp.Expired")


def test_advancing_time_does_not_spoil_timestamps(emulator: Emulator) -> None:
    emulator.clock.advance(10_000)
    assert call(emulator, "GetCallerIdentity").status == 200


def test_switch_lets_calls_without_timestamp_pass() -> None:
    with Emulator(switches=Switches(allow_missing_timestamp=True)) as emulator:
        assert call(emulator, "CreateUploadVideo", GOOD, change={"Timestamp": None}).status == 200
        late = {"Timestamp": "2020-01-01T00:00:00Z"}
        assert call(emulator, "CreateUploadVideo", GOOD, change=late).code == "InvalidTimeStamp.Expired"


def test_disabled_key_is_refused(emulator: Emulator) -> None:
    emulator.cloud.owner.active = False
    answer = call(emulator, "GetCallerIdentity")
    assert (answer.status, answer.code) == (400, "InvalidAccessKeyId.Inactive")


def test_telemetry_of_the_vendors_python_sdk_is_taken_unsigned(emulator: Emulator) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "Action=ReportUploadProgress&Version=2017-03-21&Format=JSON"
    assert send(emulator.endpoint, "POST", "/", headers, body).status == 200


def test_upload_key_may_not_call_vod(emulator: Emulator) -> None:
    answer = call(emulator, "CreateUploadVideo", GOOD, keys=create(emulator).keys)
    assert (answer.status, answer.code) == (403, "Forbidden.RAM")


def test_odd_characters_come_back_as_readable_xml(emulator: Emulator) -> None:
    answer = call(emulator, "GetVideoInfo", {"VideoId": "<a&\x01>"}, change={"Format": None, "Action": "\x02<x>"})
    assert answer.code == "InvalidApi.NotFound"


def test_request_ids_are_upper_case_uuids_and_differ(emulator: Emulator) -> None:
    ids = {call(emulator, "GetCallerIdentity").json["RequestId"] for _ in range(3)}
    assert len(ids) == 3
    assert all(len(i) == 36 and i == i.upper() for i in ids)


def test_temporary_key_needs_its_own_living_token(emulator: Emulator) -> None:
    role = {"RoleArn": emulator.role_arn, "RoleSessionName": "me"}
    first, second = (call(emulator, "AssumeRole", role).json["Credentials"] for _ in range(2))
    keys = Keys(first["AccessKeyId"], first["AccessKeySecret"], first["SecurityToken"])
    assert call(emulator, "CreateUploadVideo", GOOD, keys=keys).status == 200
    none = call(emulator, "CreateUploadVideo", GOOD, keys=keys, change={"SecurityToken": None})
    assert (none.status, none.code) == (400, "MissingSecurityToken")
    foreign = call(emulator, "CreateUploadVideo", GOOD, keys=keys, change={"SecurityToken": second["SecurityToken"]})
    assert (foreign.status, foreign.code) == (400, "InvalidSecurityToken.MismatchWithAccessKey")
    on_long = call(emulator, "CreateUploadVideo", GOOD, change={"SecurityToken": first["SecurityToken"]})
    assert on_long.code == "InvalidSecurityToken.MismatchWithAccessKey"
    emulator.clock.advance(3601)
    late = call(emulator, "CreateUploadVideo", GOOD, keys=keys)
    assert (late.status, late.code) == (400, "InvalidSecurityToken.Expired")


def test_answers_carry_date_and_server(emulator: Emulator) -> None:
    emulator.clock.skew(600)
    headers = call(emulator, "GetCallerIdentity").headers
    assert headers["server"]
    sent = time.mktime(time.strptime(headers["date"], "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
    assert abs(sent - time.time() - 600) < 60
