"""Multipart uploads: parts, lists, Complete with all its refusals, Abort."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from typing import Any

import pytest

from tests.emulator.raw import Grant, complete, create, info, initiate, oss, owner, put_part
from vod_widget.emulator import Emulator, crc64

KIB = 1024
RNG = random.Random(5)
A, B, C = RNG.randbytes(100 * KIB), RNG.randbytes(120 * KIB), RNG.randbytes(7)


def etag_of(data: bytes) -> str:
    return hashlib.md5(data).hexdigest().upper()


def put_all(grant: Grant, *parts: bytes) -> tuple[str, list[tuple[int, str]]]:
    upload_id = initiate(grant)
    done = []
    for number, data in enumerate(parts, 1):
        answer = put_part(grant, upload_id, number, data)
        assert answer.status == 200
        done.append((number, answer.headers["etag"]))
    return upload_id, done


def test_multipart_makes_one_object(emulator: Emulator, grant: Grant) -> None:
    upload_id, parts = put_all(grant, A, B, C)
    assert re.fullmatch(r"[0-9A-F]{32}", upload_id)
    assert parts == [(1, f'"{etag_of(A)}"'), (2, f'"{etag_of(B)}"'), (3, f'"{etag_of(C)}"')]
    assert info(emulator, grant.media_id)["Status"] == "Uploading"
    answer = complete(grant, upload_id, parts)
    whole = A + B + C
    assert answer.status == 200
    assert re.fullmatch(r'"[0-9A-F]{32}-3"', answer.headers["etag"])
    assert answer.text("ETag") == answer.headers["etag"]
    assert answer.headers["x-oss-hash-crc64ecma"] == str(crc64.update(whole))
    assert (answer.text("Bucket"), answer.text("Key")) == (grant.bucket, grant.key)
    head = oss(grant, "HEAD")
    assert head.headers["x-oss-object-type"] == "Multipart"
    assert head.headers["content-length"] == str(len(whole))
    assert "content-md5" not in head.headers
    assert oss(grant, "GET").body == whole
    assert info(emulator, grant.media_id)["Size"] == len(whole)


def test_ranges_cross_part_borders(grant: Grant) -> None:
    upload_id, parts = put_all(grant, A, B, C)
    complete(grant, upload_id, parts)
    start = len(A) - 5
    got = oss(grant, "GET", headers={"Range": f"bytes={start}-{start + 9}"})
    assert got.body == (A + B)[start : start + 10]


def test_object_path_is_one_plain_file_and_the_object_stays_readable(emulator: Emulator, grant: Grant) -> None:
    upload_id, parts = put_all(grant, A, B, C)
    with pytest.raises(LookupError):
        emulator.object_path(grant.media_id)
    complete(grant, upload_id, parts)
    path = emulator.object_path(grant.media_id)
    assert path.read_bytes() == A + B + C
    assert emulator.object_path(grant.media_id) == path
    assert list((emulator.data_dir / "blobs").iterdir()) == [path]
    assert oss(grant, "GET").body == A + B + C


def test_parts_in_any_order_with_gaps_and_overwrites(grant: Grant) -> None:
    upload_id = initiate(grant)
    for number, data in ((9, C), (2, B), (5, A), (2, A)):
        assert put_part(grant, upload_id, number, data).status == 200
    answer = complete(grant, upload_id, [(2, etag_of(A)), (9, etag_of(C))])
    assert answer.status == 200
    assert oss(grant, "GET").body == A + C


def test_query_order_is_free(grant: Grant) -> None:
    upload_id = initiate(grant)
    assert oss(grant, "PUT", f"uploadId={upload_id}&partNumber=1", A).status == 200


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x", "1.5", "99999999999"])
def test_part_number_out_of_range(grant: Grant, number: str) -> None:
    upload_id = initiate(grant)
    answer = oss(grant, "PUT", f"partNumber={number}&uploadId={upload_id}", b"x")
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert (answer.text("ArgumentName"), answer.text("ArgumentValue")) == ("PartNumber", number)
    assert answer.text("EC") == "0017-00000220"


def test_part_number_or_upload_id_missing(grant: Grant) -> None:
    upload_id = initiate(grant)
    for query in (f"uploadId={upload_id}", "partNumber=1"):
        answer = oss(grant, "PUT", query, b"x")
        assert (answer.status, answer.code, answer.text("EC")) == (400, "InvalidArgument", "0017-00000219")


def test_upload_id_belongs_to_its_key(emulator: Emulator, grant: Grant) -> None:
    other = create(emulator)
    upload_id = initiate(grant)
    for method, query in (
        ("PUT", f"partNumber=1&uploadId={upload_id}"),
        ("GET", f"uploadId={upload_id}"),
        ("POST", f"uploadId={upload_id}"),
        ("DELETE", f"uploadId={upload_id}"),
    ):
        answer = oss(other, method, query, b"x" if method in ("PUT", "POST") else None)
        assert (answer.status, answer.code, answer.text("UploadId")) == (404, "NoSuchUpload", upload_id)


def test_initiate_does_not_touch_an_existing_object(grant: Grant) -> None:
    oss(grant, "PUT", body=b"old")
    initiate(grant)
    assert oss(grant, "GET").body == b"old"


def test_headers_of_initiate_are_those_of_the_object(grant: Grant) -> None:
    upload_id = initiate(grant, headers={"Content-Type": "video/x", "x-oss-meta-k": "v"})
    etag = put_part(grant, upload_id, 1, C).headers["etag"]
    complete(grant, upload_id, [(1, etag)])
    headers = oss(grant, "HEAD").headers
    assert (headers["content-type"], headers["x-oss-meta-k"]) == ("video/x", "v")


# --- Complete ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([(2, etag_of(B)), (1, etag_of(A))], 400, "InvalidPartOrder"),
        ([(1, etag_of(A)), (1, etag_of(A))], 400, "InvalidPartOrder"),
        ([(1, etag_of(B))], 400, "InvalidPart"),
        ([(1, etag_of(A)), (4, etag_of(B))], 400, "InvalidPart"),
        ([(0, etag_of(A))], 400, "InvalidArgument"),
        ([(10001, etag_of(A))], 400, "InvalidArgument"),
        ([], 400, "MalformedXML"),
        ([(1, etag_of(A)), (3, etag_of(C)), (4, etag_of(A))], 400, "InvalidPart"),
    ],
)
def test_wrong_lists_of_parts(
    emulator: Emulator, grant: Grant, parts: list[tuple[int, str]], status: int, code: str
) -> None:
    upload_id, good = put_all(grant, A, B, C)
    answer = complete(grant, upload_id, parts)
    assert (answer.status, answer.code) == (status, code)
    assert emulator.status(grant.media_id) == "Uploading"
    assert complete(grant, upload_id, good).status == 200


def test_small_parts_are_told_at_complete(grant: Grant) -> None:
    small = A[:-1]
    upload_id, parts = put_all(grant, small, B)
    answer = complete(grant, upload_id, parts)
    assert (answer.status, answer.code, answer.text("EC")) == (400, "EntityTooSmall", "0042-00000213")
    assert (answer.text("ProposedSize"), answer.text("MinSizeAllowed")) == (str(len(small)), "102400")
    assert complete(grant, upload_id, parts[:1]).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<CompleteMultipartUpload><Part>",
        b"<Other/>",
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Piece/></CompleteMultipartUpload>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><CompleteMultipartUpload/>',
        (
            b'<!DOCTYPE x [<!ENTITY n "1">]><CompleteMultipartUpload><Part><PartNumber>&n;</PartNumber>'
            b"<ETag>a</ETag></Part></CompleteMultipartUpload>"
        ),
        b'<?xml version="1.0" encoding="nonsense"?><CompleteMultipartUpload/>',
    ],
)
def test_malformed_xml(grant: Grant, body: bytes) -> None:
    upload_id, _ = put_all(grant, A)
    answer = oss(grant, "POST", f"uploadId={upload_id}", body)
    assert (answer.status, answer.code) == (400, "MalformedXML")


@pytest.mark.parametrize("dress", ["{}", '"{}"', "&quot;{}&quot;", "&#34;{}&#34;"])
def test_etags_of_any_dress(grant: Grant, dress: str) -> None:
    upload_id, _ = put_all(grant, A)
    assert complete(grant, upload_id, [(1, dress.format(etag_of(A).lower()))]).status == 200


def test_second_complete_finds_no_upload(emulator: Emulator, grant: Grant) -> None:
    upload_id, parts = put_all(grant, A)
    assert complete(grant, upload_id, parts).status == 200
    again = complete(grant, upload_id, parts)
    assert (again.status, again.code) == (404, "NoSuchUpload")
    assert put_part(grant, upload_id, 2, B).code == "NoSuchUpload"
    assert emulator.unfinished_uploads == []
    assert len(emulator.events) == 1


def test_complete_all(grant: Grant) -> None:
    upload_id, _ = put_all(grant, A, C)
    headers = {"x-oss-complete-all": "yes"}
    wrong = oss(grant, "POST", f"uploadId={upload_id}", b"<x/>", headers=headers)
    assert wrong.code == "MalformedXML"
    assert oss(grant, "POST", f"uploadId={upload_id}", b"", headers=headers).status == 200
    assert oss(grant, "GET").body == A + C
    nothing = oss(grant, "POST", f"uploadId={initiate(grant)}", b"", headers=headers)
    assert (nothing.status, nothing.code) == (400, "MalformedXML")


def test_complete_may_be_forbidden_to_overwrite(grant: Grant) -> None:
    upload_id, parts = put_all(grant, A)
    oss(grant, "PUT", body=b"first")
    answer = complete(grant, upload_id, parts, headers={"x-oss-forbid-overwrite": "true"})
    assert (answer.status, answer.code) == (409, "FileAlreadyExists")
    assert complete(grant, upload_id, parts).status == 200


def test_unlisted_parts_are_deleted(emulator: Emulator, grant: Grant) -> None:
    upload_id, parts = put_all(grant, A, B, C)
    complete(grant, upload_id, [parts[0]])
    assert len(list((emulator.data_dir / "blobs").iterdir())) == 1


def test_abort_drops_the_parts(emulator: Emulator, grant: Grant) -> None:
    upload_id, parts = put_all(grant, A, B)
    (upload,) = emulator.unfinished_uploads
    assert (upload.upload_id, upload.part_numbers) == (upload_id, (1, 2))
    assert upload.stored_bytes == len(A) + len(B)
    answer = oss(grant, "DELETE", f"uploadId={upload_id}")
    assert (answer.status, answer.body) == (204, b"")
    assert list((emulator.data_dir / "blobs").iterdir()) == []
    assert oss(grant, "DELETE", f"uploadId={upload_id}").code == "NoSuchUpload"
    assert complete(grant, upload_id, parts).code == "NoSuchUpload"
    assert put_part(grant, upload_id, 3, C).code == "NoSuchUpload"


# --- lists -------------------------------------------------------------------------------


def parts_of(answer: Any) -> list[tuple[int, str, int]]:
    return [
        (int(p.findtext("PartNumber")), p.findtext("HashCrc64ecma"), int(p.findtext("Size")))
        for p in answer.xml.findall("Part")
    ]


def test_list_parts_in_pages(grant: Grant) -> None:
    upload_id = initiate(grant)
    for number in (3, 1, 7):
        put_part(grant, upload_id, number, bytes([number]))
    expected = [(n, str(crc64.update(bytes([n]))), 1) for n in (1, 3, 7)]
    whole = oss(grant, "GET", f"uploadId={upload_id}")
    assert parts_of(whole) == expected
    assert (whole.text("IsTruncated"), whole.text("NextPartNumberMarker")) == ("false", "7")
    first = oss(grant, "GET", f"uploadId={upload_id}&max-parts=2")
    assert parts_of(first) == expected[:2]
    assert (first.text("IsTruncated"), first.text("NextPartNumberMarker")) == ("true", "3")
    rest = oss(grant, "GET", f"uploadId={upload_id}&part-number-marker=3")
    assert parts_of(rest) == expected[2:]


@pytest.mark.parametrize("query", ["max-parts=0", "max-parts=1001", "max-parts=x", "part-number-marker=x"])
def test_wrong_page_arguments(grant: Grant, query: str) -> None:
    upload_id = initiate(grant)
    assert oss(grant, "GET", f"uploadId={upload_id}&{query}").code == "InvalidArgument"


def test_owner_lists_uploads_in_pages(emulator: Emulator, grant: Grant) -> None:
    keys = owner(emulator)
    made = []
    for key in ("a/1", "a/2", "b/1"):
        answer = oss(grant, "POST", "uploads", key=key, keys=keys)
        made.append((key, answer.text("UploadId")))

    def listed(query: str) -> tuple[list[tuple[str | None, str | None]], str | None]:
        answer = oss(grant, "GET", f"uploads&{query}", key="", keys=keys)
        found = [(u.findtext("Key"), u.findtext("UploadId")) for u in answer.xml.findall("Upload")]
        return found, answer.text("IsTruncated")

    assert listed("") == (made, "false")
    assert listed("prefix=a%2F") == (made[:2], "false")
    assert listed("max-uploads=2") == (made[:2], "true")
    assert listed(f"key-marker=a%2F1&upload-id-marker={made[0][1]}") == (made[1:], "false")
    groups = oss(grant, "GET", "uploads&delimiter=%2F", key="", keys=keys).xml.findall("CommonPrefixes/Prefix")
    assert [g.text for g in groups] == ["a/", "b/"]


def test_encoding_type_url(emulator: Emulator, grant: Grant) -> None:
    answer = oss(grant, "POST", "uploads&encoding-type=url", key="a b/ü", keys=owner(emulator))
    assert (answer.text("EncodingType"), answer.text("Key")) == ("url", "a%20b/%C3%BC")


def test_a_sequential_upload_takes_parts_in_order_and_has_an_md5(grant: Grant) -> None:
    answer = oss(grant, "POST", "uploads&sequential")
    upload_id = answer.text("UploadId") or ""
    data = [b"a" * 102_400, b"b" * 102_400, b"c"]
    assert put_part(grant, upload_id, 2, data[1]).code == "PartNotSequential"
    etags = [put_part(grant, upload_id, number, part).headers["etag"] for number, part in enumerate(data, 1)]
    assert put_part(grant, upload_id, 1, data[0]).code == "PartNotSequential"
    assert put_part(grant, upload_id, 3, data[2]).status == 200, "the last one may come again"
    assert complete(grant, upload_id, list(enumerate(etags, 1))).status == 200
    digest = base64.b64encode(hashlib.md5(b"".join(data)).digest()).decode()
    assert oss(grant, "HEAD").headers["content-md5"] == digest
