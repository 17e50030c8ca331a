"""Search in the metadata of a bucket's objects: MetaQuery.

What lives here: `answer` for its operations. It imports `oss_settings`, `oss_views`, `oss_xml`, `storage`; called under
the lock of `Cloud`.

Theory: the service builds an index and searches in it; here there are few objects, so each is looked at. The fields are
those that the emulator knows. INFERRED: what is answered to a question that makes no sense.

Source: OSS "DoMetaQuery", "Data indexing: fields and operators".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from vod_widget.emulator import oss_xml, strict_json
from vod_widget.emulator.clock import iso_millis
from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import Bucket, StoredObject
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import text_of
from vod_widget.emulator.oss_views import OssAnswer, class_of
from vod_widget.emulator.storage import ObjectStore

RIGHTS: Mapping[str, str] = {
    name: f"oss:{name}" for name in ("CloseMetaQuery", "DoMetaQuery", "GetMetaQueryStatus", "OpenMetaQuery")
}
_PLACE = "metaQuery"
_MAX_RESULTS = 100
Value = str | int
_FIELDS: Mapping[str, Callable[[StoredObject], Value]] = {
    "Filename": lambda stored: stored.key,
    "Size": lambda stored: stored.size_bytes,
    "FileModifiedTime": lambda stored: iso_millis(stored.modified_s),
    "OSSObjectType": lambda stored: stored.object_type,
    "OSSStorageClass": class_of,
    "ObjectACL": lambda stored: stored.acl,
    "ETag": lambda stored: stored.etag,
    "OSSCRC64": lambda stored: str(stored.crc64),
}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda ours, theirs: bool(ours == theirs),
    "gt": lambda ours, theirs: bool(ours > theirs),
    "gte": lambda ours, theirs: bool(ours >= theirs),
    "lt": lambda ours, theirs: bool(ours < theirs),
    "lte": lambda ours, theirs: bool(ours <= theirs),
    "prefix": lambda ours, theirs: str(ours).startswith(str(theirs)),
    "match": lambda ours, theirs: str(theirs) in str(ours),
}
_NUMBERS: Mapping[str, Callable[[list[Any]], float]] = {
    "min": min,
    "max": max,
    "sum": sum,
    "average": lambda values: sum(values) / len(values),
}
_COUNTS: Mapping[str, Callable[[list[Any]], int]] = {
    "count": len,
    "distinct": lambda values: len(set(values)),
    "group": lambda _values: 0,
}


def answer(operation: str, request: OssRequest, body: bytes, store: ObjectStore, now_s: float) -> OssAnswer:
    """Perform one operation.

    Raises:
        OssError: It is refused; nothing has happened.
    """
    bucket = store.bucket(request.bucket)
    if operation == "OpenMetaQuery":
        if _PLACE in bucket.settings:
            raise OssError(409, "MetaQueryAlreadyExist", "The metadata index exists already.")
        store.set_setting(bucket, _PLACE, json.dumps({"opened_s": now_s}))
        return OssAnswer(200)
    if operation == "CloseMetaQuery":
        store.set_setting(bucket, _PLACE, None)
        return OssAnswer(200)
    if _PLACE not in bucket.settings:
        text = "The metadata index of the bucket does not exist."
        raise OssError(404, "MetaQueryNotExist", text, extras={"BucketName": bucket.name})
    if operation == "GetMetaQueryStatus":
        return _status(bucket)
    return _query(oss_xml.plain(oss_xml.parse(body, "MetaQuery")), store.objects(bucket.name))


def _status(bucket: Bucket) -> OssAnswer:
    opened = iso_millis(json.loads(bucket.settings[_PLACE])["opened_s"])
    pairs = [("State", "Running"), ("Phase", "IncrementalScanning"), ("CreateTime", opened), ("UpdateTime", opened)]
    return OssAnswer(200, body=oss_xml.document("MetaQueryStatus", pairs))


def _query(root: ET.Element, objects: list[StoredObject]) -> OssAnswer:
    try:
        condition = strict_json.loads(text_of(root, "Query"))
    except ValueError as exc:
        raise _bad("Query", text_of(root, "Query")) from exc
    found = [stored for stored in objects if _fits(condition, stored)]
    aggregations = root.findall("Aggregations/Aggregation")
    if aggregations:
        inner = "".join(_aggregated(node, found) for node in aggregations)
        return OssAnswer(
            200, body=oss_xml.document("MetaQuery", [("NextToken", "")], f"<Aggregations>{inner}</Aggregations>")
        )
    sort, order = text_of(root, "Sort") or "Filename", text_of(root, "Order") or "desc"
    if order not in ("asc", "desc"):
        raise _bad("Order", order)
    found.sort(key=_field(sort), reverse=order == "desc")
    limit, token = text_of(root, "MaxResults") or str(_MAX_RESULTS), text_of(root, "NextToken") or "0"
    if not limit.isdecimal() or not 1 <= int(limit) <= _MAX_RESULTS:
        raise _bad("MaxResults", limit)
    if not token.isdecimal():
        raise _bad("NextToken", token)
    end = int(token) + int(limit)
    inner = "".join(_file(stored) for stored in found[int(token) : end])
    pairs = [("NextToken", str(end) if end < len(found) else "")]
    return OssAnswer(200, body=oss_xml.document("MetaQuery", pairs, f"<Files>{inner}</Files>"))


def _fits(condition: Any, stored: StoredObject) -> bool:
    """Tell whether an object meets a condition, or a tree of them."""
    if not isinstance(condition, dict):
        raise _bad("Query", str(condition))
    operation, below = str(condition.get("Operation", "")), condition.get("SubQueries")
    if operation in ("and", "or", "not"):
        if not isinstance(below, list) or not below:
            raise _bad("SubQueries", str(below))
        met = [_fits(item, stored) for item in below]
        return {"and": all(met), "or": any(met), "not": not any(met)}[operation]
    if operation not in _COMPARE:
        raise _bad("Operation", operation)
    name, theirs = str(condition.get("Field", "")), str(condition.get("Value", ""))
    ours = _field(name)(stored)
    if isinstance(ours, int):
        if not theirs.isdecimal():
            raise _bad("Value", theirs)
        return _COMPARE[operation](ours, int(theirs))
    return _COMPARE[operation](ours, theirs)


def _field(name: str) -> Callable[[StoredObject], Value]:
    if name not in _FIELDS:
        raise _bad("Field", name)
    return _FIELDS[name]


def _bad(name: str, value: str) -> OssError:
    return oss_invalid_argument("The query is not valid.", name=name, value=value)


def _aggregated(node: ET.Element, found: list[StoredObject]) -> str:
    name, operation = text_of(node, "Field"), text_of(node, "Operation")
    if operation not in (*_NUMBERS, *_COUNTS):
        raise malformed_xml()
    values = [_field(name)(stored) for stored in found]
    pairs = [("Field", name), ("Operation", operation)]
    if operation == "group":
        groups = "".join(
            f"<Group>{oss_xml.elements([('Value', str(value)), ('Count', str(count))])}</Group>"
            for value, count in Counter(values).most_common()
        )
        return f"<Aggregation>{oss_xml.elements(pairs)}<Groups>{groups}</Groups></Aggregation>"
    if operation in _COUNTS:
        number: float = _COUNTS[operation](values)
    elif name != "Size":
        raise _bad("Field", name)
    else:
        number = _NUMBERS[operation](values) if values else 0
    return f"<Aggregation>{oss_xml.elements([*pairs, ('Value', str(number))])}</Aggregation>"


def _file(stored: StoredObject) -> str:
    pairs = [(name, str(value(stored))) for name, value in _FIELDS.items()]
    return f"<File>{oss_xml.elements(pairs)}</File>"
