"""Messages through each client: every codec, every shape, every place to start reading."""

import pytest

from tests.conformance.clients.client import Ability, AtOffset, AtTimestamp, Beginning, Client, Codec, End, Message, Writing
from tests.conformance.clients.registry import JUDGES, judges_that
from tests.conformance.corpus import BIG_MESSAGE, BINARY_MESSAGES, MANY_MESSAGES, TEXT_MESSAGES, contents, stamped

_LETTERS = [Message(key=None, value=letter.encode()) for letter in "abcdefgh"]


@pytest.mark.parametrize(("judge", "codec"), [(judge.name, codec) for judge in JUDGES.values() for codec in Codec if codec in judge.codecs])
def test_messages_come_back_byte_for_byte(client: Client, made_topic: str, codec: Codec) -> None:
    messages = [*TEXT_MESSAGES, *(BINARY_MESSAGES if Ability.WRITE_BINARY in client.abilities else ())]
    client.write(made_topic, 0, messages, Writing(codec=codec))

    read = client.read(made_topic, 0, Beginning(), len(messages))

    assert contents(read) == contents(messages)
    assert [one.offset for one in read] == list(range(len(messages)))


@pytest.mark.parametrize("judge", judges_that(Ability.WRITE_TIMESTAMPS))
def test_timestamps_come_back_as_written(client: Client, made_topic: str) -> None:
    messages = stamped(TEXT_MESSAGES)
    client.write(made_topic, 0, messages, Writing(codec=Codec.GZIP))

    read = client.read(made_topic, 0, Beginning(), len(messages))

    assert [one.timestamp_ms for one in read] == [one.timestamp_ms for one in messages]


@pytest.mark.parametrize("judge", judges_that(Ability.WRITE_BINARY))
def test_big_message_comes_back(client: Client, made_topic: str) -> None:
    client.write(made_topic, 0, [BIG_MESSAGE])

    assert contents(client.read(made_topic, 0, Beginning(), 1)) == contents([BIG_MESSAGE])


@pytest.mark.parametrize("judge", list(JUDGES))
def test_many_messages_come_back_in_order(client: Client, made_topic: str) -> None:
    client.write(made_topic, 0, MANY_MESSAGES, Writing(codec=Codec.LZ4))

    read = client.read(made_topic, 0, Beginning(), len(MANY_MESSAGES))

    assert contents(read) == contents(MANY_MESSAGES)


@pytest.mark.parametrize("judge", judges_that(Ability.IDEMPOTENCE))
def test_idempotent_writer_writes_each_message_once(client: Client, made_topic: str) -> None:
    client.write(made_topic, 0, _LETTERS, Writing(is_idempotent=True))

    assert client.offsets(made_topic, 0) == (0, len(_LETTERS))
    assert contents(client.read(made_topic, 0, Beginning(), len(_LETTERS))) == contents(_LETTERS)


@pytest.mark.parametrize("acks", [0, 1, -1])
@pytest.mark.parametrize("judge", judges_that(Ability.CHOOSE_ACKS))
def test_messages_arrive_whatever_acknowledgement_is_asked_for(client: Client, made_topic: str, acks: int) -> None:
    client.write(made_topic, 0, _LETTERS, Writing(acks=acks))

    assert contents(client.read(made_topic, 0, Beginning(), len(_LETTERS))) == contents(_LETTERS)


@pytest.mark.parametrize("judge", list(JUDGES))
def test_reading_starts_at_an_offset(client: Client, steward: Client, made_topic: str) -> None:
    steward.write(made_topic, 0, _LETTERS)

    read = client.read(made_topic, 0, AtOffset(5), 3)

    assert [(one.offset, one.value) for one in read] == [(5, b"f"), (6, b"g"), (7, b"h")]


@pytest.mark.parametrize("judge", list(JUDGES))
def test_reading_starts_at_the_beginning_that_is_left(client: Client, steward: Client, made_topic: str) -> None:
    steward.write(made_topic, 0, _LETTERS)
    (client if Ability.DELETE_RECORDS in client.abilities else steward).delete_records(made_topic, 0, 3)

    read = client.read(made_topic, 0, Beginning(), 2)

    assert [(one.offset, one.value) for one in read] == [(3, b"d"), (4, b"e")]
    assert client.offsets(made_topic, 0) == (3, 8)


@pytest.mark.parametrize("judge", judges_that(Ability.READ_FROM_END))
def test_reading_from_the_end_sees_only_what_comes_later(client: Client, steward: Client, made_topic: str) -> None:
    steward.write(made_topic, 0, _LETTERS)

    read = client.read(made_topic, 0, End(), 1, when_positioned=lambda: steward.write(made_topic, 0, [Message(key=None, value=b"later")]))

    assert [(one.offset, one.value) for one in read] == [(8, b"later")]


@pytest.mark.parametrize("judge", judges_that(Ability.READ_FROM_TIMESTAMP))
def test_reading_starts_at_the_first_message_not_before_a_moment(client: Client, steward: Client, made_topic: str) -> None:
    written = stamped(_LETTERS)
    steward.write(made_topic, 0, written)
    moment = written[4].timestamp_ms
    assert moment is not None

    exact = client.read(made_topic, 0, AtTimestamp(moment), 1)
    between = client.read(made_topic, 0, AtTimestamp(moment + 1), 1)

    assert [(one.offset, one.timestamp_ms) for one in exact] == [(4, moment)]
    assert [(one.offset, one.timestamp_ms) for one in between] == [(5, moment + 1000)]


@pytest.mark.parametrize("judge", list(JUDGES))
def test_offsets_of_an_empty_partition_are_zero(client: Client, made_topic: str) -> None:
    assert client.offsets(made_topic, 0) == (0, 0)
