"""An address is read in ranges of one version, and leads nowhere but to the public internet."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.helpers.site import Site, say, serving
from vod_widget.errors import (
    InvalidArgumentError,
    RestrictionError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
)
from vod_widget.model import SourceKind
from vod_widget.sources import WebSource, open_source

FAULT_KIND = "L"
DATA = bytes(range(256)) * 40
SIGNED = "?Signature=s3cr3t"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(DATA) as one:
        yield one


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What names resolve to, an address to itself, without asking the system."""
    known = {"localhost": "127.0.0.1", "2130706433": "127.0.0.1"}

    def resolve(host: str, port: int, *_more: object, **_options: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known.get(host, host), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def opened(site: Site, more: str = "", **options: Any) -> WebSource:
    site.sources.append(WebSource(site.url + more, loopback_allowed=True, **options))
    return site.sources[-1]


def test_an_address_is_read_in_exact_ranges(site: Site) -> None:
    source = opened(site)
    assert (source.name, source.size_bytes, source.kind) == ("talk one.mp4", len(DATA), SourceKind.ADDRESS)
    assert source.read(0, len(DATA)) == DATA
    assert source.read(100, 356) == DATA[100:356]
    assert site.asked[-1] == ("/clips/talk%20one.mp4", "bytes=100-355")
    assert source.fingerprint() == opened(site).fingerprint() == f'"v1":{len(DATA)}'
    source.close()
    with pytest.raises(SourceError, match="let go"):
        source.read(0, 1)


def test_s21_what_stands_behind_the_question_mark_is_shown_and_kept_nowhere(site: Site) -> None:
    source = opened(site, SIGNED)
    assert site.asked[-1][0].endswith(SIGNED)
    site.trick = lambda handler: say(handler, 403)
    with pytest.raises(SourceError) as refused:
        source.read(0, 10)
    words = f"{source!r} {source.source_id} {source.path} {source.fingerprint()} {refused.value} {refused.value.hint}"
    assert "s3cr3t" not in words


def test_f104_a_file_that_changed_is_never_mixed(site: Site) -> None:
    source = opened(site)
    site.etag = '"v2"'
    with pytest.raises(SourceChangedError, match="another file"):
        source.read(0, 10)


def test_f104_without_a_strong_etag_nothing_of_an_earlier_process_is_built_upon(site: Site) -> None:
    site.etag = 'W/"v1"'
    assert opened(site).fingerprint() != opened(site).fingerprint()


def ranged(content_range: str, body: bytes) -> Callable[[BaseHTTPRequestHandler], bool]:
    return lambda handler: say(handler, 206, body, ETag='"v1"', Content_Range=content_range)


@pytest.mark.parametrize(
    ("trick", "error", "code"),
    [
        (lambda h: say(h, 200, DATA), RestrictionError, "Source.NoRange"),
        (ranged("bytes 0-0/*", b"x"), RestrictionError, "Source.NoRange"),
        (ranged("bytes 5-5/100", b"x"), SourceChangedError, "Source.Changed"),
        (lambda h: say(h, 416), RestrictionError, "EmptyFile"),
        (lambda h: say(h, 404), SourceNotFoundError, "Source.Missing"),
        (lambda h: say(h, 400), SourceError, "Source.Permission"),
        (lambda h: say(h, 403), SourceError, "Source.Permission"),
        (lambda h: say(h, 429), SourceError, "Source.Read"),
        (lambda h: say(h, 503), SourceError, "Source.Read"),
    ],
)
def test_f104_a_server_that_cannot_say_what_it_has_is_refused(site: Site, trick: Any, error: Any, code: str) -> None:
    site.trick = trick
    with pytest.raises(error) as refused:
        opened(site)
    assert refused.value.code == code
    assert refused.value.hint


def test_f104_other_bytes_than_were_asked_for_are_noticed(site: Site) -> None:
    source = opened(site)
    site.trick = ranged(f"bytes 0-9/{len(DATA) + 1}", b"0123456789")
    with pytest.raises(SourceChangedError, match="bytes now"):
        source.read(0, 10)


def test_f105_an_address_that_expires_midway_says_so(site: Site) -> None:
    source = opened(site)
    site.trick = lambda handler: say(handler, 403)
    with pytest.raises(SourceError, match="does not give it") as refused:
        source.read(0, 10)
    assert (refused.value.code, "expired" in refused.value.hint) == ("Source.Permission", True)


def test_f104_a_broken_line_is_tried_again_and_not_for_ever(site: Site) -> None:
    source = opened(site)
    left = 2

    def cut(handler: BaseHTTPRequestHandler) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            return False
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
        return True

    site.trick = cut
    assert source.read(0, 300) == DATA[:300]
    left = 99
    with pytest.raises(SourceError, match="broke"):
        source.read(0, 300)
    assert left == 96


def test_f104_a_drip_is_given_up(site: Site) -> None:
    now_s, step_s = 0.0, 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += step_s
        return now_s

    source = opened(site, now_s=clock)
    step_s = 100.0
    with pytest.raises(SourceError, match="TimeoutError"):
        source.read(0, 10)


@pytest.mark.parametrize("hops", [1, 3, 4])
def test_s21_redirects_are_few(site: Site, hops: int) -> None:
    def away(handler: BaseHTTPRequestHandler) -> bool:
        n = int(handler.path.partition("hop=")[2] or 0)
        return n < hops and say(handler, 302, Location=f"/clips/talk.mp4?hop={n + 1}")

    site.trick = away
    if hops > 3:
        with pytest.raises(SourceError, match="on and on"):
            opened(site)
    else:
        assert opened(site).read(0, 5) == DATA[:5]


@pytest.mark.usefixtures("names")
def test_f104_s21_a_redirect_into_a_private_network_is_refused(site: Site) -> None:
    site.trick = lambda handler: say(handler, 302, Location="https://169.254.169.254/latest/meta-data/")
    with pytest.raises(RestrictionError) as refused:
        opened(site)
    assert refused.value.code == "Source.Private"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "172.16.0.9", "169.254.169.254", "100.100.100.200"),
        *(
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "2130706433",
        ),
    ],
)
@pytest.mark.usefixtures("names")
def test_s21_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(RestrictionError) as refused:
        WebSource(f"https://{host}/a.mp4")
    assert refused.value.code == "Source.Private"


