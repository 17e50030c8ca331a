"""The OSS API: from a request to an effect on the store and an answer.

What lives here: `OssGateway`, in two steps because a body may be large. `begin` judges all that
can be judged before the body (signature, rights, names, upload id); `finish` takes the stored
body and lets one of the desks act. It imports the other `oss_` modules and `storage`; both steps
happen under the lock of `Cloud`. No HTTP: a simulator calls `handle` with bytes.

Source: OSS API reference, the page of each operation; codes from "HTTP 4xx".
"""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Callable
from dataclasses import replace

from vod_widget.emulator import (
    oss_access,
    oss_callback,
    oss_console,
    oss_copies,
    oss_encryption,
    oss_extras,
    oss_fetch,
    oss_live,
    oss_meta_query,
    oss_objects,
    oss_replication,
    oss_service,
    oss_uploads,
    oss_website,
    oss_worm,
    oss_xml,
    strict_json,
)
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.errors import OssError, oss_invalid_argument
from vod_widget.emulator.oss_auth import OssAuthenticator, SignedRequest
from vod_widget.emulator.oss_buckets import BucketDesk
from vod_widget.emulator.oss_checks import (
    CALLS_BACK,
    TAGGING,
    check_blob,
    check_body_headers,
    check_digest,
    check_names,
    check_wishes,
)
from vod_widget.emulator.oss_console import ConsoleDesk
from vod_widget.emulator.oss_gate import Gatekeeper
from vod_widget.emulator.oss_names import OssRequest, operation_of
from vod_widget.emulator.oss_objects import ObjectDesk, check_overwrite, position_of
from vod_widget.emulator.oss_posts import FormDesk
from vod_widget.emulator.oss_rights import BUCKET_OPERATIONS
from vod_widget.emulator.oss_settings import SettingsDesk
from vod_widget.emulator.oss_tickets import Ticket
from vod_widget.emulator.oss_uploads import UploadDesk
from vod_widget.emulator.oss_versions import named_version, stored_headers
from vod_widget.emulator.oss_views import Callback, OssAnswer
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.switches import Switches

