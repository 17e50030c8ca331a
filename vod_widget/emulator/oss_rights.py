"""Which right an operation needs.

What lives here: the names of the operations on buckets, and `RIGHTS`. It imports the modules that name operations;
data only.

Source: OSS "Authorization syntax and elements", Action.
"""

from __future__ import annotations

from collections.abc import Mapping

from vod_widget.emulator import (
    oss_callback,
    oss_console,
    oss_extras,
    oss_fetch,
    oss_live,
    oss_meta_query,
    oss_replication,
    oss_service,
    oss_settings,
    oss_worm,
)

BUCKET_OPERATIONS = frozenset(
    {
        "DeleteBucket",
        "DeleteBucketCors",
        "GetBucketAcl",
        "GetBucketCors",
        "GetBucketInfo",
        "GetBucketLocation",
        "GetBucketStat",
        "GetBucketVersioning",
        "ListBuckets",
        "ListObjectVersions",
        "ListObjects",
        "ListObjectsV2",
        "PutBucket",
        "PutBucketAcl",
        "PutBucketCors",
        "PutBucketVersioning",
    }
)
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
    **{name: f"oss:{name}" for name in BUCKET_OPERATIONS - {"ListObjects", "ListObjectsV2"}},
    **{name: f"oss:{name}" for name in oss_settings.OPERATIONS},
    **oss_callback.RIGHTS,
    **oss_console.RIGHTS,
    **oss_extras.RIGHTS,
    **oss_fetch.RIGHTS,
    **oss_live.RIGHTS,
    **oss_meta_query.RIGHTS,
    **oss_replication.RIGHTS,
    **oss_service.RIGHTS,
    **oss_worm.RIGHTS,
}
