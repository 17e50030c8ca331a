"""A bucket of one's own, with verbs for methods."""

from __future__ import annotations

import base64
import hashlib

from tests.emulator.raw import Grant, Keys, Reply, oss

BUCKET = "a-bucket-of-mine"


class Shop:
    """A bucket of its own; the methods are verbs."""

    def __init__(self, grant: Grant, keys: Keys) -> None:
        self.grant = grant
        self.keys = keys

    def ask(self, method: str, key: str, query: str = "", body: object = None, **headers: str) -> Reply:
        named: dict[str, str | None] = {name.replace("_", "-"): value for name, value in headers.items()}
        return oss(self.grant, method, query, body, named, key=key, bucket=BUCKET, keys=self.keys)

    def switch(self, status: str) -> Reply:
        body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>"
        return self.ask("PUT", "", "versioning", body)

    def put(self, key: str, body: bytes, **headers: str) -> str:
        return self.ask("PUT", key, body=body, **headers).headers.get("x-oss-version-id", "")

    def get(self, key: str, version: str) -> Reply:
        return self.ask("GET", key, f"versionId={version}")

    def delete(self, key: str, version: str = "") -> Reply:
        return self.ask("DELETE", key, f"versionId={version}" if version else "")

    def delete_many(self, *named: tuple[str, str]) -> Reply:
        items = "".join(
            f"<Object><Key>{key}</Key>{f'<VersionId>{version}</VersionId>' if version else ''}</Object>"
            for key, version in named
        )
        body = f"<Delete>{items}</Delete>".encode()
        digest = base64.b64encode(hashlib.md5(body).digest()).decode()
        return self.ask("POST", "", "delete", body, Content_MD5=digest)

    def versions(self, query: str = "") -> list[tuple[str, str, str, bool]]:
        listed = self.ask("GET", "", f"versions{query}").xml
        return [
            (
                node.tag,
                node.findtext("Key") or "",
                node.findtext("VersionId") or "",
                node.findtext("IsLatest") == "true",
            )
            for node in listed
            if node.tag in ("Version", "DeleteMarker")
        ]
