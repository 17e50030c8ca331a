"""Bytes and tokens go to the vendor over https, or to this machine when it is the configured endpoint; nowhere else."""

from __future__ import annotations

import math

import pytest

from vod_widget.addresses import (
    KNOWN_REGIONS,
    check_address,
    check_api_endpoint,
    check_endpoint,
    check_lifetime,
    check_region,
    is_loopback_url,
    region_of_endpoint,
)
from vod_widget.errors import CredentialError, EndpointRefusedError, InvalidArgumentError
from vod_widget.model import Credentials, UploadAddress, UploadAuth

HOSTILE = [
    "https://evil.example.com",
    "https://oss-cn-shanghai.aliyuncs.com.evil.com",
    "https://oss-cn-shanghai.aliyuncs.com@evil.com",
    "https://user:pw@oss-cn-shanghai.aliyuncs.com",
    "https://oss-cn-shanghai.aliyuncs.com:8443",
    "https://oss-cn-shanghai.aliyuncs.com:443",
    "https://oss-cn-shanghai.aliyuncs.com:",
    "https://oss-cn-shanghai.aliyuncs.com/path",
    "https://oss-cn-shanghai.aliyuncs.com?x=1",
    "https://oss-cn-shanghai.aliyuncs.com#x",
    "https://oss-cn-shanghai.aliyuncs.com\\@evil.com",
    "https://evil.com\\.oss-cn-shanghai.aliyuncs.com",
    "https://evil.com/.oss-cn-shanghai.aliyuncs.com",
    "https://evil.com#.oss-cn-shanghai.aliyuncs.com",
    "https://evil.com?.oss-cn-shanghai.aliyuncs.com",
    "https://evil.com%2f.oss-cn-shanghai.aliyuncs.com",
    "https://oss-cn-shanghai%2ealiyuncs.com",
    "https://oss-cn-shanghai。aliyuncs。com",
    "https://oss-cn-shanghai.aliyuncs․com",
    "https://oss-cn-shanghai.aliyuncs.com.",
    "https://oss-cn-shanghai..aliyuncs.com",
    "https://oss-cn-shanghaialiyuncs.com",
    "https://xoss-cn-shanghai.aliyuncs.com",
    "https://bucket.oss-cn-shanghai.aliyuncs.com",
    "https://oss-.aliyuncs.com",
    "https://oss-cn-.aliyuncs.com",
    "https://oss-accelerate-evil.aliyuncs.com",
    "https://oss-cn-shanghai-internal.aliyuncs.com",
    "https://vod.cn-shanghai.aliyuncs.com",
    "https://оss-cn-shanghai.aliyuncs.com",  # a Cyrillic o
    "https://oss-cn-shanghai.aliyuncs.com\r\nHost: evil.com",
    "https://oss-cn-shanghai.aliyuncs.com evil.com",
    "https://oss-cn-shanghai.aliyuncs.com,evil.com",
    "https://oss-cn-shanghai.aliyuncs.com;evil.com",
    "ftp://oss-cn-shanghai.aliyuncs.com",
    "javascript://oss-cn-shanghai.aliyuncs.com",
    "file:///etc/passwd",
    "//oss-cn-shanghai.aliyuncs.com",
    "https:oss-cn-shanghai.aliyuncs.com",
    "https:///oss-cn-shanghai.aliyuncs.com",
    "https://100.100.100.200",
    "https://169.254.169.254",
    "https://10.0.0.1",
    "https://[fe80::1]",
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:7f00:1]",
    "https://[::1%25eth0]",
    "https://0.0.0.0",
    "https://[::]",
    "http://127.1",
    "http://2130706433",
    "http://0x7f.0.0.1",
    "http://0177.0.0.1",
    "http://127.0.0.1.evil.com",
    "http://localhost.evil.com",
    "http://evil.localhost",
    "http://127.0.0.1:0",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:80@evil.com",
    "http://127.0.0.1/admin",
    "http://[127.0.0.1]",
    "http://[::1",
    "",
    " ",
    "https://",
    "x" * 5000,
    None,
    7,
]
LOOPBACK = [
    ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
    ("HTTP://LocalHost:8000", "http://localhost:8000"),
    ("https://localhost:8443", "https://localhost:8443"),
    ("localhost:8000", "http://localhost:8000"),
    ("127.0.0.1", "http://127.0.0.1"),
    ("http://127.8.9.10:1", "http://127.8.9.10:1"),
    ("http://[::1]:8000", "http://[::1]:8000"),
    ("http://[0:0:0:0:0:0:0:1]", "http://[0:0:0:0:0:0:0:1]"),
]


