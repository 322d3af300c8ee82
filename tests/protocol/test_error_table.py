"""The table of errors is complete, and says of each what clients may do."""

from __future__ import annotations

from kio.schema.errors import ErrorCode as KioErrorCode

from odradek.base.error_codes import ERROR_TABLE, ErrorCode, error_entry


def test_every_code_has_an_entry_of_its_own_name() -> None:
    assert set(ERROR_TABLE) == set(ErrorCode)
    assert [int(code) for code in ERROR_TABLE] == list(range(-1, 134))
    assert all(entry.code is code and entry.name == code.name for code, entry in ERROR_TABLE.items())


def test_names_and_retriability_agree_with_kio() -> None:
    theirs = {int(code.value): code for code in KioErrorCode}
    for code, entry in ERROR_TABLE.items():
        if int(code) in theirs:
            assert theirs[int(code)].name.lower() == entry.name.lower()
            assert theirs[int(code)].retriable == entry.retriable, entry.name


def test_what_refreshes_metadata_may_be_retried() -> None:
    assert all(entry.retriable for entry in ERROR_TABLE.values() if entry.refreshes_metadata)


def test_every_sentence_is_one_sentence_of_its_own() -> None:
    sentences = [entry.sentence for entry in ERROR_TABLE.values()]
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


def test_unknown_code_reads_as_unknown_server_error() -> None:
    assert error_entry(9_999).code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert error_entry(3).name == "UNKNOWN_TOPIC_OR_PARTITION"
