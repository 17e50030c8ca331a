"""Frozen copies of files and of the queue's sums. Floor 4; called under the queue's condition."""

from __future__ import annotations

from .model import UploadResult, UploadState
from .record import Record
from .scheduler import Scheduler
from .upload_info import FileSnapshot, Totals, UploadInfo

__all__ = ["freeze", "result_of", "totals_of"]


def totals_of(queue: Scheduler) -> Totals:
    """Return the sums over the queue."""
    counts = dict(queue.counts)
    sent = queue.sums.progress_bytes
    wanted = queue.sums.size_bytes - queue.sums.state_bytes[UploadState.CANCELED]
    left = max(0, wanted - sent - queue.sums.state_bytes[UploadState.FAILURE])
    moving = counts[UploadState.UPLOADING] > 0
    done = counts[UploadState.SUCCESS]
    live = len(queue.records) - counts[UploadState.CANCELED]
    share = min(0.999, sent / wanted) if wanted else 0.0
    return Totals(
        state=queue.state,
        counts=counts,
        done=done,
        failed=counts[UploadState.FAILURE],
        canceled=counts[UploadState.CANCELED],
        total=len(queue.records),
        size_bytes=queue.sums.size_bytes,
        done_bytes=queue.sums.state_bytes[UploadState.SUCCESS],
        failed_bytes=queue.sums.state_bytes[UploadState.FAILURE],
        sent_bytes=sent,
        accepted_bytes=queue.sums.accepted_bytes,
        speed_bytes_per_s=queue.meter.bytes_per_s if moving else 0.0,
        time_left_s=queue.meter.time_left_s(left) if moving else None,
        progress=1.0 if live and done == live else share,
    )


def freeze(record: Record, region: str, now_s: float) -> FileSnapshot:
    """Return a frozen copy of one file.

    Args:
        record: The file.
        region: Region to show while the file has none of its own.
        now_s: Monotonic time, for the countdown of a wait.
    """
    info: UploadInfo = record.info
    machine = record.machine
    wait_s = None
    if machine is not None and machine.wait_until_s is not None:
        wait_s = max(0.0, machine.wait_until_s - now_s)
    return FileSnapshot(
        file_id=record.file_id,
        name=record.name,
        path=record.path,
        source=info.source,
        size_bytes=record.size_bytes,
        media_type=record.media_type,
        state=record.state,
        phase=record.phase,
        video_id=info.video_id,
        image_id=info.image_id,
        image_url=record.image_url,
        media_id=info.media_id,
        object=info.object,
        bucket=info.bucket,
        endpoint=info.endpoint,
        region=record.region or region,
        reference_id=info.reference_id,
        sent_bytes=record.sent_bytes,
        accepted_bytes=record.accepted_bytes,
        loaded_percent=record.loaded_percent,
        speed_bytes_per_s=record.speed_bytes_per_s,
        time_left_s=record.time_left_s,
        error=record.error,
        attempts=record.attempts,
        wait_s=wait_s,
        wait_reason=machine.wait_reason if machine is not None else "",
        title=record.metadata.title,
        metadata=record.metadata,
        duration_s=record.duration_s,
        actions=record.actions,
        request_id=record.request_id,
        verified=record.verified,
        skipped=record.skipped,
    )


def result_of(record: Record) -> UploadResult:
    """Return one row of `results()`."""
    info: UploadInfo = record.info
    return UploadResult(
        file_id=record.file_id,
        name=record.name,
        source=record.path,
        state=record.state,
        media_type=record.media_type,
        video_id=info.video_id,
        image_id=info.image_id,
        image_url=record.image_url,
        size_bytes=record.size_bytes,
        sent_bytes=record.total_sent_bytes,
        duration_s=record.duration_s or 0.0,
        verified=record.verified,
        skipped=record.skipped,
        error_code=record.error.code if record.error is not None else None,
        error_message=str(record.error) if record.error is not None else None,
        request_id=record.request_id,
    )
