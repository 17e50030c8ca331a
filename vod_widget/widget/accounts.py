"""Whose account is used: the profiles that were found, one chosen, or keys typed for this session.

Keys live in a `Credentials` object here and in the uploader, nowhere else; what leaves this module is names and masked
ids. Reads profile files and may start the emulator, so a worker thread calls everything but `facts`.
"""

from __future__ import annotations

import re
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vod_widget.errors import InvalidArgumentError, InvalidStateError, MissingCredentialError
from vod_widget.model import Credentials, UploadState
from vod_widget.secret import Secret, mask

from .grants import Grants
from .view import next_step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vod_widget.errors import VODError
    from vod_widget.interfaces import Clock
    from vod_widget.upload_info import UploadInfo
    from vod_widget.uploader import VODUpload

__all__ = ["SESSION", "Accounts"]

SESSION = "session"
"""Name under which keys that were typed into the page stand in the list of profiles."""
_EMULATOR = "emulator"
# A person waits for the answer of a test; the page gives up after ten seconds.
_TEST_S = 2.5
_REGION = re.compile(r"^[a-z]{2,4}-[a-z0-9]+(-[a-z0-9]+){0,3}$")


class Accounts:
    """Chooses credentials for one uploader.

    Args:
        uploader: Gets what is chosen.
        clock: Time.
        names_only: True when pages are told the name of what is used, but no part of its key.
    """

    def __init__(self, uploader: VODUpload, clock: Clock, *, names_only: bool = False) -> None:
        self._uploader = uploader
        self._names_only = names_only
        self._clock = clock
        self._lock = threading.Lock()  # guards what is below; never held over I/O
        self._session: Credentials | None = None
        self._grants: Grants | None = None
        self._facts: dict[str, Any] = {"profile": None, "destination": ""}
        self._answered: dict[str, VODError | None] = {}

    @property
    def has_typed_keys(self) -> bool:
        """True when keys were typed for this session."""
        with self._lock:
            return self._session is not None

    def take_over(self, earlier: Accounts) -> None:
        """Go on with the keys that were typed into an earlier widget of the same uploader."""
        with earlier._lock:
            session, grants = earlier._session, earlier._grants
        with self._lock:
            self._session, self._grants = session, grants
        if grants is not None and self._uploader.get_auth is None:
            self._uploader.get_auth = grants

    def facts(self) -> dict[str, Any]:
        """What the summary says of the account, as of the last look; cheap."""
        with self._lock:
            return self._facts

    def is_answered(self, file_id: str, error: VODError | None) -> bool:
        """Tell whether other keys came since a file failed for its keys: then only a retry is left to do."""
        return error is not None and self._answered.get(file_id) is error

    def answered(self) -> list[str]:
        """Files of which `is_answered` may be true."""
        return list(self._answered)

    def _keys_came(self) -> None:
        """Note which files failed for the keys before, by their very errors: the next failure is a new one."""
        failed = [info for info in self._uploader.list_files() if info.state == UploadState.FAILURE]
        self._answered = {
            info.file_id: info.error for info in failed if info.error is not None and next_step(info.error) == "keys"
        }

    def refresh(self) -> str | None:
        """Look again who is used; return its name, None when nobody is."""
        current = self._find_current()
        region = str(_option(self._uploader, "region"))
        profile = None
        if current is not None:
            profile = {
                "name": current["name"],
                "region": current["region"] or region,
                "is_emulator": current["name"] == _EMULATOR,
                "masked_id": "" if self._names_only else current["masked_id"],
                "region_is_default": not current["region"] and not self._uploader.region_is_given,
            }
        facts = {"profile": profile, "destination": profile["region"] if profile else region}
        with self._lock:
            self._facts = facts
        return str(current["name"]) if current is not None else None

    def _find_current(self) -> dict[str, Any] | None:
        from vod_widget.credentials import explain

        grants = self._uploader.get_auth
        if isinstance(grants, Grants):
            return _plain(SESSION, "session", "UploadAuth", grants.last_id)
        given = self._uploader.credentials
        if given is not None:
            return self._session_row(given)
        if grants is not None:
            return _plain("get_auth", "code", "application", "")
        winner = explain(_option(self._uploader, "profile") or None).profile
        if winner is not None:
            return asdict(winner)
        if _option(self._uploader, "on_upload_started") is not None:
            return _plain("on_upload_started", "code", "application", "")
        return None

    def _session_row(self, given: Any) -> dict[str, Any]:
        with self._lock:
            typed = given is self._session
        masked_id = given.masked_id if isinstance(given, Credentials) else ""
        name, place = (SESSION, "session") if typed else ("credentials=", "code")
        temporary = isinstance(given, Credentials) and given.security_token is not None
        return _plain(name, place, "StsToken" if temporary else "AK", masked_id)

    def list_profiles(self) -> dict[str, Any]:
        """Every profile that can be chosen or that says why not, and which one is used."""
        from vod_widget.credentials import find_profiles
        from vod_widget.doctor_words import reason_words

        current = self.refresh()
        rows = [asdict(profile) for profile in find_profiles()]
        first = self._find_current()
        with self._lock:
            session, grants = self._session, self._grants
        if first is not None and all(row["name"] != first["name"] for row in rows):
            rows.insert(0, first)
        if grants is not None and all(row["name"] != SESSION for row in rows):
            rows.insert(0, _plain(SESSION, "session", "UploadAuth", grants.last_id))
        if session is not None and all(row["name"] != SESSION for row in rows):
            rows.insert(0, _plain(SESSION, "session", "AK", session.masked_id))
        marked = False
        for row in rows:
            row["region"] = row["region"] or ""
            row["reason_zh"] = reason_words(row["reason"], "zh")
            row["is_current"] = not marked and bool(row["usable"]) and row["name"] == current
            marked = marked or row["is_current"]
        return {"profiles": rows, "current_profile": current, "origin": self._origin()}

    def _origin(self) -> list[dict[str, Any]]:
        """Where keys were looked for, in order, in both languages; the place that won is marked."""
        from vod_widget.credentials import Step, explain
        from vod_widget.doctor_words import step_words

        steps: list[Step]
        if self._uploader.credentials is not None or self._uploader.get_auth is not None:
            given = self._find_current()
            steps = [Step("Code in this notebook", "", used=True, why=str(given["name"]) if given else "")]
        else:
            steps = list(explain(_option(self._uploader, "profile") or None))
        return [
            {"used": step.used, **{to: step_words(step.place, step.found, step.why, to) for to in ("en", "zh")}}
            for step in steps
        ]

    def choose(self, name: str) -> str | None:
        """Use a profile by its name; `emulator` starts the built-in service.

        Raises:
            CredentialError: No such profile, or it cannot be used.
        """
        with self._lock:
            session, grants = self._session, self._grants
        if name == SESSION and grants is not None:
            self._uploader.get_auth = grants
        elif name == SESSION and session is not None:
            self._put_grants_away()
            self._uploader.set_credentials(session)
        else:
            self._uploader.set_profile(name)
            self._put_grants_away()
            expired, provider = self._expired(), self._uploader.provider
            if expired and provider is not None:
                self._answer(expired, provider.credentials())
        self._keys_came()
        return self.refresh()

    def _put_grants_away(self) -> None:
        if isinstance(self._uploader.get_auth, Grants):
            self._uploader.get_auth = None

    def use_keys(
        self, access_key_id: str, access_key_secret: Secret, security_token: Secret | None, region: str
    ) -> dict[str, Any]:
        """Use keys for this session only; they are written nowhere.

        Args:
            access_key_id: The id.
            access_key_secret: The key.
            security_token: Token of a temporary key, or None.
            region: Region of the service, or "" to keep the present one.

        Raises:
            InvalidArgumentError: A field is empty, or the region is none.
        """
        if region and not _REGION.match(region):
            raise InvalidArgumentError("the region is not one, like cn-shanghai", code="Region")
        keys = Credentials(access_key_id, access_key_secret, security_token, place=SESSION)
        if region:
            setattr(self._uploader, "region", region)  # noqa: B010  options are traits that the type checker cannot see
        self._put_grants_away()
        self._uploader.set_credentials(keys)
        with self._lock:
            self._session, self._grants = keys, None
        self._keys_came()
        self._answer(self._expired(), keys)
        return {"masked_id": keys.masked_id, "current_profile": self.refresh()}

    def use_grant(self, upload_auth: Secret, upload_address: Secret, media_id: str) -> dict[str, Any]:
        """Use what CreateUploadVideo answered for the next file that starts; it is written nowhere.

        Args:
            upload_auth: UploadAuth of the answer.
            upload_address: UploadAddress of the answer.
            media_id: VideoId or ImageId of the answer.

        Raises:
            InvalidStateError: The notebook's code gives the permissions.
            CredentialError: It is no such answer, or it has ended.
        """
        for info in self._expired():
            if media_id in (info.video_id, info.image_id):
                # It waits for just this, and goes on where it stopped.
                self._uploader.resume_upload_with_auth(upload_auth.reveal(), info)
                return {"masked_id": mask(media_id), "current_profile": self.refresh()}
        given = self._uploader.get_auth
        if given is not None and not isinstance(given, Grants):
            raise InvalidStateError("The notebook's code gives the permissions here.", hint="")
        with self._lock:
            grants = self._grants
        if grants is None:
            grants = Grants(self._clock)
        masked_id = grants.add(upload_auth, upload_address, media_id)
        with self._lock:
            session, self._session, self._grants = self._session, None, grants
        if session is not None and self._uploader.credentials is session:
            self._uploader.set_credentials(None)
        self._uploader.get_auth = grants
        self._keys_came()
        return {"masked_id": masked_id, "current_profile": self.refresh()}

    def _answer(self, expired: Iterable[UploadInfo], keys: Credentials) -> None:
        for info in expired:
            self._uploader._resume_with_keys(keys, info)

    def _expired(self) -> list[UploadInfo]:
        return [info for info in self._uploader.list_files() if info.state == UploadState.EXPIRED]

    def test(self) -> dict[str, Any]:
        """Ask who the keys belong to and whether they may upload; what was found as sentences in both languages."""
        from vod_widget.doctor import examine, verdict
        from vod_widget.vod_api import SdkVodApi

        api = SdkVodApi(self._clock, timeout_s=_TEST_S, connect_timeout_s=_TEST_S)
        try:
            began_s = self._clock.monotonic_s()
            findings = examine(self._uploader, api)
            took_s = self._clock.monotonic_s() - began_s
        finally:
            api.close()
        advice = [one for one in findings if one.ok and one.advice]
        told = {
            language: [verdict(findings, language), *(one.fix(language) for one in advice)] for language in ("en", "zh")
        }
        return {"ok": all(one.ok for one in findings), "took_ms": round(took_s * 1000), "told": told}

    def forget_keys(self) -> str | None:
        """Forget the keys and permissions of this session; return the name of what is used then."""
        self._put_grants_away()
        with self._lock:
            session, self._session, self._grants = self._session, None, None
        if session is not None and self._uploader.credentials is session:
            self._uploader.set_credentials(None)
        return self.refresh()

    def require_some(self) -> None:
        """Refuse to start when there is no way to get a permission.

        Raises:
            MissingCredentialError: Nothing was found; the text says what a person at the screen can do.
        """
        if self.refresh() is None:
            raise MissingCredentialError(
                "No credentials were found, so nothing can be sent.",
                hint="Choose a profile, enter keys for this session, or try it without an account on the emulator.",
            )


def _option(uploader: VODUpload, name: str) -> Any:
    """An option or callback; they are made from a table, so the type checker cannot see them."""
    return getattr(uploader, name)


def _plain(name: str, place: str, mode: str, masked_id: str) -> dict[str, Any]:
    return {
        "name": name,
        "place": place,
        "mode": mode,
        "masked_id": masked_id,
        "region": "",
        "usable": True,
        "reason": "",
        "is_current": True,
        "expires_at_s": None,
        "renews_itself": False,
    }
