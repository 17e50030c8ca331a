"""No secret leaves this package: not by repr, vars, pickle, copy, log, error, or a traceback that shows variables."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from vod_widget.credentials import explain, find_profiles, resolve
from vod_widget.errors import VODError
from vod_widget.model import Credentials

from .helpers import CANARY, KEY_ID, ROLE, TOKEN, ak, keys_env, write, write_cli, write_ini

SECRETS = (CANARY, TOKEN)
INI = "type = {}\naccess_key_id = {}\naccess_key_secret = {}\nsecurity_token = {}\n"


def assert_clean(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text
        assert secret[:12] not in text
    assert KEY_ID not in text, "an id is shown masked only"


def dumps(value: Any) -> Iterator[str]:
    """Every way in which an object shows itself."""
    yield repr(value)
    yield str(value)
    yield f"{value}"
    yield repr(getattr(value, "__dict__", {}))
    yield repr([getattr(value, name, None) for name in getattr(type(value), "__slots__", ())])
    if hasattr(value, "_repr_html_"):
        yield value._repr_html_()
    with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
        yield pickle.dumps(value, 0).decode("latin-1")
    with contextlib.suppress(TypeError, AttributeError):
        yield repr(vars(copy.deepcopy(value)))
    with contextlib.suppress(TypeError):
        yield json.dumps(value, default=repr)


def frames(trace: TracebackType | None) -> Iterator[str]:
    """What a verbose traceback prints of our own frames: every local variable."""
    while trace is not None:
        frame = trace.tb_frame
        if "vod_widget" in Path(frame.f_code.co_filename).parts and "tests" not in frame.f_code.co_filename:
            yield from (f"{name} = {value!r}" for name, value in frame.f_locals.items())
        trace = trace.tb_next


def chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield repr(error)
        yield str(error)
        yield repr(error.args)
        yield repr(vars(error))
        yield from frames(error.__traceback__)
        error = error.__cause__ or error.__context__


@pytest.fixture
def everywhere(home: Path) -> dict[str, str]:
    """Canary secrets in every place, in usable and unusable profiles."""
    write_cli(
        home,
        ak("good"),
        {**ak("sts"), "mode": "StsToken", "sts_token": TOKEN},
        {**ak("role"), "mode": "RamRoleArn", "ram_role_arn": ROLE},
        {**ak("half"), "access_key_id": ""},
        {**ak("vm"), "mode": "RsaKeyPair", "sts_token": TOKEN},
        {**ak("sso"), "mode": "CloudSSO", "sts_token": TOKEN, "sts_expiration": 1, "access_token": TOKEN},
        {**ak("external"), "mode": "External", "process_command": f"printf --secret {CANARY}"},
        current="good",
    )
    write_ini(
        home,
        "[ini]\n"
        + INI.format("sts", KEY_ID, CANARY, TOKEN)
        + "[typeless]\n"
        + INI.format("", KEY_ID, CANARY, TOKEN)
        + "[off]\nenable = false\n"
        + INI.format("access_key", KEY_ID, CANARY, TOKEN),
    )
    return {
        **keys_env(token=TOKEN),
        "OSS_ACCESS_KEY_ID": KEY_ID,
        "OSS_ACCESS_KEY_SECRET": CANARY,
        "OSS_SESSION_TOKEN": TOKEN,
        "ALIBABA_CLOUD_CREDENTIALS_URI": f"http://127.0.0.1:1/{CANARY}",
    }


def test_s1_profiles_and_explanations_are_clean(home: Path, everywhere: dict[str, str]) -> None:
    rows = find_profiles(everywhere, home=home)
    assert len(rows) == 14
    for row in rows:
        for text in dumps(row):
            assert_clean(text)
    for name in (None, *(row.name for row in rows), "gone"):
        for env in (everywhere, {}):
            for text in dumps(explain(name, env=env, home=home)):
                assert_clean(text)


def test_s1_providers_are_clean_and_so_is_the_log(
    home: Path, everywhere: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    def assume(credentials: Credentials, **_: Any) -> Credentials:
        return Credentials("STS.0123456789abcd", CANARY, TOKEN)

    def give() -> dict[str, str]:
        return {"AccessKeyId": KEY_ID, "AccessKeySecret": CANARY, "SecurityToken": TOKEN}

    usable = [row.name for row in find_profiles(everywhere, home=home) if row.usable and row.place != "built-in"]
    assert usable == ["environment", "good", "sts", "role", "external", "ini", "uri", "environment (OSS_*)"]
    with caplog.at_level(logging.DEBUG):
        at_hand = [name for name in usable if name not in ("external", "uri")]
        providers: list[Any] = [
            resolve(profile=name, env=everywhere, home=home, assume_role=assume) for name in at_hand
        ]
        providers.append(resolve(credentials=give))
        providers.append(resolve(credentials=give()))
        providers.append(resolve(credentials=Credentials(KEY_ID, CANARY, TOKEN)))
        for provider in providers:
            assert provider.credentials().access_key_secret.reveal() == CANARY
            for text in (*dumps(provider), *dumps(provider.notices), repr(provider.credentials())):
                assert_clean(text)
    assert_clean(caplog.text)


def failures(home: Path) -> dict[str, Callable[[], Any]]:
    def raising() -> None:
        Credentials(KEY_ID, CANARY)
        raise RuntimeError(f"the vault says {CANARY}")

    def refuse(credentials: Credentials, **_: Any) -> Credentials:
        raise VODError(f"no right for {credentials.masked_id}")

    return {
        "nothing of that name": lambda: resolve(profile="gone"),
        "half a pair in a file": lambda: resolve(profile="half"),
        "unsupported": lambda: resolve(profile="vm"),
        "external": lambda: resolve(profile="external").credentials(),
        "uri": lambda: resolve(profile="uri").credentials(),
        "ended sign-in": lambda: resolve(profile="sso"),
        "no type": lambda: resolve(profile="typeless"),
        "switched off": lambda: resolve(profile="off"),
        "no sts": lambda: resolve(profile="role"),
        "sts refuses": lambda: resolve(profile="role", assume_role=refuse).credentials(),
        "ended token": lambda: resolve(profile="sts").credentials(force_refresh=True),
        "not credentials": lambda: resolve(credentials={"AccessKeySecret": CANARY, "SecurityToken": TOKEN}),
        "function of nothing": lambda: resolve(credentials=lambda: {"AccessKeySecret": CANARY}).credentials(),
        "function that raises": lambda: resolve(credentials=raising).credentials(),
    }


@pytest.mark.parametrize("name", sorted(failures(Path())))
def test_s1_errors_are_clean_down_to_the_variables_of_their_frames(
    home: Path, everywhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable, value in everywhere.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(VODError) as caught:
        failures(home)[name]()
    shown = list(chain(caught.value))
    if name == "function that raises":  # the caller's own exception stays the caller's; ours does not repeat it
        shown = [repr(caught.value), str(caught.value), *frames(caught.value.__traceback__)]
        shown = [text for text in shown if not text.startswith(("exc = ", "function = "))]
    assert len(shown) > 3
    for text in shown:
        for secret in SECRETS:
            assert secret not in text


@pytest.mark.parametrize(
    "content",
    [f'{{"profiles": [{{"access_key_secret": "{CANARY}"', f'"{CANARY}"', f'{{"profiles": "{CANARY}"}}'],
)
def test_a_broken_file_keeps_its_content(home: Path, content: str) -> None:
    write(home / ".aliyun" / "config.json", content)
    with pytest.raises(VODError) as caught:
        resolve()
    for text in chain(caught.value):
        assert CANARY not in text


@pytest.mark.parametrize("content", [f"secret = {CANARY}", f"[default]\n{CANARY}\n"])
def test_a_broken_ini_keeps_its_content(home: Path, content: str) -> None:
    write_ini(home, content)
    with pytest.raises(VODError) as caught:
        resolve()
    for text in chain(caught.value):
        assert CANARY not in text


@pytest.mark.parametrize("half", ["ALIBABA_CLOUD_ACCESS_KEY_ID", "OSS_ACCESS_KEY_ID"])
def test_half_a_pair_in_the_environment_does_not_print_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    monkeypatch.setenv(half.replace("KEY_ID", "KEY_SECRET"), CANARY)
    monkeypatch.setenv("SOMETHING_ELSE", TOKEN)
    with pytest.raises(VODError) as caught:
        resolve()
    for text in chain(caught.value):
        assert CANARY not in text
        assert TOKEN not in text


def test_s6_nothing_is_written_to_the_environment(home: Path, everywhere: dict[str, str]) -> None:
    import os

    before = dict(os.environ)
    given = dict(everywhere)
    resolve(env=everywhere, home=home).credentials()
    find_profiles(everywhere, home=home)
    assert dict(os.environ) == before
    assert everywhere == given
