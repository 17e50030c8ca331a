"""One file in full, for the panel of the page: facts, metadata, cover, a small picture.

No ipywidgets. Reads the disk for covers and pictures, so workers run those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vod_widget.doctor_words import wait_words
from vod_widget.errors import InvalidArgumentError, InvalidStateError, RestrictionError, VODError
from vod_widget.model import MediaType
from vod_widget.secret import redact
from vod_widget.sources import MemorySource

from .paths import KernelFiles
from .policy import Policy
from .view import row

if TYPE_CHECKING:
    from vod_widget.upload_info import FileSnapshot, UploadInfo
    from vod_widget.uploader import VODUpload

__all__ = ["Details"]

PICTURE_BYTES = 512 * 1024
"""A kernel's image up to this size is shown small in its row; a larger one would cost a slow line too much."""
_OF_SEVERAL = ("description", "tags", "cate_id", "template_group_id", "workflow_id")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


class Details:
    """Looks at one file and changes what it says about itself.

    Args:
        uploader: The core.
        files: Files of the kernel's machine, for covers.
        policy: A page for strangers may not name files of the kernel nor choose how the cloud processes a video.
        owed: What pages owe, by file id.
        is_answered: Whether other keys came since a file failed by an error.
    """

    def __init__(
        self,
        uploader: VODUpload,
        files: KernelFiles,
        policy: Policy,
        owed: Callable[[], Mapping[str, str]],
        is_answered: Callable[[str, VODError | None], bool],
    ) -> None:
        self._uploader = uploader
        self._files = files
        self._policy = policy
        self._owed = owed
        self._is_answered = is_answered

    def _snapshot(self, file_id: str) -> FileSnapshot:
        file = self._uploader.file_snapshot(file_id)
        if file is None:
            raise InvalidArgumentError("The file is not in the list any more.", code="NotFound", hint="")
        return file

    def _row(self, file_id: str) -> dict[str, Any]:
        file = self._snapshot(file_id)
        return row(file, owed=self._owed().get(file_id, ""), answered=self._is_answered(file_id, file.error))

    def facts(self, info: UploadInfo) -> dict[str, Any]:
        """Return everything about a file that a page may know."""
        file = self._snapshot(info.file_id)
        metadata = file.metadata
        wait_hint, wait_hint_zh = wait_words(file.wait_reason)
        return {
            "row": self._row(info.file_id),
            "attempts": [
                {"number": number, "code": code, "message": redact(message), "waited_s": round(waited_s, 3)}
                for number, code, message, waited_s in file.attempts
            ],
            "wait_hint": wait_hint,
            "wait_hint_zh": wait_hint_zh,
            "request_id": file.request_id or "",
            "reference_id": file.reference_id or "",
            "object": file.object or "",
            "bucket": file.bucket or "",
            "path": file.path if self._policy.allows_kernel_files and file.source != "browser" else "",
            "verified": file.verified,
            "description": metadata.description or "",
            "tags": list(metadata.tags),
            "cate_id": metadata.cate_id,
            "template_group_id": metadata.template_group_id or "",
            "workflow_id": metadata.workflow_id or "",
            "cover": self._cover_words(info, metadata.cover_url or ""),
        }

    def _cover_words(self, info: UploadInfo, address: str) -> str:
        name = info.cover_name
        return name or address

    def set_metadata(self, info: UploadInfo, args: Mapping[str, Any]) -> dict[str, Any]:
        """Change what a file that has not started says about itself.

        Args:
            info: The file.
            args: As the schema says; a `cover` of None leaves it, "" takes it away, else it is a path or an address.

        Raises:
            VODError: A limit, a cover that cannot be had, or too late.
        """
        metadata = info.metadata
        if self._policy.own_files_only:
            steered = (args["template_group_id"], args["workflow_id"])
            if steered != (metadata.template_group_id or "", metadata.workflow_id or "") or args["cover"]:
                raise RestrictionError("This is not allowed here; ask the author of the page.", code="Policy", hint="")
        fields: dict[str, Any] = {
            # An empty one is the file's name again, as in a file that nobody gave a title.
            "title": args["title"] if args["title"].strip() else None,
            "description": args["description"] or None,
            "tags": list(args["tags"]),
            "cate_id": args["cate_id"],
            "template_group_id": args["template_group_id"].strip() or None,
            "workflow_id": args["workflow_id"].strip() or None,
        }
        cover = args["cover"]
        if cover is not None:
            fields["cover"] = fields["cover_url"] = None
            if _ADDRESS.match(cover):
                fields["cover_url"] = cover
            elif cover:
                fields["cover"] = self._files.open(self._files.resolve(cover))
        self._change(info, fields)
        return {"row": self._row(info.file_id), "cover": self._cover_words(info, info.metadata.cover_url or "")}

    def edit_files(self, infos: Iterable[UploadInfo], args: Mapping[str, Any]) -> dict[str, Any]:
        """Change what several files say about themselves; one that cannot be changed is named, the others are.

        Args:
            infos: The files.
            args: As the schema says; a field that is None stays as it is in each file.

        Returns:
            `changed`, how many, and `refused`, a dict with name, code and message for each other file.

        Raises:
            RestrictionError: A public page set what decides how the account works; code "Policy".
        """
        fields = {name: args[name] for name in _OF_SEVERAL if args[name] is not None}
        if self._policy.own_files_only and {"template_group_id", "workflow_id"} & set(fields):
            raise RestrictionError("This is not allowed here; ask the author of the page.", code="Policy", hint="")
        if "tags" in fields:
            fields["tags"] = list(fields["tags"])
        changed, refused = 0, []
        for info in infos:
            try:
                self._change(info, dict(fields))
            except VODError as error:
                refused.append({"name": info.name, "code": error.code, "message": redact(error.message)})
            else:
                changed += 1
        return {"changed": changed, "refused": refused}

    def set_cover(self, info: UploadInfo, name: str, data: memoryview) -> dict[str, Any]:
        """Take a picture that the page made or picked as the cover of a file.

        Raises:
            VODError: No picture's name, empty, or too late.
        """
        self._change(info, {"cover": MemorySource(bytes(data), name), "cover_url": None})
        return {"cover": self._cover_words(info, "")}

    def _change(self, info: UploadInfo, fields: dict[str, Any]) -> None:
        if not self._uploader.update_metadata(info, **fields):
            raise InvalidStateError("The file has started; its metadata stay.", hint="")

    def thumbnail(self, info: UploadInfo) -> tuple[dict[str, Any], bytes]:
        """Return the bytes of a small image of the kernel's machine.

        Raises:
            RestrictionError: Not an image of the kernel's, or too large; code "Picture".
        """
        file = self._snapshot(info.file_id)
        if file.media_type != MediaType.IMAGE or file.source != "kernel" or (file.size_bytes or 0) > PICTURE_BYTES:
            raise RestrictionError("There is no small picture of this file.", code="Picture", hint="")
        source = self._files.open(self._files.resolve(file.path))
        try:
            if source.size_bytes > PICTURE_BYTES:
                raise RestrictionError("There is no small picture of this file.", code="Picture", hint="")
            return {"size_bytes": source.size_bytes}, bytes(source.read(0, source.size_bytes))
        finally:
            source.close()
