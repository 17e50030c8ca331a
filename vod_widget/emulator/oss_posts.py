"""PostObject: an object that comes in a form.

What lives here: `FormDesk`. It imports `oss_access`, `oss_auth`, `oss_checks`, `oss_forms`, `oss_objects`, `storage`;
called under the lock of `Cloud`.

Source: OSS "PostObject".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, urlencode

from vod_widget.emulator import oss_access, oss_callback, oss_copies, oss_encryption, oss_forms, oss_xml
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.errors import oss_invalid_argument
from vod_widget.emulator.oss_auth import OssAuthenticator
from vod_widget.emulator.oss_checks import (
    CALLBACK,
    KEPT_HEADERS,
    blob_headers,
    check_body_headers,
    check_header,
    check_names,
    check_wishes,
)
from vod_widget.emulator.oss_forms import FormReader
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_objects import check_overwrite
from vod_widget.emulator.oss_tickets import Ticket
from vod_widget.emulator.oss_versions import stored_headers
from vod_widget.emulator.oss_views import OssAnswer
from vod_widget.emulator.storage import ObjectStore


class FormDesk:
    """Judge and store forms.

    Args:
        store: The objects.
        auth: Knows who signed a policy.
        clock: Judges the age of a policy.
        check_right: Raises when a key may not perform an operation.
        check_notification: Judges x-oss-notification, and passes it on.
    """

    def __init__(
        self,
        store: ObjectStore,
        auth: OssAuthenticator,
        clock: Clock,
        check_right: oss_copies.CheckRight,
        check_notification: Callable[[OssRequest], None],
    ) -> None:
        self._store = store
        self._auth = auth
        self._clock = clock
        self._check_right = check_right
        self._check_notification = check_notification

    def begin(self, request: OssRequest) -> Ticket:
        """Judge what stands before the form.

        Raises:
            OssError: It is refused.
        """
        self._store.require_bucket(request.bucket)
        check_body_headers(request)
        form = FormReader(
            oss_forms.boundary_of(request.headers.get("content-type", "")),
            lambda reader: self._judge(request, reader),
        )
        return Ticket(request, "PostObject", None, form=form)

    def _judge(self, request: OssRequest, form: FormReader) -> None:
        """Judge a form when its file begins: signature, policy, rights."""
        fields = form.fields
        if not fields.get("key"):
            raise oss_invalid_argument("Bucket POST must contain a field named 'key'.", name="key", value="")
        fields["key"] = fields["key"].replace("${filename}", form.file_name)
        signature = oss_forms.signature_of(fields)
        key = self._auth.identify_form(signature, fields["policy"])
        oss_forms.judge(fields["policy"], fields, request.bucket, self._clock.signed_url_s())
        given = _headers_of(form)
        for name, value in [*given.items(), ("Location", fields.get("success_action_redirect", ""))]:
            check_header(name, value)
        named = replace(request, key=fields["key"], headers={**request.headers, **given})
        check_names(named)
        self._check_right(key, "PutObject", named)
        check_wishes(named, "PostObject")
        oss_encryption.check(named, "PostObject")
        check_overwrite(named, self._store)
        self._check_notification(named)
        oss_access.acl_of(named)
        oss_access.check_public_acl(named, self._store)
        self.wish(request, form)

    def wish(self, request: OssRequest, form: FormReader) -> oss_callback.Wish | None:
        """Return the callback that a form wishes, with its variables, which are fields.

        Raises:
            OssError: It cannot be understood.
        """
        fields = form.fields
        headers = {CALLBACK: fields.get("callback", "")}
        variables = {name: value for name, value in fields.items() if name.startswith("x:")}
        named = replace(request, query=(), headers=headers)
        return oss_callback.wish_of(named, self._store.bucket(request.bucket), variables)

    def finish(self, request: OssRequest, form: FormReader, blob: Blob) -> OssAnswer:
        """Store the file of a form.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        form.close()
        fields = form.fields
        policy = oss_forms.judge(fields["policy"], fields, request.bucket, self._clock.signed_url_s())
        policy.check_length(blob.size_bytes)
        named = replace(request, key=fields["key"], headers=_headers_of(form))
        check_overwrite(named, self._store)
        kept = oss_encryption.kept(named, self._store.bucket(named.bucket))
        stored = self._store.put(named.bucket, named.key, blob, kept, oss_access.acl_of(named))
        etag = f'"{stored.etag}"'
        target = fields.get("success_action_redirect", "")
        location = f"http://{request.host}/{quote(named.key)}"
        headers = {
            **blob_headers(blob),
            **stored_headers(self._store, stored),
            **oss_encryption.told(kept),
            "Location": location,
        }
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


def _headers_of(form: FormReader) -> dict[str, str]:
    """Return the fields of a form that act as headers."""
    named = {name: value for name, value in form.fields.items() if name in KEPT_HEADERS or name.startswith("x-oss-")}
    if "content-type" not in named and form.file_type:
        named["content-type"] = form.file_type
    return named
