"""Versions of objects: no byte is lost while they are kept, and the one that is asked for comes back."""

from __future__ import annotations

import pytest

from tests.emulator.raw import Grant, Keys, complete, initiate, oss, put_part, send
from tests.emulator.shop import BUCKET, Shop
from vod_widget.emulator import Emulator, policy

MISSING = "CAEQJhiBgIDVmYrr1RYiIGE5ZmUxMjViZDIwYjQwY2I5ODA1YWIxNmIyNDNjYjk4"


def test_the_switch_of_a_bucket(shop: Shop) -> None:
    assert shop.ask("GET", "", "versioning").text("Status") is None
    assert shop.ask("GET", "", "bucketInfo").text("Bucket/Versioning") is None
    for bad in ("", "Disabled", "enabled"):
        assert shop.switch(bad).code == "MalformedXML"
    for status in ("Enabled", "Suspended"):
        shop.switch(status)
        assert shop.ask("GET", "", "versioning").text("Status") == status
        assert shop.ask("GET", "", "bucketInfo").text("Bucket/Versioning") == status


def test_without_versioning_answers_name_no_version(shop: Shop) -> None:
    assert shop.put("a", b"one") == ""
    assert "x-oss-version-id" not in shop.ask("GET", "a").headers
    assert shop.get("a", "null").body == b"one"
    assert shop.get("a", MISSING).code == "NoSuchVersion"
    assert "x-oss-delete-marker" not in shop.delete("a").headers
    assert shop.versions() == []


def test_overwriting_keeps_the_old_bytes(kept: Shop) -> None:
    first, second = kept.put("a", b"one"), kept.put("a", b"second")
    assert first != second
    shown = kept.ask("GET", "a")
    assert (shown.body, shown.headers["x-oss-version-id"]) == (b"second", second)
    old = kept.get("a", first)
    assert (old.body, old.headers["x-oss-version-id"], old.headers["content-length"]) == (b"one", first, "3")
    assert kept.ask("HEAD", "a", f"versionId={first}").headers["content-length"] == "3"
    assert kept.ask("HEAD", "a", f"objectMeta&versionId={first}").headers["content-length"] == "3"
    assert kept.versions() == [("Version", "a", second, True), ("Version", "a", first, False)]


def test_what_was_there_before_is_the_version_null(shop: Shop) -> None:
    shop.put("a", b"old")
    shop.switch("Enabled")
    assert shop.ask("GET", "a").headers["x-oss-version-id"] == "null"
    new = shop.put("a", b"new")
    assert shop.get("a", "null").body == b"old"
    assert shop.versions() == [("Version", "a", new, True), ("Version", "a", "null", False)]


def test_a_suspended_bucket_replaces_the_version_null_only(kept: Shop) -> None:
    first = kept.put("a", b"one")
    kept.switch("Suspended")
    assert kept.put("a", b"two") == "null"
    assert kept.put("a", b"three") == "null"
    assert kept.ask("GET", "a").body == b"three"
    assert kept.get("a", first).body == b"one"
    assert kept.versions() == [("Version", "a", "null", True), ("Version", "a", first, False)]
    hidden = kept.delete("a")
    assert (hidden.headers["x-oss-version-id"], hidden.headers["x-oss-delete-marker"]) == ("null", "true")
    assert kept.versions() == [("DeleteMarker", "a", "null", True), ("Version", "a", first, False)]


def test_deleting_hides_and_deleting_the_marker_shows_again(kept: Shop) -> None:
    first = kept.put("a", b"one")
    hidden = kept.delete("a")
    marker = hidden.headers["x-oss-version-id"]
    assert (hidden.status, hidden.headers["x-oss-delete-marker"]) == (204, "true")
    gone = kept.ask("GET", "a")
    assert (gone.status, gone.code, gone.headers["x-oss-delete-marker"]) == (404, "NoSuchKey", "true")
    assert kept.ask("GET", "").text("Contents/Key") is None
    named = kept.get("a", marker)
    assert (named.status, named.code, named.headers["x-oss-delete-marker"]) == (405, "MethodNotAllowed", "true")
    assert kept.get("a", first).body == b"one"
    shown = kept.delete("a", marker)
    assert (shown.headers["x-oss-version-id"], shown.headers["x-oss-delete-marker"]) == (marker, "true")
    assert kept.ask("GET", "a").body == b"one"


