"""A file's name, kind, size and metadata are judged before anything is sent, with a text that says what to change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from vod_widget.errors import InvalidArgumentError, RestrictionError, VODError
from vod_widget.metadata import (
    IMAGE_MAX_BYTES,
    OBJECT_MAX_BYTES,
    SUPPORTED_EXTENSIONS,
    build_metadata,
    check_size,
    clean_name,
    media_type_of,
    parse_user_data,
)
from vod_widget.model import MediaType, UploadMetadata

SEED_SAMPLE = '{"Vod":{"Title":"test","CateId":"234"}"}'


def build(user_data: Any = None, *, media_type: MediaType = MediaType.VIDEO, **fields: Any) -> UploadMetadata:
    return build_metadata(file_name="talk.mp4", media_type=media_type, user_data=user_data, **fields)


def refused(act: Callable[[], Any], code: str) -> RestrictionError:
    with pytest.raises(RestrictionError) as caught:
        act()
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


# Kinds ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(MediaType))
def test_every_extension_of_the_vendor_is_known_in_any_case(kind: MediaType) -> None:
    for extension in SUPPORTED_EXTENSIONS[kind]:
        for name in (f"a.{extension}", f"A.{extension.upper()}", f"x.y.{extension}"):
            expected = MediaType.IMAGE if extension == "gif" else kind
            assert media_type_of(name) is expected
            assert media_type_of(name, kind) is kind


def test_the_table_is_frozen() -> None:
    with pytest.raises(TypeError):
        SUPPORTED_EXTENSIONS[MediaType.VIDEO] = frozenset()  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my_jpg.mp4", MediaType.VIDEO),
        ("xpng.mp3", MediaType.AUDIO),
        ("a.mp4.jpeg", MediaType.IMAGE),
        ("folder.mp4/a.png", MediaType.IMAGE),
        ("C:\\clips\\a.MOV", MediaType.VIDEO),
        ("日本.webm", MediaType.VIDEO),
    ],
)
def test_only_the_real_extension_counts(name: str, expected: MediaType) -> None:
    assert media_type_of(name) is expected


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("talk", "no extension"),
        (".mp4", "no extension"),
        ("a.mp4/b", "no extension"),
        ("talk.", "the extension"),
        ("talk.docx", ".docx"),
        ("xmp4", "no extension"),
        ("a.mp4 ", ".mp4 "),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(name: str, found: str) -> None:
    if name == "talk.":
        found = "no extension"
    error = refused(lambda: media_type_of(name), "Restriction.Extension")
    assert found in str(error)
    assert "mp4" in error.message
    assert "flac" in error.message
    assert error.file_name == clean_name(name)


def test_heic_says_why() -> None:
    for name in ("a.heic", "a.HEIF"):
        error = refused(lambda name=name: media_type_of(name), "Restriction.Extension")
        assert "Convert it to jpg" in error.hint
    refused(lambda: media_type_of("a.heic", "image"), "Restriction.Extension")


def test_an_override_must_fit_the_extension() -> None:
    assert media_type_of("a.mp4", "audio") is MediaType.AUDIO, "one call makes both"
    assert media_type_of("a.mp3", MediaType.VIDEO) is MediaType.VIDEO
    assert media_type_of("a.gif", "video") is MediaType.VIDEO
    for name, override in (("a.mp4", "image"), ("a.png", "video"), ("a.png", "audio")):
        refused(lambda name=name, override=override: media_type_of(name, override), "Restriction.Extension")
    with pytest.raises(InvalidArgumentError, match="video, audio, image"):
        media_type_of("a.mp4", "film")


# Sizes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_bytes", "kind", "code"),
    [
        (0, MediaType.VIDEO, "EmptyFile"),
        (0, MediaType.IMAGE, "EmptyFile"),
        (1, MediaType.VIDEO, None),
        (IMAGE_MAX_BYTES, MediaType.IMAGE, None),
        (IMAGE_MAX_BYTES + 1, MediaType.IMAGE, "Restriction.Size"),
        (IMAGE_MAX_BYTES + 1, MediaType.AUDIO, None),
        (OBJECT_MAX_BYTES, MediaType.VIDEO, None),
        (OBJECT_MAX_BYTES + 1, MediaType.VIDEO, "Restriction.Size"),
    ],
)
def test_sizes(size_bytes: int, kind: MediaType, code: str | None) -> None:
    if code is None:
        check_size(size_bytes, kind, "a.mp4")
        return
    error = refused(lambda: check_size(size_bytes, kind, "a.mp4"), code)
    assert str(size_bytes) in error.message
    assert error.file_name == "a.mp4"


def test_a_negative_size_is_the_callers_mistake() -> None:
    with pytest.raises(InvalidArgumentError):
        check_size(-1, MediaType.VIDEO, "a.mp4")


# User data ------------------------------------------------------------------------------------------------------------


def test_user_data_is_text_or_a_dict() -> None:
    assert parse_user_data('{"Vod":{}}') == {"Vod": {}}
    given = {"Vod": {"Title": "T", "UserData": {"Priority": "6"}}, "more": [1]}
    got = parse_user_data(given)
    assert got == given
    got["Vod"]["UserData"]["Priority"] = "7"
    assert given["Vod"]["UserData"]["Priority"] == "6", "a copy"
    assert parse_user_data(None) == {}
    assert parse_user_data({"Vod": {"UserData": '{"Priority":"6"}'}}) == {"Vod": {"UserData": {"Priority": "6"}}}
    assert parse_user_data({"Vod": {"UserData": ""}}) == {"Vod": {}}


def test_the_vendors_own_sample_is_explained() -> None:
    error = refused(lambda: parse_user_data(SEED_SAMPLE), "UserData.Json")
    assert "character 39" in error.message
    assert 'one " too many' in error.hint


@pytest.mark.parametrize("text", ["", "{", "Vod", '{"Vod":NaN}', '{"Vod":{"a":Infinity}}', "[" * 100_000, "\ufeff{}"])
def test_what_is_not_json_is_refused(text: str) -> None:
    refused(lambda: parse_user_data(text), "UserData.Json")


@pytest.mark.parametrize("value", [{"Vod": {1, 2}}, {"Vod": {"a": b"x"}}, {"Vod": {"a": float("nan")}}])
def test_what_json_cannot_express_is_refused(value: Any) -> None:
    refused(lambda: parse_user_data(value), "UserData.Json")


@pytest.mark.parametrize(
    "value", ["[]", "1", "null", '"Vod"', "{}", {"vod": {}}, {"Vod": []}, {"Vod": None}, {"Vod": "x"}, []]
)
def test_the_key_vod_is_needed(value: Any) -> None:
    refused(lambda: parse_user_data(value), "UserData.Vod")


def test_the_switches_must_be_an_object() -> None:
    refused(lambda: parse_user_data({"Vod": {"UserData": [1]}}), "UserData.Vod")
    refused(lambda: parse_user_data({"Vod": {"UserData": "{"}}), "UserData.Json")


@pytest.mark.parametrize(
    ("vod", "meant"),
    [
        ({"title": "x"}, "Title"),
        ({"cate_id": 1}, "CateId"),
        ({"CateID": 1}, "CateId"),
        ({"coverUrL": "x"}, "CoverURL"),
        ({"userdata": {}}, "UserData"),
        ({"UserData": {"IsShowWatermark": "false"}}, "IsShowWaterMark"),
        ({"UserData": {"priority": "6"}}, "Priority"),
        ({"UserData": {"MessageCallback": {"CallbackUrl": "https://a.b"}}}, "CallbackURL"),
    ],
)
def test_a_key_that_is_nearly_right_is_refused_with_the_right_one(vod: dict[str, Any], meant: str) -> None:
    error = refused(lambda: build({"Vod": vod}), "UserData.Key")
    assert f"{meant!r}" in error.hint


def test_other_keys_pass_to_the_notification() -> None:
    data = {"Vod": {"TransCodeMode": "FastTranscode", "Mine": {"x": [1, None]}, "UserData": {"Other": 1}}, "Top": "y"}
    got = build(data)
    assert json.loads(got.notification or "") == data
    assert got.api_user_data is None


# Fields ---------------------------------------------------------------------------------------------------------------


def test_without_anything_the_title_is_the_name_and_nothing_else_is_sent() -> None:
    assert build() == UploadMetadata(title="talk.mp4")


def test_user_data_fills_every_field() -> None:
    vod = {
        "Title": "T",
        "Description": "D",
        "CateId": "234",
        "Tags": "a, b,,a",
        "CoverURL": "https://example.com/c.jpg",
        "TemplateGroupId": "tg",
        "WorkflowId": "wf",
        "StorageLocation": "out-1.oss-cn-shanghai.aliyuncs.com",
        "AppId": "app-1000000",
        "ImageType": "cover",
    }
    got = build({"Vod": vod}, media_type=MediaType.IMAGE)
    assert got == UploadMetadata(
        title="T",
        description="D",
        tags=("a", "b"),
        cate_id=234,
        cover_url="https://example.com/c.jpg",
        template_group_id="tg",
        workflow_id="wf",
        storage_location="out-1.oss-cn-shanghai.aliyuncs.com",
        app_id="app-1000000",
        image_type="cover",
        notification=json.dumps({"Vod": vod}, separators=(",", ":")),
    )


def test_keywords_win_and_the_notification_says_the_same() -> None:
    got = build(
        '{"Vod":{"Title":"old","Tags":"x","CateId":"1","CoverUrl":"https://old"}}',
        title="new",
        tags=iter(["a", "b"]),
        cate_id=2.0,
        cover_url="https://new",
        description="only here",
    )
    assert (got.title, got.tags, got.cate_id, got.cover_url) == ("new", ("a", "b"), 2, "https://new")
    assert json.loads(got.notification or "") == {
        "Vod": {"Title": "new", "Tags": "a,b", "CateId": 2, "CoverUrl": "https://new"}
    }
    assert got.description == "only here"


def test_the_api_and_the_notification_get_each_their_own() -> None:
    got = build(show_watermark=False, priority=6, message_callback="https://cb.example.com/x", extend={"k": "v"})
    assert json.loads(got.notification or "") == {"Vod": {"UserData": {"IsShowWaterMark": "false", "Priority": "6"}}}
    assert json.loads(got.api_user_data or "") == {
        "MessageCallback": {"CallbackURL": "https://cb.example.com/x", "CallbackType": "http"},
        "Extend": {"k": "v"},
    }
    assert build(extend="x").notification is None
    assert build(message_callback="https://a.b").notification is None


def test_switches_of_user_data_reach_the_api_too() -> None:
    switches = {
        "IsShowWaterMark": False,
        "Priority": 7,
        "Extend": [1],
        "AccelerateConfig": {"Type": "oss", "Domain": "https://oss-accelerate.aliyuncs.com"},
    }
    got = build({"Vod": {"UserData": switches}}, show_watermark=True)
    assert json.loads(got.notification or "")["Vod"]["UserData"] == {
        **switches,
        "IsShowWaterMark": "true",
        "Priority": "7",
    }
    assert json.loads(got.api_user_data or "") == {k: switches[k] for k in ("Extend", "AccelerateConfig")}


def test_empty_user_data_is_still_user_data() -> None:
    assert build('{"Vod":{}}').notification == '{"Vod":{}}'


@pytest.mark.parametrize(
    ("fields", "limit", "actual"),
    [
        ({"title": "x" * 129}, "128", "129"),
        ({"title": "汉" * 43}, "128", "129"),
        ({"description": "x" * 1025}, "1024", "1025"),
        ({"tags": ["x" * 33]}, "32", "33"),
        ({"tags": "ok," + "汉" * 11}, "32", "33"),
        ({"extend": "x" * 511}, "512", "513"),
        ({"cover_url": "https://x.y/" + "a" * 1013}, "1024", "1025"),
    ],
)
def test_a_limit_is_named_with_the_actual_size(fields: dict[str, Any], limit: str, actual: str) -> None:
    error = refused(lambda: build(**fields), "LengthExceededMax")
    assert limit in error.message
    assert actual in error.message
    assert error.file_name == "talk.mp4"


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "x" * 128},
        {"title": "汉" * 42},
        {"description": "x" * 1024},
        {"tags": ["x" * 31 + str(n % 10) for n in range(10)] + [f"t{n}" for n in range(6)]},
        {"extend": "x" * 510},
    ],
)
def test_exactly_the_limit_is_fine(fields: dict[str, Any]) -> None:
    got = build(**fields)
    assert got.title == fields.get("title", "talk.mp4")
    assert len(got.tags) in (0, 16)


def test_seventeen_tags_are_one_too_many() -> None:
    error = refused(lambda: build(tags=[f"t{n}" for n in range(17)]), "TagsExceededMax")
    assert "17" in error.message
    assert "16" in error.message
    assert "1 out" in error.hint
    assert len(build(tags=["same"] * 17).tags) == 1


@pytest.mark.parametrize("field", ["title", "description", "tags"])
@pytest.mark.parametrize("bad", ["\U0001f600", "\U00020000", "\u2b50", "❤\ufe0f", "\x00", "\x7f", "\ud800"])
def test_characters_that_vod_refuses_are_refused_here(field: str, bad: str) -> None:
    error = refused(lambda: build(**{field: f"a{bad}"}), "IllegalCharacters")
    str(error).encode("utf-8", "surrogatepass")


def test_usual_text_is_fine() -> None:
    assert build(title="日本 – “Ärger” (2) ©™").title == "日本 – “Ärger” (2) ©™"
    assert build(description="two\nlines\tand").description == "two\nlines\tand"
    assert build(description="").description is None
    assert build(tags="").tags == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "  "},
        {"title": 5},
        {"description": 5},
        {"tags": 5},
        {"tags": {"a": 1}},
        {"tags": [5]},
        {"tags": ["a,b"]},
        {"cate_id": "x"},
        {"cate_id": 1.5},
        {"cate_id": True},
        {"cate_id": float("nan")},
        {"cate_id": 2**63},
        {"cate_id": [1]},
        {"template_group_id": "a b"},
        {"workflow_id": 5},
        {"storage_location": "a\nb"},
        {"app_id": "x" * 129},
        {"cover_url": "ftp://a/b"},
        {"cover_url": "https://"},
        {"cover_url": "https://a b"},
        {"cover_url": "https://[x"},
        {"cover_url": 5},
        {"priority": "high"},
        {"priority": 1000},
        {"priority": -1},
        {"show_watermark": 1},
        {"show_watermark": "no"},
        {"message_callback": "cb.example.com"},
        {"message_callback": {"CallbackType": "http"}},
        {"message_callback": {"CallbackURL": "https://a", "CallbackType": "mns"}},
        {"message_callback": 5},
    ],
)
def test_values_of_another_kind_are_refused(fields: dict[str, Any]) -> None:
    error = refused(lambda: build(**fields), "Restriction.Field")
    assert len(str(error)) < 300


def test_image_type_matters_for_images_only() -> None:
    refused(lambda: build(image_type="logo", media_type=MediaType.IMAGE), "Restriction.Field")
    assert build(image_type="cover", media_type=MediaType.IMAGE).image_type == "cover"
    assert build(media_type=MediaType.IMAGE).image_type == "default"


@pytest.mark.parametrize("value", [234, "234", " 234 ", 234.0, "-1", -1])
def test_whole_numbers_come_in_many_forms(value: Any) -> None:
    assert build(cate_id=value).cate_id == int(float(value))


def test_numbers_of_other_libraries_count() -> None:
    class Int64:
        def __index__(self) -> int:
            return 234

    assert build({"Vod": {"CateId": 1}}, cate_id=Int64()).cate_id == 234
    assert build(priority=Int64()).notification == '{"Vod":{"UserData":{"Priority":"234"}}}'


def test_an_extend_that_is_no_json_is_refused() -> None:
    refused(lambda: build(extend={1, 2}), "UserData.Json")


def test_user_data_must_fit_into_a_header() -> None:
    error = refused(lambda: build({"Vod": {"Mine": "x" * 6000}}), "UserData.Size")
    assert "6000" in error.message
    refused(lambda: build({"Vod": {"Mine": "\ud800"}}), "IllegalCharacters")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("/clips/talk.mp4", "talk.mp4"),
        ("x" * 200 + ".mp4", "x" * 124 + ".mp4"),
        ("汉" * 60 + ".mp4", "汉" * 41 + ".mp4"),
        ("party\U0001f600.mp4", "party.mp4"),
        ("\U0001f600", "file"),
        ("a\u202e4pm.exe.mp4", "a4pm.exe.mp4"),
    ],
)
def test_a_title_that_nobody_chose_is_made_to_fit(name: str, title: str) -> None:
    assert build_metadata(file_name=name, media_type=MediaType.VIDEO).title == title


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("talk.mp4", "talk.mp4"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\a.mp4", "a.mp4"),
        ("C:\\clips\\a.mp4", "a.mp4"),
        ("C:a.mp4", "a.mp4"),
        ("\\\\server\\share\\a.mp4", "a.mp4"),
        ("//server/share/a.mp4", "a.mp4"),
        ("a.mp4/", "a.mp4"),
        ("a\0.mp4", "a.mp4"),
        ("a\r\nb\t.mp4", "ab.mp4"),
        ("\u202egpm.4pm", "gpm.4pm"),
        ("\u2066a\u2069\u200f.mp4", "a.mp4"),
        ("\ufeffa.mp4", "a.mp4"),
        ("e\u0301.mp4", "é.mp4"),
        ("\ud800a.mp4", "_a.mp4"),
        ("CON", "_CON"),
        ("nul.mp4", "_nul.mp4"),
        ("Com1.tar.gz", "_Com1.tar.gz"),
        (" C: nul .mp4", "nul .mp4"),
        ("console.mp4", "console.mp4"),
        (" a.mp4. . ", "a.mp4"),
        ("", "file"),
        ("..", "file"),
        ("/", "file"),
        ("...", "file"),
        ("10:30 talk.mp4", "10:30 talk.mp4"),
        ("<img src=x onerror=alert(1)>.mp4", "<img src=x onerror=alert(1)>.mp4"),
        ("x" * 300 + ".mp4", "x" * 251 + ".mp4"),
        ("x" * 300, "x" * 255),
        ("a." + "x" * 300, "a." + "x" * 253),
        ("日" * 100 + ".mp4", "日" * 83 + ".mp4"),
    ],
)
def test_s20_names_are_cleaned(name: str, expected: str) -> None:
    assert clean_name(name) == expected
    assert clean_name(expected) == expected


def test_every_restriction_says_what_where_and_what_to_do() -> None:
    for act in (lambda: build(title="x" * 200), lambda: build(SEED_SAMPLE), lambda: media_type_of("a.txt")):
        with pytest.raises(VODError) as caught:
            act()
        text = str(caught.value)
        assert text.startswith((caught.value.file_name or "?") + ": ")
        assert text.endswith(caught.value.hint)
