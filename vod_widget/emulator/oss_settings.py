"""Configurations of buckets: documents that are checked, kept and shown.

What lives here: the table of them and `SettingsDesk`, which performs put, get, list and delete of any. It imports
`oss_lifecycle`, `oss_xml`, `storage`; called under the lock of `Cloud`.

Theory: to a client such a configuration is a document with a name. The emulator takes it when the service would, says
the service's words when there is none, and acts on none of it: no lifecycle rule deletes. The exceptions are
policy, requestPayment and publicAccessBlock, which `oss_gate` obeys, and the pages of a website (`oss_website`).

Source: OSS API reference, the Put, Get and Delete page of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from vod_widget.emulator import bucket_policy, oss_xml
from vod_widget.emulator.clock import Clock, http_date
from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import Bucket
from vod_widget.emulator.oss_lifecycle import check_lifecycle
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_views import OssAnswer
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.tags import bucket_tags

# A thousand rules of a kilobyte; a policy has a limit of its own. Source: OSS "Limits", "PutBucketPolicy".
MAX_SETTING_BYTES = 1 << 20
MAX_POLICY_BYTES = 16 * 1024
_PAGE = 100
ACCESS_POINT = "x-oss-access-point-name"
# The one that every account has.
RESOURCE_GROUP = "rg-default"
_SWITCH = ("true", "false")
_TLS = ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_QOS = ("TotalUpload", "IntranetUpload", "ExtranetUpload", "TotalDownload", "IntranetDownload", "ExtranetDownload")
_QPS = ("TotalQps", "IntranetQps", "ExtranetQps")
QOS_DEFAULTS: Mapping[str, str] = {**{f"{name}Bandwidth": "-1" for name in _QOS}, **dict.fromkeys(_QPS, "-1")}
# Gbit/s, and requests a second; -1 for no limit. Source: OSS "GetUserQoSInfo", its sample.
ACCOUNT_QOS: Mapping[str, int] = {"TotalUploadBandwidth": 10, "TotalDownloadBandwidth": 10}


def _no_check(_root: ET.Element) -> None:
    return


@dataclass(frozen=True)
class Setting:
    """One kind of configuration."""

    root: str
    """Name of the document's element; "" for JSON."""
    missing: tuple[str, str] = ("", "")
    """Code and text of the 404 when there is none; "" shows the defaults instead."""
    defaults: Mapping[str, str] | None = None
    """Children that the service adds when a client leaves them out."""
    values: Mapping[str, tuple[str, ...]] | None = None
    """Children that must be there, with what they may say."""
    check: Callable[[ET.Element], None] = _no_check
    verbs: tuple[str, ...] = ("GET", "PUT", "DELETE")
    item: str = ""
    """The query parameter that names one of several."""
    listing: str = ""
    """Name of the element around all of them."""


# --- what single ones may say ------------------------------------------------------------


def no_such_access_point() -> OssError:
    """Build the refusal of an access point that is not there."""
    return OssError(404, "NoSuchAccessPoint", "Accesspoint not found")


def text_of(root: ET.Element, path: str) -> str:
    """Return the text of a descendant, "" when absent."""
    return (root.findtext(path) or "").strip()


def _check_encryption(root: ET.Element) -> None:
    name = "ApplyServerSideEncryptionByDefault"
    algorithm, key_id = text_of(root, f"{name}/SSEAlgorithm"), text_of(root, f"{name}/KMSMasterKeyID")
    if algorithm not in ("AES256", "KMS", "SM4"):
        text = "The encryption algorithm you specified is not valid."
        raise OssError(400, "InvalidEncryptionAlgorithmError", text)
    if key_id and algorithm != "KMS":
        raise oss_invalid_argument("KMSMasterKeyID is for KMS only.", name="KMSMasterKeyID", value=key_id)
    place, extra = root.find(name), root.find(f"{name}/KMSDataEncryption")
    if place is not None and extra is not None and algorithm != "KMS":
        place.remove(extra)  # it says nothing then, and is not kept


def _check_https(root: ET.Element) -> None:
    found = root.find("TLS")
    if found is None or text_of(root, "TLS/Enable") not in _SWITCH:
        raise malformed_xml()
    nodes = found.findall("TLSVersion")
    seen: list[str] = []
    for node in nodes:
        version = (node.text or "").strip()
        if version not in _TLS:
            raise malformed_xml()
        if version in seen:
            found.remove(node)
        seen.append(version)
    if text_of(root, "TLS/Enable") == "true" and not seen:
        raise malformed_xml()


