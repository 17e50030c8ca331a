"""Who is let in: policies of buckets, other accounts, and who pays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.raw import Grant, Keys, Reply, call, oss, send
from tests.emulator.shop import BUCKET, Shop
from vod_widget.emulator import Emulator, policy

STRANGER = "2000000000000002"
EVERYTHING = f"acs:oss:*:*:{BUCKET}*"


def stranger(emulator: Any, grant: Grant, account_id: str = STRANGER) -> Shop:
    """Another account's view of the bucket."""
    key = emulator.cloud.add_account(account_id)
    return Shop(grant, Keys(key.access_key_id, key.access_key_secret))


def user(emulator: Any, grant: Grant, *actions: str, root: bool = False) -> Shop:
    """A RAM user of the owner's account with some rights only."""
    with emulator.cloud.lock:
        key = emulator.cloud.keys.add_user(policies=[policy.allow(actions)] if actions else (), root=root)
    return Shop(grant, Keys(key.access_key_id, key.access_key_secret))


def rule(effect: str, actions: list[str], principals: object, resources: object = EVERYTHING) -> dict[str, object]:
    return {"Effect": effect, "Action": actions, "Principal": principals, "Resource": resources}


def decree(shop: Shop, *rules: dict[str, object]) -> Reply:
    return shop.ask("PUT", "", "policy", json.dumps({"Version": "1", "Statement": rules}))


def nobody(shop: Shop, method: str = "GET", key: str = "a", query: str = "") -> Reply:
    return send(shop.grant.endpoint, method, f"/{BUCKET}/{key}{query}", {}, b"by nobody" if method == "PUT" else None)


# --- other accounts ----------------------------------------------------------------------


