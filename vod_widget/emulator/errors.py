"""What the cloud says when it says no: vendor codes, statuses and texts.

What lives here: the two error classes and the constructors that several modules share. It
imports nothing of the package. The HTTP layer renders them; a simulator catches them.

Codes and statuses are the vendor's. Texts follow published samples where there are any.
Source: ApsaraVideo VOD "Error codes", OSS "Error responses", read 2026-11; details of the
gateway from developer.aliyun.com/ask/278265.
"""

from __future__ import annotations

from collections.abc import Mapping


class CloudError(Exception):
    """A refusal by the emulated cloud.

    Args:
        status: HTTP status.
        code: The vendor's error code.
        message: The vendor's text; must not hold a secret.
        extras: Further XML elements, in order.
        headers: Further response headers.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        extras: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.extras = dict(extras or {})
        self.headers = dict(headers or {})


class RpcError(CloudError):
    """VOD or STS refused a call."""


class OssError(CloudError):
    """OSS refused a request.

    Args:
        ec: The detailed error number that OSS prints as EC and x-oss-ec; "" when unknown.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        ec: str = "",
        extras: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code, message, extras=extras, headers=headers)
        self.ec = ec


# --- RPC ---------------------------------------------------------------------------------


def missing_parameter(name: str) -> RpcError:
    """Build the gateway's answer to an absent required parameter."""
    return RpcError(400, f"Missing{name}", f"{name} is mandatory for this action.")


def invalid_parameter(name: str, why: str) -> RpcError:
    """Build the answer to a parameter whose value is not allowed."""
    return RpcError(400, "InvalidParameter", f"The specified parameter {name} is invalid: {why}")


def too_long(name: str, limit_bytes: int) -> RpcError:
    """Build the answer to a text beyond its limit; the limit counts UTF-8 bytes."""
    text = f"The {name} exceeds the maximum length of {limit_bytes} bytes."
    return RpcError(400, "LengthExceededMax", text)


def no_video() -> RpcError:
    """Build the answer to an id of no video."""
    return RpcError(404, "InvalidVideo.NotFound", "The video does not exist.")


# --- OSS ---------------------------------------------------------------------------------


def access_denied(message: str, *, ec: str = "") -> OssError:
    """Build 403 AccessDenied, the code with many texts."""
    return OssError(403, "AccessDenied", message, ec=ec)


def oss_invalid_argument(message: str, *, name: str = "", value: str = "", ec: str = "") -> OssError:
    """Build 400 InvalidArgument with the argument's name and value."""
    extras = {"ArgumentName": name, "ArgumentValue": value} if name else {}
    return OssError(400, "InvalidArgument", message, extras=extras, ec=ec)


def no_such_upload(upload_id: str) -> OssError:
    """Build 404 NoSuchUpload."""
    text = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may "
        "have been aborted or completed."
    )
    return OssError(404, "NoSuchUpload", text, extras={"UploadId": upload_id})


def no_such_key(key: str) -> OssError:
    """Build 404 NoSuchKey."""
    text = "The specified key does not exist."
    return OssError(404, "NoSuchKey", text, extras={"Key": key}, ec="0026-00000001")


def no_such_bucket(bucket: str) -> OssError:
    """Build 404 NoSuchBucket."""
    text = "The specified bucket does not exist."
    return OssError(404, "NoSuchBucket", text, extras={"BucketName": bucket})


def malformed_xml() -> OssError:
    """Build 400 MalformedXML."""
    text = "The XML you provided was not well-formed or did not validate against our schema."
    return OssError(400, "MalformedXML", text)
