"""The published vectors: what the emulator computes is what the vendor prints."""

from __future__ import annotations

import random
import sys
import zlib

import pytest

from vod_widget.emulator import crc64, signatures


def test_rpc_signature_of_the_vendors_page() -> None:
    params = {
        "AccessKeyId": "testAccessKeyId",
        "Action": "GetVideoPlayAuth",
        "Format": "JSON",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "8f8a035d-6496-4268-afd4-67c22837e38d",
        "SignatureVersion": "1.0",
        "Timestamp": "2017-10-10T12:02:54Z",
        "Version": "2017-03-21",
        "VideoId": "5aed81b74ba84920be578cdfe004af4b",
    }
    text = signatures.rpc_string_to_sign("GET", params)
    assert signatures.rpc_signature("testAccessKeySecret", text) == "Ibgh7y8Vp47LBuAsf5Xhi1SvDss="


def test_rpc_string_leaves_out_the_signature_itself_and_encodes_per_rfc_3986() -> None:
    text = signatures.rpc_string_to_sign("get", {"Signature": "x", "b": "a b*~", "A": "/"})
    assert text == "GET&%2F&A%3D%252F%26b%3Da%2520b%252A~"


def test_oss_v1_header_signature_of_the_vendors_page() -> None:
    text = signatures.oss_v1_string_to_sign(
        "PUT",
        "/oss-example/nelson",
        (),
        {
            "content-md5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
            "content-type": "text/html",
            "x-oss-meta-author": "foo@bar.com",
            "x-oss-magic": "abracadabra",
            "host": "not signed",
        },
        "Thu, 17 Nov 2005 18:49:58 GMT",
    )
    secret = "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV"
    assert signatures.oss_v1_signature(secret, text) == "26NBxoKdsyly4EDv6inkoDft/yA="


def test_oss_v1_url_signature_of_the_vendors_page() -> None:
    text = signatures.oss_v1_string_to_sign("GET", "/oss-example/oss-api.pdf", (), {}, "1141889120")
    secret = "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV"
    assert signatures.oss_v1_signature(secret, text) == "EwaNTn1erJGkimiJ9WmXgwnANLc="


def test_oss_v1_signs_sub_resources_sorted_and_without_equals_when_empty() -> None:
    query = [("uploadId", "U"), ("max-parts", "3"), ("partNumber", "1"), ("uploads", "")]
    text = signatures.oss_v1_string_to_sign("PUT", "/b/k", query, {}, "D")
    assert text == "PUT\n\n\nD\n/b/k?partNumber=1&uploadId=U&uploads"


def test_oss_v1_signs_empty_oss_headers() -> None:
    text = signatures.oss_v1_string_to_sign("PUT", "/b/k", (), {"x-oss-notification": ""}, "D")
    assert text == "PUT\n\n\nD\nx-oss-notification:\n/b/k"


def test_oss_v4_signature_that_two_vendor_sdks_agree_on() -> None:
    headers = {
        "x-oss-head1": "value",
        "abc": "value",
        "zabc": "value",
        "xyz": "value",
        "content-type": "text/plain",
        "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
        "x-oss-date": "20231216T162057Z",
    }
    query = [
        ("param1", "value1"),
        ("+param1", "value3"),
        ("|param1", "value4"),
        ("+param2", ""),
        ("|param2", ""),
        ("param2", ""),
    ]
    scope = "20231216/cn-hangzhou/oss/aliyun_v4_request"
    canonical = signatures.oss_v4_canonical_request("PUT", "/bucket/1234+-/123/1.txt", query, headers, ())
    text = signatures.oss_v4_string_to_sign(canonical, "20231216T162057Z", scope)
    expected = "e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe"
    assert signatures.oss_v4_signature("sk", scope, text) == expected


def test_crc64_check_values() -> None:
    assert crc64.update(b"123456789") == 11051210869376104954
    assert crc64.update(b"") == 0
    assert crc64.update_by_table(b"123456789") == 11051210869376104954


def test_crc64_of_blocks_is_crc64_of_the_whole() -> None:
    assert crc64.update(b"6789", crc64.update(b"12345")) == crc64.update(b"123456789")
    assert crc64.update_by_table(b"6789", crc64.update_by_table(b"12345")) == crc64.update(b"123456789")


def test_crc64_combine_equals_crc64_of_the_joined_bytes() -> None:
    rng = random.Random(7)
    for _ in range(50):
        left, right = rng.randbytes(rng.randrange(300)), rng.randbytes(rng.randrange(3000))
        joined = crc64.combine(crc64.update(left), crc64.update(right), len(right))
        assert joined == crc64.update(left + right)


def test_fast_and_slow_crc64_agree() -> None:
    data = random.Random(zlib.crc32(b"seed")).randbytes(5000)
    assert crc64.update(data) == crc64.update_by_table(data)


def test_the_table_is_used_when_fastcrc_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastcrc", None)
    assert crc64._pick() is crc64.update_by_table
