"""The gateway of VOD and STS: checks before an operation runs, and the dress of its answer.

What lives here: `RpcGateway.handle`, from parameters to a rendered answer. It imports
`signatures`, `tokens`, `sts`, `vod`; every call happens under the lock of `Cloud`. No HTTP: a
simulator calls it with a dict.

Theory: the order of the checks decides which mistake a client hears of first. Ours: Format,
Action, Version, the presence of common parameters, their values, Timestamp, key, token,
signature, nonce, rights, and then the operation. A nonce is used up only by a good signature,
so a replay is told from a typo.

Sources: VOD "Common parameters", "Signature method", "Responses", "Error codes"; gateway codes
from developer.aliyun.com/ask/278265.
"""

from __future__ import annotations

import json
import random
import re
import uuid
from calendar import timegm
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from time import strptime
from typing import Any
from xml.sax.saxutils import escape

from vod_widget.emulator import signatures
from vod_widget.emulator.assets import CallContext
from vod_widget.emulator.book import Book, NoBook
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.errors import RpcError, invalid_parameter, missing_parameter
from vod_widget.emulator.rpc_v3 import HeaderSignature
from vod_widget.emulator.sts import StsService
from vod_widget.emulator.switches import Switches
from vod_widget.emulator.tokens import REAL_KEY_WARNING, Key, KeyRing, looks_real
from vod_widget.emulator.vod import VodService
from vod_widget.emulator.vod_library import VodLibrary
from vod_widget.emulator.vod_pulls import VodPulls
from vod_widget.emulator.vod_removal import VodRemoval
from vod_widget.emulator.vod_search import VodSearch

VOD_VERSION = "2017-03-21"
STS_VERSION = "2015-04-01"
MAX_SKEW_S = 15 * 60
# A nonce is remembered twice as long as its Timestamp is good: early and late requests both.
_NONCE_MEMORY_S = 2 * MAX_SKEW_S
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
# XML 1.0 cannot carry these at all; the answer must stay readable whatever was sent.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class RpcRequest:
    """One call: verb and every parameter of query and form."""

    method: str
    pairs: Sequence[tuple[str, str]] = field(repr=False)
    host: str = "vod.aliyuncs.com"
    oss_endpoint: str = ""
    by_header: HeaderSignature | None = None
    """How the newer SDKs sign."""

    @property
    def params(self) -> dict[str, str]:
        """Return the parameters as a dict; the last of a repeated one stays."""
        return dict(self.pairs)


