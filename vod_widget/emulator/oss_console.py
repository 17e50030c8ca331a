"""What a console of the vendor sets up beside a bucket: access points, own names, redundancy, limits of requesters.

What lives here: `ConsoleDesk`. It imports `oss_settings`, `oss_xml`, `storage`; called under the lock of `Cloud`.

Theory: each is a document among the settings of its bucket, so it is written down with it. They are kept and shown, and
the emulator acts on none of them: no request is routed by the alias of an access point, no name of one's own leads
here (its owner cannot be asked, so it always wants to be verified), and a change of redundancy changes one word.

Source: OSS API reference, the page of each. INFERRED: the codes of what is there twice.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from vod_widget.emulator import bucket_policy, oss_xml
from vod_widget.emulator.clock import Clock, iso_millis
from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import Bucket
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import (
    ACCESS_POINT,
    MAX_POLICY_BYTES,
    QOS_DEFAULTS,
    check_qos,
    leaf,
    no_such_access_point,
    text_of,
)
from vod_widget.emulator.oss_views import OssAnswer, limit_of
from vod_widget.emulator.storage import ObjectStore

RIGHTS: Mapping[str, str] = {
    name: f"oss:{name}"
    for name in (
        "CreateAccessPoint",
        "CreateBucketDataRedundancyTransition",
        "CreateCnameToken",
        "DeleteAccessPoint",
        "DeleteAccessPointPolicy",
        "DeleteBucketDataRedundancyTransition",
        "DeleteBucketRequesterQosInfo",
        "DeleteCname",
        "GetAccessPoint",
        "GetAccessPointPolicy",
        "GetBucketDataRedundancyTransition",
        "GetBucketRequesterQosInfo",
        "GetCnameToken",
        "ListAccessPoints",
        "ListBucketDataRedundancyTransition",
        "ListBucketRequesterQosInfos",
        "ListCname",
        "PutAccessPointPolicy",
        "PutBucketRequesterQosInfo",
        "PutCname",
    )
}
# Source: OSS "CreateAccessPoint", AccessPointName.
_POINT_NAME = re.compile(r"(?!.*-ossalias$)[a-z0-9][a-z0-9-]{1,17}[a-z0-9]")
_QUEUE_S = 60.0
_TOKEN_S = 72 * 3600.0


class ConsoleDesk:
    """Perform the operations.

    Args:
        store: The buckets.
        clock: Dates what is made.
        rng: Makes ids.
        account_id: Whose the buckets are.
        region: Where they are.
    """

    def __init__(self, store: ObjectStore, clock: Clock, rng: random.Random, account_id: str, region: str) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._account_id = account_id
        self._region = region

    def answer(self, operation: str, request: OssRequest, body: bytes) -> OssAnswer:
        """Perform one operation on a bucket.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        bucket = self._store.bucket(request.bucket)
        if "AccessPoint" in operation:
            return self._access_point(operation, request, bucket, body)
        if "Cname" in operation:
            return self._cname(operation, request, bucket, body)
        if "Redundancy" in operation:
            return self._redundancy(operation, request, bucket)
        return self._requester(operation, request, bucket, body)

    # --- access points -------------------------------------------------------------------

    def _access_point(self, operation: str, request: OssRequest, bucket: Bucket, body: bytes) -> OssAnswer:
        if operation == "ListAccessPoints":
            return self.list_points(request, [bucket])
        if operation == "CreateAccessPoint":
            return self._create_point(bucket, oss_xml.plain(oss_xml.parse(body, "CreateAccessPointConfiguration")))
        name = request.headers.get(ACCESS_POINT) or request.param(ACCESS_POINT)
        place = f"accessPoint/{name}"
        if place not in bucket.settings:
            raise no_such_access_point()
        point = json.loads(bucket.settings[place])
        match operation:
            case "GetAccessPoint":
                return self._show_point(bucket, name, point)
            case "DeleteAccessPoint":
                self._store.set_setting(bucket, f"publicAccessBlock/{name}", None)
                self._store.set_setting(bucket, place, None)
                return OssAnswer(204)
            case "PutAccessPointPolicy":
                point["policy"] = _policy(body)
                self._keep(bucket, place, point)
                return OssAnswer(200)
            case "GetAccessPointPolicy":
                if not point["policy"]:
                    raise OssError(404, "NoSuchAccessPointPolicy", "The policy of the access point does not exist.")
                return OssAnswer(200, {"Content-Type": "application/json"}, point["policy"].encode())
            case _:
                point["policy"] = ""
                self._keep(bucket, place, point)
                return OssAnswer(204)

    def _keep(self, bucket: Bucket, place: str, document: Mapping[str, Any]) -> None:
        self._store.set_setting(bucket, place, json.dumps(document))

    def _create_point(self, bucket: Bucket, root: ET.Element) -> OssAnswer:
        name, origin, vpc = (
            text_of(root, path) for path in ("AccessPointName", "NetworkOrigin", "VpcConfiguration/VpcId")
        )
        if not _POINT_NAME.fullmatch(name):
            raise oss_invalid_argument("The name of the access point is not valid.", name="AccessPointName", value=name)
        if origin not in ("internet", "vpc"):
            raise oss_invalid_argument("The network origin is not valid.", name="NetworkOrigin", value=origin)
        if (origin == "vpc") != bool(vpc):
            raise oss_invalid_argument("A VpcId goes with the network origin vpc.", name="VpcId", value=vpc)
        if any(f"accessPoint/{name}" in other.settings for other in self._store.buckets()):
            raise OssError(409, "AccessPointAlreadyExists", "The access point exists already.")
        alias = f"{name}-{self._rng.getrandbits(120):030x}-ossalias"
        point = {"origin": origin, "vpc": vpc, "alias": alias, "created_s": self._clock.wall_s(), "policy": ""}
        self._keep(bucket, f"accessPoint/{name}", point)
        return _xml("CreateAccessPointResult", [("AccessPointArn", self._point_arn(name)), ("Alias", alias)])

    def _point_arn(self, name: str) -> str:
        return f"acs:oss:{self._region}:{self._account_id}:accesspoint/{name}"

    def _show_point(self, bucket: Bucket, name: str, point: Mapping[str, Any]) -> OssAnswer:
        pairs = [
            ("AccessPointName", name),
            ("Bucket", bucket.name),
            ("AccountId", self._account_id),
            ("NetworkOrigin", point["origin"]),
            ("AccessPointArn", self._point_arn(name)),
            ("CreationDate", str(int(point["created_s"]))),
            ("Alias", point["alias"]),
            ("Status", "enable"),
        ]
        host = f"{name}-{self._account_id}.oss"
        ends = [
            ("PublicEndpoint", f"{host}-{self._region}.oss-accesspoint.aliyuncs.com"),
            ("InternalEndpoint", f"{host}-{self._region}-internal.oss-accesspoint.aliyuncs.com"),
        ]
        return _xml("GetAccessPointResult", pairs, _vpc(point) + f"<Endpoints>{oss_xml.elements(ends)}</Endpoints>")

    def list_points(self, request: OssRequest, buckets: list[Bucket]) -> OssAnswer:
        """ListAccessPoints: of one bucket, or of all."""
        after, limit = request.param("continuation-token"), limit_of(request, "max-keys", default=100)
        found = sorted((name, bucket) for bucket in buckets for name in items(bucket, "accessPoint") if name > after)
        shown, truncated = found[:limit], len(found) > limit
        inner = ""
        for name, bucket in shown:
            point = json.loads(bucket.settings[f"accessPoint/{name}"])
            pairs = [
                ("Bucket", bucket.name),
                ("AccessPointName", name),
                ("Alias", point["alias"]),
                ("NetworkOrigin", point["origin"]),
                ("Status", "enable"),
            ]
            inner += f"<AccessPoint>{oss_xml.elements(pairs)}{_vpc(point)}</AccessPoint>"
        pairs = [
            ("AccountId", self._account_id),
            ("MaxKeys", str(limit)),
            ("IsTruncated", "true" if truncated else "false"),
            *([("NextContinuationToken", shown[-1][0])] if truncated else []),
        ]
        return _xml("ListAccessPointsResult", pairs, f"<AccessPoints>{inner}</AccessPoints>")

    # --- names of one's own --------------------------------------------------------------

    def _cname(self, operation: str, request: OssRequest, bucket: Bucket, body: bytes) -> OssAnswer:
        if operation == "ListCname":
            return _xml("ListCnameResult", [("Bucket", bucket.name), ("Owner", self._account_id)])
        if operation == "GetCnameToken":
            domain = request.param("cname")
            kept = bucket.settings.get(f"cname/{domain}")
            if kept is None:
                raise OssError(404, "CnameTokenNotFound", "The CNAME token does not exist.")
            return self._show_token(bucket, domain, json.loads(kept))
        domain = text_of(oss_xml.plain(oss_xml.parse(body, "BucketCnameConfiguration")), "Cname/Domain").lower()
        if not re.fullmatch(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,63}", domain):
            raise oss_invalid_argument("The domain is not valid.", name="Domain", value=domain)
        match operation:
            case "CreateCnameToken":
                token = {"token": f"{self._rng.getrandbits(128):032x}", "ends_s": self._clock.wall_s() + _TOKEN_S}
                self._keep(bucket, f"cname/{domain}", token)
                return self._show_token(bucket, domain, token)
            case "PutCname":
                text = "You should verify domain ownership first, please see docs for more information."
                raise OssError(403, "NeedVerifyDomainOwnership", text)
            case _:
                return OssAnswer(200)

    @staticmethod
    def _show_token(bucket: Bucket, domain: str, token: Mapping[str, Any]) -> OssAnswer:
        ends = iso_millis(token["ends_s"])
        pairs = [("Bucket", bucket.name), ("Cname", domain), ("Token", token["token"]), ("ExpireTime", ends)]
        return _xml("CnameToken", pairs)

    # --- redundancy ----------------------------------------------------------------------

    def _redundancy(self, operation: str, request: OssRequest, bucket: Bucket) -> OssAnswer:
        if operation == "ListBucketDataRedundancyTransition":
            return self.list_transitions(request, [bucket])
        if operation == "CreateBucketDataRedundancyTransition":
            wanted = request.param("x-oss-target-redundancy-type")
            if wanted != "ZRS":
                raise oss_invalid_argument(
                    "The target redundancy type is not valid.", name="x-oss-target-redundancy-type", value=wanted
                )
            if redundancy_of(bucket, self._clock.signed_url_s()) == "ZRS" or items(bucket, "transition"):
                text = "The bucket has that redundancy, or is on its way to it."
                raise OssError(409, "BucketDataRedundancyTransitionAlreadyExist", text)
            task_id = f"{self._rng.getrandbits(128):032x}"
            times = {"created_s": self._clock.wall_s(), "laid_s": self._clock.signed_url_s()}
            self._keep(bucket, f"transition/{task_id}", times)
            return _xml("BucketDataRedundancyTransition", [("TaskId", task_id)])
        task_id = request.param("x-oss-redundancy-transition-taskid")
        if task_id not in items(bucket, "transition"):
            text = "The data redundancy transition does not exist."
            raise OssError(404, "NoSuchBucketDataRedundancyTransition", text)
        if operation == "DeleteBucketDataRedundancyTransition":
            if redundancy_of(bucket, self._clock.signed_url_s()) == "ZRS":
                raise OssError(409, "BucketDataRedundancyTransitionFinished", "It is done already.")
            self._store.set_setting(bucket, f"transition/{task_id}", None)
            return OssAnswer(204)
        return _xml("BucketDataRedundancyTransition", self._transition(bucket, task_id))

    def _transition(self, bucket: Bucket, task_id: str) -> list[tuple[str, str]]:
        times = json.loads(bucket.settings[f"transition/{task_id}"])
        begun, done_s = iso_millis(times["created_s"]), times["created_s"] + _QUEUE_S
        finished = redundancy_of(bucket, self._clock.signed_url_s()) == "ZRS"
        pairs = [("Bucket", bucket.name), ("TaskId", task_id), ("CreateTime", begun)]
        if not finished:
            return [*pairs, ("Status", "Queueing")]
        ends = [("StartTime", begun), ("EndTime", iso_millis(done_s))]
        return [*pairs, *ends, ("Status", "Finished"), ("EstimatedRemainingTime", "0"), ("ProcessPercentage", "100")]

    def list_transitions(self, request: OssRequest, buckets: list[Bucket]) -> OssAnswer:
        """ListBucketDataRedundancyTransition, and the same of all buckets."""
        after, limit = request.param("continuation-token"), limit_of(request, "max-keys", default=100)
        found = sorted((task_id, bucket) for bucket in buckets for task_id in items(bucket, "transition"))
        found = [(task_id, bucket) for task_id, bucket in found if task_id > after]
        shown, truncated = found[:limit], len(found) > limit
        inner = "".join(
            f"<BucketDataRedundancyTransition>{oss_xml.elements(self._transition(bucket, task_id))}"
            "</BucketDataRedundancyTransition>"
            for task_id, bucket in shown
        )
        pairs = [("IsTruncated", "true" if truncated else "false")]
        if truncated:
            pairs.append(("NextContinuationToken", shown[-1][0]))
        return _xml("ListBucketDataRedundancyTransition", pairs, inner)

    # --- limits of requesters ------------------------------------------------------------

    def _requester(self, operation: str, request: OssRequest, bucket: Bucket, body: bytes) -> OssAnswer:
        who = request.param("qosRequester")
        place = f"requesterQosInfo/{who}"
        if operation == "ListBucketRequesterQosInfos":
            return _requesters(request, bucket)
        if not re.fullmatch(r"[0-9]{1,32}", who):
            raise oss_invalid_argument("The requester is not valid.", name="qosRequester", value=who)
        match operation:
            case "PutBucketRequesterQosInfo":
                root = oss_xml.plain(oss_xml.parse(body, "QoSConfiguration"))
                check_qos(root)
                root.extend(leaf(name, text) for name, text in QOS_DEFAULTS.items() if root.find(name) is None)
                self._store.set_setting(bucket, place, ET.tostring(root, encoding="unicode"))
                return OssAnswer(200)
            case "GetBucketRequesterQosInfo":
                if place not in bucket.settings:
                    raise OssError(404, "NoSuchRequesterQosInfo", "The limits of the requester do not exist.")
                return _xml("RequesterQoSInfo", [("Requester", who)], bucket.settings[place])
            case _:
                self._store.set_setting(bucket, place, None)
                return OssAnswer(204)


