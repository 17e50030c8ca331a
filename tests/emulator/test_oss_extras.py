"""Tags of objects, storage classes that sleep, symlinks, and the traffic limit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.emulator.memory import MemoryEmulator
from tests.emulator.raw import Grant, Reply, complete, create, info, initiate, oss, owner, put_part, send
from vod_widget.emulator import Emulator, pace


def ask(
    emulator: Emulator, grant: Grant, method: str, key: str, query: str = "", body: object = None, **headers: str
) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return oss(grant, method, query, body, named, key=key, keys=owner(emulator))


def tagging(*tags: tuple[str, str]) -> bytes:
    inner = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags)
    return f"<Tagging><TagSet>{inner}</TagSet></Tagging>".encode()


# --- tags --------------------------------------------------------------------------------


def test_tags_come_and_go(emulator: Emulator, grant: Grant) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x", x_oss_tagging="k1=v1&k%202=")
    assert ask(emulator, grant, "HEAD", "a").headers["x-oss-tagging-count"] == "2"
    assert tagging(("k1", "v1"), ("k 2", "")) in ask(emulator, grant, "GET", "a", "tagging").body
    assert ask(emulator, grant, "PUT", "a", "tagging", tagging(("+-.:", "_/"))).status == 200
    assert tagging(("+-.:", "_/")) in ask(emulator, grant, "GET", "a", "tagging").body
    assert ask(emulator, grant, "DELETE", "a", "tagging").status == 204
    assert tagging() in ask(emulator, grant, "GET", "a", "tagging").body
    shown = ask(emulator, grant, "GET", "a")
    assert (shown.body, "x-oss-tagging-count" in shown.headers, "x-oss-tagging" in shown.headers) == (
        b"x",
        False,
        False,
    )
    assert ask(emulator, grant, "GET", "none", "tagging").code == "NoSuchKey"


def test_tags_of_an_upload_are_those_of_its_object(emulator: Emulator, grant: Grant) -> None:
    options = {"key": "m", "keys": owner(emulator)}
    upload_id = initiate(grant, headers={"x-oss-tagging": "a=b"}, **options)
    etag = put_part(grant, upload_id, 1, b"x", **options).headers["etag"]
    assert complete(grant, upload_id, [(1, etag)], **options).status == 200
    assert tagging(("a", "b")) in ask(emulator, grant, "GET", "m", "tagging").body


@pytest.mark.parametrize(("directive", "tags"), [("COPY", [("a", "b")]), ("REPLACE", [("c", "d")]), ("", [("a", "b")])])
def test_a_copy_takes_tags_as_it_is_told(
    emulator: Emulator, grant: Grant, directive: str, tags: list[tuple[str, str]]
) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x", x_oss_tagging="a=b")
    told = {"x_oss_tagging_directive": directive} if directive else {}
    ask(emulator, grant, "PUT", "copy", x_oss_copy_source=f"/{grant.bucket}/a", x_oss_tagging="c=d", **told)
    assert tagging(*tags) in ask(emulator, grant, "GET", "copy", "tagging").body


def test_an_unknown_directive_is_refused(emulator: Emulator, grant: Grant) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x")
    answer = ask(emulator, grant, "PUT", "copy", x_oss_copy_source=f"/{grant.bucket}/a", x_oss_tagging_directive="MOVE")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "tags",
    [
        tuple((f"k{n}", "v") for n in range(11)),
        (("a" * 129, "v"),),
        (("a", "v" * 257),),
        (("", "v"),),
        (("a", "%abc"),),
        (("a%", "v"),),
        (("a", "1"), ("a", "2")),
    ],
)
def test_bad_tags_are_refused(emulator: Emulator, grant: Grant, tags: tuple[tuple[str, str], ...]) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x")
    answer = ask(emulator, grant, "PUT", "a", "tagging", tagging(*tags))
    assert (answer.status, answer.code) == (400, "InvalidTag")
    assert tagging() in ask(emulator, grant, "GET", "a", "tagging").body


def test_bad_tags_in_a_header_store_nothing(emulator: Emulator, grant: Grant) -> None:
    answer = ask(emulator, grant, "PUT", "a", body=b"x", x_oss_tagging="aa=bb=cc")
    assert (answer.status, answer.code) == (400, "InvalidTag")
    assert ask(emulator, grant, "HEAD", "a").status == 404


# --- storage classes ---------------------------------------------------------------------


def test_an_object_has_the_class_of_its_bucket_or_its_own(emulator: Emulator, grant: Grant) -> None:
    body = "<CreateBucketConfiguration><StorageClass>IA</StorageClass></CreateBucketConfiguration>"
    keys = owner(emulator)
    oss(grant, "PUT", "", body, key="", bucket="ia-bucket", keys=keys)
    oss(grant, "PUT", "", b"x", key="a", bucket="ia-bucket", keys=keys)
    assert oss(grant, "HEAD", key="a", bucket="ia-bucket", keys=keys).headers["x-oss-storage-class"] == "IA"
    assert oss(grant, "GET", key="", bucket="ia-bucket", keys=keys).text("Contents/StorageClass") == "IA"
    assert oss(grant, "GET", "stat", key="", bucket="ia-bucket", keys=keys).text("InfrequentAccessObjectCount") == "1"
    oss(grant, "PUT", "", b"x", {"x-oss-storage-class": "Standard"}, key="a", bucket="ia-bucket", keys=keys)
    assert oss(grant, "HEAD", key="a", bucket="ia-bucket", keys=keys).headers["x-oss-storage-class"] == "Standard"


def test_an_unknown_class_stores_nothing(emulator: Emulator, grant: Grant) -> None:
    answer = ask(emulator, grant, "PUT", "a", body=b"x", x_oss_storage_class="Cheap")
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert ask(emulator, grant, "HEAD", "a").status == 404


def test_an_archived_object_sleeps_until_it_is_restored(emulator: Emulator, grant: Grant) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x", x_oss_storage_class="Archive")
    asleep = ask(emulator, grant, "GET", "a")
    assert (asleep.status, asleep.code) == (403, "InvalidObjectState")
    assert ask(emulator, grant, "PUT", "copy", x_oss_copy_source=f"/{grant.bucket}/a").code == "InvalidObjectState"
    assert ask(emulator, grant, "HEAD", "a").status == 200
    assert ask(emulator, grant, "POST", "a", "restore").status == 202
    again = ask(emulator, grant, "POST", "a", "restore")
    assert (again.status, again.code) == (409, "RestoreAlreadyInProgress")
    assert ask(emulator, grant, "HEAD", "a").headers["x-oss-restore"] == 'ongoing-request="true"'
    listed = oss(grant, "GET", key="", keys=owner(emulator))
    assert listed.text("Contents/RestoreInfo") == 'ongoing-request="true"'
    assert ask(emulator, grant, "GET", "a").status == 403
    emulator.clock.advance(61)
    assert ask(emulator, grant, "GET", "a").body == b"x"
    assert (
        ask(emulator, grant, "HEAD", "a").headers["x-oss-restore"].startswith('ongoing-request="false", expiry-date=')
    )
    assert ask(emulator, grant, "POST", "a", "restore").status == 200
    emulator.clock.advance(25 * 3600)
    assert ask(emulator, grant, "GET", "a").status == 403


def wish(days: str, inner: str = "") -> str:
    return f"<RestoreRequest><Days>{days}</Days>{inner}</RestoreRequest>"


def tier(name: str) -> str:
    return f"<JobParameters><Tier>{name}</Tier></JobParameters>"


def test_the_tier_says_how_soon(emulator: Emulator, grant: Grant) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x", x_oss_storage_class="ColdArchive")
    answer = ask(emulator, grant, "POST", "a", "restore", wish("5", tier("Expedited")))
    assert (answer.status, answer.headers["x-oss-object-restore-priority"]) == (202, "Expedited")
    emulator.clock.advance(3500)
    assert ask(emulator, grant, "GET", "a").status == 403
    emulator.clock.advance(200)
    assert ask(emulator, grant, "GET", "a").body == b"x"


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("Standard", wish("1"), "OperationNotSupported"),
        ("Archive", wish("8"), "InvalidArgument"),
        ("Archive", wish("0"), "InvalidArgument"),
        ("Archive", wish("1", tier("Bulk")), "MalformedXML"),
        ("ColdArchive", wish("1", tier("Soon")), "InvalidArgument"),
        ("ColdArchive", "<Other/>", "MalformedXML"),
    ],
)
def test_bad_restores_are_refused(emulator: Emulator, grant: Grant, kind: str, body: str, code: str) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x", x_oss_storage_class=kind)
    answer = ask(emulator, grant, "POST", "a", "restore", body)
    assert (answer.status, answer.code) == (400, code)
    assert "x-oss-restore" not in ask(emulator, grant, "HEAD", "a").headers


# --- symlinks ----------------------------------------------------------------------------


def test_a_link_shows_its_target_under_its_own_metadata(emulator: Emulator, grant: Grant) -> None:
    target = ask(emulator, grant, "PUT", "b c/ü", body=b"hello")
    link = {"x_oss_symlink_target": "b%20c/%C3%BC", "x_oss_meta_a": "1"}
    assert ask(emulator, grant, "PUT", "link", "symlink", **link).status == 200
    assert ask(emulator, grant, "GET", "link", "symlink").headers["x-oss-symlink-target"] == "b%20c/%C3%BC"
    shown = ask(emulator, grant, "GET", "link")
    assert (shown.body, shown.headers["etag"], shown.headers["x-oss-meta-a"]) == (b"hello", target.headers["etag"], "1")
    assert shown.headers["x-oss-object-type"] == "Symlink"
    ask(emulator, grant, "DELETE", "b c/ü")
    gone = ask(emulator, grant, "GET", "link")
    assert (gone.status, gone.code) == (404, "SymlinkTargetNotExist")


def test_links_have_limits(emulator: Emulator, grant: Grant) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x")
    assert ask(emulator, grant, "GET", "a", "symlink").code == "NotSymlink"
    assert ask(emulator, grant, "PUT", "link", "symlink").code == "InvalidArgument"
    assert ask(emulator, grant, "PUT", "link", "symlink", x_oss_symlink_target="/a").code == "InvalidArgument"
    ask(emulator, grant, "PUT", "link", "symlink", x_oss_symlink_target="a")
    ask(emulator, grant, "PUT", "far", "symlink", x_oss_symlink_target="link")
    assert ask(emulator, grant, "GET", "far").code == "InvalidTargetType"
    assert ask(emulator, grant, "PUT", "copy", x_oss_copy_source=f"/{grant.bucket}/link").code == "NotImplemented"
    kept = ask(emulator, grant, "PUT", "a", "symlink", x_oss_symlink_target="far", x_oss_forbid_overwrite="true")
    assert (kept.status, kept.code) == (409, "FileAlreadyExists")


def test_an_upload_credential_reads_nothing_through_a_link(emulator: Emulator, grant: Grant) -> None:
    other = create(emulator)
    oss(other, "PUT", "", b"secret")
    assert oss(grant, "PUT", "symlink", headers={"x-oss-symlink-target": other.key}).status == 200
    assert info(emulator, grant.media_id)["Status"] == "Uploading"
    answer = oss(grant, "GET")
    assert (answer.status, answer.code) == (403, "AccessDenied")


def test_nobody_reads_a_private_object_through_a_public_link(emulator: Emulator, grant: Grant) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x")
    ask(emulator, grant, "PUT", "link", "symlink", x_oss_symlink_target="a", x_oss_object_acl="public-read")
    assert send(grant.endpoint, "GET", f"/{grant.bucket}/link", {}).status == 403
    ask(emulator, grant, "PUT", "a", "acl", x_oss_object_acl="public-read")
    assert send(grant.endpoint, "GET", f"/{grant.bucket}/link", {}).body == b"x"


# --- traffic limit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "status"), [("819199", 400), ("819200", 200), ("838860800", 200), ("838860801", 400), ("x", 400)]
)
def test_a_traffic_limit_is_a_number_within_bounds(emulator: Emulator, grant: Grant, bits: str, status: int) -> None:
    assert ask(emulator, grant, "PUT", "a", body=b"x", x_oss_traffic_limit=bits).status == status


# 4,096 bytes at the lowest limit, 102,400 bytes a second.
SLOW = {"x-oss-traffic-limit": "819200"}
SLOW_BYTES, SLOW_S = b"s" * 4_096, 0.04


def test_a_traffic_limit_slows_what_moves_bytes(emulator: Emulator, grant: Grant, held_up_s: list[float]) -> None:
    options: dict[str, Any] = {"key": "a", "keys": owner(emulator)}
    copying = {**SLOW, "x-oss-copy-source": f"/{grant.bucket}/a"}
    part = f"partNumber=1&uploadId={initiate(grant, **options)}"
    for method, query, body, headers in (
        ("PUT", "", SLOW_BYTES, SLOW),
        ("PUT", "x-oss-traffic-limit=819200", SLOW_BYTES, {}),
        ("GET", "", None, SLOW),
        ("PUT", part, SLOW_BYTES, SLOW),
        ("PUT", part, b"", copying),
        ("PUT", "", b"", {**copying, "x-oss-metadata-directive": "REPLACE"}),
    ):
        held_up_s.clear()
        assert oss(grant, method, query, body, headers, **options).status < 300
        assert sum(held_up_s) == pytest.approx(SLOW_S), (method, query)
    held_up_s.clear()
    assert oss(grant, "GET", **options).body == SLOW_BYTES
    assert held_up_s == []
    new, faster = {**options, "key": "b"}, {"x-oss-traffic-limit": "240000000"}
    assert oss(grant, "PUT", "", b"b" * 3_000_000, faster, **new).status == 200
    assert sum(held_up_s) == pytest.approx(0.1)
    oss(grant, "DELETE", **new)
    held_up_s.clear()
    assert oss(grant, "POST", "append&position=0", SLOW_BYTES, SLOW, **new).status == 200
    assert sum(held_up_s) == pytest.approx(SLOW_S)


def test_bytes_pass_at_the_pace_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, slept_s = 50.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        slept_s.append(seconds)
        now_s += seconds

    monkeypatch.setattr(pace.asyncio, "sleep", sleep)
    monkeypatch.setattr(pace.asyncio, "get_running_loop", lambda: SimpleNamespace(time=lambda: now_s))

    async def move(bytes_per_s: float | None) -> None:
        nonlocal now_s
        moving = pace.Pace(bytes_per_s)
        await moving.passed(100)
        now_s += 0.25  # the bytes took so long by themselves
        await moving.passed(100)
        now_s += 5
        await moving.passed(100)

    for bytes_per_s in (200.0, None):
        moved = move(bytes_per_s)
        with pytest.raises(StopIteration):
            moved.send(None)
    assert slept_s == pytest.approx([0.5, 0.5, 0.5])


def test_a_traffic_limit_is_a_wait_of_virtual_time_in_memory() -> None:
    waits: list[float | None] = []
    emulator = MemoryEmulator(on_wait=waits.append)
    try:
        grant = create(emulator)  # type: ignore[arg-type]  # it has what an Emulator has
        assert oss(grant, "PUT", "", SLOW_BYTES, SLOW).status == 200
        assert oss(grant, "GET", "", None, SLOW).body == SLOW_BYTES
        assert oss(grant, "HEAD", "", None, SLOW).status == 200
        assert oss(grant, "PUT", "", SLOW_BYTES, {"x-oss-traffic-limit": "1"}).code == "InvalidArgument"
        assert waits == [SLOW_S, SLOW_S]
    finally:
        emulator.close()


# --- verbs and rights --------------------------------------------------------------------


@pytest.mark.parametrize("query", ["acl", "cors", "uploads", "objectMeta", "location", "stat", "append", "sequential"])
def test_a_verb_on_a_part_of_an_object_is_none_on_the_object(emulator: Emulator, grant: Grant, query: str) -> None:
    ask(emulator, grant, "PUT", "a", body=b"x")
    for method in ("DELETE", "PUT"):
        answer = ask(emulator, grant, method, "a", query, b"other", x_oss_object_acl="private")
        assert answer.code == "NotImplemented" or (method, query, answer.status) == ("PUT", "acl", 200)
    assert ask(emulator, grant, "GET", "a").body == b"x"


@pytest.mark.parametrize("query", ["bucketInfo", "location", "stat", "uploads", "versions", "qosRequester"])
def test_a_verb_on_a_part_of_a_bucket_is_none_on_the_bucket(emulator: Emulator, grant: Grant, query: str) -> None:
    keys = owner(emulator)
    oss(grant, "PUT", key="", bucket="my-bucket", keys=keys)
    for method in ("DELETE", "PUT"):
        answer = oss(grant, method, query, key="", bucket="my-bucket", keys=keys)
        assert (answer.status, answer.code) == (400, "NotImplemented")
    assert oss(grant, "GET", key="", bucket="my-bucket", keys=keys).status == 200


def test_tags_need_a_right_of_their_own(emulator: Emulator, grant: Grant) -> None:
    answer = oss(grant, "PUT", "", b"x", {"x-oss-tagging": "a=b"})
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert oss(grant, "PUT", "", b"x").status == 200
