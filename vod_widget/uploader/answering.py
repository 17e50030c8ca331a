"""Authority that the application gives: upload credentials, STS tokens, keys and profiles. Floor 4.

A traceback that shows local variables must not show a key: whoever fails with one in hand drops it first.
"""

from __future__ import annotations

from typing import Any

from vod_widget.addresses import check_address, check_lifetime, region_of_endpoint
from vod_widget.application import current_record
from vod_widget.arguments import sts_keys
from vod_widget.errors import CredentialError, InvalidStateError, VODError
from vod_widget.interfaces import CredentialProvider
from vod_widget.model import Credentials, Grant, UploadAddress, UploadAuth, UploadState
from vod_widget.record import Record
from vod_widget.secret import bare
from vod_widget.upload_info import UploadInfo

from .core import Core

__all__ = ["Answering"]


class Answering(Core):
    """Setters of authority."""

    def set_upload_auth_and_address(
        self, upload_info: UploadInfo, upload_auth: str, upload_address: str, video_id: str
    ) -> None:
        """Answer `on_upload_started` (or `on_upload_token_expired`) with an upload credential and address.

        Args:
            upload_info: The file, as the callback got it.
            upload_auth: UploadAuth as VOD returned it.
            upload_address: UploadAddress as VOD returned it.
            video_id: VideoId; for an image its ImageId.

        Raises:
            CredentialError: Not readable or expired; the file fails with the same error.
            EndpointRefusedError: The address points to a host that is not the vendor's; the file fails too.
        """
        record = self._record_of(upload_info)
        try:
            auth = UploadAuth.decode(upload_auth, now_s=self._clock.now_s())
            address = UploadAddress.decode(upload_address)
            if not video_id or not isinstance(video_id, str):
                raise CredentialError("video_id is empty", code="InvalidUploadAuth")
            self._refuse_expired(auth)
            self._check_address(address, auth)
        except VODError as error:
            error.file_name = error.file_name or record.name
            del upload_auth, upload_address  # a traceback that shows local variables must not show a key
            self._app.refuse(record, bare(error))
            raise error from None
        self._app.answer(record, Grant(auth, address, video_id))

    def set_sts_token(
        self, upload_info: UploadInfo, access_key_id: str, access_key_secret: str, security_token: str
    ) -> None:
        """Answer `on_upload_started` with an STS token; the library then creates or refreshes the asset by itself.

        Raises:
            InvalidArgumentError: A part is missing; the file fails with the same error.
        """
        record = self._record_of(upload_info)
        try:
            keys = sts_keys(access_key_id, access_key_secret, security_token, None)
        except VODError as error:
            error.file_name = error.file_name or record.name
            del access_key_id, access_key_secret, security_token
            self._app.refuse(record, bare(error))
            raise error from None
        self._app.answer(record, keys)

    def resume_upload_with_auth(self, upload_auth: str, upload_info: UploadInfo | None = None) -> bool:
        """Give an expired file a new upload credential for the same object; it goes on where it stopped.

        Args:
            upload_auth: UploadAuth as RefreshUploadVideo returned it.
            upload_info: The file; None means the one whose `on_upload_token_expired` runs, else the only expired one.

        Returns:
            True when a file took it; False when none waits.

        Raises:
            CredentialError: Not readable; or the credential of another file or place (code `Auth.Mismatch`), by which
                this file fails.
            InvalidStateError: Several files wait; the text names them.
        """
        record = self._expired_record(upload_info)
        try:
            auth = UploadAuth.decode(upload_auth, now_s=self._clock.now_s())
        except VODError as error:
            del upload_auth
            raise bare(error) from None
        del upload_auth
        if record is None:
            return False
        try:
            self._refuse_mismatch(record, auth)
        except VODError as error:
            self._app.refuse(record, error)
            raise
        return self._app.answer(record, auth)

    def resume_upload_with_sts_token(
        self,
        access_key_id: str,
        access_key_secret: str,
        security_token: str,
        expire_time: Any = None,
        upload_info: UploadInfo | None = None,
    ) -> bool:
        """Give an expired file a new STS token; the library refreshes its asset with it.

        Args:
            access_key_id: Temporary key id.
            access_key_secret: Its secret.
            security_token: Its token.
            expire_time: When it ends: Unix seconds, or ISO text in UTC; may be left out.
            upload_info: As in `resume_upload_with_auth`.

        Returns:
            True when a file took it; False when none waits.

        Raises:
            InvalidArgumentError: A part is missing.
            InvalidStateError: Several files wait; the text names them.
        """
        record = self._expired_record(upload_info)
        try:
            keys = sts_keys(access_key_id, access_key_secret, security_token, expire_time)
        except VODError as error:
            del access_key_id, access_key_secret, security_token
            raise bare(error) from None
        return record is not None and self._app.answer(record, keys)

    def set_credentials(self, credentials: Any) -> None:
        """Set or forget (None) the queue's own credentials; running files keep those that they began with."""
        self.credentials = credentials
        self._authority.forget()
        self._look_again()

    def set_profile(self, profile: str | None) -> None:
        """Choose a profile by name and resolve it now.

        Raises:
            ProfileNotFoundError: No profile has that name; the former one stays.
            CredentialError: It cannot be used; the former one stays.
        """
        before = (self.profile, self.credentials)
        self.profile, self.credentials = profile, None
        self._authority.forget()
        try:
            if profile is not None:
                self._authority.resolve(required=True)
        except VODError:
            self.profile, self.credentials = before
            self._authority.forget()
            raise
        self._look_again()

    def _look_again(self) -> None:
        """Let files that start from now on use new keys, when the queue runs already."""
        with self._queue.cond:
            running = self._is_running()
        if running:
            destination = self._authority.resolve(required=False)
            with self._queue.cond:
                self._app.destination = destination
                self._queue.held = False
                self._queue.switch_waiting()
                self._queue.settle()
        self._place_changed()

    def _resume_with_keys(self, keys: Credentials, upload_info: UploadInfo) -> bool:
        """Give an expired file keys of any kind; the library refreshes its asset with them."""
        record = self._expired_record(upload_info)
        return record is not None and self._app.answer(record, keys)

    @property
    def credentials(self) -> Any:
        """The queue's own credentials as they were given, or None; a dict of keys is kept as `Credentials`."""
        return self._credentials

    @credentials.setter
    def credentials(self, value: Any) -> None:
        from vod_widget.credentials import hidden

        self._credentials = hidden(value)
        self._place_changed()

    @property
    def region_is_given(self) -> bool:
        """Whether the caller chose the region; else the profile's counts, and without one the default."""
        return self._authority.region_is_given

    @property
    def provider(self) -> CredentialProvider | None:
        """The credential provider in use, once there is one; for display (`name`, `region`, `endpoint`)."""
        return self._authority.provider

    def _expired_record(self, upload_info: UploadInfo | None) -> Record | None:
        if upload_info is not None:
            record = self._record_of(upload_info)
            return record if self._is_expired(record) else None
        running = current_record.get()
        if running is not None and self._queue.find(running.file_id) is running and self._is_expired(running):
            return running
        with self._queue.cond:
            waiting = [r for r in self._queue.records if r.state is UploadState.EXPIRED and r.run.asked is not None]
        if len(waiting) > 1:
            names = ", ".join(r.name for r in waiting)
            raise InvalidStateError(
                f"several files wait for credentials: {names}", hint="Pass upload_info= to say which one is meant."
            )
        return waiting[0] if waiting else None

    @staticmethod
    def _is_expired(record: Record) -> bool:
        return record.state is UploadState.EXPIRED and record.run.asked is not None

    def _refuse_expired(self, auth: UploadAuth) -> None:
        if auth.expires_at_s <= self._clock.now_s():
            raise CredentialError(
                "the UploadAuth has expired",
                code="Auth.Expired",
                hint="Call RefreshUploadVideo and pass its new UploadAuth.",
            )
        check_lifetime(auth)

    def _refuse_mismatch(self, record: Record, auth: UploadAuth) -> None:
        """Refuse a credential that was made for another file: each opens one object only."""
        region = region_of_endpoint(record.checkpoint_field("endpoint") or "")
        key = auth.credentials.access_key_id
        with self._queue.cond:
            running = [(r, r.machine.grant) for r in self._queue._active.values() if r.machine is not None]
        holders = [r for r, grant in running if grant is not None and grant.auth.credentials.access_key_id == key]
        other = next((r for r in holders if r is not record), None)
        if other is None and (not region or not auth.region or region == auth.region):
            return
        whose = f"is that of {other.name}" if other is not None else f"is for {str(auth.region)[:40]!r}, not {region}"
        raise CredentialError(
            f"the UploadAuth {whose}",
            code="Auth.Mismatch",
            hint=f"Call RefreshUploadVideo with this file's VideoId ({record.media_id}) and pass its UploadAuth.",
            file_name=record.name,
        )

    def _check_address(self, address: UploadAddress, auth: UploadAuth) -> None:
        to = self._app.destination
        check_address(address, auth.region, loopback_allowed=to is not None and to.loopback)
