"""Every error that this package raises or reports, as one tree.

    VODError                    code, name of the file, request_id, hint: what to do next
     ├ UsageError               the caller did wrong; nothing has changed
     │   ├ InvalidArgumentError     a value is out of range                    (also ValueError)
     │   ├ InvalidStateError        not now                                    (also RuntimeError)
     │   └ RestrictionError         the file or a field breaks a rule of VOD   (also ValueError)
     ├ CredentialError          no usable authority; never holds a value
     │   ├ ProfileNotFoundError     no profile of that name
     │   └ MissingCredentialError   nothing was found, or nobody answered
     ├ SourceError              the bytes cannot be had
     │   ├ SourceNotFoundError      missing, unreadable or not a regular file  (also OSError)
     │   ├ SourceChangedError       changed while it was sent
     │   └ SourceDetachedError      the browser that held the file is gone
     ├ JournalError             the checkpoint could not be read or written
     │   └ LockedError              another process holds this file            (pid)
     ├ CallbackError            a callback of the caller raised
     ├ ServiceError             the cloud answered no                          (status)
     │   ├ AuthExpiredError         new credentials are needed
     │   ├ AccessDeniedError        no right for this call
     │   │   └ KeysRefusedError         the keys themselves are wrong
     │   ├ ClockSkewError           our clock and theirs are too far apart     (server_time_s)
     │   ├ NotFoundError            the asset or object does not exist
     │   ├ NoSuchUploadError        the multipart upload does not exist (any more)
     │   ├ AlreadyExistsError       this reference id was used before
     │   ├ ThrottledError           too many calls                             (retry_after_s)
     │   ├ ServerFaultError         5xx                                        (retry_after_s)
     │   ├ RequestRefusedError      any other 4xx
     │   └ UnexpectedAnswerError    an answer that we cannot read
     ├ EndpointRefusedError     the answer points to a host that we do not trust
     ├ TransportError           no answer came                                 (was_sent)
     │   ├ ConnectError             the request never left
     │   ├ RequestTimeoutError      no answer in time
     │   ├ ConnectionLostError      the connection broke
     │   └ TlsError                 the certificate is not good
     ├ IntegrityError           stored bytes are not our bytes
     └ RetriesExhaustedError    the last of several attempts failed            (last, attempts)

Texts say what happened, to which file, and the one thing to do next. `code` is stable: the cloud's own code
when it gave one, else ours. Floor 0: imports nothing, does nothing, runs in any thread.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AccessDeniedError",
    "AlreadyExistsError",
    "AuthExpiredError",
    "CallbackError",
    "ClockSkewError",
    "ConnectError",
    "ConnectionLostError",
    "CredentialError",
    "EndpointRefusedError",
    "IntegrityError",
    "InvalidArgumentError",
    "InvalidStateError",
    "JournalError",
    "KeysRefusedError",
    "LockedError",
    "MissingCredentialError",
    "NoSuchUploadError",
    "NotFoundError",
    "ProfileNotFoundError",
    "RequestRefusedError",
    "RequestTimeoutError",
    "RestrictionError",
    "RetriesExhaustedError",
    "ServerFaultError",
    "ServiceError",
    "SourceChangedError",
    "SourceDetachedError",
    "SourceError",
    "SourceNotFoundError",
    "ThrottledError",
    "TlsError",
    "TransportError",
    "UnexpectedAnswerError",
    "UsageError",
    "VODError",
]


class VODError(Exception):
    """The root of the tree: catch this to catch everything that we raise.

    Args:
        message: What happened, in one sentence without a secret.
        code: Stable code; default: the class's own.
        hint: The one thing to do next; default: the class's own. "" when the message says all.
        file_name: Name of the file that it happened to, when there is one.
        request_id: RequestId of the cloud's answer, for the vendor's support.
    """

    default_code: ClassVar[str] = "Internal"
    default_hint: ClassVar[str] = "Report this as a bug, with the code."

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        file_name: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = self.default_hint if hint is None else hint
        self.file_name = file_name
        self.request_id = request_id

    def __str__(self) -> str:
        where = f"{self.file_name}: " if self.file_name else ""
        request = f" (RequestId {self.request_id})" if self.request_id else ""
        return f"{where}{self.message} [{self.code}]{request} {self.hint}".strip()


class UsageError(VODError):
    """The caller did wrong; nothing was changed."""

    default_code = "Usage"
    default_hint = "Correct the call and repeat it."


class InvalidArgumentError(UsageError, ValueError):
    """A value is missing, of the wrong type or out of range."""

    default_code = "InvalidArgument"


class InvalidStateError(UsageError, RuntimeError):
    """The call does not fit the present state of the queue or the file."""

    default_code = "InvalidState"


class RestrictionError(UsageError, ValueError):
    """A file or a field of its metadata breaks a limit of the service, before anything was sent."""

    default_code = "Restriction"
    default_hint = "Change the field or the file and add it again."


class CredentialError(VODError):
    """There is no usable authority; the text never holds a value of a key."""

    default_code = "Auth"
    default_hint = "Check the keys or choose another profile, then retry."


class ProfileNotFoundError(CredentialError):
    """No profile has that name."""

    default_code = "Profile.NotFound"
    default_hint = "Choose one of the names listed by vod_widget.profiles()."


class MissingCredentialError(CredentialError):
    """No credential was found in any place, or the application gave none in time."""

    default_code = "Auth.Missing"
    default_hint = (
        "Pass credentials=, profile= or get_auth=, or call set_upload_auth_and_address in "
        "on_upload_started; profile='emulator' works without an account."
    )


class SourceError(VODError):
    """The bytes of a file cannot be had."""

    default_code = "Source.Read"
    default_hint = "Make the file readable, then retry."


class SourceNotFoundError(SourceError, OSError):
    """The file is missing, unreadable, or not a regular file."""

    default_code = "Source.Missing"
    default_hint = "Check the path and its permissions, then try again."


class SourceChangedError(SourceError):
    """The file changed while it was sent; a mix of two versions is never stored."""

    default_code = "Source.Changed"
    default_hint = "Retry when the file is finished; it starts from the first byte."


class SourceDetachedError(SourceError):
    """The page that held a browser file is gone."""

    default_code = "Source.Detached"
    default_hint = "Pick the same file again; the upload goes on where it stopped."


class JournalError(VODError):
    """A checkpoint could not be read or written."""

    default_code = "Journal.Write"
    default_hint = "Free some disk space or pass another checkpoint_dir, then retry."


class LockedError(JournalError):
    """Another uploader or process is sending this file to this destination.

    Args:
        message: What happened.
        pid: The process that holds it, or None when it cannot be told.
    """

    default_code = "Locked"
    default_hint = "Wait for the other upload, or stop it, then retry."

    def __init__(self, message: str, *, pid: int | None = None, file_name: str | None = None) -> None:
        super().__init__(message, file_name=file_name)
        self.pid = pid


class CallbackError(VODError):
    """A callback that had to answer raised instead."""

    default_code = "Callback"
    default_hint = "Correct the callback, then retry the file."


class ServiceError(VODError):
    """The cloud answered, and the answer was no.

    Args:
        message: The cloud's text, filtered: no signature, no string to sign, no token.
        status: HTTP status of the answer.
        code: The cloud's code.
        hint: The one thing to do next.
        file_name: Name of the file.
        request_id: RequestId of the answer.
        retry_after_s: Seconds that the server asked us to wait, if it did.
    """

    default_code = "Service"
    default_hint = "Look the code up in the vendor's error center, then retry."

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str | None = None,
        hint: str | None = None,
        file_name: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint, file_name=file_name, request_id=request_id)
        self.status = status
        self.retry_after_s = retry_after_s


class AuthExpiredError(ServiceError):
    """The temporary credential ran out."""

    default_code = "Auth.Expired"
    default_hint = "Give new credentials; what arrived so far is kept."


class AccessDeniedError(ServiceError):
    """The keys lack the right for this call."""

    default_code = "Permission"
    default_hint = "Check the keys and the RAM policy of the account, then retry."


class KeysRefusedError(AccessDeniedError):
    """The keys themselves are wrong: every other call with them would be refused too."""

    default_code = "Auth.Refused"
    default_hint = "Check AccessKey id, secret and token of the profile in use, then retry."


class ClockSkewError(ServiceError):
    """The local clock is more than 15 minutes off the server's.

    Args:
        message: What happened.
        server_time_s: The server's time (Unix seconds) read from its answer, or None.
        code: The cloud's code.
        request_id: RequestId of the answer.
    """

    default_code = "Clock.Skew"
    default_hint = "Set the clock of this machine, then retry."

    def __init__(
        self,
        message: str,
        *,
        server_time_s: float | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, status=403, code=code, request_id=request_id)
        self.server_time_s = server_time_s


class NotFoundError(ServiceError):
    """The asset or the object does not exist."""

    default_code = "NotFound"
    default_hint = "The asset was deleted; remove the file and add it again for a new one."


class NoSuchUploadError(ServiceError):
    """The multipart upload does not exist: completed, aborted or dropped by the storage."""

    default_code = "NoSuchUpload"
    default_hint = "Retry; the file is sent again under the same id."


class AlreadyExistsError(ServiceError):
    """An asset with this reference id exists already."""

    default_code = "Reference.Conflict"
    default_hint = "Add the file with another reference_id, or with none."


class ThrottledError(ServiceError):
    """Too many calls in a short time."""

    default_code = "Throttling"
    default_hint = "Wait a little, then retry; lower `parallel` if it happens often."


class ServerFaultError(ServiceError):
    """The cloud had a fault of its own (5xx)."""

    default_code = "Server.Fault"
    default_hint = "Retry later; what arrived so far is kept."


class RequestRefusedError(ServiceError):
    """The cloud refused the request for a reason that no retry cures."""

    default_code = "Request.Refused"
    default_hint = "Correct what the message names, then add the file again."


class UnexpectedAnswerError(ServiceError):
    """The answer is not one of the service's: a portal, a proxy, a cut or a foreign format."""

    default_code = "Protocol"
    default_hint = "Check proxies and the endpoint, then retry."


