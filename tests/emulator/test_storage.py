"""Bytes on disk: large bodies, many at once, readers that outlive an object, joins."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulator.raw import complete, create, initiate, oss, put_part
from vod_widget.emulator import Emulator, crc64, faults
from vod_widget.emulator.blobs import Blob, DiskBlobs, combined_crc64

MIB = 1 << 20
BIG = random.Random(11).randbytes(5 * MIB + 12_345)


def test_large_bodies_are_stored_whole_and_checked(emulator: Emulator) -> None:
    grant = create(emulator)
    answer = oss(grant, "PUT", body=BIG)
    assert answer.headers["x-oss-hash-crc64ecma"] == str(crc64.update(BIG))
    assert emulator.object_path(grant.media_id).read_bytes() == BIG
    assert oss(grant, "GET").body == BIG
    assert emulator.requests[-1].op == "GetObject"


def test_large_body_without_a_tail(emulator: Emulator) -> None:
    grant = create(emulator)
    assert oss(grant, "PUT", body=BIG[: 4 * MIB]).status == 200
    assert emulator.object_path(grant.media_id).read_bytes() == BIG[: 4 * MIB]


def test_corrupt_large_body(emulator: Emulator) -> None:
    grant = create(emulator)
    emulator.faults.add(op="PutObject", action=faults.CorruptBody())
    assert oss(grant, "PUT", body=BIG).headers["x-oss-hash-crc64ecma"] != str(crc64.update(BIG))
    assert emulator.object_path(grant.media_id).read_bytes()[1:] == BIG[1:]


def test_many_parts_at_once(emulator: Emulator) -> None:
    grant = create(emulator)
    upload_id = initiate(grant)
    pieces = [BIG[start : start + 400_000] for start in range(0, len(BIG), 400_000)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda item: put_part(grant, upload_id, *item), enumerate(pieces, 1)))
    parts = [(number, answer.headers["etag"]) for number, answer in enumerate(answers, 1)]
    assert complete(grant, upload_id, parts).headers["x-oss-hash-crc64ecma"] == str(crc64.update(BIG))
    assert emulator.object_path(grant.media_id).read_bytes() == BIG


def test_same_part_sent_twice_at_once_keeps_one(emulator: Emulator) -> None:
    grant = create(emulator)
    upload_id = initiate(grant)
    fault = emulator.faults.add(op="UploadPart", action=faults.Stall())
    first = threading.Thread(target=put_part, args=(grant, upload_id, 1, b"late"))
    first.start()
    while not emulator.faults.fired:
        first.join(0.005)
    put_part(grant, upload_id, 1, b"early")
    fault.release()
    first.join()
    (upload,) = emulator.unfinished_uploads
    assert upload.stored_bytes == 4
    assert len(list((emulator.data_dir / "blobs").iterdir())) == 1


def test_part_that_ends_after_the_abort_is_dropped(emulator: Emulator) -> None:
    grant = create(emulator)
    upload_id = initiate(grant)
    codes: list[str | None] = []
    # The client sends the head, and the rest only when the upload is gone.
    gone = threading.Event()

    def body() -> object:
        yield b"first"
        gone.wait(60)
        yield b"second"

    thread = threading.Thread(target=lambda: codes.append(put_part(grant, upload_id, 1, body()).code))  # type: ignore[arg-type]
    thread.start()
    while not list((emulator.data_dir / "blobs").iterdir()):
        thread.join(0.005)
    assert oss(grant, "DELETE", f"uploadId={upload_id}").status == 204
    gone.set()
    thread.join()
    assert codes == ["NoSuchUpload"]
    assert list((emulator.data_dir / "blobs").iterdir()) == []


def test_reader_outlives_the_object(emulator: Emulator) -> None:
    grant = create(emulator)
    oss(grant, "PUT", body=b"old")
    store = emulator.cloud.store
    content = store.acquire(store.get(grant.bucket, grant.key))
    oss(grant, "PUT", body=b"new")
    assert b"".join(store.read(content, 0, 3)) == b"old"
    assert len(list((emulator.data_dir / "blobs").iterdir())) == 2
    store.release(content)
    assert emulator.object_path(grant.media_id).read_bytes() == b"new"
    assert len(list((emulator.data_dir / "blobs").iterdir())) == 1


def test_two_joins_at_once_leave_one_file(emulator: Emulator) -> None:
    grant = create(emulator)
    upload_id = initiate(grant)
    parts = [(n, put_part(grant, upload_id, n, BIG[:MIB]).headers["etag"]) for n in (1, 2)]
    complete(grant, upload_id, parts)
    with ThreadPoolExecutor(3) as pool:
        paths = set(pool.map(emulator.object_path, [grant.media_id] * 3))
    assert list((emulator.data_dir / "blobs").iterdir()) == list(paths)
    assert paths.pop().read_bytes() == BIG[:MIB] * 2


def written(blobs: DiskBlobs, data: bytes) -> Blob:
    sink = blobs.sink("k")
    sink.write([data])
    return sink.finish()


def test_join_without_help_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = DiskBlobs(tmp_path / "b")
    made = [written(blobs, data) for data in (b"abc", b"", b"defgh")]

    def refuse(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
    plain = blobs.join(made, "k")
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    older = blobs.join(made, "k")
    for joined in (plain, older):
        assert blobs.path(joined).read_bytes() == b"abcdefgh"
        assert joined.crc64 == combined_crc64(made) == crc64.update(b"abcdefgh")


def test_a_sink_thrown_away_leaves_nothing_and_names_are_never_reused(tmp_path: Path) -> None:
    first = DiskBlobs(tmp_path)
    sink = first.sink("k")
    sink.write([b"x"])
    sink.discard()
    sink.discard()
    assert list(tmp_path.iterdir()) == []
    kept = written(first, b"kept")
    second = DiskBlobs(tmp_path)  # another process in the same folder
    others = [written(second, b"new") for _ in range(3)]
    assert first.read(kept, 0, 9) == b"kept"
    assert len({kept.name, *(blob.name for blob in others)}) == 4


# --- large bodies, for which the kernel collects before it wakes the server ----------------


@pytest.mark.parametrize("size_bytes", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 12345])
def test_large_bodies_in_small_pieces_arrive_to_the_last_byte(emulator: Emulator, size_bytes: int) -> None:
    grant = create(emulator)
    data = random.Random(size_bytes).randbytes(size_bytes)
    pieces = (data[at : at + 7000] for at in range(0, size_bytes, 7000))
    answer = oss(grant, "PUT", "", pieces, {"Content-Length": str(size_bytes)})
    assert (answer.status, answer.headers["x-oss-hash-crc64ecma"]) == (200, str(crc64.update(data)))
    assert emulator.object_path(grant.media_id).read_bytes() == data


def test_a_large_body_that_breaks_off_is_refused(emulator: Emulator) -> None:
    grant = create(emulator)
    pieces = iter([bytes(700_000), bytes(900_000), b"end"])
    with pytest.raises((ConnectionError, TimeoutError, OSError)):
        answer = oss(grant, "PUT", "", _broken(pieces), {"Content-Length": str(8 << 20)})
        raise ConnectionError(answer.code)  # an answer is fine too, as long as nothing is stored
    assert oss(grant, "HEAD").status == 404


def _broken(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from pieces
    raise OSError("the file was cut while it was read")
