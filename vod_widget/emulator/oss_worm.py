"""Retention of a bucket (WORM): what is younger than so many days can be neither deleted nor replaced.

What lives here: `answer` for its operations. What it protects, `storage` protects. It imports `oss_xml`, `storage`;
called under the lock of `Cloud`.

Source: OSS "Retention policy", "InitiateBucketWorm" and its relatives: it protects at once, and is void after a day in
which nobody locked it. The statuses of its errors are those of oss2. INFERRED: a second one is WORMConfigurationLocked.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from vod_widget.emulator import oss_xml
from vod_widget.emulator.clock import iso_millis
from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import Bucket
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_views import OssAnswer
from vod_widget.emulator.storage import ObjectStore

MAX_DAYS = 25_550  # 70 years
RIGHTS: Mapping[str, str] = {
    "PostBucketWorm": "oss:InitiateBucketWorm",
    "DeleteBucketWorm": "oss:AbortBucketWorm",
    "GetBucketWorm": "oss:GetBucketWorm",
    "PostBucketWormId": "oss:CompleteBucketWorm",
    "PostBucketWormExtend": "oss:ExtendBucketWorm",
}


def answer(
    operation: str, request: OssRequest, body: bytes, store: ObjectStore, *, now_s: float, rng: random.Random
) -> OssAnswer:
    """Perform one operation.

    Raises:
        OssError: It is refused; nothing has happened.
    """
    bucket = store.bucket(request.bucket)
    there = bool(bucket.worm_id) and (bucket.worm_locked or now_s < bucket.worm_from_s + store.WORM_OPEN_S)
    if operation == "PostBucketWorm":
        if there:
            raise _locked()
        days = _days(body, "InitiateWormConfiguration")
        made = f"{rng.getrandbits(128):032X}"
        store.set_worm(bucket, made, days, from_s=now_s, locked=False)
        return OssAnswer(200, {"x-oss-worm-id": made})
    if not there:
        raise OssError(404, "NoSuchWORMConfiguration", "The WORM Configuration does not exist.")
    match operation:
        case "GetBucketWorm":
            return _show(bucket)
        case "DeleteBucketWorm":
            if bucket.worm_locked:
                raise _locked()
            store.set_worm(bucket, "", 0, from_s=0.0, locked=False)
            return OssAnswer(204)
        case _:
            return _move_on(operation, request, body, store)


def _move_on(operation: str, request: OssRequest, body: bytes, store: ObjectStore) -> OssAnswer:
    """Lock it, or make it longer."""
    bucket, worm_id = store.bucket(request.bucket), request.param("wormId")
    if worm_id != bucket.worm_id:
        raise OssError(404, "NoSuchWORMConfiguration", "The WORM Configuration does not exist.")
    days = bucket.worm_days
    if operation == "PostBucketWormExtend":
        days = _days(body, "ExtendWormConfiguration")
        if not bucket.worm_locked or days <= bucket.worm_days:
            raise OssError(400, "InvalidWORMConfiguration", "The WORM Configuration is invalid.")
    elif bucket.worm_locked:
        raise _locked()
    store.set_worm(bucket, worm_id, days, from_s=bucket.worm_from_s, locked=True)
    return OssAnswer(200)


def _locked() -> OssError:
    return OssError(403, "WORMConfigurationLocked", "The WORM Configuration is locked.")


def _days(body: bytes, root: str) -> int:
    found = ""
    for name, node in oss_xml.children(oss_xml.parse(body, root)):
        if name != "RetentionPeriodInDays":
            raise malformed_xml()
        found = (node.text or "").strip()
    if not re.fullmatch(r"[0-9]{1,5}", found) or not 1 <= int(found) <= MAX_DAYS:
        raise oss_invalid_argument("The retention period is not valid.", name="RetentionPeriodInDays", value=found)
    return int(found)


def _show(bucket: Bucket) -> OssAnswer:
    pairs = [
        ("WormId", bucket.worm_id),
        ("State", "Locked" if bucket.worm_locked else "InProgress"),
        ("RetentionPeriodInDays", str(bucket.worm_days)),
        ("CreationDate", iso_millis(bucket.worm_from_s)),
    ]
    return OssAnswer(200, body=oss_xml.document("WormConfiguration", pairs))