def test_a_version_that_is_named_is_deleted_for_good(kept: Shop) -> None:
    first, second = kept.put("a", b"one"), kept.put("a", b"two")
    done = kept.delete("a", second)
    assert (done.headers["x-oss-version-id"], "x-oss-delete-marker" in done.headers) == (second, False)
    assert kept.ask("GET", "a").body == b"one"
    assert kept.get("a", second).code == "NoSuchVersion"
    assert kept.delete("a", second).status == 204
    kept.delete("a", first)
    assert kept.ask("GET", "a").code == "NoSuchKey"
    assert kept.versions() == []


def test_nothing_is_deleted_that_has_a_marker_already_or_never_was(kept: Shop) -> None:
    markers = [kept.delete("a").headers["x-oss-version-id"] for _ in range(2)]
    assert kept.versions() == [("DeleteMarker", "a", markers[1], True), ("DeleteMarker", "a", markers[0], False)]


@pytest.mark.parametrize("version", ["", "234", "CAEQ", "null "])
def test_what_can_be_no_version_is_refused(kept: Shop, version: str) -> None:
    kept.put("a", b"one")
    query = f"versionId={version}".replace(" ", "%20")
    for method, more in (("GET", ""), ("DELETE", ""), ("PUT", "&acl"), ("GET", "&tagging")):
        answer = kept.ask(method, "a", query + more, x_oss_object_acl="private")
        assert (answer.status, answer.code) == (400, "InvalidArgument"), (method, more)
    assert kept.ask("GET", "a").body == b"one"


def test_a_version_is_no_target_of_an_upload(kept: Shop) -> None:
    first = kept.put("a", b"one")
    assert kept.ask("PUT", "a", f"versionId={first}", b"two").code == "NotImplemented"
    assert kept.ask("POST", "a", f"uploads&versionId={first}").code == "NotImplemented"
    assert kept.get("a", first).body == b"one"


def test_tags_and_acl_belong_to_a_version(kept: Shop) -> None:
    first, second = kept.put("a", b"one"), kept.put("a", b"two")
    tags = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"
    done = kept.ask("PUT", "a", f"tagging&versionId={first}", tags)
    assert (done.status, done.headers["x-oss-version-id"]) == (200, first)
    kept.ask("PUT", "a", f"acl&versionId={first}", x_oss_object_acl="public-read")
    shown = kept.ask("GET", "a", f"tagging&versionId={first}")
    assert (shown.text("TagSet/Tag/Key"), shown.headers["x-oss-version-id"]) == ("k", first)
    assert kept.ask("GET", "a", f"acl&versionId={first}").text("AccessControlList/Grant") == "public-read"
    assert kept.ask("GET", "a", "tagging").text("TagSet/Tag/Key") is None
    newest = kept.ask("GET", "a", "acl")
    assert (newest.text("AccessControlList/Grant"), newest.headers["x-oss-version-id"]) == ("default", second)
    nobody = [send(kept.grant.endpoint, "GET", f"/{BUCKET}/a?versionId={each}", {}) for each in (first, second)]
    assert [answer.status for answer in nobody] == [200, 403]


