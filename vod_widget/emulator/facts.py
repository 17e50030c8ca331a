"""What an emulator holds, for tests and programs that look at it: who may use it, media, uploads, events.

What lives here: `CloudFacts`, which an emulator with sockets and one in memory share. It imports `cloud`; any thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vod_widget.emulator.assets import Asset, Event
from vod_widget.emulator.cloud import Cloud


@dataclass(frozen=True)
class UnfinishedUpload:
    """A multipart upload that was neither completed nor aborted."""

    bucket: str
    key: str
    upload_id: str
    part_numbers: tuple[int, ...]
    stored_bytes: int


class CloudFacts:
    """Read-only views of a cloud."""

    cloud: Cloud

    # --- who may use it ------------------------------------------------------------------

    @property
    def access_key_id(self) -> str:
        """Return the id of the RAM user's long-lived key; it begins with EMU."""
        return self.cloud.owner.access_key_id

    @property
    def access_key_secret(self) -> str:
        """Return the secret of that key; it opens nothing but this emulator."""
        return self.cloud.owner.access_key_secret

    @property
    def account_id(self) -> str:
        """Return the account id."""
        return self.cloud.account_id

    @property
    def role_arn(self) -> str:
        """Return the role that AssumeRole takes."""
        return self.cloud.sts.role_arn

    @property
    def oidc_provider_arn(self) -> str:
        """Return the ARN of the identity provider whose tokens AssumeRoleWithOIDC takes; see `oidc_token`."""
        return self.cloud.sts.oidc_provider_arn

    def oidc_token(self, ttl_s: float = 3600.0) -> str:
        """Return a token as a cluster would mount it for a pod.

        Args:
            ttl_s: Seconds it lives.
        """
        with self.cloud.lock:
            return self.cloud.sts.oidc_token(ttl_s)

    @property
    def region(self) -> str:
        """Return the service region."""
        return self.cloud.region

    @property
    def bucket(self) -> str:
        """Return the bucket that VOD allocated for the account."""
        return self.cloud.bucket

    # --- what happened -------------------------------------------------------------------

    def object_path(self, video_id: str) -> Path:
        """Return one plain file with the stored bytes of a video, image or attached medium.

        Raises:
            LookupError: No such media, or nothing is stored yet.
        """
        return self.cloud.object_path(video_id)

    def asset(self, media_id: str) -> Asset:
        """Return a copy of a media asset.

        Raises:
            LookupError: No such media.
        """
        with self.cloud.lock:
            return replace(self._asset(media_id))

    @property
    def assets(self) -> list[Asset]:
        """Return copies of all media assets, oldest first."""
        with self.cloud.lock:
            return [replace(asset) for asset in self.cloud.vod.assets.values()]

    def status(self, media_id: str) -> str:
        """Return the status that GetVideoInfo shows now.

        Raises:
            LookupError: No such media.
        """
        with self.cloud.lock:
            return self.cloud.vod.status(self._asset(media_id))

    def _asset(self, media_id: str) -> Asset:
        found = self.cloud.vod.assets.get(media_id)
        if found is None:
            raise LookupError(f"no media with id {media_id!r}")
        return found

    @property
    def unfinished_uploads(self) -> list[UnfinishedUpload]:
        """Return the multipart uploads that hold parts, or could."""
        with self.cloud.lock:
            return [
                UnfinishedUpload(
                    upload.bucket,
                    upload.key,
                    upload.upload_id,
                    tuple(sorted(upload.parts)),
                    sum(part.blob.size_bytes for part in upload.parts.values()),
                )
                for upload in self.cloud.store.multipart.uploads(self.bucket)
            ]

    @property
    def events(self) -> list[Event]:
        """Return the callbacks of the service, sent to loopback addresses; `delivery` tells more."""
        with self.cloud.lock:
            return [replace(event) for event in self.cloud.vod.events]
