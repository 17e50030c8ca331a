"""Configurations of buckets: kept as they came, refused when the service would, the service's words when there is none."""

from __future__ import annotations

import pytest

from tests.emulator.raw import Grant, Reply, oss, owner, send
from vod_widget.emulator import Emulator


def ask(emulator: Emulator, grant: Grant, method: str, query: str, body: str | None = None) -> Reply:
    sent = body.encode() if body else None
    return oss(grant, method, query, sent, key="", keys=owner(emulator))


def rule(inner: str, status: str = "Enabled") -> str:
    return f"<LifecycleConfiguration><Rule><Prefix>a/</Prefix><Status>{status}</Status>{inner}</Rule></LifecycleConfiguration>"


def step(kind: str, days: int, name: str = "Transition", unit: str = "Days") -> str:
    return f"<{name}><{unit}>{days}</{unit}><StorageClass>{kind}</StorageClass></{name}>"


def end(days: int) -> str:
    return f"<Expiration><Days>{days}</Days></Expiration>"


def tagging(*tags: tuple[str, str]) -> str:
    inner = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags)
    return f"<Tagging><TagSet>{inner}</TagSet></Tagging>"


def encryption(algorithm: str, key_id: str = "") -> str:
    inner = f"<SSEAlgorithm>{algorithm}</SSEAlgorithm><KMSMasterKeyID>{key_id}</KMSMasterKeyID>"
    name = "ApplyServerSideEncryptionByDefault"
    return f"<ServerSideEncryptionRule><{name}>{inner}</{name}></ServerSideEncryptionRule>"


def tls(inner: str) -> str:
    return f"<HttpsConfiguration><TLS>{inner}</TLS></HttpsConfiguration>"


POLICY = '{"Version": "1", "Statement": [{"Action": ["oss:GetObject"], "Effect": "Deny", "Resource": ["*"]}]}'
SWITCH = "<AccessMonitorConfiguration><Status>{}</Status></AccessMonitorConfiguration>"
WEBSITE = "<WebsiteConfiguration><IndexDocument><Suffix>{}</Suffix></IndexDocument></WebsiteConfiguration>"
INVENTORY = "<InventoryConfiguration><Id>{}</Id><IsEnabled>true</IsEnabled></InventoryConfiguration>"
STYLE = "<Style><Content>{}</Content></Style>"


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("accessmonitor", SWITCH.format("Enabled")),
        ("encryption", encryption("KMS", "123")),
        ("httpsConfig", tls("<Enable>true</Enable><TLSVersion>TLSv1.2</TLSVersion>")),
        ("inventory&inventoryId=one", INVENTORY.format("one")),
        ("lifecycle", rule(step("IA", 10) + step("Archive", 20) + end(30))),
        (
            "logging",
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>a</TargetBucket></LoggingEnabled></BucketLoggingStatus>",
        ),
        ("policy", POLICY),
        ("qos", "<BucketUserQos><StorageCapacity>100</StorageCapacity></BucketUserQos>"),
        ("requestPayment", "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>"),
        ("tagging", tagging(("a", "True"), ("%@c", "++"))),
        (
            "transferAcceleration",
            "<TransferAccelerationConfiguration><Enabled>true</Enabled></TransferAccelerationConfiguration>",
        ),
        ("website", WEBSITE.format("index.html")),
    ],
)
def test_what_was_put_is_shown(emulator: Emulator, grant: Grant, query: str, document: str) -> None:
    assert ask(emulator, grant, "PUT", query, document).status == 200
    answer = ask(emulator, grant, "GET", query)
    assert (answer.status, answer.body.decode().rpartition("?>\n")[2]) == (200, document)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("encryption", "NoSuchServerSideEncryptionRule"),
        ("inventory&inventoryId=one", "NoSuchInventory"),
        ("inventory", "NoSuchInventory"),
        ("lifecycle", "NoSuchLifecycle"),
        ("policy", "NoSuchBucketPolicy"),
        ("style&styleName=one", "NoSuchStyle"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("transferAcceleration", "NoSuchTransferAccelerationConfiguration"),
    ],
)
def test_what_is_not_there_has_its_code(emulator: Emulator, grant: Grant, query: str, code: str) -> None:
    answer = ask(emulator, grant, "GET", query)
    assert (answer.status, answer.code) == (404, code)


