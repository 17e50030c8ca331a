"""x-oss-callback: who uploads may name a server that is told, and whose answer the client gets.

What lives here: what a request wishes (`wish_of`), the call that is made of it (`Callback`), the answer after it
(`told`), and callback policies of buckets (`answer`). It imports `oss_settings`, `oss_views`, `oss_xml`, `storage`;
called under the lock of `Cloud`. The call itself is made by who has a socket (`courier`), without the lock.

Not here: the RSA signature of the vendor's own key, and `imageInfo`, which is empty as for a file that is no image.

Source: OSS "Callback", "How do I troubleshoot upload callback errors", EC pages 0007-00000002 to -26.
INFERRED: the answer to a callback policy that is not there.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from vod_widget.emulator import checks, oss_xml, strict_json
from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import Bucket, StoredObject
from vod_widget.emulator.oss_checks import CALLBACK, md5_base64
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import text_of
from vod_widget.emulator.oss_views import Callback, OssAnswer
from vod_widget.emulator.storage import ObjectStore

RIGHTS: Mapping[str, str] = {
    name: f"oss:{name}" for name in ("DeleteBucketCallbackPolicy", "GetBucketCallbackPolicy", "PutBucketCallbackPolicy")
}
VARIABLES = "x-oss-callback-var"
MAX_URLS = 5
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_PLACE = "callbackPolicy"
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9:_.-]+)\}")


@dataclass(frozen=True)
class Wish:
    """A callback that was asked for, and is in order."""

    urls: tuple[str, ...]
    host: str
    body: str
    body_type: str
    headers: Mapping[str, str]
    variables: Mapping[str, str]

    def call(self, facts: Mapping[str, str]) -> Callback:
        """Return the call, with the facts of the stored object filled in."""
        values = {**facts, **self.variables}

        def filled(found: re.Match[str]) -> str:
            name = found[1]
            value = values.get(name, "")
            if self.body_type == _JSON:
                return value if name == "size" else json.dumps(value, ensure_ascii=False)
            return quote(value, safe="-_.~", errors="surrogateescape")

        body = _VARIABLE.sub(filled, self.body).encode("utf-8", "backslashreplace")
        return Callback(self.urls, self.host, self.body_type, body, self.headers)


# --- before the body -----------------------------------------------------------------------


def wish_of(request: OssRequest, bucket: Bucket, variables: Mapping[str, str] | None = None) -> Wish | None:
    """Return the callback that a request wishes, None for none.

    Args:
        request: Headers, or the query, name it.
        bucket: Knows the callback policies.
        variables: Of a form, where they are fields.

    Raises:
        OssError: InvalidArgument: it cannot be understood.
    """
    text = request.headers.get(CALLBACK) or request.param("callback")
    if not text:
        return None
    more = request.headers.get(VARIABLES) or request.param("callback-var")
    document = _document(text, "callback")
    if "callbackPolicy" in document:
        text, kept = _policy(bucket, str(document["callbackPolicy"]))
        document, more = _document(text, "callback"), more or kept
    named = {**_document(more, "callback-var")} if more else dict(variables or {})
    # Others are passed over: oss2's tests send some, and are answered.
    return _wish(document, {name: str(value) for name, value in named.items() if name.startswith("x:")})


def parse(text: str) -> Wish | None:
    """Return the callback of base64 text without variables: of a policy, or of a fetch; None for none.

    Raises:
        OssError: InvalidArgument.
    """
    return _wish(_document(text, "callback"), {}) if text else None


def _document(text: str, name: str) -> Mapping[str, Any]:
    try:
        decoded = base64.b64decode(text, validate=True).decode("utf-8")
    except (ValueError, binascii.Error) as exc:
        raise oss_invalid_argument(
            "The callback configuration is not base64 encoded.", name=name, value=text, ec="0007-00000002"
        ) from exc
    try:
        document = strict_json.loads(decoded)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise oss_invalid_argument("The callback configuration is not json format.", name=name, value=text)
    return document


def _wish(document: Mapping[str, Any], variables: Mapping[str, str]) -> Wish | None:
    urls, body = document.get("callbackUrl", ""), document.get("callbackBody", "")
    if not urls:
        return None  # Source: EC page 0007-00000004: no callback is configured then
    if not isinstance(urls, str):
        raise _bad("callbackUrl", urls, "0007-00000004")
    found = [url.strip() for url in urls.split(";") if url.strip()]
    if len(found) > MAX_URLS:
        raise _bad("callbackUrl", urls, "0007-00000005")
    if not isinstance(body, str) or not body:
        raise _bad("callbackBody", body, "0007-00000011")
    body_type = document.get("callbackBodyType", _FORM)
    if body_type not in (_FORM, _JSON):
        raise _bad("callbackBodyType", body_type, "0007-00000012")
    headers = document.get("additionalHeaders", {})
    if not isinstance(headers, dict) or any(_odd_header(name, value) for name, value in headers.items()):
        raise _bad("additionalHeaders", headers, "0007-00000026")
    host = document.get("callbackHost", "")
    if not isinstance(host, str) or _CONTROL.search(host):
        raise _bad("callbackHost", host, "")
    return Wish(tuple(map(_url, found)), host, body, body_type, headers, variables)


_CONTROL = re.compile(r"[\x00-\x20\x7f]")


def _odd_header(name: str, value: object) -> bool:
    token = re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is not None
    return not token or name.lower().startswith("x-oss-") or not isinstance(value, str) or not value.isprintable()


def _url(text: str) -> str:
    url = text if "://" in text else f"http://{text}"
    if checks.web_address(url) is None or _CONTROL.search(url):
        raise _bad("callbackUrl", text, "0007-00000004")
    return url


def _bad(name: str, value: object, ec: str) -> OssError:
    return oss_invalid_argument(f"The {name} of the callback is not valid.", name=name, value=str(value), ec=ec)


def _policy(bucket: Bucket, name: str) -> tuple[str, str]:
    kept = bucket.settings.get(_PLACE, "<BucketCallbackPolicy/>")
    for node in ET.fromstring(kept):  # noqa: S314 - our own text
        if text_of(node, "PolicyName") == name:
            return text_of(node, "Callback"), text_of(node, "CallbackVar")
    raise oss_invalid_argument("The callback policy does not exist.", name="callbackPolicy", value=name)


# --- after the effect ----------------------------------------------------------------------


def facts_of(stored: StoredObject, operation: str, request_id: str) -> dict[str, str]:
    """Return what a callback can tell of a stored object. Source: OSS "Callback", system parameters."""
    return {
        "bucket": stored.bucket,
        "object": stored.key,
        "etag": stored.etag,
        "size": str(stored.size_bytes),
        "mimeType": stored.headers.get("Content-Type", ""),
        "crc64": str(stored.crc64),
        "contentMd5": md5_base64(stored.md5_hex) if stored.md5_hex else "",
        "clientIp": "127.0.0.1",
        "reqId": request_id,
        "operation": operation,
    }


def told(answer: OssAnswer, body: bytes, problem: str, host: str) -> OssAnswer:
    """Return what the client of an upload gets after the callback: the object is stored in any case.

    Args:
        answer: What it would have got without one.
        body: What the callback's server said.
        problem: Why it counts as failed; "" when it does not.
        host: For the error.
    """
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
    if not problem:
        headers["Content-Type"] = _JSON
        return replace(answer, status=200, headers=headers, body=body, callback=None)
    failed = OssError(203, "CallbackFailed", problem)
    headers["Content-Type"] = "application/xml"
    xml = oss_xml.error(failed, headers["x-oss-request-id"], host)
    return replace(answer, status=203, headers=headers, body=xml, callback=None, code=failed.code)


def problem_of(status: int, body: bytes) -> str:
    """Return why an answer to a callback is none, "" when it is one."""
    if status != 200:
        return f"Error status : {status}."
    try:
        strict_json.loads(body.decode("utf-8"))
    except ValueError:
        return "Response body is not valid json format."
    return ""


# --- policies of buckets -------------------------------------------------------------------


def answer(operation: str, request: OssRequest, body: bytes, store: ObjectStore) -> OssAnswer:
    """Perform one operation on the callback policies of a bucket.

    Raises:
        OssError: It is refused; nothing has happened.
    """
    bucket = store.bucket(request.bucket)
    match operation:
        case "PutBucketCallbackPolicy":
            root = oss_xml.plain(oss_xml.parse(body, "BucketCallbackPolicy"))
            for node in root:
                if node.tag != "PolicyItem" or not text_of(node, "PolicyName"):
                    raise malformed_xml()
                parse(text_of(node, "Callback"))
            store.set_setting(bucket, _PLACE, ET.tostring(root, encoding="unicode"))
            return OssAnswer(200)
        case "GetBucketCallbackPolicy":
            kept = bucket.settings.get(_PLACE)
            if kept is None:
                text = "The callback policy of the bucket does not exist."
                raise OssError(404, "BucketCallbackPolicyNotExist", text, extras={"BucketName": bucket.name})
            return OssAnswer(200, body=f"{oss_xml.HEAD}{kept}".encode())
        case _:
            store.set_setting(bucket, _PLACE, None)
            return OssAnswer(204)
