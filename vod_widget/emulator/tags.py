"""Tags of objects and buckets: what they may be, as XML and as a header.

What lives here: readers and the renderer. It imports `oss_xml`, `errors`; pure functions, any thread.

Source: OSS "PutObjectTagging", "PutBucketTags", "x-oss-tagging"; error page 0010-00000219 for the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from vod_widget.emulator import oss_xml
from vod_widget.emulator.errors import OssError, malformed_xml

MAX_OBJECT_TAGS = 10
MAX_BUCKET_TAGS = 20
_TEXT = re.compile(r"[\w +\-=.:/]*")
_TAKEN = ("http://", "https://", "aliyun", "acs")


def bad_tag(text: str) -> OssError:
    """Build the refusal of a tag."""
    return OssError(400, "InvalidTag", text, ec="0010-00000219")


def pairs_of(root: ET.Element) -> list[tuple[str, str]]:
    """Return the keys and values of a Tagging document.

    Raises:
        OssError: MalformedXML without a TagSet, or for a tag without a key.
    """
    tags = next((node for name, node in oss_xml.children(root) if name == "TagSet"), None)
    if tags is None:
        raise malformed_xml()
    found = []
    for name, tag in oss_xml.children(tags):
        values = {field: child.text or "" for field, child in oss_xml.children(tag)}
        if name != "Tag" or "Key" not in values:
            raise malformed_xml()
        found.append((values["Key"], values.get("Value", "")))
    return found


def object_tags(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the tags of an object.

    Raises:
        OssError: InvalidTag: more than ten, a key twice, too long, or other characters than allowed.
    """
    found: dict[str, str] = {}
    for key, value in pairs:
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise bad_tag("The length of a tag's key or value is not allowed.")
        if not _TEXT.fullmatch(key) or not _TEXT.fullmatch(value):
            raise bad_tag("A tag holds characters that are not allowed.")
        if key in found:
            raise bad_tag("The keys of tags must differ.")
        found[key] = value
    if len(found) > MAX_OBJECT_TAGS:
        raise bad_tag("An object has ten tags at most.")
    return found


def header_tags(header: str) -> dict[str, str]:
    """Return the tags that x-oss-tagging names: `k1=v1&k2=v2`, percent-encoded.

    Raises:
        OssError: InvalidTag.
    """
    pairs = []
    for item in header.split("&") if header else ():
        key, _, value = item.partition("=")
        if "=" in value:
            raise bad_tag("A tag must be key or key=value.")
        pairs.append((unquote_plus(key), unquote_plus(value)))
    return object_tags(pairs)


def bucket_tags(root: ET.Element) -> dict[str, str]:
    """Return the tags of a bucket.

    Raises:
        OssError: InvalidTag or MalformedXML.
    """
    found = dict(pairs_of(root))
    for key, value in found.items():
        if not 1 <= len(key) <= 64 or len(value) > 128:
            raise bad_tag("The length of a tag's key or value is not allowed.")
        if key.lower().startswith(_TAKEN):
            raise bad_tag("The prefix of a tag's key is not allowed.")
    if len(found) > MAX_BUCKET_TAGS:
        raise bad_tag("A bucket has twenty tags at most.")
    return found


def document(tags: Mapping[str, str]) -> bytes:
    """Render GetObjectTagging."""
    inner = "".join(f"<Tag>{oss_xml.elements([('Key', key), ('Value', value)])}</Tag>" for key, value in tags.items())
    return oss_xml.document("Tagging", [], f"<TagSet>{inner}</TagSet>")