def test_another_account_sees_and_opens_nothing(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine")
    other = stranger(emulator, shop.grant)
    for method, key, query in (
        ("GET", "a", ""),
        ("PUT", "a", ""),
        ("DELETE", "a", ""),
        ("GET", "", ""),
        ("GET", "", "acl"),
    ):
        answer = other.ask(method, key, query, b"theirs" if method == "PUT" else None)
        assert (answer.status, answer.code) == (403, "AccessDenied"), (method, key, query)
    assert oss(shop.grant, "GET", key="", bucket="", keys=other.keys).xml.findall("Buckets/Bucket") == []
    assert other.ask("PUT", "").code == "BucketAlreadyExists"
    assert shop.ask("GET", "a").body == b"mine"


def test_an_acl_for_everyone_is_for_other_accounts_too(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine", x_oss_object_acl="public-read")
    other = stranger(emulator, shop.grant)
    assert other.ask("GET", "a").body == b"mine"
    assert other.ask("PUT", "a", body=b"theirs").code == "AccessDenied"


def test_a_bucket_belongs_to_the_account_that_made_it(emulator: Emulator, grant: Grant, keys: Keys) -> None:
    other = stranger(emulator, grant)
    other.ask("PUT", "")
    other.put("a", b"theirs")
    assert other.ask("GET", "", "bucketInfo").text("Bucket/Owner/ID") == STRANGER
    listed = oss(grant, "GET", key="", bucket="", keys=other.keys).xml
    assert ([node.text for node in listed.findall("Buckets/Bucket/Name")], listed.findtext("Owner/ID")) == (
        [BUCKET],
        STRANGER,
    )
    assert Shop(grant, keys).ask("GET", "a").code == "AccessDenied"
    assert Shop(grant, keys).ask("PUT", "").code == "BucketAlreadyExists"


def test_another_account_has_no_vod_and_no_role_here(emulator: Emulator, grant: Grant) -> None:
    keys = stranger(emulator, grant).keys
    answer = call(emulator, "GetVideoInfo", {"VideoId": grant.media_id}, keys=keys)
    assert (answer.status, answer.code) == (403, "OperationDenied")
    role = {"RoleArn": emulator.role_arn, "RoleSessionName": "me"}
    assert call(emulator, "AssumeRole", role, keys=keys).code == "NoPermission"
    assert call(emulator, "GetCallerIdentity", keys=keys).json["AccountId"] == STRANGER


@pytest.mark.parametrize("account_id", ["", "abc", "1234567890123456"])
def test_another_account_is_digits_and_another_one(emulator: Emulator, account_id: str) -> None:
    with pytest.raises(ValueError, match="account_id must be digits"):
        emulator.cloud.add_account(account_id)


# --- policies of buckets -----------------------------------------------------------------


def test_a_policy_lets_another_account_in_as_far_as_it_says(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine")
    shop.put("b", b"mine")
    other, third = stranger(emulator, shop.grant), stranger(emulator, shop.grant, "3000000000000003")
    assert decree(shop, rule("Allow", ["oss:Get*"], [STRANGER], f"acs:oss:*:*:{BUCKET}/a")).status == 200
    assert other.ask("GET", "a").body == b"mine"
    for method, key in (("GET", "b"), ("PUT", "a"), ("DELETE", "a"), ("GET", "")):
        assert other.ask(method, key, body=b"theirs" if method == "PUT" else None).code == "AccessDenied"
    assert third.ask("GET", "a").code == "AccessDenied"
    assert nobody(shop).code == "AccessDenied"
    shop.ask("DELETE", "", "policy")
    assert other.ask("GET", "a").code == "AccessDenied"


def test_a_policy_names_the_account_of_the_bucket_in_its_resource(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine")
    other = stranger(emulator, shop.grant)
    decree(shop, rule("Allow", ["oss:*"], [STRANGER], f"acs:oss:*:{STRANGER}:{BUCKET}/a"))
    assert other.ask("GET", "a").code == "AccessDenied"
    decree(shop, rule("Allow", ["oss:*"], [STRANGER], f"acs:oss:*:{emulator.account_id}:{BUCKET}/a"))
    assert other.ask("GET", "a").body == b"mine"


def test_deny_wins_over_allow_over_acls_and_over_every_right(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine", x_oss_object_acl="public-read")
    me, other = user(emulator, shop.grant), stranger(emulator, shop.grant)
    decree(shop, rule("Allow", ["oss:*"], ["*"]), rule("Deny", ["oss:GetObject"], "*", f"acs:oss:*:*:{BUCKET}/a"))
    for answer in (me.ask("GET", "a"), other.ask("GET", "a"), nobody(shop)):
        assert (answer.status, answer.code) == (403, "AccessDenied")
        assert b"bucket policy" in answer.body
    assert other.ask("PUT", "b", body=b"theirs").status == 200


def test_everyone_is_not_the_owner(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine")
    root = user(emulator, shop.grant, root=True)
    decree(shop, rule("Deny", ["oss:*"], ["*"]))
    assert root.ask("GET", "a").body == b"mine"
    assert shop.ask("GET", "a").code == "AccessDenied"
    assert root.ask("DELETE", "", "policy").status == 204
    assert shop.ask("GET", "a").body == b"mine"
    far, near = ({"IpAddress": {"acs:SourceIp": [net]}} for net in ("192.0.2.0/24", "127.0.0.0/8"))
    decree(shop, {**rule("Deny", ["oss:GetObject"], ["*"]), "Condition": far})
    assert root.ask("GET", "a").body == b"mine"
    decree(shop, {**rule("Deny", ["oss:GetObject"], ["*"]), "Condition": near})
    assert root.ask("GET", "a").code == "AccessDenied"


def test_a_policy_opens_to_nobody_in_particular_unless_that_is_blocked(shop: Shop) -> None:
    shop.put("a", b"mine")
    decree(shop, rule("Allow", ["oss:GetObject", "oss:PutObject"], ["*"]))
    assert nobody(shop).body == b"mine"
    assert nobody(shop, "PUT", "b").status == 200
    assert nobody(shop, "DELETE").code == "AccessDenied"
    assert nobody(shop, query="?response-content-type=text/html").code == "InvalidRequest"
    block = (
        "<PublicAccessBlockConfiguration><BlockPublicAccess>true</BlockPublicAccess></PublicAccessBlockConfiguration>"
    )
    shop.ask("PUT", "", "publicAccessBlock", block)
    assert nobody(shop).code == "AccessDenied"


def test_a_policy_adds_to_the_rights_of_a_user_but_not_of_a_token(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine")
    me = user(emulator, shop.grant, "oss:ListObjects")
    with emulator.cloud.lock:
        found = emulator.cloud.keys.find(me.keys.access_key_id)
    assert found is not None
    assert me.ask("GET", "a").code == "AccessDenied"
    decree(shop, rule("Allow", ["oss:GetObject"], [found.principal_id]))
    assert me.ask("GET", "a").body == b"mine"
    assert me.ask("DELETE", "a").code == "AccessDenied"
    decree(shop, rule("Allow", ["oss:*"], ["*"]))
    upload = Shop(shop.grant, shop.grant.keys)
    assert upload.ask("GET", "a").code == "AccessDenied"


def test_a_statement_without_principal_is_about_nobody(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine")
    said = {"Effect": "Deny", "Action": ["oss:*"], "Resource": ["*"]}
    assert decree(shop, said).status == 200
    assert shop.ask("GET", "a").body == b"mine"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Condition": {"StringEquals": {"oss:Prefix": ["a"]}}}, "NotImplemented"),
        ({"Condition": {"Maybe": {"acs:SourceIp": ["10.0.0.0/8"]}}}, "InvalidPolicyDocument"),
        ({"NotPrincipal": ["1"]}, "NotImplemented"),
        ({"NotAction": ["oss:GetObject"]}, "NotImplemented"),
        ({"Principal": [1]}, "InvalidPolicyDocument"),
        ({"Principal": {"RAM": ["1"]}}, "InvalidPolicyDocument"),
        ({"Effect": "Maybe"}, "InvalidPolicyDocument"),
        ({"Action": []}, "InvalidPolicyDocument"),
    ],
)
def test_a_policy_that_would_be_half_obeyed_is_refused(shop: Shop, change: dict[str, object], code: str) -> None:
    assert decree(shop, {**rule("Allow", ["oss:GetObject"], ["*"]), **change}).code == code
    assert shop.ask("GET", "", "policy").code == "NoSuchBucketPolicy"


def test_copies_need_the_right_to_their_source(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine")
    other = stranger(emulator, shop.grant)
    oss(shop.grant, "PUT", key="", bucket="their-bucket", keys=other.keys)
    headers: dict[str, str | None] = {"x-oss-copy-source": f"/{BUCKET}/a"}
    refused = oss(shop.grant, "PUT", "", b"", headers, key="c", bucket="their-bucket", keys=other.keys)
    assert refused.code == "AccessDenied"
    decree(shop, rule("Allow", ["oss:GetObject"], [STRANGER]))
    assert oss(shop.grant, "PUT", "", b"", headers, key="c", bucket="their-bucket", keys=other.keys).status == 200


# --- who pays ----------------------------------------------------------------------------


def test_who_does_not_say_that_he_pays_is_refused(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"mine", x_oss_object_acl="public-read")
    other = stranger(emulator, shop.grant)
    assert other.ask("GET", "a").body == b"mine"
    shop.ask(
        "PUT",
        "",
        "requestPayment",
        "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
    )
    assert other.ask("GET", "a").code == "AccessDenied"
    assert other.ask("GET", "a", x_oss_request_payer="owner").code == "AccessDenied"
    assert other.ask("GET", "a", x_oss_request_payer="requester").body == b"mine"
    assert other.ask("GET", "a", "x-oss-request-payer=requester").body == b"mine"
    assert nobody(shop, query="?x-oss-request-payer=requester").code == "AccessDenied"
    assert shop.ask("GET", "a").body == b"mine"
