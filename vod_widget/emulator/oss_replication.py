"""Replication of a bucket: rules that are checked, kept and shown; nothing is copied, since there is one region here.

What lives here: `answer` for its operations. It imports `oss_settings`, `oss_xml`, `storage`; called under the lock of
`Cloud`.

Theory: the rules are one document among the settings of a bucket. A rule stays `starting`, and one that was deleted
`closing` until the next one is put, as the service shows them while it works; that work the emulator does not do.

Source: OSS "PutBucketReplication" and its relatives; the statuses of its errors are those of oss2.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from vod_widget.emulator import oss_xml
from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import Bucket
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import leaf, text_of
from vod_widget.emulator.oss_views import OssAnswer
from vod_widget.emulator.storage import ObjectStore

RIGHTS: Mapping[str, str] = {
    name: f"oss:{name}"
    for name in (
        "DeleteBucketReplication",
        "GetBucketReplication",
        "GetBucketReplicationLocation",
        "GetBucketReplicationProgress",
        "PutBucketReplication",
    )
}
_PLACE = "replication"
_ACTIONS = ("ALL", "PUT", "DELETE", "ABORT")
_SWITCH = ("enabled", "disabled")
# Regions that the tests of SDKs and the documents name as targets.
_LOCATIONS = ("oss-ap-southeast-1", "oss-ap-south-1", "oss-cn-beijing", "oss-cn-shenzhen", "oss-us-west-1")


def answer(operation: str, request: OssRequest, body: bytes, store: ObjectStore, rng: random.Random) -> OssAnswer:
    """Perform one operation.

    Raises:
        OssError: It is refused; nothing has happened.
    """
    bucket = store.bucket(request.bucket)
    match operation:
        case "PutBucketReplication":
            rules = [rule for rule in _rules(bucket) if _status(rule).text != "closing"]
            rules.append(_read(body, rules, rng))
            _keep(store, bucket, rules)
            return OssAnswer(200)
        case "DeleteBucketReplication":
            root = oss_xml.parse(body, "ReplicationRules")
            rules = _rules(bucket)
            _status(_rule(rules, text_of(oss_xml.plain(root), "ID"))).text = "closing"
            _keep(store, bucket, rules)
            return OssAnswer(200)
        case "GetBucketReplicationLocation":
            return _locations()
        case "GetBucketReplicationProgress":
            return _progress(_rule(_rules(bucket), request.param("rule-id")))
        case _:
            rules = _rules(bucket)
            if not rules:
                text = "The bucket you specified does not have replication configuration."
                raise OssError(404, "NoSuchReplicationConfiguration", text, extras={"BucketName": bucket.name})
            return _document("ReplicationConfiguration", rules)


def _rules(bucket: Bucket) -> list[ET.Element]:
    kept = bucket.settings.get(_PLACE)
    return list(ET.fromstring(kept)) if kept else []  # noqa: S314 - our own text


def _keep(store: ObjectStore, bucket: Bucket, rules: list[ET.Element]) -> None:
    root = ET.Element("ReplicationConfiguration")
    root.extend(rules)
    store.set_setting(bucket, _PLACE, ET.tostring(root, encoding="unicode"))


def _rule(rules: list[ET.Element], rule_id: str) -> ET.Element:
    for rule in rules:
        if rule_id and text_of(rule, "ID") == rule_id:
            return rule
    raise OssError(404, "NoSuchReplicationRule", "The replication rule does not exist.", extras={"RuleId": rule_id})


def _status(rule: ET.Element) -> ET.Element:
    found = rule.find("Status")
    assert found is not None, "every rule that is kept has one"
    return found


def _read(body: bytes, old: list[ET.Element], rng: random.Random) -> ET.Element:
    """Return the one rule of a client's document as it is kept."""
    rules = oss_xml.plain(oss_xml.parse(body, "ReplicationConfiguration")).findall("Rule")
    if len(rules) != 1:
        raise malformed_xml()
    (rule,) = rules
    target, place = text_of(rule, "Destination/Bucket"), text_of(rule, "Destination/Location")
    if not target or not place:
        raise malformed_xml()
    # Source: OSS "PutBucketReplication": a pair of buckets has one rule.
    if any(text_of(other, "Destination/Bucket") == target for other in old):
        text = "There is already a replication rule for the target bucket."
        raise OssError(400, "BucketReplicationAlreadyExist", text, extras={"TargetBucketName": target})
    rule_id = text_of(rule, "ID")
    if rule_id and any(text_of(other, "ID") == rule_id for other in old):
        raise oss_invalid_argument("The id of the replication rule is there already.", name="ID", value=rule_id)
    for path, allowed, default in (
        ("HistoricalObjectReplication", _SWITCH, "enabled"),
        ("Action", _ACTIONS, "ALL"),
    ):
        said = text_of(rule, path) or default
        if not set(said.split(",")) <= set(allowed):
            raise oss_invalid_argument("The value is not valid.", name=path, value=said)
        if rule.find(path) is None:
            rule.append(leaf(path, default))
    # Encrypted objects are copied in somebody's name only, and their key matters only when they are.
    if not text_of(rule, "SyncRole"):
        _drop(rule, "SourceSelectionCriteria", "EncryptionConfiguration")
    elif text_of(rule, "SourceSelectionCriteria/SseKmsEncryptedObjects/Status") != "Enabled":
        _drop(rule, "EncryptionConfiguration")
    _drop(rule, "Status", "ID")
    rule.insert(0, leaf("ID", rule_id or f"{rng.getrandbits(128):032x}"))
    rule.append(leaf("Status", "starting"))
    return rule


def _drop(rule: ET.Element, *names: str) -> None:
    for node in [node for node in rule if node.tag in names]:
        rule.remove(node)


def _progress(rule: ET.Element) -> OssAnswer:
    _drop(rule, "SyncRole", "SourceSelectionCriteria", "EncryptionConfiguration")
    ET.SubElement(rule, "Progress").append(leaf("HistoricalObject", "0.00"))
    return _document("ReplicationProgress", [rule])


def _locations() -> OssAnswer:
    root = ET.Element("ReplicationLocation")
    root.extend(leaf("Location", name) for name in _LOCATIONS)
    around = ET.SubElement(root, "LocationTransferTypeConstraint")
    for name in _LOCATIONS:
        node = ET.SubElement(around, "LocationTransferType")
        node.append(leaf("Location", name))
        types = ET.SubElement(node, "TransferTypes")
        types.append(leaf("Type", "oss_acc"))
    return _answer(root)


def _document(name: str, children: list[ET.Element]) -> OssAnswer:
    root = ET.Element(name)
    root.extend(children)
    return _answer(root)


def _answer(root: ET.Element) -> OssAnswer:
    return OssAnswer(200, body=oss_xml.HEAD.encode() + ET.tostring(root))
