"""Whatever is put in, names stay harmless, metadata stays within the limits, and only our errors come out."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vod_widget.addresses import check_endpoint, is_loopback_url
from vod_widget.errors import EndpointRefusedError, RestrictionError
from vod_widget.metadata import build_metadata, clean_name
from vod_widget.model import MediaType

pytestmark = pytest.mark.slow

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=400)
NASTY = st.text(
    st.sampled_from('aC:/\\. \0\n\u202e\u2066\u200f\ufeff\ud800é\u0301\u3000"<汉\U0001f600nulcom1.'), max_size=30
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["Title", "Description", "Tags", "CateId", "CoverURL", "AppId", "UserData", "title", "Mine"])


@given(ANY_TEXT | NASTY)
@example("\u3000.\u3000.")
@example("C:" * 50 + "nul")
def test_s20_a_clean_name_is_harmless_and_stays_as_it_is(name: str) -> None:
    got = clean_name(name)
    assert got
    assert len(got.encode()) <= 255
    assert not re.search("[\x00-\x1f\x7f-\x9f/\\\\\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]", got)
    assert got not in (".", "..")
    assert got == unicodedata.normalize("NFC", got)
    assert not re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|\Z)", got)
    assert clean_name(got) == got


@given(
    file_name=ANY_TEXT | NASTY,
    user_data=st.none() | ANY_TEXT | st.fixed_dictionaries({"Vod": st.dictionaries(KEYS, JSON, max_size=4)}),
    title=st.none() | ANY_TEXT,
    tags=st.none() | ANY_TEXT | st.lists(ANY_TEXT, max_size=20),
    extend=JSON,
)
def test_s25_metadata_is_within_the_limits_or_refused(
    file_name: str, user_data: object, title: str | None, tags: object, extend: object
) -> None:
    try:
        got = build_metadata(
            file_name=file_name, media_type=MediaType.VIDEO, user_data=user_data, title=title, tags=tags, extend=extend
        )
    except RestrictionError as error:
        assert error.code != "Restriction"
        assert error.file_name == clean_name(file_name)
        return
    assert 1 <= len(got.title.encode()) <= 128
    assert len((got.description or "").encode()) <= 1024
    assert len(got.tags) <= 16
    assert all(1 <= len(tag.encode()) <= 32 and "," not in tag for tag in got.tags)
    for text in (got.title, got.description or "", *got.tags):
        assert all(ord(char) < 0x10000 for char in text)
    if got.api_user_data is not None:
        kept = json.loads(got.api_user_data)["Extend"]
        assert len(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()) <= 512
        got.api_user_data.encode()
    assert (got.notification is None) == (user_data is None)
    if got.notification is not None:
        assert isinstance(json.loads(got.notification)["Vod"], dict)
        got.notification.encode()


@given(st.text(max_size=60) | st.from_regex(r"(https?://)?[a-z0-9.@:\\/\[\]-]{1,40}\.aliyuncs\.com.{0,10}"))
def test_s11_an_endpoint_that_passes_is_https_to_the_vendor(endpoint: str) -> None:
    assert is_loopback_url(endpoint) in (True, False)
    try:
        got = check_endpoint(endpoint, loopback_allowed=False)
    except EndpointRefusedError:
        return
    assert re.fullmatch(r"https://oss-[a-z0-9-]+\.aliyuncs\.com", got)
    assert check_endpoint(got, loopback_allowed=False) == got
