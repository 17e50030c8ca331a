"""The VOD service's library: look at media, list, change, delete.

What lives here: `VodLibrary`, one method for each operation. It imports `vod`, `vod_search`, `storage`,
`checks`; every method runs under the lock of `Cloud`.

Sources: VOD API reference 2017-03-21, "Audio and video management", "Image management", "Media
upload/GetUploadDetails" and "DeleteMultipartUpload". What the service plays is the uploaded file
itself: nothing is transcoded here, so GetPlayInfo lists one stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vod_widget.emulator import checks
from vod_widget.emulator.assets import Answer, Asset, CallContext, MediaKind
from vod_widget.emulator.checks import AUDIO_EXTENSIONS, Params
from vod_widget.emulator.clock import Clock, iso_z
from vod_widget.emulator.errors import RpcError, invalid_parameter, missing_parameter
from vod_widget.emulator.objects import Upload
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.vod import VodService

MAX_IDS = 20
_DEFAULT_AUTH_S = 3600


class VodLibrary:
    """Look at, list, change and delete media.

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
        name = "VideoIds" if params.get("VideoIds") else "ReferenceIds"
        if not params.get(name):
            raise missing_parameter("VideoIds")
        found, absent = [], []
        for text in _ids(params, name, "VideoIdsExceededMax"):
            one = "VideoId" if name == "VideoIds" else "ReferenceId"
            try:
                found.append(self.video_fields(self._vod.video({one: text})))
            except RpcError:
                absent.append(text)
        if not found:
            raise _no_video()
        absent_name = "NonExistVideoIds" if name == "VideoIds" else "NonExistReferenceIds"
        return {"VideoList": found, absent_name: absent}

    def get_video_list(self, params: Params, context: CallContext) -> Answer:
        """GetVideoList: videos by status, category and time, page by page."""
        del context
        statuses = set(filter(None, params.get("Status", "").split(",")))
        cate_id = checks.integer(params, "CateId", low=-1)
        low, high = params.get("StartTime", ""), params.get("EndTime", "")
        order = checks.one_of(params, "SortBy", {"CreationTime:Desc", "CreationTime:Asc"}, "CreationTime:Desc")
        page = checks.integer(params, "PageNo", low=1, default=1) or 1
        size = min(checks.integer(params, "PageSize", low=1, default=10) or 10, 100)
        rows = []
        for asset in self._of_kind("video"):
            made = iso_z(asset.created_wall_s)
            if statuses and self._vod.status(asset) not in statuses:
                continue
            # Source: GetVideoList: the range is open at its start and closed at its end.
            if (cate_id not in (None, asset.cate_id)) or (low and made <= low) or (high and made > high):
                continue
            rows.append(asset)
        rows.sort(key=lambda asset: asset.created_wall_s, reverse=order.endswith("Desc"))
        shown = rows[(page - 1) * size : page * size]
        return {"Total": len(rows), "VideoList": {"Video": [self.video_fields(asset) for asset in shown]}}

    def get_mezzanine_info(self, params: Params, context: CallContext) -> Answer:
        """GetMezzanineInfo: the uploaded file itself, with a signed URL."""
        asset = self._vod.video(params)
        checks.one_of(params, "OutputType", {"oss", "cdn"}, "cdn")
        if asset.completed_age_s is None:
            raise RpcError(404, "InvalidFile.NotFound", "The source file does not exist.")
        gone = asset.source_deleted
        return {
            "Mezzanine": {
                "VideoId": asset.media_id,
                "FileName": asset.file_name,
                "FileURL": "" if gone else self._url(asset, params, context),
                "Size": asset.size_bytes,
                "FileSize": str(asset.size_bytes),
                "Status": "Deleted" if gone else "Normal",
                "Duration": "0.0",
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
        url = self._url(asset, params, context)
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
        media_id = checks.media_id(params, "ImageId")
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
        checks.require(params, "MediaIds")
        found, absent = self._find(_ids(params, "MediaIds", "ExceededMax"), "attached")
        return {
            "AttachedMediaList": [self.attached_fields(asset, self._url(asset, params, context)) for asset in found],
            "NonExistMediaIds": absent,
        }

    def get_upload_details(self, params: Params, context: CallContext) -> Answer:
        """GetUploadDetails: how far each upload is."""
        del context
        checks.require(params, "MediaIds")
        kind = checks.one_of(params, "MediaType", {"video", "image", "attached"}, "video")
        ids = _ids(params, "MediaIds", "LimitExceeded.MediaIds")
        found, absent = self._find(ids, "attached" if kind == "attached" else ("image" if kind == "image" else "video"))
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
            **self._category_fields(asset),
        }

    def _modified(self, asset: Asset) -> str:
        return iso_z(asset.modified_wall_s or asset.completed_wall_s or asset.created_wall_s)

    def _category_fields(self, asset: Asset) -> Answer:
        if asset.cate_id is None:
            return {}
        return {"CateId": asset.cate_id, "CateName": self._vod.categories.name(asset.cate_id)}

    def _url(self, asset: Asset, params: Params, context: CallContext) -> str:
        timeout_s = checks.integer(params, "AuthTimeout", low=1, default=_DEFAULT_AUTH_S) or _DEFAULT_AUTH_S
        return self._sign_url(context.oss_endpoint, asset.bucket, asset.key, timeout_s)

    # --- changing ------------------------------------------------------------------------

    def update_video_info(self, params: Params, context: CallContext) -> Answer:
        """UpdateVideoInfo: what is there replaces, what is absent stays."""
        del context
        checks.require(params, "VideoId")
        asset = self._vod.video({"VideoId": params["VideoId"]})
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
            changes["cate_id"] = checks.integer(params, "CateId", low=-1)
        for name, value in changes.items():  # all checked before the first is set
            setattr(asset, name, value)
        asset.modified_wall_s = self._clock.wall_s()
        self._vod.touch(asset)
        return {}

    # --- deleting ------------------------------------------------------------------------

    def delete_video(self, params: Params, context: CallContext) -> Answer:
        """DeleteVideo: asset, object and fragments."""
        del context
        checks.require(params, "VideoIds")
        found, absent = self._find(_ids(params, "VideoIds", "VideoIdsExceededMax"), "video")
        if not found:
            raise _no_video()
        for asset in found:
            self._drop(asset)
        return {"NonExistVideoIds": absent, "ForbiddenVideoIds": []}

    def delete_mezzanines(self, params: Params, context: CallContext) -> Answer:
        """DeleteMezzanines: the uploaded files; one that is played as it is needs Force."""
        del context
        checks.require(params, "VideoIds")
        force = checks.one_of(params, "Force", {"true", "false"}, "false") == "true"
        found, absent = self._find(_ids(params, "VideoIds", "VideoIdsExceededMax"), "video")
        refused = []
        for asset in found:
            if asset.template_group_id == "VOD_NO_TRANSCODE" and not force:
                refused.append(asset.media_id)
                continue
            if asset.completed_age_s is not None:
                self._store.delete(asset.bucket, asset.key)
                asset.source_deleted = True
                self._vod.touch(asset)
        return {"NonExistVideoIds": absent, "UnRemoveableVideoIds": refused}

    def delete_image(self, params: Params, context: CallContext) -> Answer:
        """DeleteImage: by ids or by URLs; a video's snapshots there are none of here."""
        del context
        way = checks.one_of(params, "DeleteImageType", {"ImageURL", "ImageId", "VideoId"})
        if way == "VideoId":
            self._vod.video({"VideoId": checks.require(params, "VideoId")})
            return {}
        if way == "ImageId":
            checks.require(params, "ImageIds")
            found, _ = self._find(_ids(params, "ImageIds", "ImageIdsExceededMax"), "image")
        else:
            checks.require(params, "ImageURLs")
            keys = [url.partition("?")[0] for url in _ids(params, "ImageURLs", "ImageURLsExceededMax")]
            found = [asset for asset in self._of_kind("image") if any(key.endswith(asset.key) for key in keys)]
        for asset in found:
            self._drop(asset)
        return {}

    def delete_attached_media(self, params: Params, context: CallContext) -> Answer:
        """DeleteAttachedMedia."""
        del context
        checks.require(params, "MediaIds")
        found, absent = self._find(_ids(params, "MediaIds", "ExceededMax"), "attached")
        for asset in found:
            self._drop(asset)
        return {"NonExistMediaIds": absent}

    def delete_multipart_upload(self, params: Params, context: CallContext) -> Answer:
        """DeleteMultipartUpload: the fragments of an unfinished upload. All refusals are 400."""
        del context
        media_id = checks.media_id(params, "MediaId")
        checks.one_of(params, "MediaType", {"video"})
        asset = self._vod.assets.get(media_id)
        if asset is None or asset.kind != "video":
            raise RpcError(400, "InvalidVideo.NotFound", "The video does not exist.")
        uploads = self._uploads(asset)
        if not uploads:
            raise RpcError(400, "InvalidMultipartUpload.NotFound", "The multipart upload does not exist.")
        for upload in uploads:
            self._store.multipart.abort(upload)
        return {}

    def _drop(self, asset: Asset) -> None:
        for upload in self._uploads(asset):
            self._store.multipart.abort(upload)
        self._store.delete(asset.bucket, asset.key)
        if asset.slices_prefix:
            for stored in self._store.objects(asset.bucket):
                if asset.owns(stored.key):
                    self._store.delete(stored.bucket, stored.key)
        self._vod.forget(asset)

    # --- finding -------------------------------------------------------------------------

    def _uploads(self, asset: Asset) -> list[Upload]:
        return [upload for upload in self._store.multipart.uploads(asset.bucket) if asset.owns(upload.key)]

    def _of_kind(self, kind: MediaKind) -> list[Asset]:
        return [asset for asset in self._vod.assets.values() if asset.kind == kind]

    def _find(self, ids: Iterable[str], kind: MediaKind) -> tuple[list[Asset], list[str]]:
        found, absent = [], []
        for media_id in ids:
            asset = self._vod.assets.get(media_id)
            if asset is None or asset.kind != kind:
                absent.append(media_id)
            else:
                found.append(asset)
        return found, absent


def _ids(params: Params, name: str, too_many: str) -> list[str]:
    """Return comma separated ids, each once, at most 20."""
    ids = list(dict.fromkeys(item.strip() for item in params.get(name, "").split(",") if item.strip()))
    if not ids:
        raise invalid_parameter(name, "no id in it.")
    if len(ids) > MAX_IDS:
        raise RpcError(400, too_many, f"The {name} exceed the maximum of {MAX_IDS}.")
    return ids


def _no_video() -> RpcError:
    return RpcError(404, "InvalidVideo.NotFound", "The video does not exist.")
