"""STS: temporary keys and what they may do."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.emulator.raw import Keys, Reply, call, create, oss, owner, send
from vod_widget.emulator import Emulator, Switches

GOOD = {"Title": "talk", "FileName": "talk.mp4"}


def assume(emulator: Emulator, **params: str) -> Keys:
    answer = call(emulator, "AssumeRole", {"RoleArn": emulator.role_arn, "RoleSessionName": "me", **params})
    assert answer.status == 200, answer.body
    made = answer.json["Credentials"]
    return Keys(made["AccessKeyId"], made["AccessKeySecret"], made["SecurityToken"])


def test_assume_role_answers_with_credentials_and_user(emulator: Emulator) -> None:
    params = {"RoleArn": emulator.role_arn, "RoleSessionName": "me@here"}
    answer = call(emulator, "AssumeRole", params, method="POST").json
    assert answer["Credentials"]["AccessKeyId"].startswith("STS.")
    assert answer["Credentials"]["Expiration"].endswith("Z")
    assert answer["AssumedRoleUser"]["Arn"] == f"{emulator.role_arn}/me@here"


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"RoleArn": ""}, 400, "MissingRoleArn"),
        ({"RoleSessionName": ""}, 400, "MissingRoleSessionName"),
        ({"RoleArn": "nonsense"}, 400, "InvalidParameter.RoleArn"),
        ({"RoleArn": "acs:ram::1234567890123456:role/other"}, 404, "EntityNotExist.Role"),
        ({"RoleSessionName": "a"}, 400, "InvalidParameter.RoleSessionName"),
        ({"RoleSessionName": "a b"}, 400, "InvalidParameter.RoleSessionName"),
        ({"DurationSeconds": "899"}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": "3601"}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": "soon"}, 400, "InvalidParameter.DurationSeconds"),
        ({"Policy": "{"}, 400, "InvalidParameter.PolicyGrammar"),
        ({"Policy": '{"Version":"2","Statement":[]}'}, 400, "InvalidParameter.PolicyGrammar"),
        ({"Policy": '{"Version":"1","Statement":[{"Effect":"Maybe"}]}'}, 400, "InvalidParameter.PolicyGrammar"),
        ({"Policy": "x" * 2049}, 400, "InvalidParameter.PolicySize"),
    ],
)
def test_each_wrong_argument_has_its_code(emulator: Emulator, params: dict[str, str], status: int, code: str) -> None:
    good = {"RoleArn": emulator.role_arn, "RoleSessionName": "me"}
    answer = call(emulator, "AssumeRole", {**good, **params})
    assert (answer.status, answer.code) == (status, code)


def test_root_may_not_assume_roles(emulator: Emulator) -> None:
    root = emulator.cloud.keys.add_user(root=True)
    keys = Keys(root.access_key_id, root.access_key_secret)
    answer = call(emulator, "AssumeRole", {"RoleArn": emulator.role_arn, "RoleSessionName": "me"}, keys=keys)
    assert (answer.status, answer.code) == (403, "NoPermission")
    assert call(emulator, "GetCallerIdentity", keys=keys).json["IdentityType"] == "Account"


def test_a_role_may_not_assume_roles(emulator: Emulator) -> None:
    params = {"RoleArn": emulator.role_arn, "RoleSessionName": "me"}
    assert call(emulator, "AssumeRole", params, keys=assume(emulator)).code == "NoPermission"


def test_session_policy_narrows_the_role(emulator: Emulator) -> None:
    statement = {"Effect": "Allow", "Action": ["vod:CreateUploadVideo"], "Resource": "*"}
    keys = assume(emulator, Policy=json.dumps({"Version": "1", "Statement": [statement]}))
    made = call(emulator, "CreateUploadVideo", GOOD, keys=keys)
    assert made.status == 200
    refused = call(emulator, "GetVideoInfo", {"VideoId": made.json["VideoId"]}, keys=keys)
    assert (refused.status, refused.code) == (403, "Forbidden.RAM")


def test_session_policy_cannot_widen_the_role_and_deny_wins(emulator: Emulator) -> None:
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "vod:Create*", "Resource": "*"}
    keys = assume(emulator, Policy=json.dumps({"Version": "1", "Statement": [allow, deny]}))
    assert call(emulator, "CreateUploadVideo", GOOD, keys=keys).code == "Forbidden.RAM"
    video_id = create(emulator).media_id
    assert call(emulator, "GetVideoInfo", {"VideoId": video_id}, keys=keys).status == 200
    again = {"RoleArn": emulator.role_arn, "RoleSessionName": "me"}
    assert call(emulator, "AssumeRole", again, keys=keys).code == "NoPermission"


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": "*"},
        {"NotAction": "vod:*"},
        {"Action": None},
        {"Action": []},
        {"Resource": None},
        {"Resource": 1},
        {"Condition": []},
        {"Condition": {}},
        {"Condition": {"IpIsLike": {"acs:SourceIp": "127.0.0.1"}}},
        {"Condition": {"IpAddress": {"acs:SourceIp": "somewhere"}}},
        {"Condition": {"IpAddress": {"acs:SourceIp": 7}}},
    ],
)
def test_a_policy_has_no_other_elements(emulator: Emulator, change: dict[str, Any]) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", **change}
    text = json.dumps({"Version": "1", "Statement": [{k: v for k, v in statement.items() if v is not None}]})
    params = {"RoleArn": emulator.role_arn, "RoleSessionName": "me", "Policy": text}
    refused = call(emulator, "AssumeRole", params)
    assert (refused.status, refused.code) == (400, "InvalidParameter.PolicyGrammar")


def test_a_policy_has_no_other_elements_at_its_top(emulator: Emulator) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    params = {"RoleArn": emulator.role_arn, "RoleSessionName": "me"}
    for more, code in (({}, None), ({"Id": "x"}, "InvalidParameter.PolicyGrammar")):
        text = json.dumps({"Version": "1", "Statement": [statement], **more})
        assert call(emulator, "AssumeRole", {**params, "Policy": text}).code == code


def rights(emulator: Emulator, *statements: dict[str, Any]) -> tuple[bool, bool]:
    """Tell whether a session of this policy may create a video and ask for one."""
    spread = [{"Resource": "*", **statement} for statement in statements]
    keys = assume(emulator, Policy=json.dumps({"Version": "1", "Statement": spread}))
    video_id = create(emulator).media_id
    created = call(emulator, "CreateUploadVideo", GOOD, keys=keys).status == 200
    return created, call(emulator, "GetVideoInfo", {"VideoId": video_id}, keys=keys).status == 200


def test_not_action_means_all_but(emulator: Emulator) -> None:
    assert rights(emulator, {"Effect": "Allow", "NotAction": "vod:Create*"}) == (False, True)
    allow = {"Effect": "Allow", "Action": "*"}
    assert rights(emulator, allow, {"Effect": "Deny", "NotAction": ["vod:Get*"]}) == (False, True)


def test_a_condition_that_cannot_be_judged_grants_nothing_and_forbids(emulator: Emulator) -> None:
    allow = {"Effect": "Allow", "Action": "*"}
    deny = {"Effect": "Deny", "Action": "vod:Create*"}
    here = {"IpAddress": {"acs:SourceIp": ["10.0.0.0/8", "127.0.0.0/8"]}}
    away = {"NotIpAddress": {"acs:SourceIp": "127.0.0.1"}}
    unknown = {"Bool": {"acs:SecureTransport": "true"}}
    assert rights(emulator, {**allow, "Condition": here}) == (True, True)
    assert rights(emulator, {**allow, "Condition": away}) == (False, False)
    assert rights(emulator, {**allow, "Condition": {**here, **unknown}}) == (False, False)
    assert rights(emulator, allow, {**deny, "Condition": here}) == (False, True)
    assert rights(emulator, allow, {**deny, "Condition": away}) == (True, True)
    assert rights(emulator, allow, {**deny, "Condition": unknown}) == (False, True)


def test_duration_is_the_life_of_the_token(emulator: Emulator) -> None:
    keys = assume(emulator, DurationSeconds="900")
    emulator.clock.advance(899)
    assert call(emulator, "CreateUploadVideo", GOOD, keys=keys).status == 200
    emulator.clock.advance(2)
    assert call(emulator, "CreateUploadVideo", GOOD, keys=keys).code == "InvalidSecurityToken.Expired"


def test_longer_sessions_are_a_switch() -> None:
    with Emulator(switches=Switches(max_session_duration_s=43_200)) as emulator:
        assert assume(emulator, DurationSeconds="43200").security_token


def test_caller_identity_of_user_and_role(emulator: Emulator) -> None:
    user = call(emulator, "GetCallerIdentity").json
    assert (user["IdentityType"], user["AccountId"]) == ("RAMUser", emulator.account_id)
    role = call(emulator, "GetCallerIdentity", keys=assume(emulator)).json
    assert role["IdentityType"] == "AssumedRoleUser"
    assert role["Arn"] == f"{emulator.role_arn}/me"


# --- the token of an identity provider ---------------------------------------------------


def assume_with_oidc(emulator: Emulator, **change: str) -> Reply:
    """Nothing is signed: the token is the proof."""
    params = {
        "Action": "AssumeRoleWithOIDC",
        "Version": "2015-04-01",
        "Format": "JSON",
        "RoleArn": emulator.role_arn,
        "RoleSessionName": "pod",
        "OIDCProviderArn": f"acs:ram::{emulator.account_id}:oidc-provider/nobody",
        "OIDCToken": "a.b.c",
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **change,
    }
    return send(emulator.endpoint, "POST", "/?" + urlencode(params), {})


def test_tokens_of_identity_providers_are_judged() -> None:
    with Emulator() as emulator:  # for its provider, which the cloud in memory has not by name
        provider, token = emulator.oidc_provider_arn, emulator.oidc_token(ttl_s=100)
        given = {"OIDCProviderArn": provider, "OIDCToken": token}
        made = assume_with_oidc(emulator, **given).json["Credentials"]
        keys = Keys(made["AccessKeyId"], made["AccessKeySecret"], made["SecurityToken"])
        assert call(emulator, "CreateUploadVideo", GOOD, keys=keys).status == 200
        refused = "AuthenticationFail.OIDCToken"
        head, claims, signature = token.split(".")
        for change, code in (
            ({"OIDCProviderArn": f"{provider}x"}, "AuthenticationFail.NoPermission"),
            ({"OIDCToken": f"{head}.{claims}"}, f"{refused}.Invalid"),
            ({"OIDCToken": f"{head}.e30.{signature}"}, f"{refused}.Invalid"),
            ({"OIDCToken": f"x{head}.{claims}.{signature}"}, f"{refused}.InvalidSignature"),
        ):
            answer = assume_with_oidc(emulator, **{**given, **change})
            assert (answer.status, answer.code) == (401, code)
        emulator.clock.advance(100)
        assert assume_with_oidc(emulator, **given).code == f"{refused}.Expired"
        assert token not in repr(emulator.requests)


def test_a_switch_lets_the_role_use_oss() -> None:
    with Emulator(switches=Switches(role_actions=("vod:*", "oss:Get*"))) as emulator:
        keys = owner(emulator)
        oss(create(emulator), "PUT", body=b"x", key="a", keys=keys)
        answer = call(emulator, "AssumeRole", {"RoleArn": emulator.role_arn, "RoleSessionName": "me"}).json
        made = answer["Credentials"]
        role = Keys(made["AccessKeyId"], made["AccessKeySecret"], made["SecurityToken"])
        grant = create(emulator)
        assert oss(grant, "GET", key="a", keys=role).body == b"x"
        assert oss(grant, "PUT", body=b"y", key="a", keys=role).code == "AccessDenied"
