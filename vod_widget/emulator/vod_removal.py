"""What takes media away: assets, their files, and fragments of uploads.

What lives here: `VodRemoval`, one method for each operation. It imports `vod`, `storage`, `checks`; every method runs
under the lock of `Cloud`.

Sources: VOD API reference 2017-03-21, "Audio and video management", "Image management", "Media
upload/DeleteMultipartUpload".
"""

from __future__ import annotations

from vod_widget.emulator import checks
from vod_widget.emulator.assets import Answer, Asset, CallContext
from vod_widget.emulator.checks import Params
from vod_widget.emulator.errors import RpcError, no_video
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.vod import VodService

_SNAPSHOTS = frozenset({"CoverSnapshot", "NormalSnapshot", "SpriteSnapshot", "SpriteOriginSnapshot", "All"})


class VodRemoval:
    """Delete media.

    Args:
        vod: The assets.
        store: Their objects.
    """

    def __init__(self, vod: VodService, store: ObjectStore) -> None:
        self._vod = vod
        self._store = store

    def delete_video(self, params: Params, context: CallContext) -> Answer:
        """DeleteVideo: asset, object and fragments."""
        del context
        found, absent = self._vod.videos(params)
        if not found:
            raise no_video()
        for asset in found:
            self._drop(asset)
        return {**absent, "ForbiddenVideoIds": []}

    def delete_mezzanines(self, params: Params, context: CallContext) -> Answer:
        """DeleteMezzanines: the uploaded files; one that is played as it is needs Force."""
        del context
        force = checks.boolean(params, "Force")
        found, absent = self._vod.videos(params)
        refused = []
        for asset in found:
            if asset.template_group_id == "VOD_NO_TRANSCODE" and not force:
                refused.append(asset.media_id)
                continue
            if asset.completed_age_s is not None:
                self._store.delete(asset.bucket, asset.key)
                asset.source_deleted = True
                self._vod.touch(asset)
        return {**absent, "UnRemoveableVideoIds": refused}

    def delete_image(self, params: Params, context: CallContext) -> Answer:
        """DeleteImage: by ids or by URLs; a video's snapshots there are none of here."""
        del context
        way = checks.one_of(params, "DeleteImageType", {"ImageURL", "ImageId", "VideoId"})
        if way == "VideoId":
            checks.require(params, "ImageType")
            checks.words(params, "ImageType", _SNAPSHOTS)
            self._vod.video({"VideoId": checks.require(params, "VideoId")})
            return {}
        if way == "ImageId":
            found, _ = self._vod.find(checks.ids(params, "ImageIds", "ImageIdsExceededMax"), "image")
        else:
            keys = [url.partition("?")[0] for url in checks.ids(params, "ImageURLs", "ImageURLsExceededMax")]
            found = [asset for asset in self._vod.of_kind("image") if any(key.endswith(asset.key) for key in keys)]
        for asset in found:
            self._drop(asset)
        return {}

    def delete_attached_media(self, params: Params, context: CallContext) -> Answer:
        """DeleteAttachedMedia."""
        del context
        found, absent = self._vod.find(checks.ids(params, "MediaIds", "ExceededMax"), "attached")
        for asset in found:
            self._drop(asset)
        return {"NonExistMediaIds": absent}

    def delete_multipart_upload(self, params: Params, context: CallContext) -> Answer:
        """DeleteMultipartUpload: the fragments of an unfinished upload. All refusals are 400."""
        del context
        media_id = checks.require(params, "MediaId")
        checks.one_of(params, "MediaType", {"video"})
        asset = self._vod.assets.get(media_id)
        if asset is None or asset.kind != "video":
            raise RpcError(400, "InvalidVideo.NotFound", "The video does not exist.")
        if not self._abort(asset):
            raise RpcError(400, "InvalidMultipartUpload.NotFound", "The multipart upload does not exist.")
        return {}

    def _abort(self, asset: Asset) -> bool:
        """Drop the fragments of an asset; False when there was no unfinished upload."""
        uploads = [upload for upload in self._store.multipart.uploads(asset.bucket) if asset.owns(upload.key)]
        for upload in uploads:
            self._store.multipart.abort(upload)
        return bool(uploads)

    def _drop(self, asset: Asset) -> None:
        self._abort(asset)
        self._store.delete(asset.bucket, asset.key)
        if asset.slices_prefix:
            for stored in self._store.objects(asset.bucket):
                if asset.owns(stored.key):
                    self._store.delete(stored.bucket, stored.key)
        self._vod.forget(asset)