@pytest.mark.parametrize(
    ("query", "path", "text"),
    [
        ("accessmonitor", "Status", "Disabled"),
        ("bucketArchiveDirectRead", "Enabled", "false"),
        ("httpsConfig", "TLS/Enable", "false"),
        ("publicAccessBlock", "BlockPublicAccess", "false"),
        ("qos", "StorageCapacity", "-1"),
        ("qosInfo", "TotalQps", "-1"),
        ("referer", "AllowEmptyReferer", "true"),
        ("requestPayment", "Payer", "BucketOwner"),
        ("tagging", "TagSet", ""),
    ],
)
def test_what_has_a_default_shows_it(emulator: Emulator, grant: Grant, query: str, path: str, text: str) -> None:
    answer = ask(emulator, grant, "GET", query)
    assert (answer.status, answer.text(path) or "") == (200, text)


@pytest.mark.parametrize("name", ["lifecycle", "policy", "website", "encryption"])
def test_deleting_twice_is_fine(emulator: Emulator, grant: Grant, name: str) -> None:
    documents = {"policy": POLICY, "website": WEBSITE.format("i"), "encryption": encryption("AES256")}
    assert ask(emulator, grant, "PUT", name, documents.get(name, rule(end(3)))).status == 200
    assert ask(emulator, grant, "DELETE", name).status == 204
    assert ask(emulator, grant, "DELETE", name).status == 204
    assert ask(emulator, grant, "GET", name).status == 404


@pytest.mark.parametrize(
    ("query", "document", "code"),
    [
        ("lifecycle", "<This is bad", "MalformedXML"),
        ("lifecycle", "<Other/>", "MalformedXML"),
        ("lifecycle", "<LifecycleConfiguration/>", "MalformedXML"),
        ("lifecycle", rule(end(3), "Perhaps"), "MalformedXML"),
        ("lifecycle", rule(end(0)), "InvalidArgument"),
        ("lifecycle", rule(step("Standard", 3)), "InvalidArgument"),
        ("lifecycle", rule(step("Archive", 3) + step("IA", 5)), "InvalidArgument"),
        ("lifecycle", rule(step("IA", 5) + end(5)), "InvalidArgument"),
        (
            "lifecycle",
            rule(
                "".join(
                    step(k, d, "NoncurrentVersionTransition", "NoncurrentDays") for k, d in (("IA", 9), ("Archive", 3))
                )
            ),
            "InvalidArgument",
        ),
        (
            "lifecycle",
            rule(step("IA", 5) + "<Expiration><CreatedBeforeDate>x</CreatedBeforeDate></Expiration>"),
            "InvalidRequest",
        ),
        ("lifecycle", rule("<Tag><Key>%&amp;</Key><Value>v</Value></Tag>" + end(3)), "InvalidArgument"),
        (
            "lifecycle",
            "<LifecycleConfiguration>"
            + "<Rule><ID>a</ID><Status>Enabled</Status></Rule>" * 2
            + "</LifecycleConfiguration>",
            "InvalidArgument",
        ),
        ("policy", "{", "InvalidPolicyDocument"),
        ("policy", "[" * 16_000, "InvalidPolicyDocument"),
        ("logging", f"<BucketLoggingStatus>{'<a>' * 9_000}{'</a>' * 9_000}</BucketLoggingStatus>", "MalformedXML"),
        ("policy", '{"Version": "1", "Statement": []}', "InvalidPolicyDocument"),
        ("policy", POLICY + " " * 16_384, "EntityTooLarge"),
        ("encryption", encryption("random"), "InvalidEncryptionAlgorithmError"),
        ("encryption", encryption("AES256", "a key"), "InvalidArgument"),
        ("httpsConfig", tls("<Enable>true</Enable>"), "MalformedXML"),
        ("httpsConfig", tls("<Enable>true</Enable><TLSVersion>SSL</TLSVersion>"), "MalformedXML"),
        ("httpsConfig", tls(""), "MalformedXML"),
        ("qos", "<BucketUserQos><StorageCapacity>-2</StorageCapacity></BucketUserQos>", "InvalidArgument"),
        ("qosInfo", "<QoSConfiguration><TotalQps>many</TotalQps></QoSConfiguration>", "InvalidArgument"),
        ("accessmonitor", SWITCH.format("aa"), "MalformedXML"),
        ("website", WEBSITE.format(""), "InvalidArgument"),
        ("inventory&inventoryId=one", INVENTORY.format("two"), "InvalidArgument"),
        ("inventory&inventoryId=one", INVENTORY.format(""), "MalformedXML"),
        ("style&styleName=%40%25", STYLE.format("image/resize"), "InvalidArgument"),
        ("style&styleName=one", STYLE.format(""), "InvalidArgument"),
        ("tagging", "<Tagging/>", "MalformedXML"),
        ("tagging", "<Tagging><TagSet><Tag/></TagSet></Tagging>", "MalformedXML"),
        ("tagging", tagging(("acs:a", "b")), "InvalidTag"),
        ("tagging", tagging(("a" * 65, "b")), "InvalidTag"),
        ("tagging", tagging(*((f"k{n}", "v") for n in range(21))), "InvalidTag"),
    ],
)
def test_what_the_service_refuses_is_refused(
    emulator: Emulator, grant: Grant, query: str, document: str, code: str
) -> None:
    before = ask(emulator, grant, "GET", query)
    answer = ask(emulator, grant, "PUT", query, document)
    assert (answer.status, answer.code) == (400, code)
    after = ask(emulator, grant, "GET", query)
    assert (after.status, after.code, after.text("BucketName")) == (
        before.status,
        before.code,
        before.text("BucketName"),
    )


