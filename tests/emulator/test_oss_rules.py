"""What a bucket does to its objects: it keeps them from change, says that it encrypts them, shows them as pages."""

from __future__ import annotations

from tests.emulator.raw import complete, initiate, oss, put_part, send
from tests.emulator.shop import BUCKET, Shop
from vod_widget.emulator import Emulator

DAY_S = 86_400.0
KMS = {"x_oss_server_side_encryption": "KMS"}
HEAD = "x-oss-server-side-"


# --- retention ---------------------------------------------------------------------------


def retain(shop: Shop, days: object = 2) -> str:
    body = (
        f"<InitiateWormConfiguration><RetentionPeriodInDays>{days}</RetentionPeriodInDays></InitiateWormConfiguration>"
    )
    return shop.ask("POST", "", "worm", body).headers.get("x-oss-worm-id", "")


def extend(shop: Shop, worm_id: str, days: int) -> tuple[int, str | None]:
    body = f"<ExtendWormConfiguration><RetentionPeriodInDays>{days}</RetentionPeriodInDays></ExtendWormConfiguration>"
    answer = shop.ask("POST", "", f"wormExtend&wormId={worm_id}", body)
    return answer.status, answer.code


def test_what_is_retained_is_neither_replaced_nor_deleted(shop: Shop) -> None:
    shop.ask("POST", "a", "append&position=0", b"one")
    retain(shop)
    attempts = [
        shop.ask("PUT", "a", body=b"two"),
        shop.ask("POST", "a", "append&position=3", b"two"),
        shop.ask("PUT", "a", x_oss_copy_source=f"/{BUCKET}/a"),
        shop.ask("PUT", "a", "symlink", x_oss_symlink_target="b"),
        shop.ask("POST", "a", "uploads"),
        shop.delete("a"),
        shop.delete_many(("a", "")),
    ]
    assert [(answer.status, answer.code) for answer in attempts] == [(409, "FileImmutable")] * 7
    assert shop.ask("GET", "a").body == b"one"
    assert shop.ask("PUT", "new", body=b"new").status == 200


def test_an_upload_that_began_before_replaces_nothing_that_is_retained(shop: Shop) -> None:
    options = {"key": "a", "bucket": BUCKET, "keys": shop.keys}
    upload_id = initiate(shop.grant, **options)
    etag = put_part(shop.grant, upload_id, 1, b"multi", **options).headers["etag"]
    shop.put("a", b"one")
    retain(shop)
    assert complete(shop.grant, upload_id, [(1, etag)], **options).code == "FileImmutable"
    assert shop.ask("GET", "a").body == b"one"
    assert oss(shop.grant, "GET", f"uploadId={upload_id}", **options).status == 200


def test_retention_ends_by_age_and_an_unlocked_policy_after_a_day(emulator: Emulator, shop: Shop) -> None:
    worm_id = retain(shop)
    shop.put("a", b"one")
    assert shop.ask("POST", "", f"wormId={worm_id}").status == 200
    emulator.clock.advance(DAY_S * 2 - 60)
    assert shop.delete("a").code == "FileImmutable"
    shop.put("b", b"later")
    emulator.clock.advance(120)
    assert shop.delete("a").status == 204
    assert shop.delete("b").code == "FileImmutable"


def test_a_policy_that_nobody_locks_is_void_after_a_day(emulator: Emulator, shop: Shop) -> None:
    retain(shop)
    shop.put("a", b"one")
    assert shop.delete("a").code == "FileImmutable"
    emulator.clock.advance(DAY_S + 1)
    assert shop.ask("GET", "", "worm").code == "NoSuchWORMConfiguration"
    assert shop.delete("a").status == 204
    assert retain(shop)