def test_a_link_leads_to_the_newest_version(kept: Shop) -> None:
    first = kept.put("a", b"one")
    link = kept.ask("PUT", "link", "symlink", x_oss_symlink_target="a").headers["x-oss-version-id"]
    kept.put("a", b"two")
    assert kept.get("link", link).body == b"two"
    assert kept.ask("GET", "link", f"symlink&versionId={link}").headers["x-oss-symlink-target"] == "a"
    assert kept.get("a", first).body == b"one"
    assert kept.ask("DELETE", "link", f"symlink&versionId={link}").status == 204
    assert kept.ask("GET", "link").code == "NoSuchKey"


def test_copies_of_a_version(kept: Shop) -> None:
    first, second = kept.put("a", b"one"), kept.put("a", b"two")
    source = f"/{BUCKET}/a"
    done = kept.ask("PUT", "copy", x_oss_copy_source=f"{source}?versionId={first}")
    assert done.headers["x-oss-copy-source-version-id"] == first
    assert kept.get("copy", done.headers["x-oss-version-id"]).body == b"one"
    assert kept.ask("PUT", "copy", x_oss_copy_source=source).headers["x-oss-copy-source-version-id"] == second
    assert kept.ask("GET", "copy").body == b"two"
    marker = kept.delete("a").headers["x-oss-version-id"]
    refused = {"": "NoSuchKey", f"?versionId={marker}": "InvalidArgument", "?versionId=": "InvalidArgument"}
    refused[f"?versionId={MISSING}"] = "NoSuchVersion"
    for version, code in refused.items():
        assert kept.ask("PUT", "copy", x_oss_copy_source=source + version).code == code
    assert kept.ask("GET", "copy").body == b"two"


def test_a_completed_upload_is_a_version(kept: Shop) -> None:
    first = kept.put("a", b"one")
    options = {"key": "a", "bucket": BUCKET, "keys": kept.keys}
    upload_id = initiate(kept.grant, **options)
    etag = put_part(kept.grant, upload_id, 1, b"multi", **options).headers["etag"]
    done = complete(kept.grant, upload_id, [(1, etag)], **options)
    assert kept.get("a", done.headers["x-oss-version-id"]).body == b"multi"
    assert kept.get("a", first).body == b"one"


def test_appending_makes_no_version(kept: Shop) -> None:
    first = kept.ask("POST", "a", "append&position=0", b"one").headers["x-oss-version-id"]
    assert kept.ask("POST", "a", "append&position=3", b"two").headers["x-oss-version-id"] == first
    assert kept.get("a", first).body == b"onetwo"
    kept.delete("a")
    assert kept.ask("POST", "a", "append&position=0", b"x").code == "ObjectNotAppendable"
    assert kept.get("a", first).body == b"onetwo"


def test_forbidding_to_overwrite_means_nothing_where_nothing_is_lost(kept: Shop) -> None:
    first = kept.put("a", b"one")
    assert kept.put("a", b"two", x_oss_forbid_overwrite="true")
    assert kept.get("a", first).body == b"one"


def test_many_deletions(kept: Shop) -> None:
    first, second = kept.put("a", b"one"), kept.put("b", b"two")
    refused = kept.delete_many(("a", first), ("b", "234"))
    assert (refused.code, kept.get("a", first).body) == ("InvalidArgument", b"one")
    shown = kept.delete_many(("a", ""), ("b", second)).xml
    a, b = shown.findall("Deleted")
    marker = a.findtext("DeleteMarkerVersionId") or ""
    assert (a.findtext("DeleteMarker"), a.findtext("VersionId")) == ("true", None)
    assert (b.findtext("VersionId"), b.findtext("DeleteMarker")) == (second, None)
    assert kept.versions() == [("DeleteMarker", "a", marker, True), ("Version", "a", first, False)]
    (gone,) = kept.delete_many(("a", marker)).xml.findall("Deleted")
    assert (gone.findtext("VersionId"), gone.findtext("DeleteMarker")) == (marker, "true")


