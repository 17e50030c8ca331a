"""Tests of oss2 2.19.1 that are expected to fail against the emulator, by reason; see `oss2_suite`."""

from __future__ import annotations

EXPECTED: dict[str, tuple[str, ...]] = {
    "SelectObject needs an engine of its own (SQL over CSV and JSON)": (
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_complicate_condition",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_concat",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_float_aggregation",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_int_aggregation",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_into_file",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_invalid_sql",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_like",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_line_range",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_none_range",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_not_empty_city",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_with_bytes_range",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_with_crc",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_with_invalid_data",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_with_keep_columns",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_with_max_partial_data",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_with_output_delimiters",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_with_output_header",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_with_output_raw",
        "test_select_csv_object.TestSelectCsvObject.test_select_csv_object_with_skip_partial_data",
        "test_select_csv_object.TestSelectCsvObject.test_select_gzip_csv_object_into_file",
        "test_select_csv_object.TestSelectCsvObject.test_with_select_result",
        "test_select_json_object.TestSelectJsonObject.test_select_gzip_json_object_like",
        "test_select_json_object.TestSelectJsonObject.test_select_json_document_democrat_senators",
        "test_select_json_object.TestSelectJsonObject.test_select_json_lines_democrat_senators",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_complicate_condition",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_concat",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_float_aggregation",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_int_aggregation",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_invalid_sql",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_like",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_line_range",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_none_range",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_parse_num_as_string",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_with_crc",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_with_output_raw",
        "test_select_json_object.TestSelectJsonObject.test_select_json_object_with_skip_partial_data",
    ),
    "image processing needs an engine of its own": (
        "test_image.TestImage.test_crop",
        "test_image.TestImage.test_format",
        "test_image.TestImage.test_resize",
        "test_image.TestImage.test_resize_to_file",
        "test_image.TestImage.test_rotate",
        "test_image.TestImage.test_sharpen",
        "test_image.TestImage.test_watermark",
        "test_object.TestObject.test_async_process_object",
        "test_object.TestObject.test_process_object",
        "test_object_request_payment.TestObjectRequestPayment.test_process_object",
    ),
    "key management (KMS) is another product": (
        "test_crypto.TestCrypto.test_ali_kms_provider_basic",
        "test_crypto.TestCrypto.test_ali_kms_provider_diff_passphrase",
        "test_crypto.TestCrypto.test_ali_kms_provider_init_cipher_is_none",
        "test_crypto.TestCrypto.test_ali_kms_provider_invalid_ak",
        "test_crypto.TestCrypto.test_ali_kms_provider_invalid_region",
        "test_crypto.TestCrypto.test_ali_kms_with_error_response",
        "test_mock_object.TestObject.test_crypto_get_compact_deprecated_kms",
    ),
}
# They ask for a timeout of a millisecond and expect that a machine far away does not keep it; this one may.
EITHER = ("test_object.TestObject.test_default_timeout", "test_object.TestObject.test_timeout")


def reason_of(name: str) -> str:
    """Return why a test is expected to fail, "" when it is not."""
    return next((reason for reason, names in EXPECTED.items() if name in names), "")
