"""The XML of OSS: what it answers, and what a client sends.

What lives here: renderers, and the parsers of CompleteMultipartUpload and DeleteMultipleObjects. It imports `errors`,
`storage`, `clock`; pure functions, any thread.

Source: OSS API reference, the page of each operation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from vod_widget.emulator.clock import iso_millis
from vod_widget.emulator.errors import OssError, malformed_xml
from vod_widget.emulator.objects import StoredPart, Upload, bad_part_number

# 10,000 parts of about 100 bytes make 1 MB; ten times that is not a list of parts.
MAX_COMPLETE_BYTES = 10 << 20
# Source: OSS "DeleteMultipleObjects": at most 1,000 objects in a request.
MAX_DELETED_KEYS = 1000
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]")
_PRIVATE = 0xF8A0  # private use: no key has these by chance
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

Pairs = Iterable[tuple[str, str]]


def document(root: str, pairs: Pairs, inner: str = "") -> bytes:
    """Render a flat document; `inner` is XML that goes behind the pairs."""
    return f"{HEAD}<{root}>{elements(pairs)}{inner}</{root}>".encode()


def elements(pairs: Pairs) -> str:
    """Render pairs as elements."""
    return "".join(f"<{name}>{escape(_NOT_XML.sub('?', value))}</{name}>" for name, value in pairs)


def error(problem: OssError, request_id: str, host: str) -> bytes:
    """Render an error: Code, Message, RequestId, HostId, the extras, EC."""
    pairs = [
        ("Code", problem.code),
        ("Message", problem.message),
        ("RequestId", request_id),
        ("HostId", host),
        *problem.extras.items(),
    ]
    if problem.ec:
        pairs.append(("EC", problem.ec))
    return document("Error", pairs)


def key_text(key: str, encoding: str) -> str:
    """Return a key as listed: url-encoded when the client asked so."""
    return quote(key, safe="/-_.~") if encoding == "url" else key


def encoding_pair(encoding: str) -> list[tuple[str, str]]:
    """Return the EncodingType element when there is one."""
    return [("EncodingType", encoding)] if encoding else []


def part(item: StoredPart) -> str:
    """Render one part of ListParts."""
    pairs = [
        ("PartNumber", str(item.part_number)),
        ("LastModified", iso_millis(item.modified_s)),
        ("ETag", f'"{item.etag}"'),
        ("HashCrc64ecma", str(item.blob.crc64)),
        ("Size", str(item.blob.size_bytes)),
    ]
    return f"<Part>{elements(pairs)}</Part>"


def upload(item: Upload, encoding: str) -> str:
    """Render one upload of ListMultipartUploads."""
    pairs = [
        ("Key", key_text(item.key, encoding)),
        ("UploadId", item.upload_id),
        ("StorageClass", item.headers.get("x-oss-storage-class", "Standard")),
        ("Initiated", iso_millis(item.initiated_s)),
    ]
    return f"<Upload>{elements(pairs)}</Upload>"


def common_prefixes(groups: Iterable[str], encoding: str) -> str:
    """Render the groups that a delimiter makes."""
    return "".join(
        f"<CommonPrefixes>{elements([('Prefix', key_text(group, encoding))])}</CommonPrefixes>" for group in groups
    )


def parse_complete(body: bytes) -> Sequence[tuple[int, str]]:
    """Parse a client's list of parts.

    Returns:
        (part number, ETag without quotes) in the order sent.

    Raises:
        OssError: MalformedXML, or InvalidArgument for a number that is none.
    """
    found = []
    for tag, node in children(parse(body, "CompleteMultipartUpload")):
        if tag != "Part":
            raise malformed_xml()
        fields = {name: (child.text or "").strip() for name, child in children(node)}
        if "PartNumber" not in fields or "ETag" not in fields:
            raise malformed_xml()
        number = fields["PartNumber"]
        if not re.fullmatch(r"[0-9]{1,9}", number):
            raise bad_part_number(number)
        found.append((int(number), fields["ETag"].strip('"')))
    if not found:
        raise malformed_xml()
    return found


def parse_delete(body: bytes) -> tuple[list[tuple[str, str | None]], bool]:
    """Parse a client's list of keys to delete.

    Returns:
        Each key with its version, if one is named, in the order sent; and whether the answer shall be quiet.

    Raises:
        OssError: MalformedXML; also for no key, and for more than 1,000.
    """
    keys: list[tuple[str, str | None]] = []
    quiet = False
    for tag, node in children(parse(body, "Delete")):
        if tag == "Quiet":
            quiet = (node.text or "").strip().lower() == "true"
        elif tag == "Object":
            found = [key_of(child.text or "") for name, child in children(node) if name == "Key"]
            if len(found) != 1 or not found[0]:
                raise malformed_xml()
            versions = [child.text or "" for name, child in children(node) if name == "VersionId"]
            keys.append((found[0], versions[0] if versions else None))
        else:
            raise malformed_xml()
    if not 1 <= len(keys) <= MAX_DELETED_KEYS:
        raise malformed_xml()
    return keys, quiet


def _readable(body: bytes) -> bytes:
    """Let control characters through the parser, which XML forbids and the service takes in keys."""
    return _CONTROL.sub(lambda found: chr(_PRIVATE + found[0][0]).encode(), body)


def key_of(text: str) -> str:
    """Return a key as it was before `_readable`."""
    return "".join(chr(ord(c) - _PRIVATE) if _PRIVATE < ord(c) < _PRIVATE + 32 else c for c in text)


def parse(body: bytes, root_name: str) -> ET.Element:
    """Parse a document of a client's.

    Raises:
        OssError: MalformedXML: not XML, another root, a document type, or too long.
    """
    # A document type is the door to entity tricks, and no client has a use for it.
    if len(body) > MAX_COMPLETE_BYTES or b"<!DOCTYPE" in body:
        raise malformed_xml()
    try:
        root = ET.fromstring(_readable(body))  # noqa: S314 - no document type gets this far
    except (ET.ParseError, ValueError, LookupError) as exc:
        raise malformed_xml() from exc
    if local_name(root.tag) != root_name:
        raise malformed_xml()
    return root


def children(node: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """Yield the children of an element with their names, without namespaces."""
    for child in node:
        yield local_name(child.tag), child


def plain(root: ET.Element) -> ET.Element:
    """Take the namespaces off a document, and return it."""
    for node in root.iter():
        node.tag = local_name(node.tag)
    return root


def local_name(tag: str) -> str:
    """Return a tag without its namespace."""
    return tag.rpartition("}")[2]
