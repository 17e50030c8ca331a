"""What a strict emulator must check to catch real mistakes of clients: 32 points, and what shows each.

Each line: the point, what is caught, the tests that show the mistake being caught. The checks are proved by the mutants of
`mutant_list.py` that name one of these tests; `test_strictness.py` finds a point without a line, a line whose test is gone,
and a line that no mutant proves.

Source: the project's protocol reference, "What a strict emulator must check to catch real client mistakes".
"""

from __future__ import annotations

from dataclasses import dataclass

POINTS = 32


@dataclass(frozen=True)
class Claim:
    """One mistake that is caught."""

    point: int
    mistake: str
    tests: tuple[str, ...]
    """`module::function`, of this folder."""


_TABLE = """
# --- VOD and STS ---
1 | a parameter of query or form is left out of the signature | test_rpc::test_get_and_post_work_with_parameters_in_query_or_form
1 | signed for another verb | test_rpc::test_verb_is_part_of_the_signature
1 | a wrong signature; the server's string is printed | test_rpc::test_mismatch_prints_the_servers_string_to_sign
1 | one name sent twice | test_rpc::test_a_name_sent_twice_is_refused
1 | signed by a header: anything that says what is called was changed, or left out | test_rpc_v3::test_everything_that_says_what_is_called_is_signed, test_rpc_v3::test_a_signature_that_leaves_something_out_is_incomplete
1 | signed by a header: the other rules are the same | test_rpc_v3::test_the_other_rules_are_those_of_the_older_way
2 | an unknown Version or Action | test_rpc::test_each_wrong_common_parameter_has_its_code
3 | another SignatureMethod or SignatureVersion | test_rpc::test_each_wrong_common_parameter_has_its_code
4 | a Timestamp that is absent or of another form | test_rpc::test_each_wrong_common_parameter_has_its_code
4 | a clock that is more than 15 minutes off | test_rpc::test_timestamp_may_be_fifteen_minutes_off
4 | no Timestamp, as the web SDK: a switch | test_rpc::test_switch_lets_calls_without_timestamp_pass
5 | a nonce used twice; a typo does not use it up | test_rpc::test_nonce_works_once_and_only_a_good_signature_uses_it_up
5 | nonces are of one key | test_rpc::test_a_nonce_is_used_up_for_its_key_only
5 | nonces are remembered for their time, over a restart too | test_cloud_in_memory::test_nonces_are_forgotten_after_their_time, test_durable::test_a_call_cannot_be_replayed_after_a_restart
6 | a token that is missing, foreign, dead, or beside a long-lived key | test_rpc::test_temporary_key_needs_its_own_living_token
7 | a required parameter is missing; lengths count bytes; tags; extension; JSON; places | test_vod::test_each_wrong_value_has_its_code
7 | limits are where they are said to be | test_vod::test_values_at_their_limit_pass
7 | a word that is none of the listed | test_vod::test_wrong_images
7 | numbers beyond a Long, pages beyond their limit | test_vod_limits::test_numbers_are_longs, test_vod_limits::test_pages_have_limits
7 | categories, templates and places that do not exist | test_vod::test_configured_templates_categories_and_locations_are_the_only_ones, test_vod_limits::test_unknown_categories_are_refused_everywhere_by_the_switch
7 | UploadMetadatas that are not what they must be | test_vod_errands::test_bad_pulls_are_refused
7 | more than 20 ids | test_vod_library::test_delete_video_takes_object_and_fragments
8 | a Format that is neither XML nor JSON | test_rpc::test_each_wrong_common_parameter_has_its_code
9 | a root key assumes a role | test_sts::test_root_may_not_assume_roles
9 | DurationSeconds, RoleSessionName, RoleArn, Policy | test_sts::test_each_wrong_argument_has_its_code
9 | elements of a Policy that do not exist, or are not judged here | test_sts::test_a_policy_has_no_other_elements
10 | throttling on demand | test_faults::test_throttling, test_vod_library::test_throttling_by_a_switch
10 | InternalError and ServiceUnAvailable on demand | test_faults::test_status_before_has_no_effect_and_after_has
10 | slow answers and dropped connections on demand | test_faults::test_stall_until_released, test_faults::test_broken_connection_before_the_effect
11 | a token whose policy lacks the action | test_sts::test_session_policy_narrows_the_role
11 | rights are role and policy, and Deny wins | test_sts::test_session_policy_cannot_widen_the_role_and_deny_wins
11 | an upload credential calls VOD | test_rpc::test_upload_key_may_not_call_vod
# --- OSS: who asks ---
12 | V1 header: another secret | test_oss_auth::test_wrong_secret_shows_the_servers_string_to_sign
12 | V1 URL: a part is missing | test_oss_auth::test_v1_url_needs_all_three_and_a_number
12 | V4 header: another secret, payload word, day or region | test_oss_auth::test_v4_header
12 | V4 header: additional headers are signed | test_oss_auth::test_v4_signs_the_headers_that_it_names
12 | V4 URL: bounds and missing parts | test_oss_auth::test_v4_urls_have_bounds
12 | no signature at all | test_oss_auth::test_anonymous_is_refused
12 | two signatures at once | test_oss_auth::test_two_signatures_at_once_are_refused
12 | sub-resources are signed, other parameters are not | test_vectors::test_oss_v1_signs_sub_resources_sorted_and_without_equals_when_empty
12 | empty x-oss- headers are signed | test_oss_objects::test_empty_notification_is_fine_and_signed
12 | the resource is the key as it is: plus, space, percent, letters | test_oss_auth::test_keys_are_signed_and_stored_as_they_are, test_oss_auth::test_a_plus_in_a_path_is_a_plus
12 | the resource is that of the routed bucket | test_server::test_bucket_may_stand_in_the_host
13 | a Date that is absent or of another form | test_oss_auth::test_date_must_be_there_and_well_formed
13 | a clock that is more than 15 minutes off; the server's time is told | test_oss_auth::test_clock_may_be_fifteen_minutes_off
13 | V4: the same | test_oss_auth::test_v4_header_wants_a_date_of_now
14 | a URL that has ended, told before its signature | test_oss_auth::test_the_end_of_a_url_is_told_before_its_signature
14 | V1 URL: it ends | test_oss_auth::test_v1_url_in_any_order_until_it_expires
14 | V4 URL: it ends, within a week | test_oss_auth::test_v4_url
15 | the order: key, token missing, foreign, dead, signature, rights | test_oss_auth::test_each_mistake_is_told_before_the_next
15 | an STS key without its token | test_oss_auth::test_sts_key_without_token
15 | a token of someone else | test_oss_auth::test_sts_key_with_a_foreign_or_broken_token
15 | a dead token | test_oss_auth::test_expired_token
16 | a credential touches another object, by any verb | test_oss_auth::test_a_token_opens_its_own_object_only
16 | a credential deletes, or lists the uploads of the bucket | test_oss_auth::test_a_token_may_not_delete_nor_list_uploads
16 | a credential reads others by a copy or a link | test_oss_copies::test_an_upload_credential_copies_nothing_of_others, test_oss_extras::test_an_upload_credential_reads_nothing_through_a_link
17 | a token dies in the middle of an upload | test_oss_auth::test_token_that_expires_in_the_middle_of_an_upload
# --- OSS: what is sent ---
18 | Content-MD5 of something else | test_oss_objects::test_wrong_content_md5_stores_nothing
18 | a CRC of something else | test_oss_objects::test_wrong_crc_sent_by_the_client_stores_nothing
18 | a body shorter than announced | test_oss_objects::test_body_shorter_than_announced, test_cloud_in_memory::test_a_body_of_another_length_is_incomplete
18 | neither length nor chunks | test_oss_objects::test_neither_length_nor_chunks
18 | chunked bodies are fine | test_oss_objects::test_chunked_bodies_are_taken
19 | a part number out of range | test_oss_multipart::test_part_number_out_of_range
19 | an upload id of another key | test_oss_multipart::test_upload_id_belongs_to_its_key
19 | a part sent again replaces the first | test_oss_multipart::test_parts_in_any_order_with_gaps_and_overwrites
20 | order, duplicates, ETags and existence of the listed parts, an empty list | test_oss_multipart::test_wrong_lists_of_parts
20 | nothing at all to complete | test_oss_multipart::test_complete_all
20 | a small part that is not the last | test_oss_multipart::test_small_parts_are_told_at_complete
20 | XML that is none, or too long | test_oss_multipart::test_malformed_xml
20 | Complete twice | test_oss_multipart::test_second_complete_finds_no_upload
21 | a part after the abort | test_oss_multipart::test_abort_drops_the_parts
22 | type, ETag and CRC of a multipart object | test_oss_multipart::test_multipart_makes_one_object
23 | a wrong position | test_oss_buckets::test_append_refuses_positions
24 | overwriting what must not be | test_oss_objects::test_overwrite_can_be_forbidden
25 | names of buckets and keys | test_oss_auth::test_unknown_bucket_and_bad_names
26 | form: a wrong signature | test_oss_forms::test_wrong_signature
26 | form: a policy that has ended | test_oss_forms::test_policy_expires
26 | form: any condition | test_oss_forms::test_every_condition_counts
26 | form: the length | test_oss_forms::test_length_range
26 | form: another key than the credential's | test_oss_forms::test_a_credential_opens_its_own_key_only
26 | form: the token is missing or dead | test_oss_forms::test_the_token_must_be_there_and_alive
26 | form: a field behind the file, a second file | test_oss_forms::test_the_file_is_one_and_last
27 | pages without a rule | test_oss_buckets::test_a_bucket_without_rules_allows_no_page
27 | the buckets of VOD can deny, too | test_oss_buckets::test_vod_buckets_can_deny_by_a_switch
27 | what a rule does not list is not exposed | test_oss_buckets::test_rules_decide_in_their_order
28 | x-oss-notification that is no base64 of JSON with Vod | test_oss_objects::test_notification_that_is_no_base64_json_with_vod
28 | it is recorded | test_oss_objects::test_notification_is_recorded
# --- the service behind ---
29 | Uploading until the object of its own key is complete | test_vod::test_only_the_object_of_its_own_key_completes_a_video
29 | UploadSucc, Transcoding, Normal | test_vod::test_life_of_a_video_by_the_ageing_clock
29 | the file as GetMezzanineInfo shows it | test_vod::test_mezzanine_gives_a_signed_url_that_expires
29 | FileUploadComplete, with Extend, to the callback URL | test_vod::test_completion_is_recorded_with_extend_and_callback, test_vod_errands::test_a_callback_is_posted
30 | a refresh keeps id and key; old credentials live on | test_vod::test_refresh_keeps_id_and_key_and_gives_new_credentials
30 | a second Create is another asset | test_vod::test_two_creates_make_two_assets
30 | images have no refresh | test_vod::test_image_upload
31 | unfinished uploads are listed and counted | test_oss_multipart::test_owner_lists_uploads_in_pages, test_vod_library::test_upload_details
31 | DeleteVideo takes object and fragments | test_vod_library::test_delete_video_takes_object_and_fragments
32 | the log, without secrets | test_server::test_log_tells_all_but_secrets
32 | the clock | test_server::test_clock_moves_in_two_ways
32 | faults by operation, part, call | test_faults::test_nth_and_times_choose_the_requests, test_faults::test_part_number_chooses_the_part
32 | faults before and after the effect | test_faults::test_status_before_has_no_effect_and_after_has
32 | a lost answer of Complete, of Create, of a part | test_faults::test_lost_answer_of_complete, test_faults::test_lost_answer_of_create_leaves_an_asset, test_faults::test_lost_answer_of_a_part
"""


def claims() -> tuple[Claim, ...]:
    """The table, line by line."""
    found = []
    for line in _TABLE.strip().splitlines():
        if not line.startswith("#"):
            point, mistake, tests = (cell.strip() for cell in line.split(" | "))
            found.append(Claim(int(point), mistake, tuple(name.strip() for name in tests.split(","))))
    return tuple(found)