def test_versions_in_pages(kept: Shop) -> None:
    made = [("a", kept.put("a", b"1")), ("a", kept.put("a", b"2")), ("d/x", kept.put("d/x", b"3"))]
    made += [("d/y", kept.put("d/y", b"4")), ("e", kept.delete("e").headers["x-oss-version-id"])]
    whole = [(key, version) for _, key, version, _ in kept.versions()]
    assert whole == [made[1], made[0], made[2], made[3], made[4]]
    seen, marker = [], ""
    while True:
        page = kept.ask("GET", "", f"versions&max-keys=2{marker}").xml
        seen += [
            (node.findtext("Key"), node.findtext("VersionId")) for node in page if node.find("VersionId") is not None
        ]
        if page.findtext("IsTruncated") == "false":
            break
        marker = (
            f"&key-marker={page.findtext('NextKeyMarker')}&version-id-marker={page.findtext('NextVersionIdMarker')}"
        )
    assert seen == whole
    grouped = kept.ask("GET", "", "versions&delimiter=/&prefix=d/&key-marker=d/x").xml
    assert [node.findtext("Key") for node in grouped.findall("Version")] == ["d/y"]
    top = kept.ask("GET", "", "versions&delimiter=/&max-keys=3").xml
    assert (top.findtext("CommonPrefixes/Prefix"), top.findtext("NextKeyMarker")) == ("d/", "d/")
    rest = kept.ask("GET", "", "versions&delimiter=/&key-marker=d/").xml
    assert (rest.findtext("DeleteMarker/Key"), rest.find("CommonPrefixes")) == ("e", None)


@pytest.mark.parametrize(
    "query",
    [
        *("max-keys=1001", f"prefix={'a' * 1025}", f"delimiter={'a' * 1025}", f"key-marker={'a' * 1025}"),
        *(f"version-id-marker={MISSING}", "key-marker=a&version-id-marker=x"),
    ],
)
def test_bad_limits_of_a_list_are_refused(kept: Shop, query: str) -> None:
    assert kept.ask("GET", "", f"versions&{query}").code == "InvalidArgument"


def test_a_bucket_with_versions_or_markers_is_not_empty(kept: Shop) -> None:
    first = kept.put("a", b"one")
    marker = kept.delete("a").headers["x-oss-version-id"]
    for version in (first, marker):
        assert kept.ask("DELETE", "").code == "BucketNotEmpty"
        kept.delete("a", version)
    assert kept.ask("DELETE", "").status == 204


def test_statistics_count_versions_and_markers(kept: Shop) -> None:
    kept.put("a", b"one")
    kept.put("a", b"second")
    kept.delete("a")
    shown = kept.ask("GET", "", "stat")
    assert [shown.text(name) for name in ("Storage", "ObjectCount", "DeleteMarkerCount")] == ["9", "2", "1"]


def test_versions_need_rights_of_their_own(emulator: Emulator, kept: Shop) -> None:
    first = kept.put("a", b"one")
    with emulator.cloud.lock:
        made = emulator.cloud.keys.add_user(policies=[policy.allow(["oss:GetObject", "oss:DeleteObject"])])
    reader = Shop(kept.grant, Keys(made.access_key_id, made.access_key_secret))
    assert reader.ask("GET", "a").body == b"one"
    assert reader.get("a", first).code == "AccessDenied"
    assert reader.delete("a", first).code == "AccessDenied"
    assert reader.delete_many(("a", first)).code == "AccessDenied"
    assert kept.get("a", first).body == b"one"
    assert reader.delete_many(("a", "")).status == 200
    assert kept.get("a", first).body == b"one"


def test_reset_forgets_versions_and_the_switch(emulator: Emulator, grant: Grant, keys: Keys) -> None:
    body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    oss(grant, "PUT", "versioning", body, key="", keys=keys)
    oss(grant, "PUT", "", b"x", key="a", keys=keys)
    emulator.reset()
    assert oss(grant, "GET", "versioning", key="", keys=keys).text("Status") is None
    assert oss(grant, "GET", "versions", key="", keys=keys).text("Version/Key") is None