def test_the_life_of_a_retention_policy(shop: Shop) -> None:
    assert shop.ask("GET", "", "worm").code == "NoSuchWORMConfiguration"
    for bad in (0, "x", 25_551):
        assert retain(shop, bad) == ""
    worm_id = retain(shop, 1)
    shown = shop.ask("GET", "", "worm")
    assert [shown.text(name) for name in ("WormId", "State", "RetentionPeriodInDays")] == [worm_id, "InProgress", "1"]
    assert retain(shop, 3) == ""
    assert extend(shop, worm_id, 2) == (400, "InvalidWORMConfiguration")
    assert shop.ask("POST", "", "wormId=other").code == "NoSuchWORMConfiguration"
    assert shop.ask("DELETE", "", "worm").status == 204
    worm_id = retain(shop, 1)
    shop.ask("POST", "", f"wormId={worm_id}")
    assert shop.ask("GET", "", "worm").text("State") == "Locked"
    for answer in (shop.ask("DELETE", "", "worm"), shop.ask("POST", "", f"wormId={worm_id}")):
        assert (answer.status, answer.code) == (403, "WORMConfigurationLocked")
    assert extend(shop, worm_id, 1) == (400, "InvalidWORMConfiguration")
    assert extend(shop, worm_id, 2) == (200, None)
    assert shop.ask("GET", "", "worm").text("RetentionPeriodInDays") == "2"


def test_versions_that_are_retained_stay_under_their_marker(kept: Shop) -> None:
    first = kept.put("a", b"one")
    retain(kept)
    assert kept.put("a", b"two")
    assert kept.delete("a").status == 204
    assert kept.delete("a", first).code == "FileImmutable"
    assert kept.get("a", first).body == b"one"


# --- encryption --------------------------------------------------------------------------


def test_answers_say_which_encryption_an_object_has(shop: Shop) -> None:
    put = shop.ask("PUT", "a", body=b"x", **KMS, x_oss_server_side_data_encryption="SM4")
    key_id = put.headers[f"{HEAD}encryption-key-id"]
    for answer in (put, shop.ask("HEAD", "a"), shop.ask("GET", "a")):
        told = [answer.headers[f"{HEAD}{name}"] for name in ("encryption", "data-encryption", "encryption-key-id")]
        assert told == ["KMS", "SM4", key_id]
    aes = shop.ask(
        "PUT", "a", body=b"x", x_oss_server_side_encryption="AES256", x_oss_server_side_data_encryption="SM4"
    )
    assert [name for name in aes.headers if name.startswith(HEAD)] == [f"{HEAD}encryption"]
    assert not any(name.startswith(HEAD) for name in shop.ask("PUT", "a", body=b"x").headers)
    own = shop.ask("PUT", "a", body=b"x", **KMS, x_oss_server_side_encryption_key_id="mine")
    assert own.headers[f"{HEAD}encryption-key-id"] == "mine"


def test_a_bucket_with_a_rule_encrypts_what_says_nothing(shop: Shop) -> None:
    rule = "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>SM4</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
    shop.ask("PUT", "", "encryption", f"<ServerSideEncryptionRule>{rule}</ServerSideEncryptionRule>")
    assert shop.ask("PUT", "a", body=b"x").headers[f"{HEAD}encryption"] == "SM4"
    assert (
        shop.ask("PUT", "a", body=b"x", x_oss_server_side_encryption="AES256").headers[f"{HEAD}encryption"] == "AES256"
    )


def test_an_upload_is_encrypted_as_it_began(shop: Shop) -> None:
    options = {"key": "m", "bucket": BUCKET, "keys": shop.keys}
    begun = shop.ask("POST", "m", "uploads", **KMS)
    assert begun.headers[f"{HEAD}encryption"] == "KMS"
    upload_id = begun.text("UploadId") or ""
    named = {f"{HEAD}encryption": "KMS"}
    assert put_part(shop.grant, upload_id, 1, b"x", headers=named, **options).code == "InvalidArgument"
    part = put_part(shop.grant, upload_id, 1, b"x", **options)
    assert part.headers[f"{HEAD}encryption"] == "KMS"
    assert (
        complete(shop.grant, upload_id, [(1, part.headers["etag"])], headers=named, **options).code == "InvalidArgument"
    )
    done = complete(shop.grant, upload_id, [(1, part.headers["etag"])], **options)
    assert done.headers[f"{HEAD}encryption"] == "KMS"


