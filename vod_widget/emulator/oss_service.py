"""Questions that name no bucket: regions, the account's limits, its block of public access, lists over all buckets.

What lives here: `answer` for them; ListBuckets is elsewhere (`oss_buckets`). It imports `oss_console`, `oss_settings`,
`storage`; called under the lock of `Cloud`. There are no resource pools, as in an account that was given none.

Source: OSS "DescribeRegions", "PutPublicAccessBlock", "GetUserQoSInfo", "ListResourcePools".
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from vod_widget.emulator import oss_xml
from vod_widget.emulator.errors import OssError
from vod_widget.emulator.oss_console import ConsoleDesk
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import ACCOUNT_QOS, QOS_DEFAULTS, SETTINGS, read, text_of
from vod_widget.emulator.oss_views import OssAnswer
from vod_widget.emulator.storage import ObjectStore

_NO_POOL = (
    "DeleteResourcePoolRequesterQosInfo",
    "GetResourcePoolInfo",
    "GetResourcePoolRequesterQosInfo",
    "ListResourcePoolBuckets",
    "PutResourcePoolRequesterQosInfo",
)
RIGHTS: Mapping[str, str] = {
    name: f"oss:{name}"
    for name in (
        "DeletePublicAccessBlock",
        "DescribeRegions",
        "GetPublicAccessBlock",
        "GetUserQosInfo",
        "ListAccessPoints",
        "ListResourcePools",
        "ListUserDataRedundancyTransition",
        "PutPublicAccessBlock",
        *_NO_POOL,
    )
}
# Source: OSS "Regions and endpoints".
_REGIONS = (
    *("cn-hangzhou", "cn-shanghai", "cn-nanjing", "cn-fuzhou", "cn-wuhan-lr", "cn-qingdao", "cn-beijing"),
    *("cn-zhangjiakou", "cn-huhehaote", "cn-wulanchabu", "cn-shenzhen", "cn-heyuan", "cn-guangzhou", "cn-chengdu"),
    *("cn-hongkong", "us-west-1", "us-east-1", "ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-3"),
    *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "eu-central-1", "eu-west-1", "me-east-1"),
)
_BLOCK = "publicAccessBlock"


def answer(
    operation: str, request: OssRequest, body: bytes, store: ObjectStore, desk: ConsoleDesk, *, place: tuple[str, str]
) -> OssAnswer:
    """Perform one operation.

    Args:
        operation: Which.
        request: The request.
        body: Its body.
        store: The buckets.
        desk: Lists what lies beside them.
        place: Account id and region.

    Raises:
        OssError: It is refused; nothing has happened.
    """
    account_id, region = place
    match operation:
        case "DescribeRegions":
            return _regions(request.param("regions"))
        case "GetPublicAccessBlock":
            return _xml("PublicAccessBlockConfiguration", [("BlockPublicAccess", store.account.get(_BLOCK, "false"))])
        case "PutPublicAccessBlock":
            document = ET.fromstring(read(SETTINGS[_BLOCK], "", body, 0.0))  # noqa: S314 - our own text by now
            store.set_account(_BLOCK, text_of(document, "BlockPublicAccess"))
            return OssAnswer(200)
        case "DeletePublicAccessBlock":
            store.set_account(_BLOCK, None)
            return OssAnswer(204)
        case "GetUserQosInfo":
            limits = {**QOS_DEFAULTS, **{name: str(limit) for name, limit in ACCOUNT_QOS.items()}}
            return _xml("QoSConfiguration", [("Region", region), *limits.items()])
        case "ListAccessPoints":
            return desk.list_points(request, store.buckets())
        case "ListUserDataRedundancyTransition":
            return desk.list_transitions(request, store.buckets())
        case "ListResourcePools":
            token = request.param("continuation-token")
            pairs = [("Region", region), ("Owner", account_id), ("ContinuationToken", token)]
            return _xml("ListResourcePoolsResult", [*pairs, ("NextContinuationToken", ""), ("IsTruncated", "false")])
        case _:
            text = "The specified resource pool does not exist."
            raise OssError(404, "NoSuchResourcePool", text, extras={"ResourcePool": request.param("resourcePool")})


def _regions(wanted: str) -> OssAnswer:
    names = [f"oss-{name}" for name in _REGIONS]
    if wanted:
        if wanted not in names:
            raise OssError(404, "NoSuchRegion", "The region does not exist.", extras={"Region": wanted})
        names = [wanted]
    inner = ""
    for name in names:
        pairs = [
            ("Region", name),
            ("InternetEndpoint", f"{name}.aliyuncs.com"),
            ("InternalEndpoint", f"{name}-internal.aliyuncs.com"),
            ("AccelerateEndpoint", "oss-accelerate.aliyuncs.com"),
        ]
        inner += f"<RegionInfo>{oss_xml.elements(pairs)}</RegionInfo>"
    return _xml("RegionInfoList", [], inner)


def _xml(root: str, pairs: list[tuple[str, str]], inner: str = "") -> OssAnswer:
    return OssAnswer(200, body=oss_xml.document(root, pairs, inner))