@dataclass(frozen=True)
class RpcAnswer:
    """What goes back: status, type and text."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    request_id: str
    code: str = ""
    """The vendor's error code, "" for success."""
    result: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The answer before rendering, for callers without HTTP."""
    headers: Mapping[str, str] = field(default_factory=dict)


Operation = Callable[[Mapping[str, str], CallContext], dict[str, Any]]


class RpcGateway:
    """Check, dispatch, render.

    Args:
        clock: Judges Timestamp.
        rng: Makes request ids.
        keys: Knows who signs.
        switches: Whether Timestamp may be absent.
        vod: Operations that create uploads.
        library: Operations that look, list and change.
        removal: Operations that delete.
        search: SearchMedia.
        pulls: Uploads by URL.
        sts: Identity operations.
        account_id: The one that has VOD.
        book: Where used nonces are written down: a restart must not let a call be replayed.
    """

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        keys: KeyRing,
        *,
        switches: Switches,
        vod: VodService,
        library: VodLibrary,
        removal: VodRemoval,
        search: VodSearch,
        pulls: VodPulls,
        sts: StsService,
        account_id: str,
        book: Book | None = None,
    ) -> None:
        self._book = book or NoBook()
        self._clock = clock
        self._rng = rng
        self._keys = keys
        self._switches = switches
        self._sts = sts
        self._account_id = account_id
        self._nonces: dict[tuple[str, str], float] = {}
        self._calls: dict[str, tuple[int, int]] = {}
        self._operations: dict[str, dict[str, Operation]] = {
            VOD_VERSION: {
                "CreateUploadVideo": vod.create_upload_video,
                "RefreshUploadVideo": vod.refresh_upload_video,
                "CreateUploadImage": vod.create_upload_image,
                "CreateUploadAttachedMedia": vod.create_upload_attached_media,
                "UploadMediaByURL": pulls.upload_media_by_url,
                "GetURLUploadInfos": pulls.get_url_upload_infos,
                "GetVideoInfo": library.get_video_info,
                "GetVideoInfos": library.get_video_infos,
                "GetVideoList": library.get_video_list,
                "GetMezzanineInfo": library.get_mezzanine_info,
                "GetPlayInfo": library.get_play_info,
                "GetImageInfo": library.get_image_info,
                "GetAttachedMediaInfo": library.get_attached_media_info,
                "GetUploadDetails": library.get_upload_details,
                "SearchMedia": search.search_media,
                "UpdateVideoInfo": library.update_video_info,
                "DeleteVideo": removal.delete_video,
                "DeleteMezzanines": removal.delete_mezzanines,
                "DeleteImage": removal.delete_image,
                "DeleteAttachedMedia": removal.delete_attached_media,
                "DeleteMultipartUpload": removal.delete_multipart_upload,
                "AddCategory": lambda params, _: vod.categories.add(params),
                "GetCategories": lambda params, _: vod.categories.get(params),
            },
            STS_VERSION: {
                "AssumeRole": lambda params, context: sts.assume_role(params, context.key),
                "AssumeRoleWithOIDC": lambda params, _: sts.assume_role_with_oidc(params),
                "GetCallerIdentity": lambda _, context: sts.get_caller_identity(context.key),
            },
        }

    def __repr__(self) -> str:
        return f"<RpcGateway nonces={len(self._nonces)}>"

    def clear(self) -> None:
        """Forget the nonces, and who called how often."""
        self._nonces.clear()
        self._calls.clear()

    def put_back(self, record: Mapping[str, Any]) -> None:
        """Take a nonce that was used before."""
        self._nonces[record["key"], record["nonce"]] = record["used_s"]

    def new_request_id(self) -> str:
        """Return an upper-case UUID."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4)).upper()

    def handle(self, request: RpcRequest) -> RpcAnswer:
        """Answer one call; never raises for what a client did."""
        request_id = self.new_request_id()
        params = request.params
        try:
            answer = {"RequestId": request_id, **self._run(request, params)}
        except RpcError as error:
            return self.render_error(error, params, request.host, request_id)
        action = params["Action"]
        if _format_of(params) == "JSON":
            return RpcAnswer(200, _JSON_TYPE, _json(answer), request_id, result=answer)
        body = _xml(f"{action}Response", answer)
        return RpcAnswer(200, _XML_TYPE, body, request_id, result=answer)

    def render_error(self, error: RpcError, params: Mapping[str, str], host: str, request_id: str = "") -> RpcAnswer:
        """Dress a refusal; also used for injected faults."""
        request_id = request_id or self.new_request_id()
        answer = {
            "RequestId": request_id,
            "HostId": host,
            "Code": error.code,
            "Message": error.message,
        }
        if _format_of(params) == "JSON":
            help_url = f"https://api.aliyun.com/troubleshoot?q={error.code}"
            body, content_type = _json({**answer, "Recommend": help_url}), _JSON_TYPE
        else:
            body, content_type = _xml("Error", answer), _XML_TYPE
        return RpcAnswer(error.status, content_type, body, request_id, error.code, answer, error.headers)

    # --- the checks ----------------------------------------------------------------------

    def _run(self, request: RpcRequest, params: dict[str, str]) -> dict[str, Any]:
        operation = self._find_operation(request, params)
        if params["Action"] == "ReportUploadProgress":
            return {}
        if params["Action"] == "AssumeRoleWithOIDC" and params["Version"] == STS_VERSION:
            # Nobody has a key yet: the call is not signed, the token is the proof.
            self._check_timestamp(params)
            return self._sts.assume_role_with_oidc(params)
        self._check_common(params)
        key = self._authenticate(request, params)
        self._throttle(params["Action"])
        self._authorise(key, params)
        context = CallContext(key, request.oss_endpoint, request.host)
        return operation(params, context)

    def _find_operation(self, request: RpcRequest, params: Mapping[str, str]) -> Operation:
        if request.method not in ("GET", "POST"):
            raise RpcError(400, "UnsupportedHTTPMethod", "Specified http method is not supported.")
        if params.get("Format", "XML").upper() not in ("JSON", "XML"):
            raise RpcError(400, "InvalidParameter.Format", "Specified parameter Format is not valid.")
        if len(params) != len(request.pairs):
            # A client that sends a name twice signs one of the values: a mistake either way.
            seen = [name for name, _ in request.pairs]
            twice = next(name for name in seen if seen.count(name) > 1)
            raise invalid_parameter(twice, "it is there more than once.")
        for name in ("Action", "Version"):
            if not params.get(name):
                raise missing_parameter(name)
        version, action = params["Version"], params["Action"]
        if action == "ReportUploadProgress":
            # Telemetry that the vendor's Python SDK posts unsigned after each part.
            return lambda *_: {}
        if version not in self._operations:
            raise RpcError(400, "InvalidVersion", "Specified parameter Version is not valid.")
        operation = self._operations[version].get(action)
        if operation is None:
            raise RpcError(
                404,
                "InvalidApi.NotFound",
                "Specified api is not found, please check your url and method.",
            )
        return operation

    def _check_common(self, params: Mapping[str, str]) -> None:
        for name in (
            "AccessKeyId",
            "Signature",
            "SignatureMethod",
            "SignatureVersion",
            "SignatureNonce",
        ):
            if not params.get(name):
                raise missing_parameter(name)
        if params["SignatureMethod"] != "HMAC-SHA1":
            raise RpcError(400, "InvalidSignatureMethod", "Specified signature method is not valid.")
        if params["SignatureVersion"] != "1.0":
            raise RpcError(400, "InvalidSignatureVersion", "Specified signature version is not valid.")
        self._check_timestamp(params)

    def _check_timestamp(self, params: Mapping[str, str]) -> None:
        text = params.get("Timestamp", "")
        if not text:
            if self._switches.allow_missing_timestamp:
                return
            raise missing_parameter("Timestamp")
        wrong = RpcError(
            400,
            "InvalidTimeStamp.Format",
            "Specified time stamp or date value is not well formatted.",
        )
        if not _TIMESTAMP.fullmatch(text):
            raise wrong
        try:
            sent_s = _seconds(text)
        except ValueError as exc:
            raise wrong from exc
        if abs(self._clock.wall_s() - sent_s) > MAX_SKEW_S:
            raise RpcError(
                400,
                "InvalidTimeStamp.Expired",
                "Specified time stamp or date value is expired.",
            )

    def _authenticate(self, request: RpcRequest, params: Mapping[str, str]) -> Key:
        key = self._keys.find(params["AccessKeyId"])
        if key is None:
            warning = REAL_KEY_WARNING if looks_real(params["AccessKeyId"]) else ""
            raise RpcError(404, "InvalidAccessKeyId.NotFound", f"Specified access key is not found.{warning}")
        if not key.active:
            raise RpcError(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled.")
        self._check_token(key, params.get("SecurityToken", ""))
        if request.by_header is not None:
            request.by_header.check_names()
            string_to_sign = request.by_header.string_to_sign(request.method)
            expected = request.by_header.signature(key.access_key_secret, string_to_sign)
        else:
            string_to_sign = signatures.rpc_string_to_sign(request.method, params)
            expected = signatures.rpc_signature(key.access_key_secret, string_to_sign)
        if not signatures.equal(expected, params["Signature"]):
            raise RpcError(
                400,
                "SignatureDoesNotMatch",
                f"Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}",
            )
        self._use_nonce(key.access_key_id, params["SignatureNonce"])
        return key

    def _check_token(self, key: Key, token: str) -> None:
        """Pair key and token; the codes are the gateway's, their status 400 is INFERRED."""
        if key.temporary and not token:
            raise missing_parameter("SecurityToken")
        if token and token != key.security_token:
            if self._keys.is_known_token(token):
                raise RpcError(
                    400,
                    "InvalidSecurityToken.MismatchWithAccessKey",
                    "Specified SecurityToken mismatch with the AccessKey.",
                )
            raise RpcError(400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.")
        if self._keys.is_expired(key):
            raise RpcError(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")

    def _use_nonce(self, access_key_id: str, nonce: str) -> None:
        now_s = self._clock.wall_s()
        used_s = self._nonces.get((access_key_id, nonce))
        if used_s is not None and abs(now_s - used_s) <= _NONCE_MEMORY_S:
            raise RpcError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self._nonces.pop((access_key_id, nonce), None)  # what is put in again goes to the end
        self._nonces[access_key_id, nonce] = now_s
        record = {"key": access_key_id, "nonce": nonce, "used_s": now_s}
        self._book.put("nonce", f"{access_key_id}/{nonce}", record)
        # The oldest come first: each call forgets at most two, so none pays for all.
        for old in list(islice(self._nonces, 2)):
            if abs(now_s - self._nonces[old]) > _NONCE_MEMORY_S:
                del self._nonces[old]
                self._book.drop("nonce", "/".join(old))

    def _throttle(self, action: str) -> None:
        limit = self._switches.qps_limits.get(action)
        if not self._switches.throttle or limit is None:
            return
        second = int(self._clock.age_s())
        old, count = self._calls.get(action, (second, 0))
        count = count + 1 if old == second else 1
        self._calls[action] = (second, count)
        if count > limit:
            raise RpcError(400, "Throttling.User", "Request was denied due to user flow throttling.")

    def _authorise(self, key: Key, params: Mapping[str, str]) -> None:
        if params["Version"] != VOD_VERSION:
            return  # STS judges its own operations: GetCallerIdentity needs no right.
        if key.account_id != self._account_id:
            raise RpcError(403, "OperationDenied", "Your account does not open VOD service yet.")
        if not key.may(f"vod:{params['Action']}"):
            raise RpcError(
                403,
                "Forbidden.RAM",
                "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
            )


@lru_cache(maxsize=256)
def _seconds(timestamp: str) -> int:
    """Return what a Timestamp says; many calls of one second say the same."""
    return timegm(strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ"))


# --- rendering ---------------------------------------------------------------------------

_JSON_TYPE = "application/json;charset=utf-8"
# Made once: `json.dumps` with arguments of its own makes one at each call.
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_XML_TYPE = "text/xml;charset=utf-8"


def _format_of(params: Mapping[str, str]) -> str:
    return "JSON" if params.get("Format", "").upper() == "JSON" else "XML"


def _json(answer: Mapping[str, Any]) -> bytes:
    return _ENCODE(answer).encode("utf-8", "backslashreplace")


def _xml(root: str, answer: Mapping[str, Any]) -> bytes:
    text = f'<?xml version="1.0" encoding="UTF-8"?>{_element(root, answer)}'
    return text.encode("utf-8")


def _element(name: str, value: object) -> str:
    """Render an element; a list becomes repeated elements of that name."""
    if isinstance(value, Mapping):
        inner = "".join(_element(child, item) for child, item in value.items())
        return f"<{name}>{inner}</{name}>"
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    return f"<{name}>{escape(_NOT_XML.sub('?', str(value)))}</{name}>"