@pytest.mark.parametrize("loopback_allowed", [False, True])
@pytest.mark.parametrize("endpoint", HOSTILE, ids=lambda e: ascii(e)[:50])
def test_s11_hostile_endpoints_are_refused(endpoint: str, loopback_allowed: bool) -> None:
    with pytest.raises(EndpointRefusedError) as caught:
        check_endpoint(endpoint, loopback_allowed=loopback_allowed)
    assert caught.value.code == "Endpoint.Refused"
    assert "pw@" not in str(caught.value)
    assert str(caught.value).isascii(), "a text that looks like another one is shown escaped"
    if endpoint != "https://vod.cn-shanghai.aliyuncs.com":
        with pytest.raises(EndpointRefusedError):
            check_api_endpoint(endpoint)


def test_s11_there_are_enough_hostile_endpoints() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://oss-cn-shanghai.aliyuncs.com", "https://oss-cn-shanghai.aliyuncs.com"),
        ("https://oss-cn-shanghai.aliyuncs.com/", "https://oss-cn-shanghai.aliyuncs.com"),
        ("http://oss-cn-shanghai.aliyuncs.com", "https://oss-cn-shanghai.aliyuncs.com"),
        ("oss-ap-southeast-1.aliyuncs.com", "https://oss-ap-southeast-1.aliyuncs.com"),
        (" HTTPS://OSS-EU-Central-1.Aliyuncs.com ", "https://oss-eu-central-1.aliyuncs.com"),
        ("https://oss-accelerate.aliyuncs.com", "https://oss-accelerate.aliyuncs.com"),
        ("https://oss-accelerate-overseas.aliyuncs.com", "https://oss-accelerate-overseas.aliyuncs.com"),
    ],
)
@pytest.mark.parametrize("loopback_allowed", [False, True])
def test_the_vendors_hosts_get_https(endpoint: str, expected: str, loopback_allowed: bool) -> None:
    assert check_endpoint(endpoint, loopback_allowed=loopback_allowed) == expected


def test_internal_hosts_pass_by_option_only() -> None:
    host = "https://oss-cn-shanghai-internal.aliyuncs.com"
    with pytest.raises(EndpointRefusedError, match="internal"):
        check_endpoint(host, loopback_allowed=True)
    assert check_endpoint(host, loopback_allowed=False, internal_allowed=True) == host


@pytest.mark.parametrize(("endpoint", "expected"), LOOPBACK)
def test_this_machine_is_allowed_only_when_it_is_configured(endpoint: str, expected: str) -> None:
    assert check_endpoint(endpoint, loopback_allowed=True) == expected
    assert check_api_endpoint(endpoint) == expected
    assert is_loopback_url(endpoint)
    with pytest.raises(EndpointRefusedError, match="this machine"):
        check_endpoint(endpoint, loopback_allowed=False)


@pytest.mark.parametrize("url", [e for e in HOSTILE if e not in LOOPBACK])
def test_nothing_hostile_counts_as_this_machine(url: str) -> None:
    assert not is_loopback_url(url)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://vod.cn-shanghai.aliyuncs.com", "https://vod.cn-shanghai.aliyuncs.com"),
        ("http://vod.ap-southeast-1.aliyuncs.com/", "https://vod.ap-southeast-1.aliyuncs.com"),
        ("vod-vpc.cn-beijing.aliyuncs.com", "https://vod-vpc.cn-beijing.aliyuncs.com"),
        ("vod.aliyuncs.com", "https://vod.aliyuncs.com"),
        ("https://sts.aliyuncs.com", "https://sts.aliyuncs.com"),
    ],
)
def test_the_api_endpoint_may_be_the_vendors(endpoint: str, expected: str) -> None:
    assert check_api_endpoint(endpoint) == expected


@pytest.mark.parametrize(
    "endpoint", ["https://oss-cn-shanghai.aliyuncs.com", "https://ecs.aliyuncs.com", "vod.cn-shanghai.aliyuncs.com:443"]
)
def test_the_api_endpoint_may_be_no_other_service(endpoint: str) -> None:
    with pytest.raises(EndpointRefusedError):
        check_api_endpoint(endpoint)


# Addresses ------------------------------------------------------------------------------------------------------------


def _address(endpoint: str = "https://oss-cn-shanghai.aliyuncs.com", **changes: str) -> UploadAddress:
    return UploadAddress(endpoint, changes.get("bucket", "outin-abc"), changes.get("object", "sv/1/a.mp4"))


def test_a_good_address_comes_back_with_https() -> None:
    got = check_address(_address("oss-cn-shanghai.aliyuncs.com"), "cn-shanghai", loopback_allowed=False)
    assert got == _address()


