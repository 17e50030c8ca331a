"""The OSS API: from a request to an effect on the store and an answer.

What lives here: `OssGateway`, in two steps because a body may be large. `begin` judges all that
can be judged before the body (signature, rights, names, upload id); `finish` takes the stored
body and acts. It imports the other `oss_` modules and `storage`; both steps happen under the lock
of `Cloud`. No HTTP: a simulator calls `handle` with bytes.

Source: OSS API reference, the page of each operation; codes from "HTTP 4xx".
"""

from __future__ import annotations

import base64
import binascii
import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, urlencode

from vod_widget.emulator import oss_access, oss_buckets, oss_copies, oss_extras, oss_forms, oss_settings, oss_xml
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.errors import (
    OssError,
    access_denied,
    malformed_xml,
    no_such_upload,
    oss_invalid_argument,
)
from vod_widget.emulator.objects import MAX_PARTS, Upload, bad_part_number
from vod_widget.emulator.oss_auth import OssAuthenticator, SignedRequest
from vod_widget.emulator.oss_buckets import BucketDesk
from vod_widget.emulator.oss_checks import (
    CRC_HEADER,
    KEPT_HEADERS,
    TAGGING,
    blob_headers,
    check_blob,
    check_body_headers,
    check_names,
    check_wishes,
    kept_headers,
)
from vod_widget.emulator.oss_forms import FormReader
from vod_widget.emulator.oss_names import OssRequest, operation_of
from vod_widget.emulator.oss_settings import SettingsDesk
from vod_widget.emulator.oss_tickets import RIGHTS, Ticket
from vod_widget.emulator.oss_views import OssAnswer, list_parts, list_uploads, look, show_meta
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.switches import Switches
from vod_widget.emulator.tokens import Key

OnNotification = Callable[[str, str, str], None]


