"""A role profile against the emulator's STS: the temporary key may upload and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from vod_widget.credentials import resolve
from vod_widget.errors import AccessDeniedError, AuthExpiredError, CredentialError, VODError
from vod_widget.interfaces import CredentialProvider
from vod_widget.model import UploadMetadata
from vod_widget.system import SystemClock
from vod_widget.vod_api import SdkVodApi

from .helpers import write_cli


@pytest.fixture
def api() -> Iterator[SdkVodApi]:
    api = SdkVodApi(SystemClock())
    yield api
    api.close()


def role(emulator: Any, api: SdkVodApi) -> CredentialProvider:
    return resolve(assume_role=partial(api.assume_role, endpoint=emulator.endpoint))


def profile(home: Path, emulator: Any, **changes: Any) -> None:
    row = {
        "name": "role",
        "mode": "RamRoleArn",
        "access_key_id": emulator.access_key_id,
        "access_key_secret": emulator.access_key_secret,
        "ram_role_arn": emulator.role_arn,
        "region_id": emulator.region,
    }
    write_cli(home, {**row, **changes}, current="role")


def test_the_default_policy_lets_an_upload_through(home: Path, emulator: Any, api: SdkVodApi) -> None:
    profile(home, emulator)
    provider = role(emulator, api)
    keys = provider.credentials()
    assert keys.access_key_id.startswith("STS.")
    session = api.open(keys, provider.region or "", emulator.endpoint)
    grant = session.create_upload_video(
        UploadMetadata("a talk"), file_name="talk.mp4", size_bytes=1, reference_id="ref-0001"
    )
    assert session.refresh_upload_video(grant.media_id).media_id == grant.media_id
    status = session.find_video(video_id=grant.media_id)
    assert status is not None
    assert status.status == "Uploading"
    assert session.create_upload_image(UploadMetadata("a cover"), file_name="cover.png").media_id


def test_a_policy_of_the_profile_is_what_counts(home: Path, emulator: Any, api: SdkVodApi) -> None:
    profile(
        home,
        emulator,
        policy='{"Version":"1","Statement":[{"Effect":"Allow","Action":"vod:GetVideoInfo","Resource":"*"}]}',
    )
    provider = role(emulator, api)
    session = api.open(provider.credentials(), emulator.region, emulator.endpoint)
    with pytest.raises(AccessDeniedError):
        session.create_upload_video(UploadMetadata("t"), file_name="t.mp4", size_bytes=1, reference_id="ref-0002")


def test_a_role_that_does_not_exist_is_the_clouds_answer(home: Path, emulator: Any, api: SdkVodApi) -> None:
    profile(home, emulator, ram_role_arn=emulator.role_arn + "-gone")
    provider = role(emulator, api)
    with pytest.raises(VODError) as caught:
        provider.credentials()
    assert not isinstance(caught.value, CredentialError)


def test_a_key_that_the_cloud_calls_expired_is_replaced_by_a_forced_refresh(
    home: Path, emulator: Any, api: SdkVodApi
) -> None:
    profile(home, emulator, expired_seconds=900)
    provider = role(emulator, api)
    first = provider.credentials()
    emulator.clock.advance(901)  # our clock has not moved: we believe that the key lives
    assert provider.credentials() is first
    with pytest.raises(AuthExpiredError):
        api.open(first, emulator.region, emulator.endpoint).find_video(reference_id="ref-of-nothing")
    second = provider.credentials(force_refresh=True)
    assert api.open(second, emulator.region, emulator.endpoint).find_video(reference_id="ref-of-nothing") is None


def test_the_emulator_profile_talks_to_its_own_emulator(home: Path) -> None:
    provider = resolve(profile="emulator")
    assert resolve(profile="emulator").endpoint == provider.endpoint
    api = SdkVodApi(SystemClock())
    try:
        session = api.open(provider.credentials(), provider.region or "", provider.endpoint)
        assert session.find_video(reference_id="ref-of-nothing") is None
    finally:
        api.close()


def test_a_role_that_sts_does_not_give_is_one_failure_and_the_other_files_wait(home: Path, emulator: Any) -> None:
    profile(home, emulator, ram_role_arn=f"{emulator.role_arn}-gone")
    with vw.VODUpload(endpoint=emulator.endpoint) as up:
        infos = [up.add_file(f"clip{number}".encode(), name=f"clip{number}.mp4") for number in range(5)]
        up.run()
        assert sorted(info.state for info in infos) == ["Failure", *["Ready"] * 4]
        error = next(info.error for info in infos if info.state == "Failure")
        assert error is not None
        assert error.code == "EntityNotExist.Role"
        profile(home, emulator)
        up.run()
        assert {info.state for info in infos} == {"Success"}
