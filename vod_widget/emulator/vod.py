"""The VOD service: media assets from creation to Normal.

What lives here: `VodService`, one method for each operation; each takes the call's parameters
and returns the answer as a dict. It imports `checks`, `clock`, `errors`, `policy`, `storage`,
`switches`, `tokens`. Every method runs under the lock of `Cloud`.

Theory: an asset is Uploading until the object of its own bucket and key is complete, whoever
completed it; then UploadSucc, Transcoding, Normal by the ageing clock. Its key never changes,
so a refresh gives new credentials for the same place, and a finished asset may be overwritten.

Sources: VOD API reference 2017-03-21, the page of each operation; "Upload URLs and
credentials" (3,000 s, one credential for one media).
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vod_widget.emulator import checks
from vod_widget.emulator.categories import Categories
from vod_widget.emulator.checks import Params
from vod_widget.emulator.clock import Clock, iso_z
from vod_widget.emulator.errors import RpcError, missing_parameter
from vod_widget.emulator.policy import Policy, allow
from vod_widget.emulator.storage import StoredObject
from vod_widget.emulator.switches import Switches
from vod_widget.emulator.tokens import Key, KeyRing

MediaKind = Literal["video", "image", "attached"]
Answer = dict[str, Any]
DEFAULT_APP_ID = "app-1000000"


@dataclass
class Asset:
    """One media asset: a video or audio, an image, an attached medium."""

    media_id: str
    kind: MediaKind
    bucket: str
    key: str
    title: str
    created_age_s: float
    created_wall_s: float
    description: str = ""
    tags: str = ""
    cate_id: int | None = None
    cover_url: str = ""
    file_name: str = ""
    declared_bytes: int | None = None
    reference_id: str = ""
    template_group_id: str = ""
    workflow_id: str = ""
    storage_location: str = ""
    app_id: str = DEFAULT_APP_ID
    sub_type: str = ""
    """ImageType of an image, BusinessType of an attached medium."""
    user_data: Mapping[str, Any] = field(default_factory=dict)
    completed_age_s: float | None = None
    completed_wall_s: float | None = None
    size_bytes: int = 0
    crc64: int = 0
    notification: str = ""
    """The last x-oss-notification of its object requests, decoded JSON text."""


@dataclass(frozen=True)
class Event:
    """What the service would send to the callback URL. Recorded, not sent over HTTP yet."""

    event_type: str
    """FileUploadComplete, ImageUploadComplete or AttachedMediaUploadComplete."""
    media_id: str
    event_time: str
    size_bytes: int
    file_url: str
    extend: Any
    """`Extend` of the asset's UserData, echoed."""
    callback_url: str


@dataclass(frozen=True)
class CallContext:
    """Who calls, and by which way; some answers depend on it."""

    key: Key
    oss_endpoint: str
    """What UploadAddress shall say: scheme and host, no bucket."""
    host: str = "vod.aliyuncs.com"


