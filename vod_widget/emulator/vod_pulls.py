"""UploadMediaByURL: files that the service fetches itself.

What lives here: `VodPulls`, the two operations and the steps of a job. It imports `vod`, `storage`,
`checks`; under the lock of `Cloud`. Fetching is done by whoever takes the jobs (`courier`), outside of
the lock; in memory, a simulator calls `begin`, and `finish` or `fail`.

Source: VOD "Media upload/UploadMediaByURL", "GetURLUploadInfos", "Basic structures" (status words).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from vod_widget.emulator import checks, strict_json
from vod_widget.emulator.assets import Answer, CallContext, PullJob
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.checks import AUDIO_EXTENSIONS, VIDEO_EXTENSIONS, Params
from vod_widget.emulator.clock import Clock, iso_z
from vod_widget.emulator.errors import RpcError, invalid_parameter, missing_parameter
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.tokens import KeyRing
from vod_widget.emulator.vod import VodService

MAX_URLS = 20
MAX_ASKED = 10
MAX_ROWS = 100
# Source: UploadMediaByURL, SessionId: the same one again within 10 minutes is an error; its code is INFERRED.
_SESSION_MEMORY_S = 600.0
_MEDIA_TYPES = VIDEO_EXTENSIONS | AUDIO_EXTENSIONS


class VodPulls:
    """Take, run and describe pull jobs.

    Args:
        vod: Makes the assets.
        store: Keeps the bytes.
        clock: Dates jobs.
        keys: Makes ids.
    """

    def __init__(self, vod: VodService, store: ObjectStore, clock: Clock, keys: KeyRing) -> None:
        self._vod = vod
        self._store = store
        self._clock = clock
        self._keys = keys
        self.jobs: dict[str, PullJob] = {}
        self.on_job: Callable[[PullJob], None] = _nobody_fetches

    def clear(self) -> None:
        """Forget the jobs."""
        self.jobs.clear()

    # --- operations ----------------------------------------------------------------------

    def upload_media_by_url(self, params: Params, context: CallContext) -> Answer:
        """UploadMediaByURL: one job for each address, queued."""
        del context
        text = checks.require(params, "UploadURLs")
        urls = [unquote(item) for item in text.split(",") if item]
        if not 1 <= len(urls) <= MAX_URLS:
            raise _bad_urls(f"expected 1 to {MAX_URLS} addresses.")
        session = checks.session_id(params)
        since_s = self._clock.age_s() - _SESSION_MEMORY_S
        if session and any(job.session_id == session and job.created_age_s > since_s for job in self.jobs.values()):
            raise invalid_parameter("SessionId", "a request with the same one was sent within the last 10 minutes.")
        entries = _metadata(params)
        common = self._vod.common_fields({**params, "FileSize": "", "CateId": "", "Tags": "", "Description": ""})
        made = [self._job(url, entries.get(url, {}), params, common) for url in urls]
        for job in made:
            self.jobs[job.job_id] = job
            self._vod.book.put("job", job.job_id, job)
        for job in made:
            self.on_job(job)
        return self._answer(made)

    @staticmethod
    def _answer(jobs: list[PullJob]) -> Answer:
        return {"UploadJobs": [{"JobId": job.job_id, "SourceURL": job.url} for job in jobs]}

    def _job(self, url: str, entry: Mapping[str, Any], params: Params, common: Mapping[str, Any]) -> PullJob:
        parts = checks.web_address(url)
        if parts is None:
            raise _bad_urls("expected http or https.")
        values = {name: str(value) for name, value in entry.items() if value is not None}
        template = {"TemplateGroupId": values.get("TemplateGroupId", "") or params.get("TemplateGroupId", "")}
        extension = (values.get("FileExtension", "") or checks.extension(unquote(parts.path))).lower().lstrip(".")
        if extension not in _MEDIA_TYPES:
            raise RpcError(400, "InvalidFileName.Extension", "The specified URL's extension is illegal.")
        if entry and not values.get("Title"):
            raise missing_parameter("Title")
        fields = {
            **common,
            "description": checks.description(values),
            "tags": checks.tags(values),
            "cate_id": self._vod.category(values),
            "declared_bytes": checks.integer(values, "FileSize"),
            "cover_url": checks.text(values, "CoverURL", 1024),
            "template_group_id": self._vod.template_group(template),
            "workflow_id": values.get("WorkflowId", "") or params.get("WorkflowId", ""),
        }
        user_data = fields.pop("user_data")
        last = unquote(parts.path).rsplit("/", 1)[-1]
        return PullJob(
            job_id=self._keys.random_hex(32),
            url=url,
            title=checks.title(values, required=False) or _cut(last),
            extension=extension,
            created_wall_s=self._clock.wall_s(),
            created_age_s=self._clock.age_s(),
            user_data_text=params.get("UserData", ""),
            user_data=user_data,
            fields={**fields, "file_name": last},
            session_id=params.get("SessionId", ""),
        )

    def get_url_upload_infos(self, params: Params, context: CallContext) -> Answer:
        """GetURLUploadInfos: by job ids, else by addresses, newest first."""
        del context
        ids = [item for item in params.get("JobIds", "").split(",") if item]
        urls = [unquote(item) for item in params.get("UploadURLs", "").split(",") if item]
        if not ids and not urls:
            raise missing_parameter("JobIds")
        if len(ids or urls) > MAX_ASKED:
            raise invalid_parameter("JobIds" if ids else "UploadURLs", f"at most {MAX_ASKED}.")
        if ids:
            found = [self.jobs[job_id] for job_id in ids if job_id in self.jobs]
            absent = [job_id for job_id in ids if job_id not in self.jobs]
        else:
            newest = sorted(self.jobs.values(), key=lambda job: -job.created_wall_s)
            found = [job for url in urls for job in [j for j in newest if j.url == url][:MAX_ROWS]]
            absent = [url for url in urls if all(job.url != url for job in newest)]
        return {"URLUploadInfoList": [_row(job) for job in found], "NonExists": absent}

    # --- steps of a job ------------------------------------------------------------------

    def begin(self, job: PullJob) -> None:
        """Say that the fetching has begun."""
        if self.jobs.get(job.job_id) is not job:
            return  # reset meanwhile
        job.status = "DOWNLOADING"
        self._vod.book.put("job", job.job_id, job)

    def fail(self, job: PullJob, code: str, message: str) -> None:
        """End a job without a file."""
        if self.jobs.get(job.job_id) is not job:
            return  # reset meanwhile
        job.status, job.error_code, job.error_message = "DOWNLOAD_FAIL", code, message
        job.completed_wall_s = self._clock.wall_s()
        self._vod.book.put("job", job.job_id, job)
        self._vod.announce("UploadByURLComplete", job.user_data, status="fail", job_id=job.job_id, source_url=job.url)

    def finish(self, job: PullJob, blob: Blob, content_type: str) -> None:
        """End a job with its file: the asset exists from now on, uploaded."""
        if self.jobs.get(job.job_id) is not job:
            self._store.blobs.remove([blob])  # reset meanwhile
            return
        asset = self._vod.new_asset(
            "video",
            self._vod.video_key(job.extension),
            title=job.title,
            user_data=job.user_data,
            job_id=job.job_id,
            **job.fields,
        )
        headers = {"Content-Type": content_type or "application/octet-stream"}
        self._store.put(asset.bucket, asset.key, blob, headers)
        job.status, job.media_id, job.size_bytes = "SUCCESS", asset.media_id, blob.size_bytes
        job.completed_wall_s = self._clock.wall_s()
        self._vod.book.put("job", job.job_id, job)
        self._vod.announce(
            "UploadByURLComplete",
            job.user_data,
            media_id=asset.media_id,
            size_bytes=blob.size_bytes,
            job_id=job.job_id,
            source_url=job.url,
        )


def _nobody_fetches(job: PullJob) -> None:
    del job


def _bad_urls(why: str) -> RpcError:
    return RpcError(400, "InvalidParameter.UploadURLs", f"The specified parameter UploadURLs is invalid: {why}")


def _metadata(params: Params) -> dict[str, Mapping[str, Any]]:
    """Return UploadMetadatas by their SourceURL."""
    raw = params.get("UploadMetadatas", "")
    if not raw:
        return {}
    try:
        entries = strict_json.loads(raw)
    except ValueError as exc:
        raise invalid_parameter("UploadMetadatas", "not JSON.") from exc
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise invalid_parameter("UploadMetadatas", "expected a list of objects.")
    if not all(isinstance(entry.get("SourceURL"), str) for entry in entries):
        raise invalid_parameter("UploadMetadatas", "each entry needs its SourceURL.")
    if not all(isinstance(value, str | int | None) for entry in entries for value in entry.values()):
        raise invalid_parameter("UploadMetadatas", "the values are texts and numbers.")
    return {unquote(entry["SourceURL"]): entry for entry in entries}


def _cut(name: str) -> str:
    """Return a file name as a title, which has its limit in bytes."""
    return name.encode("utf-8", "replace")[: checks.MAX_TITLE_BYTES].decode("utf-8", "ignore")


def _row(job: PullJob) -> Answer:
    return {
        "JobId": job.job_id,
        "UploadURL": job.url,
        "MediaId": job.media_id,
        "Status": job.status,
        "CreationTime": iso_z(job.created_wall_s),
        "CompleteTime": iso_z(job.completed_wall_s) if job.completed_wall_s else "",
        "FileSize": str(job.size_bytes) if job.size_bytes else "",
        "ErrorCode": job.error_code,
        "ErrorMessage": job.error_message,
        "UserData": job.user_data_text,
    }