def _check_capacity(root: ET.Element) -> None:
    text = text_of(root, "StorageCapacity")
    if not re.fullmatch(r"-1|[0-9]{1,12}", text):
        raise oss_invalid_argument("The storage capacity is not valid.", name="StorageCapacity", value=text)


def check_qos(root: ET.Element, most: Mapping[str, int] | None = None) -> None:
    """Refuse limits that are no numbers, or larger than what holds them.

    Args:
        root: The document.
        most: What the account has, by the name of the limit; nothing for limits of a requester.

    Raises:
        OssError: InvalidArgument.
    """
    for node in root:
        if not re.fullmatch(r"-1|[0-9]{1,12}", (node.text or "").strip()):
            raise oss_invalid_argument("The limit is not valid.", name=node.tag, value=node.text or "")
    for kind in ("UploadBandwidth", "DownloadBandwidth", "Qps"):
        bound = (most or {}).get(f"Total{kind}", -1)
        for scope in ("Total", "Intranet", "Extranet"):  # the total first: it holds the two others
            limit = int(text_of(root, f"{scope}{kind}") or "-1")
            if -1 < bound < limit:
                raise oss_invalid_argument(
                    "The limit is larger than what holds it.", name=scope + kind, value=str(limit)
                )
            if scope == "Total" and limit > -1:
                bound = limit


def _check_bucket_qos(root: ET.Element) -> None:
    check_qos(root, ACCOUNT_QOS)


def _check_style(root: ET.Element) -> None:
    if not text_of(root, "Content"):
        raise oss_invalid_argument("Style content is invalid.", name="Content", value="")


def _check_inventory(root: ET.Element) -> None:
    if not text_of(root, "Id"):
        raise malformed_xml()
    classes = root.find("Filter/StorageClass")
    if classes is not None and classes.text:
        classes.text = ",".join(sorted(classes.text.split(",")))  # as oss2's tests show


def _check_group(root: ET.Element) -> None:
    text = text_of(root, "ResourceGroupId")
    if text != RESOURCE_GROUP:
        raise OssError(400, "ResourceGroupIdPreCheckError", "The resource group is not one of this account.")


def _check_website(root: ET.Element) -> None:
    for place in root.findall("RoutingRules/RoutingRule/Redirect"):
        mirrored = place.findtext("MirrorPassQueryString")
        if place.find("PassQueryString") is None and mirrored is not None:  # as oss2's tests show
            place.append(leaf("PassQueryString", mirrored))
    if root.find("IndexDocument") is not None and not text_of(root, "IndexDocument/Suffix"):
        raise oss_invalid_argument("Index document suffix is required.", name="Suffix", value="")


def _check_bucket_tags(root: ET.Element) -> None:
    bucket_tags(root)


def _absent(code: str) -> tuple[str, str]:
    return code, "The configuration of the bucket does not exist."