class VodService:
    """Create, refresh and describe media assets.

    Args:
        clock: Ages assets and credentials.
        rng: Makes ids.
        keys: Issues the credentials of an UploadAuth.
        switches: Decisions about the undocumented.
        account_id: Owner of everything.
        region: Service region; part of answers only.
        upload_auth_ttl_s: Life of an UploadAuth.
        bucket: The account's bucket.
        sign_url: Makes a signed URL of an object: (endpoint, bucket, key, seconds).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rng: random.Random,
        keys: KeyRing,
        switches: Switches,
        account_id: str,
        region: str,
        upload_auth_ttl_s: float,
        bucket: str,
        sign_url: Callable[[str, str, str, int], str],
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._keys = keys
        self._switches = switches
        self._account_id = account_id
        self._region = region
        self._ttl_s = upload_auth_ttl_s
        self._sign_url = sign_url
        self.bucket = bucket
        self.categories = Categories()
        self.assets: dict[str, Asset] = {}
        self.events: list[Event] = []
        self._by_key: dict[tuple[str, str], Asset] = {}
        self._by_reference: dict[str, Asset] = {}

    def __repr__(self) -> str:
        return f"<VodService assets={len(self.assets)}>"

    def clear(self) -> None:
        """Forget every asset, event and category."""
        self.assets.clear()
        self.events.clear()
        self._by_key.clear()
        self._by_reference.clear()
        self.categories = Categories()

    @property
    def own_location(self) -> str:
        """Return the account's StorageLocation."""
        return f"{self.bucket}.oss-{self._region}.aliyuncs.com"

    # --- operations: upload --------------------------------------------------------------

    def create_upload_video(self, params: Params, context: CallContext) -> Answer:
        """CreateUploadVideo: make an asset in Uploading and a credential for its object."""
        asset_title = checks.title(params, required=True)
        file_name, ext = checks.media_file_name(params)
        common = self._common(params)
        reference = checks.reference_id(params)
        cover_url = checks.text(params, "CoverURL", 1024)
        template = checks.template_group_id(params, self._switches.template_group_ids)
        if reference in self._by_reference and reference:
            if self._switches.reference_id_repeated == "refuse":
                raise RpcError(400, "ReferenceIdExists", "The specified ReferenceId already exists.")
            if self._switches.reference_id_repeated == "same":
                return self._grant(self._by_reference[reference], "VideoId", context)
        asset = self._new_asset(
            "video",
            f"sv/{self._stamp()}/{self._stamp()}.{ext}",
            title=asset_title,
            file_name=file_name,
            cover_url=cover_url,
            reference_id=reference,
            template_group_id=template,
            workflow_id=params.get("WorkflowId", ""),
            **common,
        )
        if reference:
            self._by_reference[reference] = asset
        return self._grant(asset, "VideoId", context)

    def refresh_upload_video(self, params: Params, context: CallContext) -> Answer:
        """RefreshUploadVideo: a new credential for the same asset and object."""
        return self._grant(self._video(params), "VideoId", context)

    def create_upload_image(self, params: Params, context: CallContext) -> Answer:
        """CreateUploadImage: like a video, without refresh."""
        image_type = checks.one_of(params, "ImageType", {"default", "cover"})
        ext = checks.one_of(params, "ImageExt", checks.IMAGE_EXTENSIONS, "png")
        asset = self._new_asset(
            "image",
            f"image/{image_type}/{self._keys.random_hex(32).upper()}-6-2.{ext}",
            title=checks.title(params, required=False),
            file_name=params.get("OriginalFileName", ""),
            sub_type=image_type,
            **self._common(params),
        )
        answer = self._grant(asset, "ImageId", context)
        url = self._public_url(asset, context)
        return {**answer, "ImageURL": url, "FileURL": url}

    def create_upload_attached_media(self, params: Params, context: CallContext) -> Answer:
        """CreateUploadAttachedMedia: watermark, subtitle or material."""
        business = checks.one_of(params, "BusinessType", checks.ATTACHED_EXTENSIONS)
        allowed = checks.ATTACHED_EXTENSIONS[business]
        given = params.get("MediaExt", "") or checks.extension(params.get("FileName", ""))
        ext = checks.one_of({"MediaExt": given}, "MediaExt", allowed)
        asset = self._new_asset(
            "attached",
            f"{business}/{self._keys.random_hex(32)}.{ext}",
            title=checks.title(params, required=False),
            file_name=params.get("FileName", ""),
            sub_type=business,
            **self._common(params),
        )
        answer = self._grant(asset, "MediaId", context)
        url = self._public_url(asset, context)
        return {**answer, "MediaURL": url, "FileURL": url}

    def _common(self, params: Params) -> dict[str, Any]:
        """Check and return what every creating operation takes."""
        cate_id = checks.integer(params, "CateId", low=-1)
        if cate_id is not None and self._switches.refuse_unknown_category:
            self.categories.require(cate_id)
        return {
            "description": checks.description(params),
            "tags": checks.tags(params),
            "cate_id": cate_id,
            "declared_bytes": checks.integer(params, "FileSize"),
            "storage_location": checks.storage_location(params, self.own_location, self._switches.storage_locations),
            "app_id": params.get("AppId", "") or DEFAULT_APP_ID,
            "user_data": checks.user_data(params),
        }

    def _stamp(self) -> str:
        return f"{self._keys.random_hex(8)}-{self._keys.random_hex(11)}"

    def _new_asset(self, kind: MediaKind, key: str, **fields: Any) -> Asset:
        asset = Asset(
            media_id=self._keys.random_hex(32),
            kind=kind,
            bucket=self.bucket,
            key=key,
            created_age_s=self._clock.age_s(),
            created_wall_s=self._clock.wall_s(),
            **fields,
        )
        self.assets[asset.media_id] = asset
        self._by_key[asset.bucket, asset.key] = asset
        return asset

    def _grant(self, asset: Asset, id_name: str, context: CallContext) -> Answer:
        key = self._keys.issue(
            kind="upload",
            ttl_s=self._ttl_s,
            policies=(self._upload_policy(asset),),
            arn=f"acs:ram::{self._account_id}:assumed-role/vodupload/{asset.media_id[:12]}",
            principal_id=f"3{self._account_id}:{asset.media_id[:12]}",
            media_id=asset.media_id,
        )
        address = {"Endpoint": context.oss_endpoint, "Bucket": asset.bucket, "FileName": asset.key}
        auth = {
            "SecurityToken": key.security_token,
            "AccessKeyId": key.access_key_id,
            "ExpireUTCTime": iso_z(self._clock.wall_s() + self._ttl_s),
            "AccessKeySecret": key.access_key_secret,
            # A duration in seconds, as text: what the real service sends.
            "Expiration": str(round(self._ttl_s)),
            "Region": self._region,
        }
        return {
            id_name: asset.media_id,
            "UploadAddress": _encoded(address),
            "UploadAuth": _encoded(auth),
        }

    def _upload_policy(self, asset: Asset) -> Policy:
        """The rights of an UploadAuth: its own object, and no more. INFERRED, hence switches."""
        actions = ["oss:PutObject", "oss:AbortMultipartUpload"]
        if self._switches.upload_token_may_head:
            actions.append("oss:GetObject")
        if self._switches.upload_token_may_list_parts:
            actions.append("oss:ListParts")
        own = allow(actions, [f"acs:oss:*:*:{asset.bucket}/{asset.key}"])
        if not self._switches.upload_token_may_list_uploads:
            return own
        listing = allow(["oss:ListMultipartUploads"], [f"acs:oss:*:*:{asset.bucket}"])
        return Policy(own.statements + listing.statements)

    # --- operations: look ----------------------------------------------------------------

    def get_video_info(self, params: Params, context: CallContext) -> Answer:
        """GetVideoInfo: the asset as it is now."""
        del context
        asset = self._video(params)
        video: Answer = {
            "VideoId": asset.media_id,
            "Title": asset.title,
            "Description": asset.description,
            "Tags": asset.tags,
            "Status": self.status(asset),
            "Size": asset.size_bytes,
            "Duration": 0.0,
            "CoverURL": asset.cover_url,
            "Snapshots": {"Snapshot": []},
            "CreationTime": iso_z(asset.created_wall_s),
            "CreateTime": iso_z(asset.created_wall_s),
            "ModificationTime": iso_z(asset.completed_wall_s or asset.created_wall_s),
            "ModifyTime": iso_z(asset.completed_wall_s or asset.created_wall_s),
            "RegionId": self._region,
            "StorageLocation": asset.storage_location,
            "TemplateGroupId": asset.template_group_id,
            "AppId": asset.app_id,
            "AuditStatus": "Normal",
            **self._category_fields(asset),
        }
        if asset.reference_id:
            video["ReferenceId"] = asset.reference_id
        return {"Video": video}

    def get_mezzanine_info(self, params: Params, context: CallContext) -> Answer:
        """GetMezzanineInfo: the uploaded file itself, with a signed URL."""
        asset = self._video(params)
        checks.one_of(params, "OutputType", {"oss", "cdn"}, "cdn")
        timeout_s = checks.integer(params, "AuthTimeout", low=1, default=3600)
        if asset.completed_age_s is None:
            raise RpcError(404, "InvalidFile.NotFound", "The source file does not exist.")
        return {
            "Mezzanine": {
                "VideoId": asset.media_id,
                "FileName": asset.file_name,
                "FileURL": self._sign_url(context.oss_endpoint, asset.bucket, asset.key, timeout_s or 3600),
                "Size": asset.size_bytes,
                "FileSize": str(asset.size_bytes),
                "Status": "Normal",
                "Duration": "0.0",
                "CreationTime": iso_z(asset.created_wall_s),
                "OutputType": params.get("OutputType", "") or "cdn",
                "CRC64": str(asset.crc64),
                "VideoStreamList": [],
                "AudioStreamList": [],
            }
        }

    def get_image_info(self, params: Params, context: CallContext) -> Answer:
        """GetImageInfo: the image as it is now."""
        media_id = checks.media_id(params, "ImageId")
        asset = self.assets.get(media_id)
        if asset is None or asset.kind != "image":
            raise RpcError(404, "NoSuchResource", "The specified resource does not exist.")
        url = self._sign_url(context.oss_endpoint, asset.bucket, asset.key, 3600)
        return {
            "ImageInfo": {
                "ImageId": asset.media_id,
                "Title": asset.title,
                "Description": asset.description,
                "Tags": asset.tags,
                "ImageType": asset.sub_type,
                "Status": self.status(asset),
                "URL": url,
                "StorageLocation": asset.storage_location,
                "RegionId": self._region,
                "AppId": asset.app_id,
                "AuditStatus": "Normal",
                "CreationTime": iso_z(asset.created_wall_s),
                "Mezzanine": {
                    "OriginalFileName": asset.file_name,
                    "FileURL": url,
                    "FileSize": asset.size_bytes,
                    "Width": 0,
                    "Height": 0,
                },
                **self._category_fields(asset),
            }
        }

    def _category_fields(self, asset: Asset) -> Answer:
        if asset.cate_id is None:
            return {}
        return {"CateId": asset.cate_id, "CateName": self.categories.name(asset.cate_id)}

    def _video(self, params: Params) -> Asset:
        """Find the video of VideoId or ReferenceId; VideoId wins when both are there."""
        media_id = params.get("VideoId", "")
        reference = checks.reference_id(params)
        if not media_id and not reference:
            raise missing_parameter("VideoId")
        found = self.assets.get(media_id) if media_id else self._by_reference.get(reference)
        if found is None or found.kind != "video":
            raise RpcError(404, "InvalidVideo.NotFound", "The video does not exist.")
        return found

    def _public_url(self, asset: Asset, context: CallContext) -> str:
        return f"{context.oss_endpoint}/{asset.bucket}/{asset.key}"

    # --- life ----------------------------------------------------------------------------

    def status(self, asset: Asset) -> str:
        """Return the status of an asset at this moment of the ageing clock."""
        if asset.completed_age_s is None:
            return "Uploading"
        if asset.kind != "video":
            return "Normal"
        age_s = self._clock.age_s() - asset.completed_age_s
        if age_s < self._switches.upload_succeeded_s:
            return "UploadSucc"
        transcoding_s = self._switches.transcoding_s
        if asset.template_group_id == "VOD_NO_TRANSCODE":
            transcoding_s = 0.0
        if age_s < self._switches.upload_succeeded_s + transcoding_s:
            return "Transcoding"
        return "Normal"

    def asset_of(self, bucket: str, key: str) -> Asset | None:
        """Return the asset whose object this is."""
        return self._by_key.get((bucket, key))

    def object_stored(self, stored: StoredObject) -> None:
        """Take notice of a complete object; called by the store."""
        asset = self.asset_of(stored.bucket, stored.key)
        if asset is None:
            return
        asset.completed_age_s = self._clock.age_s()
        asset.completed_wall_s = self._clock.wall_s()
        asset.size_bytes = stored.size_bytes
        asset.crc64 = stored.crc64
        names = {
            "video": "FileUploadComplete",
            "image": "ImageUploadComplete",
            "attached": "AttachedMediaUploadComplete",
        }
        callback = asset.user_data.get("MessageCallback") or {}
        self.events.append(
            Event(
                event_type=names[asset.kind],
                media_id=asset.media_id,
                event_time=iso_z(asset.completed_wall_s),
                size_bytes=stored.size_bytes,
                file_url=f"http://{self.own_location}/{asset.key}",
                extend=asset.user_data.get("Extend"),
                callback_url=str(callback.get("CallbackURL", "")),
            )
        )


def _encoded(value: Mapping[str, str]) -> str:
    """Return base64 of compact JSON, the dress of UploadAddress and UploadAuth."""
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode("ascii")
