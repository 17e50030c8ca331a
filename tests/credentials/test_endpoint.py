"""VOD_WIDGET_ENDPOINT leads to this machine or nowhere."""

from __future__ import annotations

import pytest

from vod_widget.credentials import endpoint_from_env
from vod_widget.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        (" https://localhost:1 ", "https://localhost:1"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://127.8.9.1", "http://127.8.9.1"),
    ],
)
def test_a_url_of_this_machine_is_taken(text: str, endpoint: str) -> None:
    assert endpoint_from_env({"VOD_WIDGET_ENDPOINT": text}) == endpoint


@pytest.mark.parametrize("env", [{}, {"VOD_WIDGET_ENDPOINT": ""}, {"VOD_WIDGET_ENDPOINT": "  "}])
def test_unset_and_empty_are_none(env: dict[str, str]) -> None:
    assert endpoint_from_env(env) is None


def test_the_variable_is_read_at_the_time_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoint_from_env() is None
    monkeypatch.setenv("VOD_WIDGET_ENDPOINT", "http://127.0.0.1:9")
    assert endpoint_from_env() == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "text",
    [
        "http://vod.cn-shanghai.aliyuncs.com",
        "https://10.0.0.1",
        "http://0.0.0.0:80",
        "http://169.254.169.254",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://user:pw@127.0.0.1",
        "http://evil.example\\@127.0.0.1",
        "http://127.0.0.1/path",
        "http://127.0.0.1?x=1",
        "http://127.0.0.1#x",
        "http://127.0.0.1:99999",
        "http://[::1",
        "ftp://127.0.0.1",
        "127.0.0.1:8080",
        "http://",
        "nonsense",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="VOD_WIDGET_ENDPOINT"):
        endpoint_from_env({"VOD_WIDGET_ENDPOINT": text})