VERBS = ("GET", "HEAD", "PUT", "POST", "DELETE")
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
        gate: Knows who may do what.
        fetches: Takes asynchronous fetches.
        place: Account id and region.
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
        gate: Gatekeeper,
        fetches: oss_fetch.FetchDesk,
        place: tuple[str, str],
    ) -> None:
        self._store = store
        self._auth = auth
        self._clock = clock
        self._rng = rng
        self._switches = switches
        self._on_notification = on_notification
        self._desk = desk
        self._gate = gate
        self._fetches = fetches
        self._place = place
        self._console = ConsoleDesk(store, clock, rng, *place)
        self._settings = SettingsDesk(store, clock)
        self._objects = ObjectDesk(store, clock, gate.check)
        self._uploads = UploadDesk(store)
        self._forms = FormDesk(store, auth, clock, gate.check, self._check_notification)

    def new_request_id(self) -> str:
        """Return 24 upper-case hex digits."""
        return f"{self._rng.getrandbits(96):024X}"

    def handle(self, request: OssRequest, body: bytes = b"") -> OssAnswer:
        """Answer one request with its whole body at hand; errors come back as answers."""
        try:
            ticket = self.begin(request)
            if not (ticket.stores_body or ticket.source):
                return self._uncalled(self.finish(ticket, None, body), request)
            sink = self._store.blobs.sink(f"{request.bucket}/{request.key}")
            try:
                if ticket.source:
                    sink.write(self._store.read(ticket.source.stored.content, ticket.source.start, ticket.source.end))
                else:
                    sink.write([ticket.form.feed(body) if ticket.form else body])
            except OssError:
                sink.discard()
                raise
            return self._uncalled(self.finish(ticket, sink.finish(), b""), request)
        except OssError as problem:
            return self.render_error(problem, request)

    @staticmethod
    def _uncalled(answer: OssAnswer, request: OssRequest) -> OssAnswer:
        """Answer as the service does when the server of a callback cannot be reached: here nobody calls."""
        if answer.callback is None:
            return answer
        return oss_callback.told(answer, b"", "Nobody calls from an emulator in memory.", request.host)

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
        if request.method not in VERBS:
            text = "The specified method is not allowed against this resource."
            extras = {"Method": request.method, "ResourceType": "OBJECT" if request.key else "BUCKET"}
            raise OssError(405, "MethodNotAllowed", text, extras=extras, headers={"Allow": ", ".join(VERBS)})
        operation = operation_of(request)
        check_names(request)
        if operation == "PostObject":
            return self._forms.begin(request)
        resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
        signed = SignedRequest(request.method, resource, request.query, request.headers)
        key = None if self._auth.is_anonymous(signed) else self._auth.identify(signed)
        if key is None and (page := oss_website.first_page(request, self._store)):
            request = replace(request, key=page)
            operation = operation_of(request)
        self._gate.check(key, operation, request)
        oss_access.check_public_acl(request, self._store)
        if key is not None and request.headers.get(TAGGING):
            self._gate.check(key, "PutObjectTagging", request)
        if request.bucket and operation != "PutBucket":
            self._store.require_bucket(request.bucket)
        check_wishes(request, operation)
        oss_encryption.check(request, operation)
        self._check_notification(request)
        ticket = self._uploads.named(Ticket(request, operation, key))
        if ticket.stores_body:
            check_body_headers(request)
            if operation == "PutObject":
                check_overwrite(request, self._store)
            elif operation == "AppendObject":
                ticket = replace(ticket, position=position_of(request))
                self._store.check_append(request.bucket, request.key, ticket.position)
        elif operation in ("CopyObject", "UploadPartCopy"):
            ticket = replace(
                ticket, source=oss_copies.source_of(ticket, self._store, self._gate.check, self._clock.signed_url_s())
            )
            if operation == "CopyObject":
                check_overwrite(request, self._store)
        oss_access.acl_of(request)
        if operation in CALLS_BACK:
            ticket = replace(ticket, wish=oss_callback.wish_of(request, self._store.bucket(request.bucket)))
        return ticket

    def _check_notification(self, request: OssRequest) -> None:
        text = request.headers.get("x-oss-notification", "")
        if not text:
            return  # The web SDK sends an empty one when there is no user data.
        try:
            decoded = base64.b64decode(text, validate=True).decode("utf-8")
            value = strict_json.loads(decoded)
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
            elif blob is None and body:
                check_digest(ticket.request, body)
            answer = self._act(ticket, blob, body)
        except OssError:
            if blob is not None:
                self._store.blobs.remove([blob])
            raise
        request_id = self.new_request_id()
        headers = {"x-oss-request-id": request_id, **answer.headers}
        if answer.body:
            headers.setdefault("Content-Type", "application/xml")
        return replace(answer, headers=headers, callback=self._callback(ticket, request_id))

    def _callback(self, ticket: Ticket, request_id: str) -> Callback | None:
        """Return the call that a request which has worked wished for."""
        request, wish, key = ticket.request, ticket.wish, ticket.request.key
        if ticket.form is not None:
            wish, key = self._forms.wish(request, ticket.form), ticket.form.fields["key"]
        if wish is None:
            return None
        stored = self._store.get(request.bucket, key)
        return wish.call(oss_callback.facts_of(stored, ticket.operation, request_id))

    def _act(self, ticket: Ticket, blob: Blob | None, body: bytes) -> OssAnswer:
        request = ticket.request
        match ticket.operation:
            case "PostObject":
                assert blob is not None
                assert ticket.form is not None
                return self._forms.finish(request, ticket.form, blob)
            case "GetObjectAcl":
                stored = self._store.get(request.bucket, request.key, named_version(request))
                return self._desk.show_acl(request.bucket, stored.acl, stored_headers(self._store, stored))
            case operation if operation in oss_objects.OPERATIONS:
                return self._objects.answer(ticket, blob, body)
            case operation if operation in oss_uploads.OPERATIONS:
                return self._uploads.answer(ticket, blob, body)
            case operation if not request.bucket and operation in oss_service.RIGHTS:
                return oss_service.answer(operation, request, body, self._store, self._console, place=self._place)
            case operation if operation in oss_console.RIGHTS:
                return self._console.answer(operation, request, body)
            case operation if operation in oss_callback.RIGHTS:
                return oss_callback.answer(operation, request, body, self._store)
            case operation if operation in oss_fetch.RIGHTS:
                return self._fetches.answer(ticket, body, self._gate.check)
            case operation if operation in oss_meta_query.RIGHTS:
                return oss_meta_query.answer(operation, request, body, self._store, self._clock.wall_s())
            case operation if operation in oss_replication.RIGHTS:
                return oss_replication.answer(operation, request, body, self._store, self._rng)
            case operation if operation in BUCKET_OPERATIONS:
                return self._desk.answer(ticket, body)
            case operation if operation in oss_extras.RIGHTS:
                return oss_extras.answer(operation, request, body, self._store, self._clock.signed_url_s())
            case operation if operation in oss_live.RIGHTS:
                return oss_live.answer(operation, request, body, self._store, self._clock.wall_s())
            case operation if operation in oss_worm.RIGHTS:
                now_s = self._clock.signed_url_s()
                return oss_worm.answer(operation, request, body, self._store, now_s=now_s, rng=self._rng)
            case operation:
                return self._settings.answer(operation, request, body)
