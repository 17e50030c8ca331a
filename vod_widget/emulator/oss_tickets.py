"""What is known of a request before its body: which right it needs, and its ticket.

What lives here: the table of rights and `Ticket`. It imports the modules that name operations; data only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vod_widget.emulator import oss_buckets, oss_extras, oss_settings
from vod_widget.emulator.objects import Upload
from vod_widget.emulator.oss_forms import FormReader
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_views import Body
from vod_widget.emulator.tokens import Key

# Which right an operation needs, and whether on the object or on the bucket.
RIGHTS: Mapping[str, str] = {
    "PutObject": "oss:PutObject",
    "InitiateMultipartUpload": "oss:PutObject",
    "UploadPart": "oss:PutObject",
    "AppendObject": "oss:PutObject",
    "GetObjectMeta": "oss:GetObject",
    "CompleteMultipartUpload": "oss:PutObject",
    "AbortMultipartUpload": "oss:AbortMultipartUpload",
    "ListParts": "oss:ListParts",
    "CopyObject": "oss:PutObject",
    "UploadPartCopy": "oss:PutObject",
    "GetObjectAcl": "oss:GetObjectAcl",
    "PutObjectAcl": "oss:PutObjectAcl",
    "HeadObject": "oss:GetObject",
    "GetObject": "oss:GetObject",
    "DeleteObject": "oss:DeleteObject",
    "ListMultipartUploads": "oss:ListMultipartUploads",
    "ListObjects": "oss:ListObjects",
    "ListObjectsV2": "oss:ListObjects",
    **{name: f"oss:{name}" for name in oss_buckets.OPERATIONS - {"ListObjects", "ListObjectsV2"}},
    **{name: f"oss:{name}" for name in oss_settings.OPERATIONS},
    **oss_extras.RIGHTS,
}
BODIES = frozenset({"PutObject", "UploadPart", "AppendObject", "PostObject"})


@dataclass(frozen=True)
class Ticket:
    """A request that may go on: what `begin` found out."""

    request: OssRequest
    operation: str
    key: Key | None
    """None: nobody in particular, or the form of PostObject will tell."""
    upload: Upload | None = None
    part_number: int = 0
    position: int = 0
    """Of AppendObject."""
    form: FormReader | None = None
    """Of PostObject: the body goes through it, and what it gives is stored."""
    source: Body | None = None
    """Of a copy: what is stored in place of the body."""

    @property
    def stores_body(self) -> bool:
        """Tell whether the body, or the file in it, becomes stored bytes."""
        return self.operation in BODIES
