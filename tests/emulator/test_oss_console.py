"""What stands beside buckets: access points, replication, redundancy, limits, names, searches, and the account's own."""

from __future__ import annotations

import pytest

from tests.emulator.raw import Grant, Reply, oss, send
from tests.emulator.shop import BUCKET, Shop
from vod_widget.emulator import Emulator


def account(shop: Shop, method: str, query: str, body: str = "") -> Reply:
    return oss(shop.grant, method, query, body or None, key="", bucket="", keys=shop.keys)


# --- access points ---------------------------------------------------------------------------


def point(name: str, origin: str = "internet", vpc: str = "") -> str:
    inner = f"<AccessPointName>{name}</AccessPointName><NetworkOrigin>{origin}</NetworkOrigin>"
    inner += f"<VpcConfiguration><VpcId>{vpc}</VpcId></VpcConfiguration>" if vpc else ""
    return f"<CreateAccessPointConfiguration>{inner}</CreateAccessPointConfiguration>"


def test_an_access_point_is_made_shown_listed_and_deleted(shop: Shop) -> None:
    made = shop.ask("PUT", "", "accessPoint", point("ap-one"))
    assert shop.ask("PUT", "", "accessPoint", point("ap-two", "vpc", "vpc-1")).status == 200
    shown = shop.ask("GET", "", "accessPoint", x_oss_access_point_name="ap-one")
    assert (shown.text("Bucket"), shown.text("NetworkOrigin"), shown.text("Status")) == (BUCKET, "internet", "enable")
    assert (shown.text("AccessPointArn"), shown.text("Alias")) == (made.text("AccessPointArn"), made.text("Alias"))
    for listed in (shop.ask("GET", "", "accessPoint&max-keys=1"), account(shop, "GET", "accessPoint&max-keys=1")):
        assert (listed.text("IsTruncated"), listed.text("NextContinuationToken")) == ("true", "ap-one")
    rest = account(shop, "GET", "accessPoint&continuation-token=ap-one")
    assert (rest.xml.findtext("AccessPoints/AccessPoint/VpcConfiguration/VpcId"), rest.text("IsTruncated")) == (
        "vpc-1",
        "false",
    )
    assert shop.ask("DELETE", "", "accessPoint", x_oss_access_point_name="ap-one").status == 204
    assert shop.ask("GET", "", "accessPoint", x_oss_access_point_name="ap-one").code == "NoSuchAccessPoint"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (point("a"), "InvalidArgument"),
        (point("UPPER"), "InvalidArgument"),
        (point("a-ossalias"), "InvalidArgument"),
        (point("ap-two", "moon"), "InvalidArgument"),
        (point("ap-two", "vpc"), "InvalidArgument"),
        (point("ap-two", "internet", "vpc-1"), "InvalidArgument"),
        (point("ap-one"), "AccessPointAlreadyExists"),
        ("<Other/>", "MalformedXML"),
    ],
)
def test_a_wrong_access_point_is_refused(shop: Shop, body: str, code: str) -> None:
    shop.ask("PUT", "", "accessPoint", point("ap-one"))
    assert shop.ask("PUT", "", "accessPoint", body).code == code


def test_an_access_point_has_a_policy_and_a_block_of_its_own(shop: Shop) -> None:
    shop.ask("PUT", "", "accessPoint", point("ap-one"))
    policy = '{"Version":"1","Statement":[{"Action":["oss:GetObject"],"Effect":"Deny","Resource":["*"]}]}'
    named = {"x_oss_access_point_name": "ap-one"}
    assert shop.ask("GET", "", "accessPointPolicy", **named).code == "NoSuchAccessPointPolicy"
    assert shop.ask("PUT", "", "accessPointPolicy", "{}", **named).status == 400
    assert shop.ask("PUT", "", "accessPointPolicy", policy, **named).status == 200
    assert shop.ask("GET", "", "accessPointPolicy", **named).body.decode() == policy
    assert shop.ask("DELETE", "", "accessPointPolicy", **named).status == 204
    block = (
        "<PublicAccessBlockConfiguration><BlockPublicAccess>true</BlockPublicAccess></PublicAccessBlockConfiguration>"
    )
    assert shop.ask("PUT", "", "publicAccessBlock&x-oss-access-point-name=ap-one", block).status == 200
    assert shop.ask("GET", "", "publicAccessBlock&x-oss-access-point-name=ap-one").text("BlockPublicAccess") == "true"
    assert shop.ask("GET", "", "publicAccessBlock").text("BlockPublicAccess") == "false"


# --- replication -----------------------------------------------------------------------------


def rule(rule_id: str = "one", target: str = "target", more: str = "") -> str:
    place = f"<Destination><Bucket>{target}</Bucket><Location>oss-cn-beijing</Location></Destination>" if target else ""
    return f"<ReplicationConfiguration><Rule><ID>{rule_id}</ID>{place}{more}</Rule></ReplicationConfiguration>"