def test_a_copy_does_not_inherit_encryption(shop: Shop) -> None:
    shop.ask("PUT", "a", body=b"x", **KMS)
    shop.ask("PUT", "copy", x_oss_copy_source=f"/{BUCKET}/a")
    assert f"{HEAD}encryption" not in shop.ask("HEAD", "copy").headers
    shop.ask("PUT", "copy", x_oss_copy_source=f"/{BUCKET}/a", x_oss_server_side_encryption="AES256")
    assert shop.ask("HEAD", "copy").headers[f"{HEAD}encryption"] == "AES256"


def test_no_other_encryption_is_taken(shop: Shop) -> None:
    assert shop.ask("PUT", "a", body=b"x", x_oss_server_side_encryption="DES").code == "InvalidEncryptionAlgorithmError"
    bad = shop.ask("PUT", "a", body=b"x", x_oss_server_side_encryption="SM4", x_oss_server_side_encryption_key_id="k")
    assert bad.code == "InvalidArgument"
    assert shop.ask("GET", "a", x_oss_server_side_encryption="KMS").code == "InvalidArgument"
    assert shop.ask("HEAD", "a").status == 404


# --- websites ----------------------------------------------------------------------------


def publish(shop: Shop, more: str = "", error: str = "<ErrorDocument><Key>error.html</Key></ErrorDocument>") -> None:
    index = f"<IndexDocument><Suffix>index.html</Suffix>{more}</IndexDocument>"
    body = f"<WebsiteConfiguration>{index}{error}</WebsiteConfiguration>"
    assert shop.ask("PUT", "", "website", body).status == 200
    for key, text in (("index.html", b"home"), ("sub/index.html", b"sub"), ("error.html", b"nothing here")):
        shop.put(key, text, x_oss_object_acl="public-read", Content_Type="text/html")


def test_a_website_shows_its_pages(shop: Shop) -> None:
    publish(shop)
    assert (shop.ask("GET", "sub/").status, shop.ask("GET", "sub/").body) == (200, b"home")
    gone = shop.ask("GET", "none")
    assert (gone.status, gone.body, gone.headers["content-type"]) == (404, b"nothing here", "text/html")
    assert "x-oss-err" in shop.ask("HEAD", "none").headers
    assert shop.ask("GET", "error.html").status == 200
    shop.put("real/", b"a folder's own bytes")
    assert shop.ask("GET", "real/").body == b"a folder's own bytes"
    shop.ask("DELETE", "", "website")
    assert shop.ask("GET", "sub/").code == "NoSuchKey"


def test_folders_have_pages_of_their_own_when_the_bucket_says_so(shop: Shop) -> None:
    publish(shop, "<SupportSubDir>true</SupportSubDir>", "")
    assert shop.ask("GET", "sub/").body == b"sub"
    assert shop.ask("GET", "other/").code == "NoSuchKey"


def test_a_bucket_alone_is_its_first_page_for_who_does_not_sign(shop: Shop) -> None:
    publish(shop)
    assert send(shop.grant.endpoint, "GET", f"/{BUCKET}/", {}).body == b"home"
    assert send(shop.grant.endpoint, "GET", f"/{BUCKET}/?prefix=a", {}).code == "AccessDenied"
    assert shop.ask("GET", "").xml.tag == "ListBucketResult"
    shop.ask("PUT", "index.html", "acl", x_oss_object_acl="private")
    assert send(shop.grant.endpoint, "GET", f"/{BUCKET}/", {}).code == "AccessDenied"


def test_a_private_page_is_shown_to_nobody(shop: Shop) -> None:
    publish(shop)
    shop.ask("PUT", "", "acl", x_oss_acl="public-read")
    shop.ask("PUT", "error.html", "acl", x_oss_object_acl="private")
    nobody = send(shop.grant.endpoint, "GET", f"/{BUCKET}/none", {})
    assert (nobody.status, b"nothing here" in nobody.body) == (403, False)
    assert send(shop.grant.endpoint, "GET", f"/{BUCKET}/sub/", {}).body == b"home"