_SHOW_AND_SET = ("GET", "PUT")
SETTINGS: Mapping[str, Setting] = {
    "accessmonitor": Setting(
        "AccessMonitorConfiguration",
        defaults={"Status": "Disabled"},
        values={"Status": ("Enabled", "Disabled")},
        verbs=_SHOW_AND_SET,
    ),
    "bucketArchiveDirectRead": Setting(
        "ArchiveDirectReadConfiguration",
        defaults={"Enabled": "false"},
        values={"Enabled": _SWITCH},
        verbs=_SHOW_AND_SET,
    ),
    "encryption": Setting(
        "ServerSideEncryptionRule", missing=_absent("NoSuchServerSideEncryptionRule"), check=_check_encryption
    ),
    "httpsConfig": Setting(
        "HttpsConfiguration", defaults={"TLS/Enable": "false"}, check=_check_https, verbs=_SHOW_AND_SET
    ),
    "inventory": Setting(
        "InventoryConfiguration",
        missing=_absent("NoSuchInventory"),
        check=_check_inventory,
        item="inventoryId",
        listing="ListInventoryConfigurationsResult",
    ),
    "lifecycle": Setting("LifecycleConfiguration", missing=_absent("NoSuchLifecycle"), check=check_lifecycle),
    "logging": Setting("BucketLoggingStatus"),
    "policy": Setting("", missing=_absent("NoSuchBucketPolicy")),
    "publicAccessBlock": Setting(
        "PublicAccessBlockConfiguration", defaults={"BlockPublicAccess": "false"}, values={"BlockPublicAccess": _SWITCH}
    ),
    "qos": Setting("BucketUserQos", defaults={"StorageCapacity": "-1"}, check=_check_capacity, verbs=_SHOW_AND_SET),
    "qosInfo": Setting(
        "QoSConfiguration",
        defaults=QOS_DEFAULTS,
        check=_check_bucket_qos,
    ),
    "referer": Setting(
        "RefererConfiguration",
        defaults={"AllowEmptyReferer": "true", "AllowTruncateQueryString": "true", "RefererList": ""},
        values={"AllowEmptyReferer": _SWITCH, "AllowTruncateQueryString": _SWITCH},
        verbs=_SHOW_AND_SET,
    ),
    "requestPayment": Setting(
        "RequestPaymentConfiguration",
        defaults={"Payer": "BucketOwner"},
        values={"Payer": ("BucketOwner", "Requester")},
        verbs=_SHOW_AND_SET,
    ),
    "resourceGroup": Setting(
        "BucketResourceGroupConfiguration",
        defaults={"ResourceGroupId": RESOURCE_GROUP},
        check=_check_group,
        verbs=_SHOW_AND_SET,
    ),
    "style": Setting(
        "Style", missing=_absent("NoSuchStyle"), check=_check_style, item="styleName", listing="StyleList"
    ),
    "tagging": Setting("Tagging", defaults={"TagSet": ""}, check=_check_bucket_tags),
    "transferAcceleration": Setting(
        "TransferAccelerationConfiguration",
        missing=_absent("NoSuchTransferAccelerationConfiguration"),
        values={"Enabled": _SWITCH},
        verbs=_SHOW_AND_SET,
    ),
    "website": Setting("WebsiteConfiguration", missing=_absent("NoSuchWebsiteConfiguration"), check=_check_website),
}


def operation_name(verb: str, name: str) -> str:
    """Return what put, get or delete of a configuration is called."""
    return f"{verb.title()}Bucket{name[0].upper()}{name[1:]}"


_BY_OPERATION = {
    operation_name(verb, name): (verb, name) for name, setting in SETTINGS.items() for verb in setting.verbs
}
OPERATIONS = frozenset(_BY_OPERATION)


