"""The VOD service's library: look at media, list, change.

What lives here: `VodLibrary`, one method for each operation that does not take media away. It imports `vod`, `storage`,
`checks`; every method runs under the lock of `Cloud`.

Sources: VOD API reference 2017-03-21, "Audio and video management", "Image management", "Media
upload/GetUploadDetails". What the service plays is the uploaded file
itself: nothing is transcoded here, so GetPlayInfo lists one stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vod_widget.emulator import checks
from vod_widget.emulator.assets import Answer, Asset, CallContext
from vod_widget.emulator.checks import AUDIO_EXTENSIONS, Params
from vod_widget.emulator.clock import Clock, iso_z
from vod_widget.emulator.errors import RpcError, no_video
from vod_widget.emulator.objects import Upload
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.vod import VodService

# Source: VOD "Basic structures", Status: video status.
VIDEO_STATUSES = frozenset(
    {
        *("Uploading", "UploadFail", "UploadSucc", "Transcoding", "TranscodeFail"),
        *("Checking", "Blocked", "Normal", "ProduceFail"),
    }
)
_DAY_S = 86_400


class VodLibrary:
    """Look at, list and change media.

    Args:
        vod: The assets.
        store: Their objects.
        clock: Dates changes.
        region: Part of answers only.
        sign_url: Makes a signed URL of an object: (endpoint, bucket, key, seconds).
    """

    def __init__(
        self,
        vod: VodService,
        store: ObjectStore,
        clock: Clock,
        region: str,
        sign_url: Callable[[str, str, str, int], str],
    ) -> None:
        self._vod = vod
        self._store = store
        self._clock = clock
        self._region = region
        self._sign_url = sign_url

    # --- looking -------------------------------------------------------------------------

    def get_video_info(self, params: Params, context: CallContext) -> Answer:
        """GetVideoInfo: the asset as it is now."""
        del context
        return {"Video": self.video_fields(self._vod.video(params))}

    def get_video_infos(self, params: Params, context: CallContext) -> Answer:
        """GetVideoInfos: up to 20 at once, by id or by reference."""
        del context
        found, absent = self._vod.videos(params)
        if not found:
            raise no_video()
        return {"VideoList": [self.video_fields(asset) for asset in found], **absent}

    def get_video_list(self, params: Params, context: CallContext) -> Answer:
        """GetVideoList: videos by status, category and time, page by page."""
        del context
        statuses = checks.words(params, "Status", VIDEO_STATUSES)
        cate_id = checks.integer(params, "CateId", low=-1)
        low, high = checks.moment(params, "StartTime"), checks.moment(params, "EndTime")
        order = checks.one_of(params, "SortBy", {"CreationTime:Desc", "CreationTime:Asc"}, "CreationTime:Desc")
        location = params.get("StorageLocation", "")
        page, size = checks.page(params)
        references = checks.ids(params, "ReferenceIds") if params.get("ReferenceIds") else []
        rows = []
        for asset in self._vod.of_kind("video"):
            made = iso_z(asset.created_wall_s)
            if statuses and self._vod.status(asset) not in statuses:
                continue
            # Source: GetVideoList: the range is open at its start and closed at its end.
            if (cate_id not in (None, asset.cate_id)) or (low and made <= low) or (high and made > high):
                continue
            if (references and asset.reference_id not in references) or location not in ("", asset.storage_location):
                continue
            rows.append(asset)
        rows.sort(key=lambda asset: asset.created_wall_s, reverse=order.endswith("Desc"))
        shown = rows[(page - 1) * size : page * size]
        return {"Total": len(rows), "VideoList": {"Video": [self.video_fields(asset) for asset in shown]}}

    def get_mezzanine_info(self, params: Params, context: CallContext) -> Answer:
        """GetMezzanineInfo: the uploaded file itself, with a signed URL."""
        asset = self._vod.video(params)
        url = self._url(asset, params, context)
        checks.words(params, "AdditionType", {"video", "audio"})
        if asset.completed_age_s is None:
            raise RpcError(404, "InvalidFile.NotFound", "The source file does not exist.")
        gone = asset.source_deleted
        return {
            "Mezzanine": {
                "VideoId": asset.media_id,
                "FileName": asset.file_name,
                "FileURL": "" if gone else url,
                "Size": asset.size_bytes,
                "FileSize": str(asset.size_bytes),
                "Status": "Deleted" if gone else "Normal",
                "Duration": "0.0",
                "Fps": "0.0",
                "Bitrate": "0.0",
                "Width": 0,
                "Height": 0,
                "CreationTime": iso_z(asset.created_wall_s),
                "OutputType": params.get("OutputType", "") or "cdn",
                "CRC64": str(asset.crc64),
                "VideoStreamList": [],
                "AudioStreamList": [],
            }
        }

    def get_play_info(self, params: Params, context: CallContext) -> Answer:
        """GetPlayInfo: one stream, the uploaded file, once the video is Normal.

        The code for "nothing to play yet" is INFERRED from the published code for no stream.
        """
        asset = self._vod.video(params)
        url = self._url(asset, params, context, longest_s=7 * _DAY_S)
        if self._vod.status(asset) != "Normal" or asset.source_deleted:
            raise RpcError(403, "InvalidVideo.NoneStream", "The video has no stream that can be played.")
        extension = checks.extension(asset.key)
        audio = extension in AUDIO_EXTENSIONS
        base = {
            "VideoId": asset.media_id,
            "Title": asset.title,
            "Status": "Normal",
            "Duration": "0.0",
            "CoverURL": asset.cover_url,
            "CreationTime": iso_z(asset.created_wall_s),
            "MediaType": "audio" if audio else "video",
            "TranscodeMode": "NoTranscode",
            "OutputType": params.get("OutputType", "") or "cdn",
        }
        stream = {
            "PlayURL": url,
            "Format": extension,
            "Definition": "OD",
            "StreamType": base["MediaType"],
            "Size": asset.size_bytes,
            "Duration": "0.0",
            "Encrypt": 0,
            "Status": "Normal",
            "CreationTime": iso_z(asset.completed_wall_s or asset.created_wall_s),
        }
        return {"VideoBase": base, "PlayInfoList": {"PlayInfo": [stream]}}

    def get_image_info(self, params: Params, context: CallContext) -> Answer:
        """GetImageInfo: the image as it is now."""
        media_id = checks.require(params, "ImageId")
        asset = self._vod.assets.get(media_id)
        if asset is None or asset.kind != "image":
            raise RpcError(404, "NoSuchResource", "The specified resource does not exist.")
        url = self._url(asset, params, context)
        return {
            "ImageInfo": {
                **self.image_fields(asset, url),
                "Mezzanine": {
                    "OriginalFileName": asset.file_name,
                    "FileURL": url,
                    "FileSize": asset.size_bytes,
                    "Width": 0,
                    "Height": 0,
                },
            }
        }

    def get_attached_media_info(self, params: Params, context: CallContext) -> Answer:
        """GetAttachedMediaInfo: up to 20 watermarks, subtitles or materials."""
        checks.auth_timeout(params, 30 * _DAY_S)  # also when there is nothing to show
        found, absent = self._vod.find(checks.ids(params, "MediaIds", "ExceededMax"), "attached")
        return {
            "AttachedMediaList": [self.attached_fields(asset, self._url(asset, params, context)) for asset in found],
            "NonExistMediaIds": absent,
        }

    def get_upload_details(self, params: Params, context: CallContext) -> Answer:
        """GetUploadDetails: how far each upload is."""
        del context
        ids = checks.ids(params, "MediaIds", "LimitExceeded.MediaIds")
        kind = checks.one_of(params, "MediaType", {"video", "image", "attached"}, "video")
        found, absent = self._vod.find(
            ids, "attached" if kind == "attached" else ("image" if kind == "image" else "video")
        )
        return {
            "UploadDetails": [self._upload_fields(asset) for asset in found],
            "NonExistMediaIds": absent,
            "ForbiddenMediaIds": [],
        }

    def _upload_fields(self, asset: Asset) -> Answer:
        done = asset.completed_age_s is not None
        arrived = sum(part.blob.size_bytes for upload in self._uploads(asset) for part in upload.parts.values())
        size = asset.size_bytes if done else (asset.declared_bytes or 0)
        arrived = asset.size_bytes if done else arrived
        return {
            "MediaId": asset.media_id,
            "Title": asset.title,
            "FileSize": size,
            "UploadSize": arrived,
            "UploadRatio": 1.0 if done else (min(arrived / size, 1.0) if size else 0.0),
            "UploadStatus": "Success" if done else "Uploading",
            "Status": self._vod.status(asset),
            "UploadSource": "URL" if asset.job_id else "API",
            "DeviceModel": "",
            "UploadIP": "127.0.0.1",
            "CreationTime": iso_z(asset.created_wall_s),
            "CompletionTime": iso_z(asset.completed_wall_s) if asset.completed_wall_s else "",
            "ModificationTime": self._modified(asset),
        }

    # --- fields --------------------------------------------------------------------------

    def video_fields(self, asset: Asset) -> Answer:
        """Return a video as GetVideoInfo prints it."""
        video: Answer = {
            "VideoId": asset.media_id,
            "Title": asset.title,
            "Description": asset.description,
            "Tags": asset.tags,
            "Status": self._vod.status(asset),
            "Size": asset.size_bytes,
            "Duration": 0.0,
            "CoverURL": asset.cover_url,
            "Snapshots": {"Snapshot": []},
            "CreationTime": iso_z(asset.created_wall_s),
            "CreateTime": iso_z(asset.created_wall_s),
            "ModificationTime": self._modified(asset),
            "ModifyTime": self._modified(asset),
            "RegionId": self._region,
            "StorageLocation": asset.storage_location,
            "TemplateGroupId": asset.template_group_id,
            "AppId": asset.app_id,
            "AuditStatus": "Normal",
            "CustomMediaInfo": "",
            **self._category_fields(asset),
        }
        if asset.reference_id:
            video["ReferenceId"] = asset.reference_id
        return video

    def image_fields(self, asset: Asset, url: str) -> Answer:
        """Return an image as GetImageInfo and SearchMedia print it."""
        return {
            "ImageId": asset.media_id,
            "Title": asset.title,
            "Description": asset.description,
            "Tags": asset.tags,
            "ImageType": asset.sub_type,
            "Status": self._vod.status(asset),
            "URL": url,
            "StorageLocation": asset.storage_location,
            "RegionId": self._region,
            "AppId": asset.app_id,
            "AuditStatus": "Normal",
            "CreationTime": iso_z(asset.created_wall_s),
            **self._category_fields(asset),
        }

    def attached_fields(self, asset: Asset, url: str) -> Answer:
        """Return an attached medium as GetAttachedMediaInfo prints it."""
        return {
            "MediaId": asset.media_id,
            "Title": asset.title,
            "Description": asset.description,
            "Tags": asset.tags,
            "Type": asset.sub_type,
            "Status": self._vod.status(asset),
            "URL": url,
            "FileSize": asset.size_bytes,
            "StorageLocation": asset.storage_location,
            "RegionId": self._region,
            "AppId": asset.app_id,
            "CreationTime": iso_z(asset.created_wall_s),
            "ModificationTime": self._modified(asset),
            "Categories": [
                {"CateId": node.cate_id, "CateName": node.name, "Level": node.level, "ParentId": node.parent_id}
                for node in self._vod.categories.known(asset.cate_ids)
            ],
        }

    def _modified(self, asset: Asset) -> str:
        return iso_z(asset.modified_wall_s or asset.completed_wall_s or asset.created_wall_s)

    def _category_fields(self, asset: Asset) -> Answer:
        if asset.cate_id is None:
            return {}
        return {"CateId": asset.cate_id, "CateName": self._vod.categories.name(asset.cate_id)}

    def _url(self, asset: Asset, params: Params, context: CallContext, longest_s: int = 30 * _DAY_S) -> str:
        timeout_s = checks.auth_timeout(params, longest_s)
        return self._sign_url(context.oss_endpoint, asset.bucket, asset.key, timeout_s)

    def _uploads(self, asset: Asset) -> list[Upload]:
        return [upload for upload in self._store.multipart.uploads(asset.bucket) if asset.owns(upload.key)]

    # --- changing ------------------------------------------------------------------------

    def update_video_info(self, params: Params, context: CallContext) -> Answer:
        """UpdateVideoInfo: what is there replaces, what is absent stays."""
        del context
        asset = self._vod.video(params)
        changes: dict[str, Any] = {}
        if "Title" in params:
            changes["title"] = checks.title(params, required=True)
        if "Description" in params:
            changes["description"] = checks.description(params)
        if "Tags" in params:
            changes["tags"] = checks.tags(params)
        if "CoverURL" in params:
            changes["cover_url"] = checks.text(params, "CoverURL", 1024)
        if params.get("CateId"):
            changes["cate_id"] = self._vod.category(params)
        for name, value in changes.items():  # all checked before the first is set
            setattr(asset, name, value)
        asset.modified_wall_s = self._clock.wall_s()
        self._vod.touch(asset)
        return {}