@pytest.mark.parametrize(
    ("host", "auth_region", "is_good"),
    [
        ("oss-cn-shanghai", "cn-shanghai", True),
        ("oss-cn-shanghai", None, True),
        ("oss-cn-shanghai", "", True),
        ("oss-cn-shanghai", "cn-beijing", False),
        ("oss-cn-shanghai", "cn-shanghai-2", False),
        ("oss-accelerate", "cn-beijing", True),
        ("oss-cn-shanghai-internal", "cn-shanghai", True),
        ("oss-cn-shanghai-internal", "cn-beijing", False),
    ],
)
def test_s12_the_hosts_region_must_be_the_credentials(host: str, auth_region: str | None, is_good: bool) -> None:
    address = _address(f"https://{host}.aliyuncs.com")
    if is_good:
        assert check_address(address, auth_region, loopback_allowed=False, internal_allowed=True) == address
        return
    with pytest.raises(EndpointRefusedError) as caught:
        check_address(address, auth_region, loopback_allowed=False, internal_allowed=True)
    assert caught.value.code == "Endpoint.Region"


def test_this_machine_states_no_region() -> None:
    address = _address("http://127.0.0.1:8000")
    assert check_address(address, "cn-beijing", loopback_allowed=True) == address
    assert region_of_endpoint("http://127.0.0.1:8000") is None
    assert region_of_endpoint("https://evil.com/") is None
    assert region_of_endpoint("not a host") is None
    assert region_of_endpoint("oss-cn-shanghai-internal.aliyuncs.com") == "cn-shanghai"


@pytest.mark.parametrize(
    "bucket", ["", "ab", "a" * 64, "-abc", "abc-", "Abc", "a_b", "a.b", "a/b", "a@b", "ab\n", "abc\n", "äbc", None]
)
def test_bad_buckets_are_refused(bucket: str) -> None:
    with pytest.raises(EndpointRefusedError) as caught:
        check_address(_address(bucket=bucket), None, loopback_allowed=False)
    assert caught.value.code == "Endpoint.Bucket"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/a",
        "\\a",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\u2028b",
        "..",
        "a/../b",
        "./a",
        "a/.",
        "\ud800",
        "x" * 1024,
        "ä" * 512,
        None,
    ],
)
def test_bad_object_keys_are_refused(key: str) -> None:
    with pytest.raises(EndpointRefusedError) as caught:
        check_address(_address(object=key), None, loopback_allowed=False)
    assert caught.value.code == "Name"


@pytest.mark.parametrize(
    "key", ["a", "x" * 1023, "ä" * 511, "a b/c?d#e%.mp4", "..a/b..", "a//b", "日本.mp4", "<x>&'\""]
)
def test_good_object_keys_stay_as_they_are(key: str) -> None:
    assert check_address(_address(object=key), None, loopback_allowed=False).object == key


@pytest.mark.parametrize("life_s", [12 * 3600 + 1, 10**12, math.inf, math.nan])
def test_s12_a_credential_that_lives_too_long_is_refused(life_s: float) -> None:
    auth = UploadAuth(Credentials("STS.x", "secret-value", "token"), 1000.0 + life_s, 1000.0)
    with pytest.raises(CredentialError) as caught:
        check_lifetime(auth)
    assert caught.value.code == "InvalidUploadAuth"
    assert "secret-value" not in str(caught.value)


@pytest.mark.parametrize("life_s", [-10, 0, 3000, 12 * 3600])
def test_a_usual_life_passes_and_so_does_an_expired_one(life_s: float) -> None:
    check_lifetime(UploadAuth(Credentials("STS.x", "s", "t"), 1000.0 + life_s, 1000.0))


# Regions --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", KNOWN_REGIONS)
def test_known_regions_pass(region: str) -> None:
    assert check_region(region) == region
    assert region_of_endpoint(f"oss-{region}.aliyuncs.com") == region


@pytest.mark.parametrize(
    "region", ["", "shanghai", "cn-hangzhou", "CN-Shanghai", "cn-shanghai ", "cn-shanghai.evil", None, 3]
)
def test_other_regions_are_refused_with_the_list(region: str) -> None:
    with pytest.raises(InvalidArgumentError, match="ap-southeast-5") as caught:
        check_region(region)
    assert caught.value.code == "Region"


def test_this_machine_takes_any_well_formed_region() -> None:
    assert check_region("cn-hangzhou", is_loopback=True) == "cn-hangzhou"
    for wrong in ("", "x", "cn-shanghai/../x", "cn-" + "x" * 60):
        with pytest.raises(InvalidArgumentError):
            check_region(wrong, is_loopback=True)