def test_a_replication_rule_is_kept_and_closes(shop: Shop) -> None:
    assert shop.ask("GET", "", "replication").code == "NoSuchReplicationConfiguration"
    more = (
        "<SyncRole>r</SyncRole><EncryptionConfiguration><ReplicaKmsKeyID>k</ReplicaKmsKeyID></EncryptionConfiguration>"
    )
    assert shop.ask("POST", "", "replication&comp=add", rule(more=more)).status == 200
    kept = shop.ask("GET", "", "replication").xml.find("Rule")
    assert kept is not None
    assert [kept.findtext(name) for name in ("ID", "Status", "Action", "SyncRole", "HistoricalObjectReplication")] == [
        *("one", "starting", "ALL", "r"),
        "enabled",
    ]
    assert kept.find("EncryptionConfiguration") is None, "without encrypted objects the key of the copies says nothing"
    assert shop.ask("POST", "", "replication&comp=add", rule("two")).code == "BucketReplicationAlreadyExist"
    assert shop.ask("POST", "", "replication&comp=add", rule("one", "other")).code == "InvalidArgument"
    progress = shop.ask("GET", "", "replicationProgress&rule-id=one").xml
    assert progress.findtext("Rule/Progress/HistoricalObject") == "0.00"
    gone = "<ReplicationRules><ID>one</ID></ReplicationRules>"
    assert shop.ask("POST", "", "replication&comp=delete", gone).status == 200
    assert shop.ask("GET", "", "replication").xml.findtext("Rule/Status") == "closing"
    assert shop.ask("POST", "", "replication&comp=add", rule("two")).status == 200
    assert shop.ask("POST", "", "replication&comp=delete", gone).code == "NoSuchReplicationRule"


def test_wrong_replication_is_refused(shop: Shop) -> None:
    for body, code in (
        (rule(target=""), "MalformedXML"),
        (rule(more="<Action>PUT,FLY</Action>"), "InvalidArgument"),
        (rule(more="<HistoricalObjectReplication>yes</HistoricalObjectReplication>"), "InvalidArgument"),
        ("<ReplicationConfiguration/>", "MalformedXML"),
    ):
        assert shop.ask("POST", "", "replication&comp=add", body).code == code
    assert shop.ask("GET", "", "replicationProgress&rule-id=").code == "NoSuchReplicationRule"
    assert shop.ask("GET", "", "replicationLocation").xml.findtext(
        "LocationTransferTypeConstraint/LocationTransferType/Location"
    )


# --- redundancy, names, limits ---------------------------------------------------------------


def test_a_change_of_redundancy_waits_and_is_done(emulator: Emulator, shop: Shop) -> None:
    start = "redundancyTransition&x-oss-target-redundancy-type="
    assert shop.ask("POST", "", f"{start}LRS").code == "InvalidArgument"
    task = shop.ask("POST", "", f"{start}ZRS").text("TaskId")
    assert shop.ask("POST", "", f"{start}ZRS").code == "BucketDataRedundancyTransitionAlreadyExist"
    named = f"redundancyTransition&x-oss-redundancy-transition-taskid={task}"
    assert shop.ask("GET", "", named).text("Status") == "Queueing"
    emulator.clock.advance(61)
    assert shop.ask("GET", "", named).text("Status") == "Finished"
    assert shop.ask("DELETE", "", named).status == 409
    assert shop.ask("GET", "", "bucketInfo").xml.findtext("Bucket/DataRedundancyType") == "ZRS"
    for listed in (shop.ask("GET", "", "redundancyTransition"), account(shop, "GET", "redundancyTransition")):
        assert listed.xml.findtext("BucketDataRedundancyTransition/TaskId") == task
    assert shop.ask("GET", "", f"{named}x").code == "NoSuchBucketDataRedundancyTransition"


def test_a_change_of_redundancy_that_waits_can_be_called_off(shop: Shop) -> None:
    task = shop.ask("POST", "", "redundancyTransition&x-oss-target-redundancy-type=ZRS").text("TaskId")
    assert shop.ask("DELETE", "", f"redundancyTransition&x-oss-redundancy-transition-taskid={task}").status == 204
    assert shop.ask("GET", "", "redundancyTransition").xml.find("BucketDataRedundancyTransition") is None


