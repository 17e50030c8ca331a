"""Sources read exactly the bytes of one version of a file, and refuse what is no file before it does harm."""

from __future__ import annotations

import errno
import gzip
import io
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.descriptors import open_below
from vod_widget.crc64 import crc64
from vod_widget.errors import (
    InvalidArgumentError,
    RestrictionError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
)
from vod_widget.model import SourceKind
from vod_widget.retry import Action, classify
from vod_widget.sources import LocalSource, MemorySource, cover_of, held, open_source
from vod_widget.sources import local as local_module

FAULT_KIND = "F"
DATA = bytes(range(256)) * 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "clip.mp4"
    file.write_bytes(DATA)
    return file


@pytest.fixture
def source(path: Path) -> Iterator[LocalSource]:
    opened = LocalSource(path)
    yield opened
    opened.close()


def _later(path: Path, ns: int = 1_000_000_000) -> None:
    """Give a file another mtime, as an edit some time later would."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + ns))


# A local file ---------------------------------------------------------------------------------------------------------


def test_a_local_file_says_who_it_is(source: LocalSource, path: Path) -> None:
    assert (source.name, source.size_bytes, source.kind) == ("clip.mp4", len(DATA), SourceKind.LOCAL)
    assert source.source_id == f"file:{path}"
    assert source.block_bytes == 1024 * 1024
    assert source.cheap_reads
    assert "clip.mp4" in repr(source)


@pytest.mark.parametrize(("start", "end"), [(0, len(DATA)), (0, 0), (1, 2), (100, 5000), (len(DATA) - 1, len(DATA))])
def test_reads_are_exact(source: LocalSource, start: int, end: int) -> None:
    assert bytes(source.read(start, end)) == DATA[start:end]


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 2), (0, len(DATA) + 1)])
def test_reads_outside_of_the_file_are_refused(source: LocalSource, start: int, end: int) -> None:
    with pytest.raises(InvalidArgumentError, match="not inside"):
        source.read(start, end)


def test_many_threads_read_one_handle(source: LocalSource) -> None:
    wrong: list[int] = []

    def work(first: int) -> None:
        starts = range(first, len(DATA) - 64, 97)
        wrong.extend(start for start in starts if source.read(start, start + 64) != DATA[start : start + 64])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_a_queued_file_holds_no_descriptor_and_a_closed_one_none_either(path: Path) -> None:
    sources = [LocalSource(path) for _ in range(50)]
    for source in sources:
        source.fingerprint()
    assert open_below(path) == []
    for source in sources:
        source.read(0, 1)
    assert len(open_below(path)) == 50
    for source in sources:
        source.close()
        source.close()
    assert open_below(path) == []


def test_threads_that_open_at_once_leave_one_handle(path: Path) -> None:
    source = LocalSource(path)
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait(60)
        source.read(0, 10)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(open_below(path)) == 1
    source.close()
    assert open_below(path) == []


def test_close_waits_for_a_reader_before_its_descriptor_goes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the system gives the number to the next file that is opened, and its bytes are sent."""
    source = LocalSource(path)
    source.read(0, 1)
    real = os.preadv
    decoy: list[int] = []

    def slow(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        source.close()
        decoy.append(os.open("/dev/zero", os.O_RDONLY))
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(local_module.os, "preadv", slow)
    try:
        assert source.read(0, 100) == DATA[:100]
    finally:
        for descriptor in decoy:
            os.close(descriptor)


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A file on a tmpfs, which refuses a read that does not wait."""
    if not any(mount.split()[1:3] == ["/dev/shm", "tmpfs"] for mount in Path("/proc/mounts").read_text().splitlines()):
        pytest.skip("this machine has no tmpfs at /dev/shm")
    with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".mp4") as file:
        file.write(DATA)
        file.flush()
        yield Path(file.name)


def _can_tell(path: Path) -> bool:
    """Whether the file system has a read that does not wait; not each one has under which tests run."""
    with path.open("rb") as file:
        try:
            os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
        except OSError as exc:
            return exc.errno != errno.EOPNOTSUPP
    return True


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_what_is_in_memory_is_read_without_waiting(request: pytest.FixtureRequest, place: str) -> None:
    path: Path = request.getfixturevalue("path" if place == "disk" else "in_memory")
    if place == "disk" and not _can_tell(path):
        pytest.skip("the file system of the test cannot tell")
    source = LocalSource(path)
    buffer = memoryview(bytearray(1000))
    assert source.read_ready(5, buffer) == 0, "nothing is open yet"
    source.read(0, 1)
    source.read_ready(5, buffer)
    assert (source.read_ready(5, buffer), bytes(buffer)) == (1000, DATA[5:1005])
    assert source.read_ready(len(DATA) - 10, buffer) == 10
    source.close()
    assert source.read_ready(5, buffer) == 0


@pytest.mark.parametrize(
    ("error", "asked"), [(errno.EAGAIN, 2), (errno.EIO, 2), (errno.EOPNOTSUPP, 1)], ids=["away", "broken", "cannot"]
)
def test_what_is_not_in_memory_is_left_to_the_read_that_waits(
    source: LocalSource, monkeypatch: pytest.MonkeyPatch, error: int, asked: int
) -> None:
    source.read(0, 1)
    flags: list[int] = []

    def failing(_descriptor: int, _buffers: list[memoryview], _offset: int, flag: int) -> int:
        flags.append(flag)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(local_module.os, "preadv", failing)
    monkeypatch.setattr(held, "_is_in_memory", lambda _device: False)
    buffer = memoryview(bytearray(1000))
    assert [source.read_ready(0, buffer) for _ in range(2)] == [0, 0]
    assert flags == [os.RWF_NOWAIT] * asked


# Changes --------------------------------------------------------------------------------------------------------------


def test_the_fingerprint_stays_while_nothing_changes(source: LocalSource, path: Path) -> None:
    first = source.fingerprint()
    source.read(0, 10)
    assert source.fingerprint() == first
    other = LocalSource(path)
    assert other.fingerprint() == first


@pytest.mark.parametrize("is_held", [False, True])
@pytest.mark.parametrize("change", ["grow", "shrink", "edit", "edit_with_mtime_restored", "replace", "to_folder"])
def test_f96_f97_f98_every_change_changes_the_fingerprint(
    source: LocalSource, path: Path, change: str, is_held: bool
) -> None:
    if is_held:
        source.read(0, 1)
    first = source.fingerprint()
    found = path.stat()
    if change == "grow":
        path.write_bytes(DATA + b"x")
    elif change == "shrink":
        path.write_bytes(DATA[:-1])
    elif change == "edit":
        path.write_bytes(DATA[::-1])
        _later(path)
    elif change == "edit_with_mtime_restored":
        path.write_bytes(DATA[::-1])
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    elif change == "replace":
        new = path.with_name("new")
        new.write_bytes(DATA)
        os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))
        new.replace(path)
    else:
        path.rename(path.with_name("old"))
        path.mkdir()
    try:
        assert source.fingerprint() != first
    except SourceNotFoundError as error:  # a folder has no fingerprint when nothing is held
        assert (change, is_held, error.code) == ("to_folder", False, "Source.NotAFile")


def test_f95_a_file_that_was_truncated_is_seen_before_a_short_part_leaves(source: LocalSource, path: Path) -> None:
    source.read(0, 1)
    os.truncate(path, 100)
    with pytest.raises(SourceChangedError, match="ends at byte 100"):
        source.read(50, 200)


def test_a_file_replaced_between_add_and_start_is_not_sent(source: LocalSource, path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(DATA)
    new.replace(path)
    with pytest.raises(SourceChangedError, match="changed since"):
        source.read(0, 10)


def test_f97_a_replaced_file_is_not_mixed_into_the_one_that_is_held(source: LocalSource, path: Path) -> None:
    source.read(0, 1)
    new = path.with_name("new")
    new.write_bytes(b"\0" * len(DATA))
    new.replace(path)
    assert source.read(1, 100) == DATA[1:100]


def test_f99_a_deleted_file_that_is_held_is_read_to_its_end(source: LocalSource, path: Path) -> None:
    source.read(0, 1)
    first = source.fingerprint()
    path.unlink()
    assert source.fingerprint() == first
    assert source.read(0, len(DATA)) == DATA


def test_a_deleted_file_that_changes_all_the_same_is_seen(source: LocalSource, path: Path) -> None:
    source.read(0, 1)
    first = source.fingerprint()
    with path.open("r+b") as writer:
        path.unlink()
        writer.truncate(10)
    assert source.fingerprint() != first


def test_a_deleted_file_that_is_not_held_is_missing(source: LocalSource, path: Path) -> None:
    path.unlink()
    for act in (source.fingerprint, lambda: source.read(0, 1)):
        with pytest.raises(SourceNotFoundError) as caught:
            act()
        assert caught.value.code == "Source.Missing"


def test_a_closed_source_takes_the_file_as_it_is_now(source: LocalSource, path: Path) -> None:
    source.read(0, 1)
    path.write_bytes(b"longer" * 10_000)
    source.close()
    first = source.fingerprint()
    assert source.size_bytes == 60_000
    assert source.read(59_994, 60_000) == b"longer"
    assert source.fingerprint() == first


def test_a_file_that_was_missing_at_its_start_is_taken_as_it_came_back(source: LocalSource, path: Path) -> None:
    path.unlink()
    with pytest.raises(SourceNotFoundError):
        source.fingerprint()
    path.write_bytes(b"restored")
    source.fingerprint()
    assert (source.size_bytes, bytes(source.read(0, 8))) == (8, b"restored")


def test_a_closed_source_whose_file_became_empty_says_so(source: LocalSource, path: Path) -> None:
    source.close()
    path.write_bytes(b"")
    with pytest.raises(RestrictionError) as caught:
        source.fingerprint()
    assert caught.value.code == "EmptyFile"


def test_f100_a_read_error_names_the_position(source: LocalSource, monkeypatch: pytest.MonkeyPatch) -> None:
    source.read(0, 1)
    real = os.preadv

    def failing(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        if offset >= 1000:
            raise OSError(5, "Input/output error")
        return real(descriptor, [buffers[0][: 1000 - offset]], offset)

    monkeypatch.setattr(local_module.os, "preadv", failing)
    with pytest.raises(SourceError, match=r"at byte 1000 failed: Input/output error") as caught:
        source.read(0, 2000)
    assert (caught.value.code, caught.value.file_name) == ("Source.Read", "clip.mp4")


def test_f118_no_descriptor_left_is_an_error_of_the_source(
    source: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(local_module.os, "open", full)
    with pytest.raises(SourceError, match="Too many open files") as caught:
        source.read(0, 1)
    assert classify(caught.value) is Action.RETRY


# What is no file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("missing", "Source.Missing"),
        ("below_a_file", "Source.Missing"),
        ("loop", "Source.Missing"),
        ("folder", "Source.NotAFile"),
        ("fifo", "Source.NotAFile"),
        ("link_to_fifo", "Source.NotAFile"),
        ("socket", "Source.NotAFile"),
        ("/dev/zero", "Source.NotAFile"),
        ("/proc/self/status", "EmptyFile"),
        ("nul", "Source.Missing"),
    ],
)
def test_f102_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str, code: str) -> None:
    path = tmp_path / "x.mp4"
    listener = None
    if kind == "below_a_file":
        path.write_bytes(b"x")
        path /= "y.mp4"
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link_to_fifo":
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    elif kind == "socket":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
    elif kind.startswith("/"):
        path = Path(kind)
    elif kind == "nul":
        path = tmp_path / "a\0b.mp4"
    before = open_below(path)
    try:
        with pytest.raises((SourceNotFoundError, RestrictionError)) as caught:
            LocalSource(path)
        assert caught.value.code == code
        assert open_below(path) == before
    finally:
        if listener is not None:
            listener.close()


def test_f102_a_fifo_that_takes_the_place_of_a_file_does_not_block(
    source: LocalSource, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = local_module._stat_regular

    def swapped(where: Path) -> os.stat_result:
        found = real(where)
        path.unlink()
        os.mkfifo(path)
        return found

    monkeypatch.setattr(local_module, "_stat_regular", swapped)
    with pytest.raises(SourceNotFoundError) as caught:
        source.read(0, 1)
    assert caught.value.code == "Source.NotAFile"


@pytest.mark.parametrize("where", ["tmp", "/proc/self/status"])
def test_an_empty_file_is_refused(tmp_path: Path, where: str) -> None:
    path = tmp_path / "x.mp4" if where == "tmp" else Path(where)
    if where == "tmp":
        path.touch()
    with pytest.raises(RestrictionError) as caught:
        LocalSource(path)
    assert caught.value.code == "EmptyFile"


def test_a_file_of_one_byte_is_fine(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"x")
    assert LocalSource(tmp_path / "x.mp4").size_bytes == 1


@pytest.mark.parametrize("rooted", [False, True])
def test_a_file_without_the_right_to_read_is_told_apart(
    path: Path, rooted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_args: object) -> int:  # root may read everything, so chmod would not do
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(local_module.os, "open", denied)
    monkeypatch.setattr(local_module.os, "access", lambda *_args, **_options: False)
    with pytest.raises(SourceNotFoundError, match="may not be read") as caught:
        LocalSource(path, roots=[path.parent] if rooted else None)
    assert caught.value.code == "Source.Permission"


def test_a_link_is_followed_and_keeps_its_own_name(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(path)
    source = LocalSource(link)
    assert (source.name, source.source_id) == ("link.mp4", f"file:{path}")
    assert source.read(0, 4) == DATA[:4]
    source.close()


def test_a_name_that_is_not_unicode_still_works(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    with Path(os.fsdecode(raw)).open("wb") as file:
        file.write(b"x")
    source = LocalSource(os.fsdecode(raw))
    assert source.name == "caf_.mp4"
    assert source.read(0, 1) == b"x"
    source.close()


def test_what_stands_before_a_backslash_stays_in_the_name(tmp_path: Path) -> None:
    (tmp_path / "a\\b.mp4").write_bytes(b"x")
    source = LocalSource(tmp_path / "a\\b.mp4")
    assert (source.name, source.path.name) == ("a_b.mp4", "a\\b.mp4")
    assert source.read(0, 1) == b"x"
    source.close()


# Roots (S19) ----------------------------------------------------------------------------------------------------------


def test_s19_only_files_inside_the_roots_are_taken(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "root-2"
    for folder in (root, outside):
        folder.mkdir()
        (folder / "a.mp4").write_bytes(b"x")
    (root / "escape.mp4").symlink_to(outside / "a.mp4")
    (root / "folder").symlink_to(outside)
    (root / "inside.mp4").symlink_to(root / "a.mp4")
    for good in ("a.mp4", "inside.mp4", "../root/a.mp4"):
        assert LocalSource(root / good, roots=[root]).size_bytes == 1
    for bad in ("escape.mp4", "folder/a.mp4", "../root-2/a.mp4", "folder/../root-2/a.mp4"):
        with pytest.raises((RestrictionError, SourceNotFoundError)) as caught:
            LocalSource(root / bad, roots=[root])
        assert caught.value.code in ("Source.Outside", "Source.Missing")
    with pytest.raises(RestrictionError):
        LocalSource(root / "a.mp4", roots=[])


def test_a_root_that_is_a_link_is_resolved(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp4").write_bytes(b"x")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert LocalSource(tmp_path / "root" / "a.mp4", roots=[tmp_path / "root"]).size_bytes == 1


def test_s19_a_folder_swapped_for_a_link_while_it_is_opened_does_not_escape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    (root / "sub" / "a.mp4").write_bytes(b"mine")
    (outside / "a.mp4").write_bytes(b"secret")
    real = os.open
    swaps: list[str] = []

    def swapping(target: Path, flags: int) -> int:
        if not swaps:
            (root / "sub").rename(root / "kept")
            (root / "sub").symlink_to(outside)
            swaps.append("out")
            descriptor = real(target, flags)
            (root / "sub").unlink()
            (root / "kept").rename(root / "sub")
            return descriptor
        return real(target, flags)

    monkeypatch.setattr(local_module.os, "open", swapping)
    with pytest.raises((SourceChangedError, RestrictionError)):
        LocalSource(root / "sub" / "a.mp4", roots=[root])
    assert swaps == ["out"]


# Memory ---------------------------------------------------------------------------------------------------------------


def test_memory_is_a_snapshot() -> None:
    mutable = bytearray(DATA)
    source = MemorySource(mutable, "a.mp4")
    mutable[:] = b"\0" * len(DATA)
    assert bytes(source.read(0, len(DATA))) == DATA
    assert source.source_id == f"memory:{crc64(DATA):016x}:{len(DATA)}" == source.fingerprint()
    assert (source.kind, source.name, source.cheap_reads) == (SourceKind.MEMORY, "a.mp4", True)
    source.close()
    assert bytes(source.read(1, 3)) == DATA[1:3], "a retry reads again"


def test_memory_takes_any_shape_of_bytes() -> None:
    view = memoryview(bytearray(range(16))).cast("B", (4, 4))
    assert bytes(MemorySource(view, "a.mp4").read(0, 16)) == bytes(range(16))
    assert bytes(MemorySource(memoryview(b"abcdef")[::2], "a.mp4").read(0, 3)) == b"ace"


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 2), (0, 5)])
def test_memory_refuses_reads_outside(start: int, end: int) -> None:
    with pytest.raises(InvalidArgumentError):
        MemorySource(b"1234", "a.mp4").read(start, end)


def test_memory_needs_bytes_and_a_name() -> None:
    with pytest.raises(RestrictionError) as caught:
        MemorySource(b"", "a.mp4")
    assert caught.value.code == "EmptyFile"
    with pytest.raises(InvalidArgumentError, match="no name"):
        MemorySource(b"x", " ")
    with pytest.raises(InvalidArgumentError, match="must be bytes"):
        MemorySource("text", "a.mp4")  # type: ignore[arg-type]


# open_source ----------------------------------------------------------------------------------------------------------


def test_a_path_is_taken_in_every_form(path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "h ä.mp4").write_bytes(DATA)
    monkeypatch.chdir(path.parent)
    for form in (path, str(path), "clip.mp4", path.as_uri(), f"file://localhost{path}"):
        assert open_source(form).source_id == f"file:{path}"
    assert open_source("~/h ä.mp4").source_id == f"file:{home}/h ä.mp4"
    assert open_source((home / "h ä.mp4").as_uri()).name == "h ä.mp4"
    assert open_source(path, "other.mp4").name == "other.mp4"


def test_bytes_and_bytesio_need_a_name() -> None:
    for data in (b"abc", bytearray(b"abc"), memoryview(b"abc"), io.BytesIO(b"abc")):
        assert bytes(open_source(data, "a.mp4").read(0, 3)) == b"abc"
        with pytest.raises(InvalidArgumentError, match="no name"):
            open_source(data)


def test_bytesio_is_taken_from_its_first_byte() -> None:
    stream = io.BytesIO()
    stream.write(b"abc")
    stream.name = "upload.mp4"
    source = open_source(stream)
    assert (bytes(source.read(0, 3)), source.name) == (b"abc", "upload.mp4")


def test_an_open_file_is_read_by_its_path(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(100)
        assert open_source(file).source_id == f"file:{path}"
    with path.open("rb", buffering=0) as raw:
        assert open_source(raw).size_bytes == len(DATA)


def test_what_was_written_to_an_open_file_is_sent(tmp_path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=tmp_path, suffix=".mp4") as file:
        file.write(b"abc")
        assert open_source(file).size_bytes == 3


def test_file_objects_that_cannot_be_read_by_position_are_refused(path: Path, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.mp4", "wb") as packed:
        packed.write(DATA)
        with pytest.raises(InvalidArgumentError, match="GzipFile"):
            open_source(packed)
    with tempfile.TemporaryFile() as nameless, pytest.raises(InvalidArgumentError, match="by position"):
        open_source(nameless)
    with path.open("rb") as file:
        pass
    with pytest.raises(InvalidArgumentError, match="closed"):
        open_source(file)
    with path.open("rb") as file:
        path.unlink()
        with pytest.raises(InvalidArgumentError, match="no longer"):
            open_source(file)
    for other in (42, None, ["a.mp4"], io.StringIO("x")):
        with pytest.raises(InvalidArgumentError):
            open_source(other)


@pytest.mark.parametrize("address", ["wxfile://tmp_1.mp4", "s3://b/k.mp4", "file://host/a.mp4", ""])
def test_f103_s22_other_schemes_are_refused_with_the_way_out(address: str) -> None:
    with pytest.raises((InvalidArgumentError, SourceNotFoundError)):
        open_source(address)


def test_the_mini_programs_dict_gives_file_and_cover(path: Path, tmp_path: Path) -> None:
    cover = tmp_path / "cover 1.jpg"
    file = {"url": str(path), "coverUrl": cover.as_uri()}
    assert open_source(file).source_id == f"file:{path}"
    assert cover_of(file) == str(cover)
    assert open_source({"url": path, "name": "n.mp4"}).name == "n.mp4"
    assert cover_of({"url": path}) is None
    assert cover_of({"url": path, "coverUrl": ""}) is None
    assert cover_of({"url": path, "coverUrl": "https://example.com/c.jpg"}) == "https://example.com/c.jpg"
    assert cover_of(path) is None


@pytest.mark.parametrize("file", [{}, {"url": 3}, {"url": "a.mp4", "cover_url": "b.jpg"}, {"coverUrl": "x"}])
def test_a_dict_of_another_shape_is_refused(file: dict[str, object]) -> None:
    for act in (open_source, cover_of):
        with pytest.raises(InvalidArgumentError, match="dict"):
            act(file)
    with pytest.raises(InvalidArgumentError, match="coverUrl"):
        cover_of({"url": "a.mp4", "coverUrl": 3})


def test_a_source_passes_through() -> None:
    source = MemorySource(b"x", "a.mp4")
    assert open_source(source) is source
