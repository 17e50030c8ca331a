"""Who gives permission: keys of the account, an STS token, the application, or its `get_auth`."""

from __future__ import annotations

from typing import Any

from vod_widget import effects as fx
from vod_widget.emulator.assets import CallContext
from vod_widget.emulator.policy import allow
from vod_widget.errors import CallbackError, MissingCredentialError, VODError
from vod_widget.interfaces import Source
from vod_widget.model import Credentials, Grant, MediaType, UploadAddress, UploadAuth
from vod_widget.record import Record

from .cloud import AFTER, BEFORE, OSS_ENDPOINT
from .props import File
from .scene import Scene

__all__ = ["LIFE_S", "Permits"]

LIFE_S = 3000.0


class Permits(Scene):
    """Answers to who asks for a permission."""

    def _app_grant(self, action: str, params: dict[str, str], id_name: str) -> Grant:
        operation = self.cloud.rpc._operations["2017-03-21"][action]
        data = operation(params, CallContext(self.cloud.owner, OSS_ENDPOINT))
        now_s = self.clock.now_s()
        auth = UploadAuth.decode(data["UploadAuth"], now_s=now_s)
        if self.clock.jump_s:
            auth = UploadAuth(auth.credentials, now_s + LIFE_S, now_s, auth.region)
        return Grant(auth, UploadAddress.decode(data["UploadAddress"]), data[id_name], image_url=data.get("ImageURL"))

    def app_server(self, file: File, media_id: str, reference_id: str = "", *, is_cover: bool = False) -> Grant:
        """The application's own server: it creates one asset a file, and refreshes it from then on."""
        if file.media_type is MediaType.IMAGE or is_cover:
            title = "cover" if is_cover else file.name
            return self._app_grant(
                "CreateUploadImage",
                {"ImageType": "default", "ImageExt": "png", "Title": title, "OriginalFileName": "a.png"},
                "ImageId",
            )
        known = media_id or file.asset_of_app
        if known:
            return self._app_grant("RefreshUploadVideo", {"VideoId": known}, "VideoId")
        params = {"Title": file.name, "FileName": file.name}
        grant = self._app_grant("CreateUploadVideo", params, "VideoId")
        file.asset_of_app = grant.media_id
        return grant

    def _get_auth(self, record: Record, effect: fx.GetAuth, cover: Source | None) -> Grant:
        file: File = record.source.file  # type: ignore[attr-defined]
        kind = self.network.strike("GetAuth")
        if kind == "kill_before":
            self.network.die()
        if kind in BEFORE:
            fault = BEFORE[kind]()
            raise fault
        grant = self.app_server(file, effect.media_id, effect.reference_id, is_cover=cover is not None)
        if kind == "kill_after":
            self.network.die()
        if kind in AFTER:
            fault = AFTER[kind]()
            raise fault
        return grant

    def ask(self, file: File, record: Record, token: int, expired: VODError | None) -> None:
        machine = record.machine
        assert machine is not None
        if not machine.awaits(token):
            return  # the person spoke before the question was put
        match self.authority:
            case "own" | "get_auth":
                if expired is None:
                    self.answer(record, token, None)
                else:
                    error = expired
                    self.outcomes.append((record, lambda m: m.fail(token, error)))
            case "sts":
                self.answer(record, token, self.new_sts(fresh=expired is not None))
            case _:
                if self.trouble and self.rng.random() < 0.03:
                    self.counts["AskApp", "refused"] += 1
                    file.story.faults += 1
                    error = self.rng.choice((CallbackError("raised"), MissingCredentialError("no answer in time")))
                    self.outcomes.append((record, lambda m: m.fail(token, error)))
                    return
                # Images cannot be refreshed: an application that is asked makes another, which is its own business.
                file.unsaid_images += 1
                grant = self.app_server(file, machine.checkpoint.media_id)
                whole = expired is None or file.media_type is MediaType.IMAGE or self.rng.random() < 0.3
                self.answer(record, token, grant if whole else grant.auth)

    def new_sts(self, *, fresh: bool) -> Credentials:
        found = self.cloud.keys.find(self.sts.access_key_id) if self.sts is not None else None
        if fresh or self.sts is None or found is None or self.cloud.keys.is_expired(found):
            arn = f"acs:ram::{self.cloud.account_id}:role/r"
            key = self.cloud.keys.issue(
                kind="role", ttl_s=LIFE_S, policies=(allow(["vod:*"]),), arn=arn, principal_id="3"
            )
            self.sts = Credentials(key.access_key_id, key.access_key_secret, key.security_token)
        return self.sts

    def answer(self, record: Record, token: int, value: Any) -> None:
        self.outcomes.append((record, lambda m: m.succeed(token, value)))