def test_a_name_of_ones_own_must_be_proved(shop: Shop) -> None:
    body = "<BucketCnameConfiguration><Cname><Domain>{}</Domain></Cname></BucketCnameConfiguration>"
    assert shop.ask("GET", "", "cname=www.example.com&comp=token").code == "CnameTokenNotFound"
    token = shop.ask("POST", "", "cname&comp=token", body.format("www.example.com")).text("Token")
    assert shop.ask("GET", "", "cname=www.example.com&comp=token").text("Token") == token
    assert shop.ask("POST", "", "cname&comp=add", body.format("www.example.com")).code == "NeedVerifyDomainOwnership"
    assert shop.ask("POST", "", "cname&comp=add", body.format("no name")).code == "InvalidArgument"
    assert shop.ask("POST", "", "cname&comp=delete", body.format("www.example.com")).status == 200
    assert shop.ask("GET", "", "cname").xml.find("Cname") is None


def limits(**said: int) -> str:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in said.items())
    return f"<QoSConfiguration>{inner}</QoSConfiguration>"


def test_limits_fit_into_what_holds_them(shop: Shop) -> None:
    assert account(shop, "GET", "qosInfo").text("TotalUploadBandwidth") == "10"
    for good in (limits(TotalUploadBandwidth=10, IntranetUploadBandwidth=10), limits(ExtranetQps=9)):
        assert shop.ask("PUT", "", "qosInfo", good).status == 200
    for bad in (
        limits(TotalUploadBandwidth=11),
        limits(ExtranetDownloadBandwidth=11),
        limits(TotalQps=5, IntranetQps=6),
        limits(IntranetUploadBandwidth=6, TotalUploadBandwidth=5),
    ):
        assert shop.ask("PUT", "", "qosInfo", bad).code == "InvalidArgument", bad


def test_a_requester_has_limits(shop: Shop) -> None:
    named = "requesterQosInfo&qosRequester=123"
    assert shop.ask("GET", "", named).code == "NoSuchRequesterQosInfo"
    assert shop.ask("PUT", "", named, limits(TotalQps=1, IntranetQps=2)).code == "InvalidArgument"
    assert shop.ask("PUT", "", "requesterQosInfo&qosRequester=me", limits()).code == "InvalidArgument"
    assert shop.ask("PUT", "", named, limits(TotalUploadBandwidth=100)).status == 200
    for shown in (shop.ask("GET", "", named).xml, shop.ask("GET", "", "requesterQosInfo").xml.find("RequesterQoSInfo")):
        assert shown is not None
        assert shown.findtext("Requester") == "123"
        assert shown.findtext("QoSConfiguration/TotalUploadBandwidth") == "100"
        assert shown.findtext("QoSConfiguration/TotalQps") == "-1"
    assert shop.ask("DELETE", "", named).status == 204
    assert shop.ask("GET", "", "requesterQosInfo").xml.find("RequesterQoSInfo") is None


# --- search ----------------------------------------------------------------------------------


def search(query: str, more: str = "") -> str:
    return f"<MetaQuery><Query>{query}</Query>{more}</MetaQuery>"


def test_objects_are_found_by_their_metadata(shop: Shop) -> None:
    for key, size in (("a.txt", 1), ("b.txt", 20), ("c.jpg", 300)):
        shop.put(key, b"x" * size)
    text = '{"Field": "Filename", "Value": ".txt", "Operation": "match"}'
    assert shop.ask("POST", "", "metaQuery&comp=query", search(text)).code == "MetaQueryNotExist"
    assert shop.ask("POST", "", "metaQuery&comp=add").status == 200
    assert shop.ask("POST", "", "metaQuery&comp=add").status == 409
    assert shop.ask("GET", "", "metaQuery").text("State") == "Running"

    def names(query: str, more: str = "") -> list[str | None]:
        found = shop.ask("POST", "", "metaQuery&comp=query", search(query, more))
        assert found.status == 200, found.body
        return [node.findtext("Filename") for node in found.xml.iter("File")]

    assert names(text, "<Sort>Size</Sort><Order>desc</Order>") == ["b.txt", "a.txt"]
    assert names('{"Field": "Size", "Value": "20", "Operation": "gte"}', "<Order>asc</Order>") == ["b.txt", "c.jpg"]
    both = f'{{"Operation": "and", "SubQueries": [{text}, {{"Field": "Size", "Value": "2", "Operation": "lt"}}]}}'
    assert names(both) == ["a.txt"]
    assert names(f'{{"Operation": "not", "SubQueries": [{text}]}}') == ["c.jpg"]
    page = shop.ask("POST", "", "metaQuery&comp=query", search(text, "<MaxResults>1</MaxResults>"))
    assert page.text("NextToken") == "1"
    assert names(text, "<MaxResults>1</MaxResults><NextToken>1</NextToken>") == ["a.txt"]
    total = "<Aggregations><Aggregation><Field>Size</Field><Operation>sum</Operation></Aggregation></Aggregations>"
    assert shop.ask("POST", "", "metaQuery&comp=query", search(text, total)).xml.findtext(".//Value") == "21"
    assert shop.ask("POST", "", "metaQuery&comp=delete").status == 200
    assert shop.ask("GET", "", "metaQuery").code == "MetaQueryNotExist"


