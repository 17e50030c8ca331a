"""The VOD service: media assets from creation to Normal.

What lives here: `VodService`, the operations that create uploads, and the life of assets; looking is in
`vod_library`, searching in `vod_search`, deleting in `vod_removal`, pulling by URL in `vod_pulls`. Each method
takes a call's parameters and returns the answer as a dict, under the lock of `Cloud`.

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
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vod_widget.emulator import checks
from vod_widget.emulator.assets import DEFAULT_APP_ID, Answer, Asset, CallContext, Event, MediaKind
from vod_widget.emulator.book import Book, NoBook
from vod_widget.emulator.categories import Categories
from vod_widget.emulator.checks import Params
from vod_widget.emulator.clock import Clock, iso_z
from vod_widget.emulator.errors import RpcError, missing_parameter, no_video
from vod_widget.emulator.objects import StoredObject
from vod_widget.emulator.policy import Policy, allow
from vod_widget.emulator.switches import Switches
from vod_widget.emulator.tokens import KeyRing


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
        book: Where assets are written down.
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
        book: Book | None = None,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._keys = keys
        self._switches = switches
        self._account_id = account_id
        self._region = region
        self._ttl_s = upload_auth_ttl_s
        self.bucket = bucket
        self.book = book or NoBook()
        self.categories = Categories(self.book)
        self.assets: dict[str, Asset] = {}
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = _nobody_listens
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
        self.categories = Categories(self.book)

    @property
    def own_location(self) -> str:
        """Return the account's StorageLocation."""
        return f"{self.bucket}.oss-{self._region}.aliyuncs.com"

    # --- operations: upload --------------------------------------------------------------

    def create_upload_video(self, params: Params, context: CallContext) -> Answer:
        """CreateUploadVideo: make an asset in Uploading and a credential for its object."""
        asset_title = checks.title(params, required=True)
        file_name, ext = checks.media_file_name(params)
        common = self.common_fields(params)
        reference = checks.reference_id(params)
        cover_url = checks.text(params, "CoverURL", 1024)
        template = self.template_group(params)
        if reference in self._by_reference and reference:
            if self._switches.reference_id_repeated == "refuse":
                raise RpcError(400, "ReferenceIdExists", "The specified ReferenceId already exists.")
            if self._switches.reference_id_repeated == "same":
                return self._grant(self._by_reference[reference], "VideoId", context)
        asset = self.new_asset(
            "video",
            self.video_key(ext),
            title=asset_title,
            file_name=file_name,
            cover_url=cover_url,
            reference_id=reference,
            template_group_id=template,
            workflow_id=params.get("WorkflowId", ""),
            **common,
        )
        return self._grant(asset, "VideoId", context)

    def refresh_upload_video(self, params: Params, context: CallContext) -> Answer:
        """RefreshUploadVideo: a new credential for the same asset and object."""
        return self._grant(self.video(params), "VideoId", context)

    def create_upload_image(self, params: Params, context: CallContext) -> Answer:
        """CreateUploadImage: like a video, without refresh."""
        image_type = checks.one_of(params, "ImageType", {"default", "cover"})
        ext = checks.one_of(params, "ImageExt", checks.IMAGE_EXTENSIONS, "png")
        asset = self.new_asset(
            "image",
            f"image/{image_type}/{self._keys.random_hex(32).upper()}-6-2.{ext}",
            title=checks.title(params, required=False),
            file_name=params.get("OriginalFileName", ""),
            sub_type=image_type,
            **self.common_fields(params),
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
        asset = self.new_asset(
            "attached",
            f"{business}/{self._keys.random_hex(32)}.{ext}",
            title=checks.title(params, required=False),
            file_name=params.get("FileName", ""),
            sub_type=business,
            cate_ids=self._known_categories(params),
            **self.common_fields({**params, "CateId": ""}),
        )
        answer = self._grant(asset, "MediaId", context)
        url = self._public_url(asset, context)
        return {**answer, "MediaURL": url, "FileURL": url}

    def _known_categories(self, params: Params) -> tuple[int, ...]:
        ids = checks.category_ids(params)
        if self._switches.refuse_unknown_category:
            for cate_id in ids:
                self.categories.require(cate_id)
        return ids

    def category(self, params: Params) -> int | None:
        """Check and return CateId."""
        cate_id = checks.integer(params, "CateId", low=-1)
        if cate_id is not None and self._switches.refuse_unknown_category:
            self.categories.require(cate_id)
        return cate_id

    def template_group(self, params: Params) -> str:
        """Check and return TemplateGroupId."""
        return checks.template_group_id(params, self._switches.template_group_ids)

    def common_fields(self, params: Params) -> dict[str, Any]:
        """Check and return what every creating operation takes."""
        return {
            "description": checks.description(params),
            "tags": checks.tags(params),
            "cate_id": self.category(params),
            "declared_bytes": checks.integer(params, "FileSize"),
            "storage_location": checks.storage_location(params, self.own_location, self._switches.storage_locations),
            "app_id": params.get("AppId", "") or DEFAULT_APP_ID,
            "user_data": checks.user_data(params),
        }

    def video_key(self, extension: str) -> str:
        """Return a new object key for a video; the service chooses, the caller cannot."""
        return f"sv/{self._stamp()}/{self._stamp()}.{extension}"

    def forget(self, asset: Asset) -> None:
        """Drop an asset; its object is the caller's business."""
        self.assets.pop(asset.media_id, None)
        self.book.drop("asset", asset.media_id)
        self._by_key.pop((asset.bucket, asset.key), None)
        if self._by_reference.get(asset.reference_id) is asset:
            del self._by_reference[asset.reference_id]

    def _stamp(self) -> str:
        return f"{self._keys.random_hex(8)}-{self._keys.random_hex(11)}"

    def new_asset(self, kind: MediaKind, key: str, **fields: Any) -> Asset:
        """Make an asset in Uploading."""
        asset = Asset(
            media_id=self._keys.random_hex(32),
            kind=kind,
            bucket=self.bucket,
            key=key,
            created_age_s=self._clock.age_s(),
            created_wall_s=self._clock.wall_s(),
            **fields,
        )
        self.put_back(asset)
        self.touch(asset)
        return asset

    def put_back(self, asset: Asset) -> None:
        """Take an asset that was made before."""
        self.assets[asset.media_id] = asset
        self._by_key[asset.bucket, asset.key] = asset
        if asset.reference_id:
            # With `reference_id_repeated="new"` the newest has the name.
            self._by_reference[asset.reference_id] = asset

    def touch(self, asset: Asset) -> None:
        """Write an asset down after a change."""
        self.book.put("asset", asset.media_id, asset)

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
        if asset.slices_prefix:
            address["ObjectPrefix"] = asset.slices_prefix
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
        keys = [asset.key, f"{asset.slices_prefix}*"] if asset.slices_prefix else [asset.key]
        own = allow(actions, [f"acs:oss:*:*:{asset.bucket}/{key}" for key in keys])
        if not self._switches.upload_token_may_list_uploads:
            return own
        listing = allow(["oss:ListMultipartUploads"], [f"acs:oss:*:*:{asset.bucket}"])
        return Policy(own.statements + listing.statements)

    # --- finding -------------------------------------------------------------------------

    def video(self, params: Params) -> Asset:
        """Find the video of VideoId or ReferenceId; VideoId wins when both are there."""
        media_id = params.get("VideoId", "")
        reference = checks.reference_id(params)
        if not media_id and not reference:
            raise missing_parameter("VideoId")
        found = self.assets.get(media_id) if media_id else self._by_reference.get(reference)
        if found is None or found.kind != "video":
            raise no_video()
        return found

    def videos(self, params: Params) -> tuple[list[Asset], dict[str, list[str]]]:
        """Find the videos of VideoIds or ReferenceIds, and name those that are not there as an answer does."""
        if params.get("ReferenceIds") and not params.get("VideoIds"):
            references = checks.ids(params, "ReferenceIds")
            found = [self._by_reference[text] for text in references if text in self._by_reference]
            return found, {"NonExistReferenceIds": [text for text in references if text not in self._by_reference]}
        found, absent = self.find(checks.ids(params, "VideoIds"), "video")
        return found, {"NonExistVideoIds": absent}

    def of_kind(self, kind: MediaKind) -> list[Asset]:
        """Return all media of a kind, oldest first."""
        return [asset for asset in self.assets.values() if asset.kind == kind]

    def find(self, ids: Iterable[str], kind: MediaKind) -> tuple[list[Asset], list[str]]:
        """Return the media of these ids, and the ids that no medium of this kind has."""
        found, absent = [], []
        for media_id in ids:
            asset = self.assets.get(media_id)
            if asset is None or asset.kind != kind:
                absent.append(media_id)
            else:
                found.append(asset)
        return found, absent

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
        asset.source_deleted = False
        self.touch(asset)
        names = {
            "video": "FileUploadComplete",
            "image": "ImageUploadComplete",
            "attached": "AttachedMediaUploadComplete",
        }
        if not asset.job_id:
            self.announce(names[asset.kind], asset.user_data, media_id=asset.media_id, size_bytes=asset.size_bytes)

    def announce(
        self,
        event_type: str,
        user_data: Mapping[str, Any],
        *,
        media_id: str = "",
        size_bytes: int = 0,
        status: str = "success",
        job_id: str = "",
        source_url: str = "",
    ) -> Event:
        """Record an event and hand it to who sends them."""
        callback = user_data.get("MessageCallback") or {}
        asset = self.assets.get(media_id)
        event = Event(
            event_type=event_type,
            media_id=media_id,
            event_time=iso_z(self._clock.wall_s()),
            size_bytes=size_bytes,
            file_url=f"http://{self.own_location}/{asset.key}" if asset else "",
            extend=user_data.get("Extend"),
            callback_url=str(callback.get("CallbackURL", "")),
            status=status,
            job_id=job_id,
            source_url=source_url,
            number=len(self.events) + 1,
            is_due=bool(callback.get("CallbackURL")),
        )
        self.events.append(event)
        self.book.put("event", str(event.number), event)
        self.on_event(event)
        return event

    def note(self, event: Event, *, is_due: bool) -> None:
        """Write down what became of an attempt to send an event."""
        if event.number <= len(self.events) and self.events[event.number - 1] is event:
            event.is_due = is_due
            self.book.put("event", str(event.number), event)


def _nobody_listens(event: Event) -> None:
    del event


# Made once: `json.dumps` with arguments of its own makes one at each call.
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def _encoded(value: Mapping[str, str]) -> str:
    """Return base64 of compact JSON, the dress of UploadAddress and UploadAuth."""
    return base64.b64encode(_ENCODE(value).encode()).decode("ascii")