class SettingsDesk:
    """Perform operations on configurations.

    Args:
        store: The buckets.
        clock: Dates styles.
    """

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def answer(self, operation: str, request: OssRequest, body: bytes) -> OssAnswer:
        """Perform one operation.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        verb, name = _BY_OPERATION[operation]
        setting, bucket = SETTINGS[name], self._store.bucket(request.bucket)
        item = request.param(setting.item) if setting.item else ""
        place = f"{name}/{item}" if setting.item else name
        point = request.headers.get(ACCESS_POINT) or request.param(ACCESS_POINT)
        if point:
            if name != "publicAccessBlock" or f"accessPoint/{point}" not in bucket.settings:
                raise no_such_access_point()
            place = f"{name}/{point}"
        match verb:
            case "PUT":
                self._store.set_setting(bucket, place, read(setting, item, body, self._clock.wall_s()))
                return OssAnswer(200)
            case "DELETE":
                self._delete(bucket, name, place, request.param(name))
                return OssAnswer(204)
            case _:
                if setting.item and setting.item not in request.params:
                    return _listing(setting, name, bucket, request.param("continuation-token"))
                return _show(setting, bucket, place)

    def _delete(self, bucket: Bucket, name: str, place: str, which: str) -> None:
        kept = None
        if name == "tagging" and which and place in bucket.settings:
            # Only some of the tags. Source: OSS "DeleteBucketTags", tagging=k1,k2
            root = ET.fromstring(bucket.settings[place])  # noqa: S314 - our own text
            tags = root.find("TagSet")
            for tag in [] if tags is None else list(tags):
                if tags is not None and text_of(tag, "Key") in which.split(","):
                    tags.remove(tag)
            kept = ET.tostring(root, encoding="unicode")
        self._store.set_setting(bucket, place, kept)


def read(setting: Setting, item: str, body: bytes, now_s: float) -> str:
    """Return a client's document as it is kept.

    Raises:
        OssError: It is none, too long, or says what it may not say.
    """
    if len(body) > (MAX_SETTING_BYTES if setting.root else MAX_POLICY_BYTES):
        raise OssError(400, "EntityTooLarge", "The configuration exceeds the maximum allowed size.")
    if not setting.root:
        return _read_policy(body)
    root = oss_xml.plain(oss_xml.parse(body, setting.root))
    for node in root.iter():
        if node.text in ("True", "False") and node.tag not in (
            "Key",
            "Value",
        ):  # oss2 writes them as Python does; the service answers in lower case
            node.text = node.text.lower()
    if setting.item:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", item):
            raise oss_invalid_argument("The name is not valid.", name=setting.item, value=item)
        if setting.root == "Style":
            root.insert(0, leaf("Name", item))
            root.extend([leaf("CreateTime", http_date(now_s)), leaf("LastModifyTime", http_date(now_s))])
        elif text_of(root, "Id") not in ("", item):
            raise oss_invalid_argument("The id differs from that of the document.", name=setting.item, value=item)
    setting.check(root)
    for path, value in (setting.defaults or {}).items():
        if "/" not in path and root.find(path) is None:
            root.append(leaf(path, value))
    for path, allowed in (setting.values or {}).items():
        if text_of(root, path) not in allowed:
            raise malformed_xml()
    try:
        return ET.tostring(root, encoding="unicode")
    except RecursionError as exc:  # nested thousands deep, as no client's is
        raise malformed_xml() from exc


def leaf(name: str, text: str) -> ET.Element:
    """Return an element that holds a text."""
    node = ET.Element(name)
    node.text = text
    return node


def _read_policy(body: bytes) -> str:
    try:
        text = body.decode("utf-8")
    except ValueError as exc:
        raise OssError(400, "InvalidPolicyDocument", "The policy is not a JSON document.") from exc
    bucket_policy.parse(text)
    return text


def _show(setting: Setting, bucket: Bucket, place: str) -> OssAnswer:
    kept = bucket.settings.get(place)
    if kept is None:
        code, text = setting.missing
        if code:
            raise OssError(404, code, text, extras={"BucketName": bucket.name})
        kept = _default(setting)
    if not setting.root:
        return OssAnswer(200, {"Content-Type": "application/json"}, kept.encode())
    return _xml(kept)


def _default(setting: Setting) -> str:
    root = ET.Element(setting.root)
    for path, value in (setting.defaults or {}).items():
        node = root
        *folders, name = path.split("/")
        for folder in folders:
            node = ET.SubElement(node, folder)
        node.append(leaf(name, value))
    return ET.tostring(root, encoding="unicode")


def _listing(setting: Setting, name: str, bucket: Bucket, token: str) -> OssAnswer:
    places = sorted(place for place in bucket.settings if place.startswith(f"{name}/"))
    if not places:
        code, text = setting.missing
        raise OssError(404, code, text, extras={"BucketName": bucket.name})
    places = [place for place in places if place.partition("/")[2] > token]
    shown = places[:_PAGE] if name == "inventory" else places
    pairs = []
    if name == "inventory":
        pairs = [("ContinuationToken", token)] if token else []
        pairs.append(("IsTruncated", "true" if len(places) > len(shown) else "false"))
        if len(places) > len(shown):
            pairs.append(("NextContinuationToken", shown[-1].partition("/")[2]))
    inner = "".join(bucket.settings[place] for place in shown)
    return OssAnswer(200, body=oss_xml.document(setting.listing, pairs, inner))


def _xml(text: str) -> OssAnswer:
    return OssAnswer(200, body=f"{oss_xml.HEAD}{text}".encode())


def shown(bucket: Bucket, name: str, path: str) -> str:
    """Return one value of a bucket's configuration, its default when there is none, "" when that has none."""
    kept = bucket.settings.get(name) or _default(SETTINGS[name])
    return text_of(ET.fromstring(kept), path)  # noqa: S314 - our own text


def tags_of(bucket: Bucket) -> dict[str, str]:
    """Return the tags of a bucket."""
    kept = bucket.settings.get("tagging")
    return bucket_tags(ET.fromstring(kept)) if kept else {}  # noqa: S314 - our own text


def encryption_of(headers: Mapping[str, str]) -> str:
    """Return the encryption rule that the headers of PutBucket name, "" when they name none.

    Raises:
        OssError: It is not allowed.
    """
    head = "x-oss-server-side-"
    if f"{head}encryption" not in headers:
        return ""
    names = {
        "encryption": "SSEAlgorithm",
        "encryption-key-id": "KMSMasterKeyID",
        "data-encryption": "KMSDataEncryption",
    }
    root = ET.Element("ServerSideEncryptionRule")
    place = ET.SubElement(root, "ApplyServerSideEncryptionByDefault")
    place.extend(leaf(name, headers[head + title]) for title, name in names.items() if head + title in headers)
    _check_encryption(root)
    return ET.tostring(root, encoding="unicode")