def test_a_document_has_a_limit(emulator: Emulator, grant: Grant) -> None:
    answer = ask(emulator, grant, "PUT", "lifecycle", rule(end(3)) + " " * (1 << 20))
    assert (answer.status, answer.code) == (400, "EntityTooLarge")


def test_left_out_children_get_their_default(emulator: Emulator, grant: Grant) -> None:
    document = "<RefererConfiguration><AllowEmptyReferer>false</AllowEmptyReferer></RefererConfiguration>"
    ask(emulator, grant, "PUT", "referer", document)
    answer = ask(emulator, grant, "GET", "referer")
    assert (answer.text("AllowEmptyReferer"), answer.text("AllowTruncateQueryString")) == ("false", "true")


def test_a_version_named_twice_is_kept_once(emulator: Emulator, grant: Grant) -> None:
    version = "<TLSVersion>TLSv1.2</TLSVersion>"
    ask(emulator, grant, "PUT", "httpsConfig", tls(f"<Enable>true</Enable>{version}{version}"))
    assert ask(emulator, grant, "GET", "httpsConfig").body.count(version.encode()) == 1


def test_some_tags_can_be_deleted(emulator: Emulator, grant: Grant) -> None:
    ask(emulator, grant, "PUT", "tagging", tagging(("a", "1"), ("b", "2"), ("c", "3")))
    assert ask(emulator, grant, "DELETE", "tagging=a,c").status == 204
    assert tagging(("b", "2")).encode() in ask(emulator, grant, "GET", "tagging").body
    ask(emulator, grant, "DELETE", "tagging")
    assert b"<Tag>" not in ask(emulator, grant, "GET", "tagging").body


def test_buckets_are_found_by_their_tag(emulator: Emulator, grant: Grant) -> None:
    ask(emulator, grant, "PUT", "tagging", tagging(("team", "red")))
    for query, count in (("tag-key=team&tag-value=red", 1), ("tag-key=team", 1), ("tag-key=team&tag-value=blue", 0)):
        answer = oss(grant, "GET", query, key="", bucket="", keys=owner(emulator))
        assert answer.body.count(b"<Bucket>") == count


def test_styles_and_inventories_come_as_lists(emulator: Emulator, grant: Grant) -> None:
    for name in ("one", "two"):
        ask(emulator, grant, "PUT", f"style&styleName={name}", STYLE.format("image/resize"))
    assert ask(emulator, grant, "GET", "style").body.count(b"<Name>") == 2
    assert ask(emulator, grant, "GET", "style&styleName=two").text("Name") == "two"
    for number in range(101):
        ask(emulator, grant, "PUT", f"inventory&inventoryId=n{number}", INVENTORY.format(f"n{number}"))
    first = ask(emulator, grant, "GET", "inventory")
    token = first.text("NextContinuationToken")
    assert (first.text("IsTruncated"), first.body.count(b"<Id>")) == ("true", 100)
    last = ask(emulator, grant, "GET", f"inventory&continuation-token={token}")
    assert (last.text("IsTruncated"), last.body.count(b"<Id>")) == ("false", 1)


def test_bucket_info_tells_of_encryption_and_monitor(emulator: Emulator, grant: Grant) -> None:
    before = ask(emulator, grant, "GET", "bucketInfo")
    assert (before.text(".//SSEAlgorithm"), before.text(".//AccessMonitor")) == ("None", "Disabled")
    ask(emulator, grant, "PUT", "encryption", encryption("KMS", "123"))
    ask(emulator, grant, "PUT", "accessmonitor", SWITCH.format("Enabled"))
    after = ask(emulator, grant, "GET", "bucketInfo")
    assert [after.text(f".//{n}") for n in ("SSEAlgorithm", "KMSMasterKeyID", "AccessMonitor")] == [
        "KMS",
        "123",
        "Enabled",
    ]


