"""The mutants of the machine, the journal and the retry rules.

(module, text that stands there once, what stands there instead, the test that must fail then). `SIM[plan]` plays many
histories of a plan of the simulator until one breaks a promise.
"""

from __future__ import annotations

M = "machine.{}".format
J = "journal.{}".format
F = "if False:"
ONE = "property/test_machine::{}".format
JOURNAL = "protocol/test_journal::{}".format
DISK = "simulation/test_journal_on_disk::{}".format
RULES = "unit/test_rules::{}".format
ENGINE = "unit/test_engine::{}".format
COMPLETE = "fault/test_complete_sim::{}".format
CREATE = "fault/test_create_sim::{}".format
PARTS = "fault/test_parts_sim::{}".format
INIT = "fault/test_init_sim::{}".format
SIM = "simulation/test_simulation::test_histories_of_a_plan_keep_every_promise[{}]".format

MUTANTS: tuple[tuple[str, str, str, str], ...] = (
    # --- the nine of the prototype: trust ListParts, no CRC, no reference id, no HEAD, no look at the source, no abort,
    # --- progress that falls, news after the end, bytes before the journal
    (M("transfer"), "and there.crc64 in (None, p.crc64)", "", PARTS("test_f43_part_that_rots_in_the_storage_before_a_resume_is_sent_again")),
    (M("transfer"), "and there.size_bytes == p.size_bytes", "", COMPLETE("test_f61_listed_part_that_is_not_ours_is_sent_again_alone")),
    (M("transfer"), "if info.crc64 != expected:", F, ONE("test_damage_inside_the_storage_is_seen_at_the_end_and_sent_again")),
    (M("file"), "if remote.crc64 is not None and remote.crc64 != crc:", F, ONE("test_damaged_part_is_sent_again_alone")),
    (M("permission"), "self.checkpoint = replace(self.checkpoint, reference_id=self._random.hex(32))", "pass", SIM("own_keys")),
    (M("permission"), "if not self.checkpoint.media_id and is_doubtful(error):", F, SIM("reference_again_makes_another")),
    (M("transfer"), "if doubtful or gone:", "if gone:", COMPLETE("test_f66_complete_whose_answer_is_lost_is_asked_for_and_not_repeated")),
    (M("transfer"), "if fingerprint != self.checkpoint.fingerprint:", F, ONE("test_source_that_changes_after_its_last_part_is_no_success")),
    (M("settling"), "yield from self._abort_remote()", "pass", ONE("test_cancel_then_delete_forgets_the_journal_entry")),
    (M("settling"), "self._owes_restart = self._owes_restart or self.ledger.loaded_percent > 0", "pass", ONE("test_progress_that_a_cancel_brings_down_is_announced_when_the_file_runs_again")),
    (M("transfer"), "if not again.is_said:", F, ONE("test_damage_inside_the_storage_is_seen_at_the_end_and_sent_again")),
    (M("file"), "if self._committed:\n            return None", "if False:\n            return None", ONE("test_success_that_is_being_written_down_wins_over_a_late_cancel")),
    (M("transfer"), "            # Durable before the first byte: after a kill the parts can be found and never become orphans.\n            yield from self._save()", "            pass", SIM("usual")),
    (M("transfer"), "            # Durable before the first byte, also when an earlier run was stopped, or its process killed, before it was.\n            yield from self._save()", "            pass", ONE("test_upload_id_that_a_killed_process_left_is_made_durable_before_a_byte_goes_under_it")),
    # --- doubt: who looks, and what is believed
    (M("permission"), "looked_for = self._create_doubtful\n", "looked_for = False\n", ONE("test_create_whose_answer_was_lost_is_looked_up_by_the_next_run_too")),
    (M("upload"), "if self._saved is None and may_be_created(found):", F, ONE("test_create_whose_answer_was_lost_is_looked_up_by_the_next_run_too")),
    (M("permission"), 'if self.checkpoint.media_id or looked_for or error.code == "Reference.Conflict":', "if True:", CREATE("test_f8_reference_that_exists_is_treated_as_a_lost_answer")),
    (M("permission"), "if found is None and exists is not None:", F, ONE("test_reference_id_that_exists_and_is_not_found_fails_instead_of_asking_for_ever")),
    (M("permission"), "if not mine and ((found.title and found.title != self.job.metadata.title) or other_size):", F, CREATE("test_f8_foreign_video_under_the_reference_is_a_conflict")),
    (M("transfer"), "return info if info.crc64 is not None or is_ours else None", "return info", ONE("test_object_without_crc_that_an_earlier_version_left_is_no_proof")),
    (M("transfer"), "            if not is_ours:\n                return None\n", "", ONE("test_object_without_crc_that_an_earlier_version_left_is_no_proof")),
    (M("transfer"), 'if status is not None and status.status not in {"Uploading", "UploadFail"}:', "if status is not None:", COMPLETE("test_f67_asset_that_still_waits_for_bytes_lets_it_complete_again_and_never_upload_again")),
    (M("transfer"), "yield from self._look_for_object()", "pass", ONE("test_a_lost_put_answer_is_waited_for_and_looked_up_before_bytes_go_again")),
    (M("transfer"), '                if tries == 1:\n                    raise Restart("Parts", error) from None\n', "", ONE("test_parts_that_complete_refuses_are_begun_again_where_nobody_may_list_them")),
    (M("transfer"), '                yield from self._start_over(Restart("Parts"))\n', "", ONE("test_parts_that_are_refused_after_the_list_was_read_do_not_hold_up_the_next_try")),
    (M("transfer"), "replace(p, etag=there.etag)", "p", PARTS("test_f46_wrong_etag_is_read_again_from_the_list")),
    (M("transfer"), "return [p for p, crc in zip(parts, crcs, strict=True) if p.crc64 == crc]", "return parts", PARTS("test_part_whose_bytes_the_file_has_no_more_after_a_restart_is_sent_again_alone")),
    (M("upload"), "if self.checkpoint.fingerprint != opened.fingerprint:", F, SIM("edited")),
    (M("transfer"), "reads_again = self.job.cheap_reads and self._hash_first", "reads_again = self._hash_first", PARTS("test_part_whose_bytes_the_file_has_no_more_after_a_restart_is_sent_again_alone")),
    (M("upload"), "or not opened.fingerprint_is_strong or", "or", ONE("test_file_is_skipped_only_when_the_journal_proves_that_these_bytes_are_stored")),
    (M("upload"), 'or done.get("fingerprint") != opened.fingerprint:', ":", ONE("test_file_is_skipped_only_when_the_journal_proves_that_these_bytes_are_stored")),
    (M("upload"), "return self.job.skip_uploaded or bool(", "return True or bool(", ONE("test_file_is_skipped_only_when_the_journal_proves_that_these_bytes_are_stored")),
    (M("upload"), "raise again.last from None  # a second whole transfer was damaged too", "pass", COMPLETE("test_f72_second_object_with_another_crc_is_a_failure")),
    # --- credentials
    (M("file"), "            if grants != self._grants:\n                return []\n", "", ONE("test_many_parts_that_expire_together_are_one_refresh")),
    (M("file"), "            if not parked:\n                self._sending = False  # until the renewal that is under way has brought another\n", "", ONE("test_credential_that_ends_while_it_is_renewed_ahead_sends_no_more_parts")),
    (M("permission"), "if self._expiries > EXPIRIES_MAX:", F, "fault/test_time_sim::test_f78_application_that_resumes_with_expired_tokens_is_asked_three_times"),
    (M("file"), "return self._clock.now_s() >= grant.auth.issued_at_s + 0.8 * life_s", "return False", "fault/test_time_sim::test_f76_upload_of_three_hours_never_sees_an_expired_token"),
    (M("permission"), "moved = bool(before.object) and (before.bucket, before.object) != (address.bucket, address.object)", "moved = False", ONE("test_credential_for_another_object_begins_again_there_whole")),
    (M("permission"), "            raise Interrupted  # the person may want the file again already: its state is that of the next run", "            pass", ONE("test_keys_that_end_while_a_cancel_is_carried_out_do_not_expire_the_run_that_is_wanted_next")),
    (M("permission"), "return  # An image cannot be refreshed: asking again would make a second one.", "pass", ONE("test_image_that_goes_on_while_its_credential_lives_keeps_its_id")),
    (M("permission"), "if self._image_creates >= IMAGE_CREATES_MAX:\n                        raise", "if False:\n                        raise", ONE("test_cover_whose_create_gets_no_answer_is_created_once_more_and_said")),
    (M("permission"), 'yield self._warn("Image.Unknown", "an ImageId without bytes may remain: its answer was lost")', "pass", ONE("test_cover_whose_create_gets_no_answer_is_created_once_more_and_said")),
    # --- the person's word, and cleaning up
    (M("file"), "if self._settling or self._interrupt is FileEvent.CANCEL:", "if self._settling:", ONE("test_cancel_is_carried_out_also_when_the_file_is_wanted_again_before_the_step_in_flight_ends")),
    (M("settling"), "            elif self._entry_open:\n                yield from self._save_what_is_new()\n", "", ONE("test_ids_that_came_while_the_file_stopped_are_written_down")),
    (M("settling"), "            self.checkpoint = replace(self.checkpoint, canceled=True)\n            if not self._is_marked:", "            if not self._is_marked:", "fault/test_people_sim::test_f123_a_cancel_without_a_network_is_carried_out_after_a_restart"),
    (M("settling"), "if self._abort_rounds and not is_mine:", F, ONE("test_abort_is_not_tried_again_once_another_process_has_taken_the_file_up")),
    (M("settling"), "and (found.canceled or not self._is_marked)", "and found.canceled", "fault/test_people_sim::test_f84_f122_a_cancel_whose_journal_cannot_be_read_is_tried_again_and_else_said"),
    (M("settling"), "                    yield from self._put_abort_off(error)\n                    return False", "                    return False", "fault/test_people_sim::test_f84_f122_a_cancel_whose_journal_cannot_be_read_is_tried_again_and_else_said"),
    (M("settling"), "if image and not self._grant_lives():", F, ONE("test_image_whose_credential_ends_while_its_parts_are_removed_makes_no_other_image")),
    (M("settling"), "patience_s = min(self.policy.patience_s or 0.0, ABORT_PATIENCE_S)", "patience_s = self.policy.patience_s or 0.0", ONE("test_abort_is_not_tried_for_ever")),
    (M("transfer"), '            yield from self._drop_old_upload()\n            self.checkpoint = replace(self.checkpoint, upload_id="")\n            raise', "            raise", INIT("test_f28_upload_id_that_cannot_be_noted_sends_no_part_and_is_aborted")),
    (M("context"), "parts = {p.part_number: p for p in (*self.checkpoint.parts, *self._board.accepted())}", "parts = {p.part_number: p for p in self.checkpoint.parts}", ONE("test_checkpoint_written_during_a_renewal_keeps_the_parts")),
    # --- rules that one test each holds, since others would heal what they let through
    (M("file"), "            self._streak = 0\n            self._skew_seen = False\n            self._progress_at_s", "            self._skew_seen = False\n            self._progress_at_s", ONE("test_answer_of_the_control_plane_forgives_the_faults_before_it")),
    (M("file"), "            self._progress_at_s = self._clock.monotonic_s()\n        self._main = None\n        return self._advance_send(value)", "        self._main = None\n        return self._advance_send(value)", ONE("test_answer_of_the_control_plane_forgives_the_faults_before_it")),
    (M("file"), "        if not self._sending:\n            self._board.put_back(effect.part)\n            return self._when_drained()\n        parked", "        parked", ONE("test_part_that_fails_after_its_file_was_stopped_is_no_attempt")),
    (M("file"), "if effect.upload_id != self.checkpoint.upload_id or self._board.single:", "if self._board.single:", ONE("test_part_that_arrives_in_the_former_place_is_no_progress_in_the_new_one")),
    (M("file"), "self._restart_wanted = False\n        self._interrupt = event", "self._interrupt = event", ONE("test_last_of_many_words_counts")),
    (M("file"), "self._board.put_back(effect.part, not_before_s=self._clock.monotonic_s() + 1.0)", "self._board.put_back(effect.part)", ONE("test_part_that_is_refused_while_its_credential_is_renewed_waits_a_second")),
    (M("file"), "if isinstance(error, ClockSkewError) and not self._skew_seen:", "if isinstance(error, ClockSkewError):", PARTS("test_f40_part_that_is_skewed_for_ever_is_a_failure")),
    (M("file"), "or self._app_grants or self.job.media_type is MediaType.IMAGE:", "or self._app_grants:", ONE("test_credential_of_an_image_is_not_renewed_ahead_since_that_would_make_another")),
    (M("transfer"), "elif not self.checkpoint.completed_before:\n            yield from self._take_foreign()", "else:\n            yield from self._take_foreign()", ONE("test_upload_that_is_dropped_beside_an_object_of_an_earlier_version_is_begun_again")),
    (M("transfer"), "if info is None or info.size_bytes not in (None, self.job.size_bytes) or info.crc64 not in (None, expected):", "if info is None or info.crc64 not in (None, expected):", ONE("test_object_of_another_length_without_a_sum_is_no_proof")),
    (M("transfer"), '            if info.size_bytes not in (None, self.job.size_bytes):\n                raise Restart("Integrity", IntegrityError("the stored object has another length"))\n', "", ONE("test_stored_object_of_another_length_is_sent_again_where_there_are_no_sums")),
    (M("transfer"), "start + there.size_bytes > self.job.size_bytes", "False", PARTS("test_parts_that_the_journal_lost_count_when_their_place_and_sum_are_the_files")),
    (M("transfer"), "        if self.job.bucket or self.job.object:\n            return\n", "", ONE("test_uploads_that_nobody_knows_are_swept_only_where_no_other_program_can_have_begun_them")),
    (M("permission"), "        if self._expiries > EXPIRIES_MAX or (self._sts", "        if (self._sts", ONE("test_keys_that_expire_again_and_again_are_not_asked_for_ever")),
    (M("permission"), "        check_lifetime(grant.auth)\n", "", CREATE("test_f17_permission_that_claims_to_live_for_days_is_refused")),
    (M("permission"), "stained = before.completed_before if media_id == before.media_id else not is_new", "stained = before.completed_before", ONE("test_asset_that_the_application_names_may_hold_something_already")),
    (M("permission"), "completed_before=stained or self._goes_as_one(before),", "completed_before=stained,", ONE("test_small_file_is_written_down_twice_before_its_bytes_leave")),
    (M("permission"), "if number < ABORT_TRIES and classify(error) is Action.RETRY:", F, ONE("test_parts_of_a_former_version_are_removed_though_the_first_tries_fail")),
    (M("settling"), "gone = self._discard and not self.checkpoint.upload_id", "gone = self._discard", ONE("test_file_that_leaves_the_list_keeps_its_entry_while_its_parts_cannot_be_removed")),
    (M("upload"), "elif mine.canceled:\n            self.checkpoint = replace(mine, canceled=False)", "", ONE("test_canceled_file_that_is_wanted_again_is_no_longer_given_up_in_the_journal")),
    (M("upload"), "reference_id=found.reference_id if found.media_id else self.job.reference_id or found.reference_id,", "reference_id=self.job.reference_id or found.reference_id,", ONE("test_reference_id_of_an_asset_that_exists_wins_over_a_new_wish")),
    # --- the journal
    (J("entry"), "                if not self._is_named:\n", "                if False:\n", DISK("test_durable_write_after_a_torn_file_was_written_anew_survives_too")),
    (J("entry"), "            if durable:\n                self._journal.disk.sync(descriptor)\n", "            if durable:\n", DISK("test_durable_write_survives_every_power_cut")),
    (J("entry"), "is_safe = self._is_synced and self._is_named", "is_safe = True", DISK("test_what_a_killed_process_left_unsynced_is_made_durable_by_writing_it_again")),
    (J("entry"), "size_bytes, self._size_bytes, self._is_synced = self._size_bytes + len(data), -1, False", "size_bytes = self._size_bytes = self._size_bytes + len(data)\n            self._is_synced = False", DISK("test_line_whose_sync_failed_does_not_win_over_a_later_write_of_the_state_before_it")),
    (J("files"), "            if exc.errno not in _NO_FOLDER_SYNC:\n                raise\n", "            pass\n", DISK("test_folder_that_cannot_be_synced_is_no_durable_write")),
    (J("entry"), "self._size_bytes = -1 if verdict else len(data)", "self._size_bytes = len(data)", JOURNAL("test_f85_work_goes_on_after_a_line_torn_at_any_byte")),
    (J("entry"), "if os.fstat(descriptor).st_size != self._size_bytes:", F, JOURNAL("test_what_another_program_did_to_the_file_meanwhile_is_repaired")),
    (J("entry"), "is_reset = not old.parts.keys() <= new.parts.keys()", "is_reset = False", JOURNAL("test_parts_of_an_upload_that_was_given_up_are_gone")),
    (J("entry"), "if self._journal.is_done(self._key, stamp(self._path)):", F, JOURNAL("test_a_kill_between_the_result_and_the_removal_leaves_a_finished_file")),
    (J("entry"), "            self._spare(new)\n", "", JOURNAL("test_f87_no_damaged_byte_loses_the_asset_or_makes_up_another")),
    (J("entry"), "kept = replace(state.checkpoint, completed_before=True)", "kept = state.checkpoint", JOURNAL("test_f87_damage_in_the_middle_keeps_the_asset_and_drops_the_parts")),
    (J("entry"), "return State(kept, {}, state.begun_s), verdict", "return State(kept, state.parts, state.begun_s), verdict", JOURNAL("test_f87_damage_in_the_middle_keeps_the_asset_and_drops_the_parts")),
    (J("lines"), "if text[-_SUFFIX_BYTES:] != b',\"crc\":\"%08x\"}' % zlib.crc32(body):", F, JOURNAL("test_f87_damage_in_the_middle_keeps_the_asset_and_drops_the_parts")),
    (J("lines"), "if isinstance(key, str) and _SECRET_KEY.search(key):", F, JOURNAL("test_f94_nothing_that_sounds_secret_gets_in")),
    (J("done"), 'torn = size_bytes > 0 and os.pread(descriptor, 1, size_bytes - 1) != b"\\n"', "torn = False", JOURNAL("test_a_damaged_line_of_the_list_costs_only_itself")),
    ("engine", "if entry is not None and machine.checkpoint.upload_id == effect.upload_id:", "if entry is not None:", ENGINE("test_part_of_an_upload_that_was_begun_again_meanwhile_is_not_written_behind_the_new_one")),
    ("engine", "            _forget_calls(error)\n            raise", "            raise", "fault/test_bounds::test_memory_threads_and_descriptors_stay_below_their_formulas_while_parts_fail"),
    (J("done"), "            self._disk.sync(descriptor)\n        finally", "        finally", DISK("test_finished_file_is_known_as_finished_after_every_power_cut")),
    (J("lines"), 'if record.get("v") != VERSION:\n            return False', "if False:\n            return False", JOURNAL("test_f87_line_of_a_newer_version_is_not_taken_though_it_looks_like_ours")),
    # --- the retry rules
    ("retry", " + randomness.uniform(0.0, 1.0)", "", RULES("test_waits_are_spread_so_that_many_files_do_not_return_in_step")),
    ("retry", "return randomness.uniform(0.5, max(0.5, top))", "return top", RULES("test_waits_are_spread_so_that_many_files_do_not_return_in_step")),
    ("retry", "return error.was_sent", "return False", RULES("test_doubt_is_only_where_the_request_may_have_worked")),
    ("retry", "return isinstance(error, errors.ServerFaultError | errors.UnexpectedAnswerError)", "return False", CREATE("test_f10_fault_of_the_server_may_have_had_its_effect")),
    ("retry", "if error.code in _NEVER_AGAIN:", F, RULES("test_errors_have_their_action")),
    ("retry", "return failures <= self.retry_count", "return failures < self.retry_count", RULES("test_retry_count_or_patience_decides")),
    ("retry", "return since_progress_s < self.patience_s", "return True", RULES("test_retry_count_or_patience_decides")),
    ("retry", "min(asked, self.longest_asked_s)", "asked", RULES("test_retry_after_is_honoured_up_to_its_limit")),
    ("retry", "if asked is not None:", F, RULES("test_retry_after_is_honoured_up_to_its_limit")),
    ("retry", "doublings = min(failures - 1, 16)", "doublings = 0", RULES("test_the_interval_of_the_seed_is_the_floor_and_doubles")),
    ("retry", "errors.NoSuchUploadError: Action.LOOK,", "errors.NoSuchUploadError: Action.FAIL,", RULES("test_errors_have_their_action")),
    ("retry", "errors.AuthExpiredError: Action.REFRESH,", "errors.AuthExpiredError: Action.FAIL,", RULES("test_errors_have_their_action")),
    (M("context"), "        self._streak = 0\n        self._expiries = 0\n        self._skew_seen", "        self._expiries = 0\n        self._skew_seen", ONE("test_faults_before_progress_do_not_count_against_what_follows")),
    ("board", "self._failures.clear()\n\n    def retry_now", "pass\n\n    def retry_now", ONE("test_faults_of_a_part_are_forgiven_when_another_is_accepted")),
    ("board", "        if part.part_number in self._done:\n            return False\n", "", RULES("test_the_board_hands_out_each_part_until_it_is_stored")),
    ("progress", "share = min(_BELOW_ONE, self.sent_bytes / self.total_bytes)", "share = self.sent_bytes / self.total_bytes", RULES("test_the_fraction_never_falls_and_is_one_only_when_verified")),
    # --- what is taken twice, comes late or is another's
    ("board", "        if part.part_number not in self._out:\n            return\n", "", RULES("test_part_that_is_given_back_twice_or_after_it_was_stored_is_handed_out_once")),
    ("board", "self._out.discard(part.part_number)\n        self._waiting", "self._waiting", RULES("test_part_that_is_given_back_twice_or_after_it_was_stored_is_handed_out_once")),
    ("board", "        self._out.discard(part.part_number)\n        if part", "        if part", RULES("test_part_that_is_given_back_twice_or_after_it_was_stored_is_handed_out_once")),
    ("parts", "if gap_bytes == 0 if missing == 0 else gap_bytes >= missing > 0:", "if True:", RULES("test_stored_parts_count_only_where_the_numbers_between_them_have_a_byte_each")),
    ("parts", "gap_bytes >= missing > 0", "gap_bytes > missing > 0", RULES("test_stored_parts_count_only_where_the_numbers_between_them_have_a_byte_each")),
    ("parts", "gap_bytes >= missing > 0", "gap_bytes >= missing", RULES("test_stored_parts_count_only_where_the_numbers_between_them_have_a_byte_each")),
    (J("entry"), "if durable or self._path.exists():", "if durable:", DISK("test_file_that_is_written_anew_for_a_part_alone_never_replaces_the_durable_one_unsynced")),
    (J("entry"), "if os.getpid() != self._pid:\n            raise", "if False:\n            raise", JOURNAL("test_a_forked_child_neither_writes_nor_keeps_the_lock")),
    (J("files"), "if self._is_named(descriptor):\n                    os.ftruncate", "if True:\n                    os.ftruncate", JOURNAL("test_lock_whose_file_was_removed_between_open_and_lock_is_taken_anew")),
    (J("done"), 'record.get("key") != key or ', "", JOURNAL("test_list_that_is_replaced_while_it_is_read_gives_no_result_of_another_file")),
    # --- the engine
    ("engine", "if given is not None or record.run.provider is None:\n                    raise", "raise", ENGINE("test_own_keys_that_ran_out_are_renewed_once_in_the_same_call")),
    ("engine", "if given is not None or record.run.provider is None:\n                    raise", "pass", ENGINE("test_keys_that_were_given_for_a_file_are_not_replaced_by_those_of_the_queue")),
    ("engine", "            record.run.entry.release()\n            record.run.entry = None\n", "", ENGINE("test_entry_that_cannot_be_read_is_let_go_at_once")),
    ("engine", "strong = record.source.kind is not SourceKind.BROWSER", "strong = True", ENGINE("test_fingerprint_of_a_file_in_a_browser_proves_no_bytes")),
    ("engine", 'if info.crc64 is not None and info.crc64 != body.crc64:\n            raise IntegrityError("the cover', 'if False:\n            raise IntegrityError("the cover', ENGINE("test_cover_whose_stored_sum_is_another_is_damaged")),
    ("engine", "            self._pace.ended(operation, was_throttled=True)\n", "", ENGINE("test_pace_is_told_whether_a_call_was_throttled")),
    ("engine", "left += one.__cause__, one.__context__", "left += ()", ENGINE("test_error_that_is_kept_holds_no_call_that_it_or_its_causes_passed")),
    ("engine", "one.__traceback__ = None", "pass", ENGINE("test_error_that_is_kept_holds_no_call_that_it_or_its_causes_passed")),
    # --- the two edges
    ("oss", "life_s += round(self._store.clock_offset_s)", "pass", "protocol/test_oss_answers::test_signed_url_of_a_part_lives_by_the_clock_of_the_storage"),
)  # fmt: skip
