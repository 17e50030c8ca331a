"""Encryption of objects, as far as a client sees it: the headers that it sends and gets back.

What lives here: which encryption a new object has, and what is stored with it. It imports `oss_checks`, `oss_settings`;
called under the lock of `Cloud`. Nothing is encrypted here: the bytes in the data folder are as they came.

Source: OSS "Server-side encryption", "PutObject".
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping

from vod_widget.emulator.errors import OssError, oss_invalid_argument
from vod_widget.emulator.objects import Bucket
from vod_widget.emulator.oss_checks import kept_headers
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import shown

_HEAD = "x-oss-server-side-"
ALGORITHM, KEY_ID, DATA = f"{_HEAD}encryption", f"{_HEAD}encryption-key-id", f"{_HEAD}data-encryption"
_ALGORITHMS = ("AES256", "KMS", "SM4")
# Those that make an object, and PutBucket, which makes the rule of a bucket. Source: oss2's tests, for the others.
_MAKERS = ("PutObject", "PostObject", "AppendObject", "CopyObject", "InitiateMultipartUpload", "PutBucket")


def check(request: OssRequest, operation: str) -> None:
    """Refuse an encryption that there is not, or where none can be chosen.

    Raises:
        OssError: InvalidEncryptionAlgorithmError, InvalidArgument.
    """
    algorithm = request.headers.get(ALGORITHM)
    if algorithm is None:
        return
    if operation not in _MAKERS:
        raise oss_invalid_argument(f"{ALGORITHM} is not for this operation.", name=ALGORITHM, value=algorithm)
    if algorithm not in _ALGORITHMS:
        text = "The encryption algorithm you specified is not valid."
        raise OssError(400, "InvalidEncryptionAlgorithmError", text)
    if request.headers.get(KEY_ID) and algorithm != "KMS":
        raise oss_invalid_argument(f"{KEY_ID} is for KMS only.", name=KEY_ID, value=request.headers[KEY_ID])


def kept(request: OssRequest, bucket: Bucket) -> dict[str, str]:
    """Return the headers that are stored with the object of a request: its own, and what its bucket adds."""
    return {**kept_headers(request, bucket.storage_class), **_chosen(request, bucket)}


def _chosen(request: OssRequest, bucket: Bucket) -> dict[str, str]:
    place = "ApplyServerSideEncryptionByDefault"
    if ALGORITHM in request.headers:
        algorithm, key_id, data = (request.headers.get(name, "") for name in (ALGORITHM, KEY_ID, DATA))
    elif "encryption" not in bucket.settings:
        return {}
    else:
        names = ("SSEAlgorithm", "KMSMasterKeyID", "KMSDataEncryption")
        algorithm, key_id, data = (shown(bucket, "encryption", f"{place}/{name}") for name in names)
    if not algorithm:
        return {}
    if algorithm != "KMS":
        return {ALGORITHM: algorithm}
    chosen = {ALGORITHM: algorithm, KEY_ID: key_id or _own_key(bucket)}
    return {**chosen, DATA: data} if data else chosen


def _own_key(bucket: Bucket) -> str:
    """Return the id of the key that the account has for OSS."""
    digest = hashlib.sha256(f"kms/{bucket.owner_id}".encode()).hexdigest()
    return str(uuid.UUID(digest[:32]))


def told(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those of an object's headers that answers to uploads repeat."""
    return {name: headers[name] for name in (ALGORITHM, KEY_ID, DATA) if name in headers}