class OssGateway:
    """Check and perform object requests.

    Args:
        store: The objects.
        auth: Knows who asks.
        clock: Dates answers.
        rng: Makes request ids.
        switches: Decisions about the undocumented.
        on_notification: Told of each x-oss-notification: (bucket, key, decoded JSON).
        desk: Performs the bucket operations.
    """

    def __init__(
        self,
        store: ObjectStore,
        auth: OssAuthenticator,
        *,
        clock: Clock,
        rng: random.Random,
        switches: Switches,
        on_notification: OnNotification,
        desk: BucketDesk,
    ) -> None:
        self._store = store
        self._auth = auth
        self._clock = clock
        self._rng = rng
        self._switches = switches
        self._on_notification = on_notification
        self._desk = desk
        self._settings = SettingsDesk(store, clock)

    def new_request_id(self) -> str:
        """Return 24 upper-case hex digits."""
        return f"{self._rng.getrandbits(96):024X}"

    def handle(self, request: OssRequest, body: bytes = b"") -> OssAnswer:
        """Answer one request with its whole body at hand; errors come back as answers."""
        try:
            ticket = self.begin(request)
            if not (ticket.stores_body or ticket.source):
                return self.finish(ticket, None, body)
            sink = self._store.blobs.sink(f"{request.bucket}/{request.key}")
            try:
                if ticket.source:
                    sink.write(self._store.read(ticket.source.stored.content, ticket.source.start, ticket.source.end))
                else:
                    sink.write([ticket.form.feed(body) if ticket.form else body])
            except OssError:
                sink.discard()
                raise
            return self.finish(ticket, sink.finish(), b"")
        except OssError as problem:
            return self.render_error(problem, request)

    def render_error(self, problem: OssError, request: OssRequest) -> OssAnswer:
        """Dress a refusal; for HEAD the XML goes into x-oss-err."""
        request_id = self.new_request_id()
        xml = oss_xml.error(problem, request_id, request.host)
        headers = {"x-oss-request-id": request_id, **problem.headers}
        if problem.ec:
            headers["x-oss-ec"] = problem.ec
        if request.method == "HEAD":
            headers["x-oss-err"] = base64.b64encode(xml).decode("ascii")
            return OssAnswer(problem.status, headers, code=problem.code)
        headers["Content-Type"] = "application/xml"
        return OssAnswer(problem.status, headers, xml, code=problem.code)

    # --- step one ------------------------------------------------------------------------

    def begin(self, request: OssRequest) -> Ticket:
        """Judge a request before its body.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        operation = operation_of(request)
        check_names(request)
        if operation == "PostObject":
            return self._begin_form(request)
        resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
        signed = SignedRequest(request.method, resource, request.query, request.headers)
        if self._auth.is_anonymous(signed):
            key = None
            oss_access.check_anonymous(operation, request, self._store)
        else:
            key = self._auth.identify(signed)
            self._check_right(key, operation, request)
            if request.headers.get(TAGGING):
                self._check_right(key, "PutObjectTagging", request)
        if request.bucket and operation != "PutBucket":
            self._store.require_bucket(request.bucket)
        check_wishes(request, operation)
        self._check_notification(request)
        ticket = self._with_upload(Ticket(request, operation, key))
        if ticket.stores_body:
            check_body_headers(request)
            if operation == "PutObject":
                self._check_overwrite(request)
            elif operation == "AppendObject":
                ticket = replace(ticket, position=_position_of(request))
                self._store.check_append(request.bucket, request.key, ticket.position)
        elif operation in ("CopyObject", "UploadPartCopy"):
            ticket = replace(ticket, source=oss_copies.source_of(request, self._store, key, self._clock.signed_url_s()))
            if operation == "CopyObject":
                self._check_overwrite(request)
        oss_access.acl_of(request)
        return ticket

    def _check_right(self, key: Key, operation: str, request: OssRequest) -> None:
        right = RIGHTS.get(operation)
        if right is None:
            raise OssError(400, "NotImplemented", f"A request that you provided is not implemented: {operation}.")
        target = f"acs:oss:*:*:{request.bucket}" + (f"/{request.key}" if request.key else "")
        if not key.may(right, target):
            raise access_denied("Access denied by authorizer's policy.", ec="0003-00000301")

    def _begin_form(self, request: OssRequest) -> Ticket:
        self._store.require_bucket(request.bucket)
        check_body_headers(request)
        form = FormReader(
            oss_forms.boundary_of(request.headers.get("content-type", "")),
            lambda reader: self._judge_form(request, reader),
        )
        return Ticket(request, "PostObject", None, form=form)

    def _judge_form(self, request: OssRequest, form: FormReader) -> None:
        """Judge a form when its file begins: signature, policy, rights."""
        fields = form.fields
        if not fields.get("key"):
            raise oss_invalid_argument("Bucket POST must contain a field named 'key'.", name="key", value="")
        fields["key"] = fields["key"].replace("${filename}", form.file_name)
        signature = oss_forms.signature_of(fields)
        key = self._auth.identify_form(signature, fields["policy"])
        oss_forms.judge(fields["policy"], fields, request.bucket, self._clock.signed_url_s())
        named = replace(request, key=fields["key"], headers={**request.headers, **_form_headers(form)})
        check_names(named)
        if not key.may("oss:PutObject", f"acs:oss:*:*:{named.bucket}/{named.key}"):
            raise access_denied("Access denied by authorizer's policy.", ec="0003-00000301")
        check_wishes(named, "PostObject")
        self._check_overwrite(named)
        self._check_notification(named)
        oss_access.acl_of(named)

    def _finish_form(self, request: OssRequest, form: FormReader, blob: Blob) -> OssAnswer:
        form.close()
        fields = form.fields
        policy = oss_forms.judge(fields["policy"], fields, request.bucket, self._clock.signed_url_s())
        policy.check_length(blob.size_bytes)
        named = replace(request, key=fields["key"], headers=_form_headers(form))
        self._check_overwrite(named)
        stored = self._store.put(named.bucket, named.key, blob, self._kept(named), oss_access.acl_of(named))
        etag = f'"{stored.etag}"'
        target = fields.get("success_action_redirect", "")
        location = f"http://{request.host}/{quote(named.key)}"
        headers = {**blob_headers(blob), "Location": location}
        if target:
            query = urlencode({"bucket": named.bucket, "etag": etag, "key": named.key})
            joint = "&" if "?" in target else "?"
            return OssAnswer(303, {**headers, "Location": f"{target}{joint}{query}"})
        match fields.get("success_action_status", ""):
            case "200":
                return OssAnswer(200, headers)
            case "201":
                pairs = [("Bucket", named.bucket), ("ETag", etag), ("Key", named.key), ("Location", location)]
                return OssAnswer(201, headers, oss_xml.document("PostResponse", pairs))
            case _:  # also for anything else. Source: OSS "PostObject", success_action_status
                return OssAnswer(204, headers)

    def _with_upload(self, ticket: Ticket) -> Ticket:
        request = ticket.request
        if ticket.operation in ("UploadPart", "UploadPartCopy"):
            number_text = request.param("partNumber")
            if not number_text or "uploadId" not in request.params:
                raise oss_invalid_argument("Unexpected query string parameter", ec="0017-00000219")
            if not re.fullmatch(r"[0-9]{1,9}", number_text):
                raise bad_part_number(number_text)
            number = int(number_text)
            if not 1 <= number <= MAX_PARTS:
                raise bad_part_number(number_text)
            upload = self._find_upload(request)
            return replace(ticket, upload=upload, part_number=number)
        if ticket.operation in ("ListParts", "AbortMultipartUpload", "CompleteMultipartUpload"):
            upload = self._find_upload(request)
            return replace(ticket, upload=upload)
        return ticket

    def _find_upload(self, request: OssRequest) -> Upload:
        return self._store.upload(request.bucket, request.key, request.param("uploadId"))

    def _check_notification(self, request: OssRequest) -> None:
        text = request.headers.get("x-oss-notification", "")
        if not text:
            return  # The web SDK sends an empty one when there is no user data.
        try:
            decoded = base64.b64decode(text, validate=True).decode("utf-8")
            value = json.loads(decoded)
        except (ValueError, binascii.Error):
            decoded, value = "", None
        if isinstance(value, dict) and "Vod" in value:
            self._on_notification(request.bucket, request.key, decoded)
        elif self._switches.strict_notification:
            raise oss_invalid_argument(
                "x-oss-notification must be base64 of a JSON object with the key Vod.",
                name="x-oss-notification",
                value=text,
            )

    def _check_overwrite(self, request: OssRequest) -> None:
        forbidden = request.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
        if forbidden and self._store.find(request.bucket, request.key):
            raise OssError(
                409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten."
            )

    # --- step two ------------------------------------------------------------------------

    def finish(self, ticket: Ticket, blob: Blob | None, body: bytes) -> OssAnswer:
        """Perform a request.

        Args:
            ticket: What `begin` returned.
            blob: The stored body of PutObject and UploadPart; removed when refused.
            body: The body of anything else.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        try:
            if blob is not None and ticket.stores_body and ticket.form is None:
                check_blob(ticket.request, blob)
            answer = self._act(ticket, blob, body)
        except OssError:
            if blob is not None:
                self._store.blobs.remove([blob])
            raise
        headers = {"x-oss-request-id": self.new_request_id(), **answer.headers}
        if answer.body:
            headers.setdefault("Content-Type", "application/xml")
        return OssAnswer(answer.status, headers, answer.body, answer.stream, answer.code)

    def _act(self, ticket: Ticket, blob: Blob | None, body: bytes) -> OssAnswer:
        request, upload = ticket.request, ticket.upload
        match ticket.operation:
            case "PutObject":
                assert blob is not None
                self._check_overwrite(request)
                acl = oss_access.acl_of(request)
                self._store.put(request.bucket, request.key, blob, self._kept(request), acl)
                return OssAnswer(200, blob_headers(blob))
            case "CopyObject":
                assert blob is not None
                assert ticket.source is not None
                self._check_overwrite(request)
                headers = oss_copies.headers_of_copy(request, ticket.source, self._kept(request))
                acl = oss_access.acl_of(request)
                stored = self._store.put(request.bucket, request.key, blob, headers, acl)
                return oss_copies.answer("CopyObjectResult", blob, stored.modified_s)
            case "UploadPartCopy":
                assert blob is not None
                assert upload is not None
                part = self._store.put_part(upload, ticket.part_number, blob)
                return oss_copies.answer("CopyPartResult", blob, part.modified_s)
            case "PutObjectAcl":
                acl = oss_access.acl_of(request, default="")
                self._store.set_acl(self._store.get(request.bucket, request.key), acl)
                return OssAnswer(200)
            case "GetObjectAcl":
                return self._desk.show_acl(self._store.get(request.bucket, request.key).acl)
            case "InitiateMultipartUpload":
                return self._initiate(request)
            case "UploadPart":
                assert blob is not None
                assert upload is not None
                self._store.put_part(upload, ticket.part_number, blob)
                return OssAnswer(200, blob_headers(blob))
            case "AppendObject":
                assert blob is not None
                stored = self._store.append(
                    request.bucket,
                    request.key,
                    ticket.position,
                    blob,
                    self._kept(request),
                    acl=oss_access.acl_of(request),
                )
                return OssAnswer(
                    200,
                    {
                        **blob_headers(blob),
                        "ETag": f'"{stored.etag}"',
                        CRC_HEADER: str(stored.crc64),
                        "x-oss-next-append-position": str(stored.size_bytes),
                    },
                )
            case "PostObject":
                assert blob is not None
                assert ticket.form is not None
                return self._finish_form(request, ticket.form, blob)
            case "CompleteMultipartUpload":
                assert upload is not None
                return self._complete(request, upload, body)
            case "AbortMultipartUpload":
                assert upload is not None
                self._store.abort(self._find_upload(request))
                return OssAnswer(204)
            case "ListParts":
                assert upload is not None
                return list_parts(request, upload)
            case "ListMultipartUploads":
                return list_uploads(request, self._store.uploads(request.bucket))
            case "DeleteObject":
                self._store.delete(request.bucket, request.key)
                return OssAnswer(204)
            case "GetObjectMeta":
                return show_meta(self._store.get(request.bucket, request.key))
            case operation if operation in oss_buckets.OPERATIONS:
                return self._desk.answer(operation, request, body)
            case "PutObjectSymlink":
                self._check_overwrite(request)
                return oss_extras.put_link(request, self._store, self._kept(request), oss_access.acl_of(request))
            case operation if operation in oss_extras.RIGHTS:
                return oss_extras.answer(operation, request, body, self._store, self._clock.signed_url_s())
            case operation if operation in oss_settings.OPERATIONS:
                return self._settings.answer(operation, request, body)
            case _:
                return self._look(ticket)

    def _look(self, ticket: Ticket) -> OssAnswer:
        request, now_s = ticket.request, self._clock.signed_url_s()
        stored = self._store.get(request.bucket, request.key)
        if stored.object_type == "Symlink":
            # Who may read the link may not by that read what it stands for.
            target = replace(request, key=stored.target)
            if ticket.key is None:
                oss_access.check_anonymous(ticket.operation, target, self._store)
            else:
                self._check_right(ticket.key, ticket.operation, target)
            stored = oss_extras.follow(stored, self._store)
        if request.method == "GET":
            oss_extras.check_awake(stored, now_s)
        return look(request, stored, now_s)

    def _kept(self, request: OssRequest) -> dict[str, str]:
        return kept_headers(request, self._store.bucket(request.bucket).storage_class)

    def _initiate(self, request: OssRequest) -> OssAnswer:
        encoding = request.param("encoding-type")
        self._check_overwrite(request)
        acl = oss_access.acl_of(request)
        upload = self._store.initiate(request.bucket, request.key, self._kept(request), acl)
        pairs = [
            *oss_xml.encoding_pair(encoding),
            ("Bucket", upload.bucket),
            ("Key", oss_xml.key_text(upload.key, encoding)),
            ("UploadId", upload.upload_id),
        ]
        return OssAnswer(200, body=oss_xml.document("InitiateMultipartUploadResult", pairs))

    def _complete(self, request: OssRequest, upload: Upload, body: bytes) -> OssAnswer:
        encoding = request.param("encoding-type")
        if request.headers.get("x-oss-complete-all", "").lower() == "yes":
            if body:
                raise malformed_xml()
            wanted = None
        else:
            wanted = oss_xml.parse_complete(body)
        self._check_overwrite(request)
        if request.param("uploadId") != upload.upload_id:
            raise no_such_upload(request.param("uploadId"))
        stored = self._store.complete(self._find_upload(request), wanted)
        pairs = [
            *oss_xml.encoding_pair(encoding),
            ("Location", f"http://{stored.bucket}.{request.host}/{stored.key}"),
            ("Bucket", stored.bucket),
            ("Key", oss_xml.key_text(stored.key, encoding)),
            ("ETag", f'"{stored.etag}"'),
        ]
        return OssAnswer(
            200,
            {"ETag": f'"{stored.etag}"', CRC_HEADER: str(stored.crc64)},
            oss_xml.document("CompleteMultipartUploadResult", pairs),
        )


def _position_of(request: OssRequest) -> int:
    text = request.param("position")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise oss_invalid_argument("The position must be a number, 0 or more.", name="position", value=text)
    return int(text)


def _form_headers(form: FormReader) -> dict[str, str]:
    """Return the fields of a form that act as headers."""
    named = {name: value for name, value in form.fields.items() if name in KEPT_HEADERS or name.startswith("x-oss-")}
    if "content-type" not in named and form.file_type:
        named["content-type"] = form.file_type
    return named
