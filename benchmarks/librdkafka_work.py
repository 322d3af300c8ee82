"""Produce, consume or commit transactions as a user of confluent-kafka does, in a process of its own; prints what was measured as JSON.

    python -m benchmarks.librdkafka_work produce|consume|commit ADDRESS TOPIC PARTITIONS COUNT

COUNT is of records, or of transactions of 100 records each; the values have 100 bytes. Nothing is tuned but what the client itself
advises for throughput: a linger of 5 ms.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

VALUE: Final = bytes(100)
QUEUE_MESSAGES_MAX: Final = 500_000
RECORDS_PER_TRANSACTION: Final = 100
CONSUMED_AT_ONCE: Final = 10_000
SILENCE_SECONDS_MAX: Final = 20.0


def produce(address: str, topic: str, partition_count: int, record_count: int) -> float:
    """Seconds until all records were acknowledged.

    Raises:
        RuntimeError: a record was not.
    """
    refused: list[KafkaError] = []
    producer = Producer(
        {
            "bootstrap.servers": address,
            "linger.ms": 5,
            "acks": "all",
            "queue.buffering.max.messages": QUEUE_MESSAGES_MAX,
            "on_delivery": lambda error, _: refused.append(error) if error is not None else None,
        }
    )
    began = time.perf_counter()
    for index in range(record_count):
        while True:
            try:
                producer.produce(topic, VALUE, partition=index % partition_count)
                break
            except BufferError:
                producer.poll(0.01)
        if index % 1000 == 0:
            producer.poll(0)
    left = producer.flush(60)
    if left or refused:
        raise RuntimeError(f"{left} records were not acknowledged, {len(refused)} refused: {refused[:1]}")
    return time.perf_counter() - began


def consume(address: str, topic: str, partition_count: int, record_count: int) -> float:
    """Seconds until all records were read from the beginning of the log, without a group.

    Raises:
        RuntimeError: they did not come.
    """
    consumer = Consumer({"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partition_count)])
    began = time.perf_counter()
    heard, received = began, 0
    while received < record_count:
        messages = consumer.consume(CONSUMED_AT_ONCE, 0.1)
        failures = [message.error() for message in messages if message.error() is not None]
        if failures:
            raise RuntimeError(f"the consumer met {failures[0]}")
        if messages:
            heard = time.perf_counter()
        elif time.perf_counter() - heard > SILENCE_SECONDS_MAX:
            raise RuntimeError(f"{received} of {record_count} records came")
        received += len(messages)
    elapsed = time.perf_counter() - began
    consumer.close()
    return elapsed


def commit(address: str, topic: str, partition_count: int, transaction_count: int) -> dict[str, float]:
    """Seconds for all transactions, each to one partition, and within which half and 99 % were committed once their records were there.

    Raises:
        KafkaException: a transaction could not be committed.
    """
    producer = Producer({"bootstrap.servers": address, "transactional.id": topic, "linger.ms": 5})
    producer.init_transactions(60)
    commits_s: list[float] = []
    began = time.perf_counter()
    for index in range(transaction_count):
        producer.begin_transaction()
        for _ in range(RECORDS_PER_TRANSACTION):
            producer.produce(topic, VALUE, partition=index % partition_count)
        producer.flush(60)
        commit_began = time.perf_counter()
        producer.commit_transaction(60)
        commits_s.append(time.perf_counter() - commit_began)
    elapsed_s = time.perf_counter() - began
    commits_s.sort()
    return {"elapsed_s": elapsed_s, "commit_p50_s": commits_s[len(commits_s) // 2], "commit_p99_s": commits_s[len(commits_s) * 99 // 100]}


def main() -> int:
    kind, address, topic, partition_count, count = sys.argv[1:]
    if kind == "commit":
        told = commit(address, topic, int(partition_count), int(count))
    else:
        work = {"produce": produce, "consume": consume}[kind]
        told = {"elapsed_s": work(address, topic, int(partition_count), int(count))}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**told, "own_cpu_s": usage.ru_utime + usage.ru_stime}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
