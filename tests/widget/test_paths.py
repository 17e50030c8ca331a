"""The kernel's files, as far as the roots reach."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.widget.fakes import FakeClock, Rig
from vod_widget.errors import InvalidArgumentError, RestrictionError, SourceNotFoundError, VODError
from vod_widget.widget import paths
from vod_widget.widget.paths import KernelFiles


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """root/{a.mp4,b.MOV,empty.mp4,notes.txt,.hidden.mp4,sub/c.mp4,sub/.git/x.mp4} and outside/secret.mp4"""
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "sub" / ".git", outside):
        folder.mkdir(parents=True)
    for name in ("a.mp4", "b.MOV", "notes.txt", ".hidden.mp4", "sub/c.mp4", "sub/.git/x.mp4"):
        (root / name).write_bytes(b"x")
    (root / "empty.mp4").write_bytes(b"")
    (outside / "secret.mp4").write_bytes(b"x")
    return root


@pytest.fixture
def files(tree: Path) -> KernelFiles:
    return KernelFiles(tree, FakeClock())


def names(paths: list[str]) -> list[str]:
    return [Path(path).name for path in paths]


def test_a_folder_is_listed_folders_first_without_hidden_ones(files: KernelFiles, tree: Path) -> None:
    listing = files.list_dir("")
    assert listing["path"] == str(tree)
    assert listing["parent"] is None
    assert [e["name"] for e in listing["entries"]] == ["sub", "a.mp4", "b.MOV", "empty.mp4", "notes.txt"]
    by_name = {e["name"]: e for e in listing["entries"]}
    assert by_name["a.mp4"] == {
        "name": "a.mp4",
        "path": str(tree / "a.mp4"),
        "is_dir": False,
        "size_bytes": 1,
        "media_type": "video",
        "refused": None,
    }
    assert by_name["sub"]["is_dir"]
    assert by_name["empty.mp4"]["refused"] == "EmptyFile"
    assert by_name["notes.txt"]["refused"] == "Restriction.Extension"
    json.dumps(listing)


def test_a_file_that_may_not_be_read_cannot_be_chosen(
    files: KernelFiles, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may read everything, so the system's answer is played.
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != "a.mp4")
    by_name = {entry["name"]: entry["refused"] for entry in files.list_dir("")["entries"]}
    assert (by_name["a.mp4"], by_name["b.MOV"]) == ("Source.Permission", None)


def test_a_folder_inside_has_its_parent(files: KernelFiles, tree: Path) -> None:
    assert files.list_dir("sub")["parent"] == str(tree)
    assert files.list_dir(str(tree / "sub"))["path"] == str(tree / "sub")


TRAVERSALS = ["..", "../outside", "sub/../../outside", "/", "/etc", "~", "~root", "./..//outside", "sub/../.."]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_s19_nothing_outside_is_listed(files: KernelFiles, path: str) -> None:
    with pytest.raises(VODError) as caught:
        files.list_dir(path)
    assert caught.value.code in ("Source.Outside", "Source.Missing")


@pytest.mark.parametrize("path", ["../outside/secret.mp4", "../outside", "../outside/*.mp4", "../*/secret.mp4", "/**"])
def test_s19_nothing_outside_is_added(files: KernelFiles, path: str) -> None:
    with pytest.raises(RestrictionError) as caught:
        files.expand(path, max_files=10)
    assert caught.value.code == "Source.Outside"


def test_whether_something_outside_exists_is_not_told(files: KernelFiles) -> None:
    texts = set()
    for path in ("../outside/secret.mp4", "../outside/no-such.mp4"):
        with pytest.raises(VODError) as caught:
            files.expand(path, max_files=10)
        texts.add((caught.value.code, caught.value.message))
    assert len(texts) == 1
    assert files.complete_path("../outside/s") == []


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_s19_links_do_not_lead_out(files: KernelFiles, tree: Path) -> None:
    (tree / "link.mp4").symlink_to(tree.parent / "outside" / "secret.mp4")
    (tree / "linked").symlink_to(tree.parent / "outside")
    by_name = {e["name"]: e for e in files.list_dir("")["entries"]}
    assert by_name["link.mp4"]["refused"] == "Source.Outside"
    assert by_name["linked"]["refused"] == "Source.Outside"
    for path in ("link.mp4", "linked", "linked/secret.mp4", "linked/*.mp4"):
        with pytest.raises(VODError):
            files.expand(path, max_files=10)
    assert "secret.mp4" not in names(files.expand("**/*.mp4", max_files=10))
    assert "secret.mp4" not in names(files.expand(".", max_files=10))
    assert files.complete_path("linked/") == []


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_s19_a_file_that_is_swapped_for_a_link_before_it_is_opened_is_refused(files: KernelFiles, tree: Path) -> None:
    [real] = files.expand("a.mp4", max_files=1)
    (tree / "a.mp4").unlink()
    (tree / "a.mp4").symlink_to(tree.parent / "outside" / "secret.mp4")
    with pytest.raises(VODError):
        files.open(real)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_only_regular_files_come_out(files: KernelFiles, tree: Path) -> None:
    os.mkfifo(tree / "pipe.mp4")
    with pytest.raises(SourceNotFoundError) as caught:
        files.expand("pipe.mp4", max_files=1)
    assert caught.value.code == "Source.NotAFile"
    left_out: list[SourceNotFoundError] = []
    assert "pipe.mp4" not in names(files.expand(".", max_files=10, refused=left_out))
    assert [(e.file_name, e.code) for e in left_out] == [("pipe.mp4", "Source.NotAFile")]
    assert {e["name"]: e["refused"] for e in files.list_dir("")["entries"]}["pipe.mp4"] == "Source.NotAFile"


def test_folders_and_globs_give_media_files_without_hidden_ones(files: KernelFiles) -> None:
    assert names(files.expand("", max_files=10)) == ["a.mp4", "b.MOV", "empty.mp4", "c.mp4"]
    assert names(files.expand("*.mp4", max_files=10)) == ["a.mp4", "empty.mp4"]
    assert names(files.expand("**/c.*", max_files=10)) == ["c.mp4"]
    assert names(files.expand("sub", max_files=10)) == ["c.mp4"]


def test_a_file_that_was_named_is_returned_whatever_its_kind(files: KernelFiles) -> None:
    assert names(files.expand("notes.txt", max_files=10)) == ["notes.txt"]


def test_a_name_with_marks_is_taken_as_it_is(files: KernelFiles, tree: Path) -> None:
    (tree / "[1].mp4").write_bytes(b"x")
    assert names(files.expand("[1].mp4", max_files=10)) == ["[1].mp4"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("no-such.mp4", "Source.Missing"),
        ("*.xyz", "Path.NoMatch"),
        ("sub/*.mov", "Path.NoMatch"),
        ("bare", "Source.NoMedia"),
        ("~no-such-user/a.mp4", "Source.Missing"),
    ],
)
def test_nothing_found_is_said(files: KernelFiles, tree: Path, path: str, code: str) -> None:
    (tree / "bare").mkdir()
    (tree / "bare" / "notes.txt").write_bytes(b"x")
    with pytest.raises(SourceNotFoundError) as caught:
        files.expand(path, max_files=10)
    assert caught.value.code == code


def test_an_unknown_user_is_named_where_everything_may_be_seen() -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        KernelFiles(None, FakeClock()).expand("~no-such-user/a.mp4", max_files=1)
    assert caught.value.code == "Path.NoUser"


def test_a_file_is_not_listed_as_a_folder(files: KernelFiles) -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        files.list_dir("a.mp4")
    assert caught.value.code == "Path.NotAFolder"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_a_folder_holds_and_cannot_be_sent_is_named(tree: Path) -> None:
    os.mkfifo(tree / "sub" / "pipe.mp4")
    (tree / "sub" / "gone.mp4").symlink_to(tree / "no-such.mp4")
    (tree / "sub" / "notes.txt").write_bytes(b"x")
    data = Rig(root=tree).data("add_paths", paths=["sub"])
    assert [a["name"] for a in data["added"]] == ["c.mp4"]
    assert {(r["name"], r["code"]) for r in data["refused"]} == {
        ("pipe.mp4", "Source.NotAFile"),
        ("no-such.mp4", "Source.Missing"),
    }


def test_too_many_files_are_refused(files: KernelFiles) -> None:
    with pytest.raises(RestrictionError) as caught:
        files.expand("", max_files=2)
    assert caught.value.code == "Limit"


def test_a_search_has_a_deadline(tree: Path) -> None:
    class Rushing(FakeClock):
        def monotonic_s(self) -> float:
            self.at_s += 4.0
            return self.at_s

    with pytest.raises(RestrictionError) as caught:
        KernelFiles(tree, Rushing()).expand("", max_files=10)
    assert caught.value.code == "Path.Slow"


def test_paths_are_completed_as_they_were_typed(files: KernelFiles, tree: Path) -> None:
    assert files.complete_path("") == ["a.mp4", "b.MOV", "empty.mp4", "notes.txt", "sub/"]
    assert files.complete_path("s") == ["sub/"]
    assert files.complete_path("sub/") == ["sub/c.mp4"]
    assert files.complete_path(f"{tree}/a") == [f"{tree}/a.mp4"]
    assert files.complete_path("no-such/") == []
    assert files.complete_path("sub/.g") == ["sub/.git/"]


@pytest.mark.parametrize("path", ["a\0.mp4", "\0"])
def test_a_null_character_is_refused(files: KernelFiles, path: str) -> None:
    with pytest.raises(InvalidArgumentError):
        files.expand(path, max_files=1)


def test_without_a_root_everything_may_be_seen_beginning_in_the_working_folder(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree / "sub")
    files = KernelFiles(None, FakeClock())
    assert files.roots[0] == str(tree / "sub")
    assert files.roots[1] == tree.anchor
    assert files.list_dir("")["parent"] == str(tree)
    assert names(files.expand("../a.mp4", max_files=1)) == ["a.mp4"]


@pytest.mark.parametrize("roots", [[], "no-such-folder", [".", "no-such"]])
def test_a_root_must_be_a_folder(roots: list[str] | str) -> None:
    with pytest.raises(InvalidArgumentError):
        KernelFiles(roots, FakeClock())


def test_names_that_json_cannot_carry_are_left_out(files: KernelFiles, tree: Path) -> None:
    try:
        (tree / os.fsdecode(b"bad\xff.mp4")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert len(files.list_dir("")["entries"]) == 5
    assert len(files.expand("", max_files=10)) == 4


def test_add_paths_answers_for_each_path(tree: Path) -> None:
    rig = Rig(root=tree)
    data = rig.data("add_paths", paths=["a.mp4", "sub", "no-such.mp4", "../outside/secret.mp4", "empty.mp4"])
    assert [a["name"] for a in data["added"]] == ["a.mp4", "c.mp4"]
    refused = [(r["name"], r["code"]) for r in data["refused"]]
    assert refused == [("no-such.mp4", "Source.Missing"), ("secret.mp4", "Source.Outside"), ("empty.mp4", "EmptyFile")]
    assert str(tree) not in json.dumps(data["refused"])


def test_names_stand_as_people_count_in_the_listing_and_in_what_is_added(tmp_path: Path) -> None:
    for name in ("clip10.mp4", "Clip9.mp4", "clip2.mp4", "2026 a.mp4", "a.mp4"):
        (tmp_path / name).write_bytes(b"x")
    for folder in ("day 10", "day 9"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.mp4").write_bytes(b"x")
    files = KernelFiles(tmp_path, FakeClock())
    counted = ["2026 a.mp4", "a.mp4", "clip2.mp4", "Clip9.mp4", "clip10.mp4"]
    assert [entry["name"] for entry in files.list_dir("")["entries"]] == ["day 9", "day 10", *counted]
    assert names(files.expand("*.mp4", max_files=10)) == counted
    below = files.expand("", max_files=10)
    assert [Path(path).parent.name for path in below if "day" in path] == ["day 9", "day 10"]


def test_a_listing_that_is_too_long_says_how_much_is_missing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_MAX_ENTRIES", 3)
    listing = KernelFiles(tree, FakeClock()).list_dir("")
    assert (len(listing["entries"]), listing["more"]) == (3, 2)
