"""The panel's intents: metadata, cover, picture, play, categories; and the order of the list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.widget.fakes import Rig
from vod_widget.model import MediaType, UploadState
from vod_widget.widget.policy import Policy

STEER = {"template_group_id": "", "workflow_id": ""}
SAID = {"title": "T", "description": "", "tags": [], "cate_id": None, **STEER, "cover": None}


def with_a_file(root: Path, policy: Policy | None = None, **fields: Any) -> tuple[Rig, str]:
    rig = Rig(policy=policy, root=root)
    return rig, rig.uploader.add_many(1, **fields)[0]


# ---- several files ----------------------------------------------------------------------------------

KEEP: dict[str, Any] = {
    "description": None,
    "tags": None,
    "cate_id": None,
    "template_group_id": None,
    "workflow_id": None,
}


def test_several_files_change_in_what_is_said_alone_and_each_refusal_names_its_file(tmp_path: Path) -> None:
    rig = Rig(root=tmp_path)
    ids = rig.uploader.add_many(3)
    rig.uploader.put(ids[1], state=UploadState.UPLOADING)
    data = rig.data("edit_files", file_ids=ids, **{**KEEP, "tags": ["a", "b"], "cate_id": 7})
    assert data["changed"] == 2
    assert [(one["code"], one["name"]) for one in data["refused"]] == [
        ("InvalidState", rig.uploader.list_files()[1].name)
    ]
    said = [call[2] for call in rig.uploader.calls if call[0] == "update_metadata"]
    assert said[0] == {"tags": ["a", "b"], "cate_id": 7}


def test_a_page_for_strangers_edits_its_own_files_and_steers_no_processing(tmp_path: Path) -> None:
    rig = Rig(policy=Policy.public(), root=tmp_path)
    token = rig.hello()["token"]
    offer = {"client_id": "c", "name": "mine.mp4", "size_bytes": 5, "last_modified_ms": 1, "type": "video/mp4"}
    mine = rig.data("offer_files", files=[offer], token=token)["added"][0]["file_id"]
    theirs = rig.uploader.add_many(1)[0]
    edit = {"file_ids": [mine, theirs], "token": token, **KEEP}
    assert rig.data("edit_files", **{**edit, "tags": ["a"]}) == {"changed": 1, "refused": []}
    assert rig.code("edit_files", **{**edit, "workflow_id": "w"}) == "Policy"


def test_an_empty_title_is_the_name_of_the_file_again(tmp_path: Path) -> None:
    rig, file_id = with_a_file(tmp_path)
    for title, said in (("Keynote", "Keynote"), ("", None), (" \t", None), (" two words ", " two words ")):
        rig.data("set_metadata", file_id=file_id, **{**SAID, "title": title})
        assert rig.uploader.calls[-1][2]["title"] == said


# ---- cover ------------------------------------------------------------------------------------------


def test_a_cover_is_a_file_of_the_kernel_an_address_or_taken_away(tmp_path: Path) -> None:
    (tmp_path / "poster.jpg").write_bytes(b"jpeg")
    rig, file_id = with_a_file(tmp_path)
    assert rig.data("set_metadata", file_id=file_id, **{**SAID, "cover": "poster.jpg"})["cover"] == "poster.jpg"
    assert rig.uploader.calls[-1][2]["cover"].size_bytes == 4
    rig.data("set_metadata", file_id=file_id, **{**SAID, "cover": "https://img.example/a.jpg"})
    assert (rig.uploader.calls[-1][2]["cover"], rig.uploader.calls[-1][2]["cover_url"]) == (
        None,
        "https://img.example/a.jpg",
    )
    rig.data("set_metadata", file_id=file_id, **{**SAID, "cover": ""})
    assert rig.uploader.calls[-1][2]["cover"] is None
    rig.data("set_metadata", file_id=file_id, **SAID)
    assert "cover" not in rig.uploader.calls[-1][2]


@pytest.mark.parametrize(("path", "code"), [("../outside.jpg", "Source.Outside"), ("none.jpg", "Source.Missing")])
def test_a_cover_outside_the_root_or_missing_changes_nothing(tmp_path: Path, path: str, code: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside.jpg").write_bytes(b"x")
    rig, file_id = with_a_file(tmp_path / "root")
    assert rig.code("set_metadata", file_id=file_id, **{**SAID, "cover": path}) == code
    assert not [call for call in rig.uploader.calls if call[0] == "update_metadata"]


def test_a_picture_of_the_page_becomes_the_cover(tmp_path: Path) -> None:
    rig, file_id = with_a_file(tmp_path)
    assert rig.data("set_cover", [b"jpeg bytes"], file_id=file_id, name="frame.jpg") == {"cover": "frame.jpg"}
    cover = rig.uploader.calls[-1][2]["cover"]
    assert bytes(cover.read(0, cover.size_bytes)) == b"jpeg bytes"
    assert rig.data("detail", file_id=file_id)["cover"] == "frame.jpg"
    assert rig.code("set_cover", [b""], file_id=file_id, name="frame.jpg") == "EmptyFile"
    assert rig.code("set_cover", [bytes(5 << 20)], file_id=file_id, name="frame.jpg") == "Message"
    rig.uploader.put(file_id, state=UploadState.UPLOADING)
    assert rig.code("set_cover", [b"late"], file_id=file_id, name="frame.jpg") == "InvalidState"


@pytest.mark.parametrize(
    "change",
    [{"workflow_id": "w"}, {"template_group_id": "t"}, {"cover": "/etc/hostname"}, {"cover": "https://a/b.jpg"}],
)
def test_a_page_for_strangers_may_not_steer_the_cloud_nor_name_a_cover(tmp_path: Path, change: dict[str, str]) -> None:
    rig = Rig(policy=Policy.public(), root=tmp_path)
    token = rig.hello()["token"]
    offer = {"client_id": "c", "name": "a.mp4", "size_bytes": 5, "last_modified_ms": 1, "type": ""}
    [added] = rig.data("offer_files", files=[offer], token=token)["added"]
    mine = {"file_id": added["file_id"], "token": token}
    assert rig.code("set_metadata", **mine, **{**SAID, **change}) == "Policy"
    assert rig.data("set_metadata", **mine, **SAID)["row"]["title"] == "T"


# ---- picture, play, categories ----------------------------------------------------------------------


def test_a_small_image_of_the_kernel_is_shown_and_nothing_else(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")
    rig, file_id = with_a_file(tmp_path, media_type=MediaType.IMAGE, path=str(picture))
    rig.uploader.infos[file_id].size_bytes = 3
    assert rig.data("thumbnail", file_id=file_id) == {"size_bytes": 3}
    assert rig.screen.buffers[-1] == [b"png"]
    for change in ({"media_type": MediaType.VIDEO}, {"source": "memory"}, {"size_bytes": 600_000}):
        [other] = rig.uploader.add_many(
            1,
            **{
                "media_type": MediaType.IMAGE,
                "path": str(picture),
                **{k: v for k, v in change.items() if k != "size_bytes"},
            },
        )
        rig.uploader.infos[other].size_bytes = change.get("size_bytes", 3)
        assert rig.code("thumbnail", file_id=other) == "Picture"
    picture.write_bytes(b"x" * 600_000)
    assert rig.code("thumbnail", file_id=file_id) == "Picture", "it has grown meanwhile"
    picture.unlink()
    picture.symlink_to("/etc/hostname")
    assert rig.code("thumbnail", file_id=file_id) == "Source.Outside"


def test_play_asks_for_the_file_s_own_video_and_takes_no_id(tmp_path: Path) -> None:
    rig, file_id = with_a_file(tmp_path, video_id="v1")
    assert rig.data("play", file_id=file_id) == {"url": "https://cdn.example/v1.mp4"}
    assert rig.code("play", file_id=file_id, video_id="v2") == "Message"
    assert rig.code("play", file_id="f999999") == "NotFound"


def test_a_row_says_what_can_be_seen(tmp_path: Path) -> None:
    rig, file_id = with_a_file(tmp_path, video_id="v1")
    row = rig.data("detail", file_id=file_id)["row"]
    assert (row["can_play"], row["view_url"]) == (False, "")
    rig.uploader.put(file_id, state=UploadState.SUCCESS)
    assert rig.data("detail", file_id=file_id)["row"]["can_play"] is True
    [image] = rig.uploader.add_many(1, image_id="i", image_url="javascript:alert(1)", state=UploadState.SUCCESS)
    assert rig.data("detail", file_id=image)["row"]["view_url"] == ""
    rig.uploader.infos[image].image_url = "https://img.example/i.png"
    assert rig.data("detail", file_id=image)["row"]["view_url"] == "https://img.example/i.png"


def test_categories_are_named_by_their_path(rig: Rig) -> None:
    assert rig.data("list_categories") == {"categories": [{"cate_id": 7, "path": "Events / 2026"}]}


# ---- order ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moved", "where", "order", "changed"),
    [
        ("d", "first", "dabc", 1),
        ("bd", "first", "bdac", 2),
        ("a", "last", "bcda", 1),
        ("ac", "last", "bdac", 2),
        ("bc", "up", "bcad", 2),
        ("ab", "up", "abcd", 0),
        ("ac", "up", "acbd", 1),
        ("bc", "down", "adbc", 2),
        ("cd", "down", "abcd", 0),
        ("abcd", "first", "abcd", 0),
    ],
)
def test_files_are_moved_together_and_keep_their_order(
    rig: Rig, moved: str, where: str, order: str, changed: int
) -> None:
    ids = dict(zip("abcd", rig.uploader.add_many(4), strict=True))
    assert rig.data("move", file_ids=[ids[name] for name in moved], where=where) == {"changed": changed}
    assert [info.file_id for info in rig.uploader.list_files()] == [ids[name] for name in order]


@pytest.mark.parametrize(
    ("moved", "before", "order", "changed"),
    [
        ("d", "b", "adbc", 1),
        ("a", "d", "bcad", 1),
        ("ad", "c", "badc", 2),
        ("bd", "b", "abdc", 1),
        ("bc", "c", "abcd", 0),
        ("ab", "", "cdab", 2),
        ("d", "", "abcd", 0),
        ("abcd", "a", "abcd", 0),
        ("a", "nobody", "abcd", 0),
    ],
)
def test_files_are_put_before_another_one(rig: Rig, moved: str, before: str, order: str, changed: int) -> None:
    ids = dict(zip("abcd", rig.uploader.add_many(4), strict=True))
    said = rig.data("place", file_ids=[ids[name] for name in moved], before=ids.get(before, before))
    assert [info.file_id for info in rig.uploader.list_files()] == [ids[name] for name in order]
    assert said == {"changed": changed}


def test_a_moved_file_is_shown_at_its_new_place(rig: Rig) -> None:
    ids = rig.uploader.add_many(3)
    rig.hello()
    rig.run(0.5)
    rig.data("move", file_ids=[ids[2]], where="first")
    rig.run(0.5)
    assert [row["file_id"] for row in rig.screen.of("snapshot")[-1]["rows"]] == [ids[2], ids[0], ids[1]]


def view(rig: Rig, **keys: Any) -> list[str]:
    rig.data(
        "view", **{"first": 0, "count": 50, "filter": "all", "search": "", "sort": "queue", "descending": False, **keys}
    )
    rig.run(0.3)
    return [row["name"] for row in rig.screen.of("snapshot")[-1]["rows"]]


def test_the_list_is_sorted_in_the_kernel_by_name_size_or_state(rig: Rig) -> None:
    sizes = {"clip-10.mp4": 5, "Clip-9.mp4": 7, "a.mp4": 6}
    for name, size_bytes in sizes.items():
        rig.uploader._add(name, size_bytes)
    rig.hello()
    assert view(rig) == ["clip-10.mp4", "Clip-9.mp4", "a.mp4"]
    assert view(rig, descending=True) == ["a.mp4", "Clip-9.mp4", "clip-10.mp4"]
    assert view(rig, sort="name") == ["a.mp4", "Clip-9.mp4", "clip-10.mp4"]
    assert view(rig, sort="name", search="clip", descending=True) == ["clip-10.mp4", "Clip-9.mp4"]
    assert view(rig, sort="size") == ["clip-10.mp4", "a.mp4", "Clip-9.mp4"]
    assert view(rig, sort="size", descending=True) == ["Clip-9.mp4", "a.mp4", "clip-10.mp4"]
    last = list(rig.uploader.infos)[2]
    assert view(rig, sort="state") == ["clip-10.mp4", "Clip-9.mp4", "a.mp4"]
    rig.uploader.put(last, state=UploadState.UPLOADING)
    rig.run(0.5)
    assert [row["name"] for row in rig.screen.of("snapshot")[-1]["rows"]] == ["a.mp4", "clip-10.mp4", "Clip-9.mp4"]