def items(bucket: Bucket, kind: str) -> list[str]:
    """Return the names of what a bucket has of one kind."""
    return [place.partition("/")[2] for place in bucket.settings if place.startswith(f"{kind}/")]


def redundancy_of(bucket: Bucket, now_s: float) -> str:
    """Return how a bucket stores: as it was made, or as a finished transition left it."""
    laid = [json.loads(bucket.settings[f"transition/{task_id}"])["laid_s"] for task_id in items(bucket, "transition")]
    return "ZRS" if any(now_s >= laid_s + _QUEUE_S for laid_s in laid) else bucket.redundancy


def _requesters(request: OssRequest, bucket: Bucket) -> OssAnswer:
    after, limit = request.param("continuation-token"), limit_of(request, "max-keys", default=100)
    found = sorted(who for who in items(bucket, "requesterQosInfo") if who > after)
    shown, truncated = found[:limit], len(found) > limit
    pairs = [
        ("Bucket", bucket.name),
        ("ContinuationToken", after),
        ("NextContinuationToken", shown[-1] if truncated else ""),
        ("IsTruncated", "true" if truncated else "false"),
    ]
    inner = "".join(
        f"<RequesterQoSInfo>{oss_xml.elements([('Requester', who)])}{bucket.settings[f'requesterQosInfo/{who}']}"
        "</RequesterQoSInfo>"
        for who in shown
    )
    return _xml("ListBucketRequesterQoSInfosResult", pairs, inner)


def _policy(body: bytes) -> str:
    if len(body) > MAX_POLICY_BYTES:
        raise OssError(400, "EntityTooLarge", "The configuration exceeds the maximum allowed size.")
    try:
        text = body.decode("utf-8")
    except ValueError as exc:
        raise malformed_xml() from exc
    bucket_policy.parse(text)
    return text


def _vpc(point: Mapping[str, Any]) -> str:
    return f"<VpcConfiguration>{oss_xml.elements([('VpcId', point['vpc'])])}</VpcConfiguration>" if point["vpc"] else ""


def _xml(root: str, pairs: list[tuple[str, str]], inner: str = "") -> OssAnswer:
    return OssAnswer(200, body=oss_xml.document(root, pairs, inner))