class EndpointRefusedError(VODError):
    """An address points to a host that is not the vendor's; no byte and no token was sent there."""

    default_code = "Endpoint.Refused"
    default_hint = "Get a new upload address from ApsaraVideo VOD; do not edit it."


class TransportError(VODError):
    """No answer came.

    Args:
        message: What happened.
        was_sent: True when the request may have reached the server and have had its effect.
        code: Stable code.
    """

    default_code = "Network"
    default_hint = "Check the network, then retry; what arrived so far is kept."

    def __init__(self, message: str, *, was_sent: bool = True, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.was_sent = was_sent


class ConnectError(TransportError):
    """No connection could be made, so nothing was sent."""

    default_code = "Network.Connect"


class RequestTimeoutError(TransportError):
    """No answer came within the deadline."""

    default_code = "Network.Timeout"


class ConnectionLostError(TransportError):
    """The connection broke before the answer was complete."""

    default_code = "Network.Lost"


class TlsError(TransportError):
    """The server's certificate is not good; there is no switch to ignore that."""

    default_code = "Tls"
    default_hint = "Check the machine's clock, proxy and CA bundle; never ignore this."


class IntegrityError(VODError):
    """What the storage holds is not what was read from the file."""

    default_code = "Integrity"
    default_hint = "Retry; if it happens again, check memory, disk and proxies of this machine."


class RetriesExhaustedError(VODError):
    """The last of several attempts failed.

    Args:
        last: The error of the last attempt; its code is ours.
        attempts: One (number, error, waited_s) for each failed attempt, oldest first.
    """

    default_code = "Retries"

    def __init__(self, last: VODError, attempts: tuple[tuple[int, VODError, float], ...]) -> None:
        super().__init__(
            f"{last.message} (after {len(attempts)} attempt{'s'[: len(attempts) != 1]})",
            code=last.code,
            hint=last.hint,
            file_name=last.file_name,
            request_id=last.request_id,
        )
        self.last = last
        self.attempts = attempts