def test_blocked_public_access_is_blocked(emulator: Emulator, grant: Grant) -> None:
    keys = owner(emulator)
    oss(grant, "PUT", "", key="", keys=keys, headers={"x-oss-acl": "public-read"})
    oss(grant, "PUT", "", b"x", key="a", keys=keys)
    assert send(grant.endpoint, "GET", f"/{grant.bucket}/a", {}).status == 200
    name = "PublicAccessBlockConfiguration"
    ask(emulator, grant, "PUT", "publicAccessBlock", f"<{name}><BlockPublicAccess>true</BlockPublicAccess></{name}>")
    assert send(grant.endpoint, "GET", f"/{grant.bucket}/a", {}).status == 403
    ask(emulator, grant, "DELETE", "publicAccessBlock")
    assert send(grant.endpoint, "GET", f"/{grant.bucket}/a", {}).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("name", ["lifecycle", "policy", "tagging"])
def test_an_upload_credential_may_not_touch_them(grant: Grant, method: str, name: str) -> None:
    answer = oss(grant, method, name, key="")
    assert (answer.status, answer.code) == (403, "AccessDenied")


def test_what_cannot_be_deleted_says_so(emulator: Emulator, grant: Grant) -> None:
    answer = ask(emulator, grant, "DELETE", "requestPayment")
    assert (answer.status, answer.code) == (400, "NotImplemented")


def test_encryption_can_come_with_a_new_bucket(emulator: Emulator, grant: Grant) -> None:
    keys, head = owner(emulator), "x-oss-server-side-"
    wanted = {f"{head}encryption": "KMS", f"{head}encryption-key-id": "9", f"{head}data-encryption": "SM4"}
    assert oss(grant, "PUT", key="", bucket="new-bucket", keys=keys, headers=wanted).status == 200
    info = oss(grant, "GET", "bucketInfo", key="", bucket="new-bucket", keys=keys)
    names = ("SSEAlgorithm", "KMSMasterKeyID", "KMSDataEncryption")
    assert [info.text(f".//{name}") for name in names] == ["KMS", "9", "SM4"]
    refused = oss(grant, "PUT", key="", bucket="bad-bucket", keys=keys, headers={f"{head}encryption": "ROT13"})
    assert refused.code == "InvalidEncryptionAlgorithmError"
    assert oss(grant, "GET", "bucketInfo", key="", bucket="bad-bucket", keys=keys).code == "NoSuchBucket"
    odd = {f"{head}encryption": "AES256", f"{head}data-encryption": "SM4"}
    oss(grant, "PUT", key="", bucket="odd-bucket", keys=keys, headers=odd)
    info = oss(grant, "GET", "bucketInfo", key="", bucket="odd-bucket", keys=keys)
    assert [info.text(f".//{name}") for name in names] == ["AES256", None, None]


def test_there_is_one_resource_group(emulator: Emulator, grant: Grant) -> None:
    group = ask(emulator, grant, "GET", "resourceGroup").text("ResourceGroupId")
    assert ask(emulator, grant, "GET", "bucketInfo").text(".//ResourceGroupId") == group
    document = (
        "<BucketResourceGroupConfiguration><ResourceGroupId>{}</ResourceGroupId></BucketResourceGroupConfiguration>"
    )
    assert ask(emulator, grant, "PUT", "resourceGroup", document.format(group)).status == 200
    assert ask(emulator, grant, "PUT", "resourceGroup", document.format("rg-x")).code == "ResourceGroupIdPreCheckError"
    for name, count in ((group, 1), ("rg-x", 0)):
        found = oss(grant, "GET", key="", bucket="", keys=owner(emulator), headers={"x-oss-resource-group-id": name})
        assert found.body.count(b"<Bucket>") == count


def test_words_are_kept_as_the_service_writes_them(emulator: Emulator, grant: Grant) -> None:
    document = (
        "<PublicAccessBlockConfiguration><BlockPublicAccess>True</BlockPublicAccess></PublicAccessBlockConfiguration>"
    )
    assert ask(emulator, grant, "PUT", "publicAccessBlock", document).status == 200
    assert ask(emulator, grant, "GET", "publicAccessBlock").text("BlockPublicAccess") == "true"
    point = ask(emulator, grant, "PUT", "publicAccessBlock&x-oss-access-point-name=one", document)
    assert (point.status, point.code) == (404, "NoSuchAccessPoint")
