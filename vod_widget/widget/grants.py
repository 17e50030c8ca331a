"""Permissions for single assets that a person pasted: what CreateUploadVideo and its siblings answered.

They are decoded at once and handed to files in the order pasted, as `get_auth` of the uploader. No key of an account is
needed, and none of it is written anywhere. Any thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from vod_widget.errors import CredentialError, MissingCredentialError
from vod_widget.model import Grant, UploadAddress, UploadAuth
from vod_widget.secret import Secret, mask

if TYPE_CHECKING:
    from vod_widget.interfaces import Clock

__all__ = ["Grants"]


class Grants:
    """Answers `get_auth` from what was pasted.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards the list
        self._waiting: list[Grant] = []
        self.last_id = ""

    def __repr__(self) -> str:
        return f"Grants({len(self._waiting)} waiting)"

    def add(self, upload_auth: Secret, upload_address: Secret, media_id: str) -> str:
        """Take one answer; return the id of its asset, masked.

        Raises:
            CredentialError: It is not what VOD answers, or it has ended.
            InvalidArgumentError: The address is not what VOD answers.
        """
        now_s = self._clock.now_s()
        auth = UploadAuth.decode(upload_auth.reveal(), now_s=now_s)
        address = UploadAddress.decode(upload_address.reveal())
        if auth.expires_at_s <= now_s:
            raise CredentialError(
                "the permission has ended",
                code="Auth.Expired",
                hint="Paste a new answer of RefreshUploadVideo or CreateUploadVideo.",
            )
        with self._lock:
            self._waiting = [one for one in self._waiting if one.media_id != media_id]
            self._waiting.append(Grant(auth, address, media_id))
            self.last_id = mask(media_id)
        return self.last_id

    def __call__(self, context: Any) -> Grant:
        """Give the permission for a file: of its own asset when it has one, else the next that was pasted.

        Raises:
            CredentialError: None was pasted for it.
        """
        with self._lock:
            wanted = context.video_id
            found = next((one for one in self._waiting if not wanted or one.media_id == wanted), None)
            if found is not None:
                self._waiting.remove(found)
                return found
        if wanted:
            raise CredentialError(
                "the pasted permission for this video has ended, and no other was pasted",
                code="Auth.Expired",
                hint="Paste what RefreshUploadVideo answers for this video, then retry.",
            )
        raise MissingCredentialError(
            "no pasted permission is left for this file",
            hint="Paste what CreateUploadVideo answers for this file, then retry.",
        )