@pytest.mark.parametrize(
    "body",
    [
        search("no json"),
        search("[]"),
        search('{"Field": "Colour", "Value": "1", "Operation": "eq"}'),
        search('{"Field": "Size", "Value": "big", "Operation": "eq"}'),
        search('{"Field": "Size", "Value": "1", "Operation": "like"}'),
        search('{"Operation": "and", "SubQueries": []}'),
        search('{"Field": "Size", "Value": "1", "Operation": "eq"}', "<MaxResults>101</MaxResults>"),
        search('{"Field": "Size", "Value": "1", "Operation": "eq"}', "<Order>up</Order>"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(shop: Shop, body: str) -> None:
    shop.put("a", b"x")
    shop.ask("POST", "", "metaQuery&comp=add")
    assert shop.ask("POST", "", "metaQuery&comp=query", body).code == "InvalidArgument"


# --- the account -----------------------------------------------------------------------------


def test_regions_are_described(shop: Shop) -> None:
    assert account(shop, "GET", "regions").xml.findtext("RegionInfo/Region") == "oss-cn-hangzhou"
    one = account(shop, "GET", "regions=oss-cn-chengdu").xml
    assert [node.text for node in one.iter("InternetEndpoint")] == ["oss-cn-chengdu.aliyuncs.com"]
    assert account(shop, "GET", "regions=moon").code == "NoSuchRegion"


def test_there_is_no_resource_pool(shop: Shop) -> None:
    assert account(shop, "GET", "resourcePool").text("IsTruncated") == "false"
    for method, query in (
        *(("GET", "resourcePoolInfo"), ("GET", "resourcePoolBuckets"), ("GET", "requesterQosInfo")),
        *(("PUT", "requesterQosInfo&qosRequester=1"), ("DELETE", "requesterQosInfo&qosRequester=1")),
    ):
        answer = account(shop, method, f"{query}&resourcePool=p")
        assert (answer.status, answer.code) == (404, "NoSuchResourcePool")


def test_the_account_can_close_everything_to_the_public(shop: Shop) -> None:
    block = "<PublicAccessBlockConfiguration><BlockPublicAccess>{}</BlockPublicAccess></PublicAccessBlockConfiguration>"
    shop.put("open", b"for all", x_oss_object_acl="public-read")
    path = f"/{BUCKET}/open"
    assert send(shop.grant.endpoint, "GET", path, {}).body == b"for all"
    assert account(shop, "PUT", "publicAccessBlock", block.format("maybe")).code == "MalformedXML"
    assert account(shop, "PUT", "publicAccessBlock", block.format("true")).status == 200
    assert account(shop, "GET", "publicAccessBlock").text("BlockPublicAccess") == "true"
    assert send(shop.grant.endpoint, "GET", path, {}).code == "AccessDenied"
    for asked in (
        shop.ask("PUT", "", "acl", x_oss_acl="public-read"),
        shop.ask("PUT", "other", body=b"x", x_oss_object_acl="public-read"),
    ):
        assert asked.code == "AccessDenied"
        assert "Put public" in (asked.text("Message") or "")
    assert account(shop, "DELETE", "publicAccessBlock").status == 204
    assert send(shop.grant.endpoint, "GET", path, {}).body == b"for all"


def test_strangers_and_upload_tokens_set_nothing_up(emulator: Emulator, shop: Shop, grant: Grant) -> None:
    for method, query in (
        *(("GET", "regions"), ("GET", "accessPoint"), ("PUT", "publicAccessBlock"), ("GET", "resourcePool")),
        ("GET", "redundancyTransition"),
    ):
        assert send(emulator.endpoint, method, f"/?{query}", {"Authorization": "OSS a:b"}).status == 403
        assert oss(grant, method, query, key="", bucket="").code == "AccessDenied"
        assert oss(grant, method, query, key="").code in ("AccessDenied", "NotImplemented")


def test_a_bucket_that_watches_tells_when_an_object_was_read(emulator: Emulator, shop: Shop) -> None:
    shop.put("a", b"x")
    name = "x-oss-last-access-time"
    assert name not in shop.ask("HEAD", "a", "objectMeta").headers
    watch = "<AccessMonitorConfiguration><Status>Enabled</Status></AccessMonitorConfiguration>"
    assert shop.ask("PUT", "", "accessmonitor", watch).status == 200
    before = shop.ask("HEAD", "a", "objectMeta").headers[name]
    emulator.clock.advance(3600)
    shop.ask("GET", "a")
    assert shop.ask("HEAD", "a", "objectMeta").headers[name] != before