def test_s21_a_name_that_resolves_to_another_place_later_is_judged_again(site: Site, names: dict[str, str]) -> None:
    source = opened(site)
    names["127.0.0.1"] = "10.0.0.1"
    with pytest.raises(RestrictionError, match="public internet"):
        source.read(0, 5)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/a.mp4", "https://user:pw@example.com/a.mp4", "https:///a.mp4", "ftp://example.com/a.mp4"),
        *("https://example.com\\@evil/a.mp4", "https://exa mple.com/a", "https://example.com:99999/a", "", "a.mp4"),
        "https://example.com/" + "a" * 3000,
    ],
)
def test_s21_odd_addresses_are_refused_before_any_name_is_resolved(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: pytest.fail("resolved"))
    with pytest.raises(InvalidArgumentError) as refused:
        WebSource(url)
    assert refused.value.code == "Source.Scheme"
    assert "pw" not in str(refused.value)


def test_add_file_takes_an_address_where_it_takes_a_path(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOD_WIDGET_ENDPOINT", "http://127.0.0.1:1")
    assert isinstance(open_source(site.url), WebSource)
    assert open_source({"url": site.url}, "other.mp4").name == "other.mp4"
    monkeypatch.delenv("VOD_WIDGET_ENDPOINT")
    with pytest.raises(InvalidArgumentError, match="plain http"):
        open_source(site.url.replace("127.0.0.1", "example.com"))
