"""Everything about the real service that is unknown, or that a test wants the other way.

What lives here: `Switches`, one documented field for each decision. No imports beyond the
standard library; immutable, any thread. Each field says why its default is what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Source: VOD "QPS limits" (October 2024) and "Introduction/Limits".
VENDOR_QPS: Mapping[str, int] = {
    "AddCategory": 30,
    "CreateUploadAttachedMedia": 80,
    "CreateUploadImage": 80,
    "CreateUploadVideo": 80,
    "DeleteMultipartUpload": 10,
    "GetCategories": 50,
    "GetURLUploadInfos": 100,
    "GetUploadDetails": 100,
    "GetVideoInfo": 100,
    "RefreshUploadVideo": 80,
    "SearchMedia": 50,
}


@dataclass(frozen=True, kw_only=True)
class Switches:
    """Choose between the behaviours that no public document decides."""

    allow_missing_timestamp: bool = False
    """Accept RPC calls without Timestamp. The documents require it, the vendor's own web and
    mini program SDKs never send it; those two are peers only with this on."""

    reference_id_repeated: Literal["refuse", "same", "new"] = "refuse"
    """What CreateUploadVideo answers for a ReferenceId that exists: 400 ReferenceIdExists, the
    asset that has it, or one more asset. Undocumented."""

    refuse_unknown_category: bool = False
    """Answer InvalidCateId.NotFound for a CateId that AddCategory did not make. No refusal is
    documented for CreateUploadVideo."""

    template_group_ids: frozenset[str] | None = None
    """The known TemplateGroupIds. None: anything that looks like one (32 hex digits, or
    VOD_NO_TRANSCODE) exists. Others get 404 InvalidTemplateGroupId.NotFound."""

    storage_locations: frozenset[str] | None = None
    """The known StorageLocations beside the account's own. None: anything that looks like a
    VOD bucket's host exists. Others get 404 InvalidStorage.NotFound."""

    strict_notification: bool = True
    """Refuse an x-oss-notification that is not base64 of JSON with the top key Vod (400). The
    real reaction is unknown; a client that sends rubbish should hear of it here."""

    upload_token_may_head: bool = True
    """May the token of an UploadAuth HEAD and GET its own object? Undocumented."""

    upload_token_may_list_parts: bool = True
    """May the token of an UploadAuth list the parts of its own object? Undocumented."""

    upload_token_may_list_uploads: bool = False
    """May the token of an UploadAuth list the uploads of the bucket? Undocumented."""

    vod_bucket_cors: bool = True
    """Do the buckets that VOD allocates allow the pages of this machine? The vendor's browser SDK
    needs no set-up, so the real ones come with CORS on (INFERRED). False: no rule at all."""

    expired_answer: Literal["SecurityTokenExpired", "InvalidAccessKeyId"] = "SecurityTokenExpired"
    """OSS has both answers: the first while it remembers the token (EC 0002-00000007), the
    second once the key has vanished (EC 0002-00000002)."""

    call_anywhere: bool = False
    """Send callbacks and pull UploadURLs to and from any address, not only this machine's. With
    this on, whoever may call the emulator can make it send requests into your network."""

    role_actions: tuple[str, ...] = ("vod:*",)
    """What the emulator's one role may do: by default what the system policy AliyunVODFullAccess allows. Add `oss:*`
    for programs that use OSS by an AssumeRole token."""

    callback_auth_key: str = ""
    """AuthKey of the account's event callbacks: with one, they carry X-VOD-TIMESTAMP and X-VOD-SIGNATURE."""

    throttle: bool = False
    """Refuse calls beyond `qps_limits` with Throttling.User. The service rejects at random near the
    limit; ours counts calls in whole seconds of the ageing clock."""

    qps_limits: Mapping[str, int] = field(default_factory=lambda: dict(VENDOR_QPS))
    """Calls a second and account, by action; others are free."""

    upload_succeeded_s: float = 1.0
    """Seconds a finished upload shows as UploadSucc before it is transcoded."""

    transcoding_s: float = 2.0
    """Seconds an asset shows as Transcoding before it is Normal; none for VOD_NO_TRANSCODE."""

    max_session_duration_s: int = 3600
    """MaxSessionDuration of the role: the largest DurationSeconds of AssumeRole."""
