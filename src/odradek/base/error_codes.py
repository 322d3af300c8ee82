"""THE table of Kafka's error codes (`org.apache.kafka.common.protocol.Errors`).

`ErrorCode` is what code passes around; `ERROR_TABLE` says of each whether a client may try again, whether it should ask for fresh
metadata first, and what it means in one sentence. No other module keeps such a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class ErrorCode(IntEnum):
    """Every error code of Kafka 4.3."""

    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    INVALID_FETCH_SIZE = 4
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    BROKER_NOT_AVAILABLE = 8
    REPLICA_NOT_AVAILABLE = 9
    MESSAGE_TOO_LARGE = 10
    STALE_CONTROLLER_EPOCH = 11
    OFFSET_METADATA_TOO_LARGE = 12
    NETWORK_EXCEPTION = 13
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    INVALID_TOPIC_EXCEPTION = 17
    RECORD_LIST_TOO_LARGE = 18
    NOT_ENOUGH_REPLICAS = 19
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
    INVALID_REQUIRED_ACKS = 21
    ILLEGAL_GENERATION = 22
    INCONSISTENT_GROUP_PROTOCOL = 23
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    INVALID_SESSION_TIMEOUT = 26
    REBALANCE_IN_PROGRESS = 27
    INVALID_COMMIT_OFFSET_SIZE = 28
    TOPIC_AUTHORIZATION_FAILED = 29
    GROUP_AUTHORIZATION_FAILED = 30
    CLUSTER_AUTHORIZATION_FAILED = 31
    INVALID_TIMESTAMP = 32
    UNSUPPORTED_SASL_MECHANISM = 33
    ILLEGAL_SASL_STATE = 34
    UNSUPPORTED_VERSION = 35
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_REPLICATION_FACTOR = 38
    INVALID_REPLICA_ASSIGNMENT = 39
    INVALID_CONFIG = 40
    NOT_CONTROLLER = 41
    INVALID_REQUEST = 42
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    POLICY_VIOLATION = 44
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    DUPLICATE_SEQUENCE_NUMBER = 46
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    INVALID_TRANSACTION_TIMEOUT = 50
    CONCURRENT_TRANSACTIONS = 51
    TRANSACTION_COORDINATOR_FENCED = 52
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    SECURITY_DISABLED = 54
    OPERATION_NOT_ATTEMPTED = 55
    KAFKA_STORAGE_ERROR = 56
    LOG_DIR_NOT_FOUND = 57
    SASL_AUTHENTICATION_FAILED = 58
    UNKNOWN_PRODUCER_ID = 59
    REASSIGNMENT_IN_PROGRESS = 60
    DELEGATION_TOKEN_AUTH_DISABLED = 61
    DELEGATION_TOKEN_NOT_FOUND = 62
    DELEGATION_TOKEN_OWNER_MISMATCH = 63
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65
    DELEGATION_TOKEN_EXPIRED = 66
    INVALID_PRINCIPAL_TYPE = 67
    NON_EMPTY_GROUP = 68
    GROUP_ID_NOT_FOUND = 69
    FETCH_SESSION_ID_NOT_FOUND = 70
    INVALID_FETCH_SESSION_EPOCH = 71
    LISTENER_NOT_FOUND = 72
    TOPIC_DELETION_DISABLED = 73
    FENCED_LEADER_EPOCH = 74
    UNKNOWN_LEADER_EPOCH = 75
    UNSUPPORTED_COMPRESSION_TYPE = 76
    STALE_BROKER_EPOCH = 77
    OFFSET_NOT_AVAILABLE = 78
    MEMBER_ID_REQUIRED = 79
    PREFERRED_LEADER_NOT_AVAILABLE = 80
    GROUP_MAX_SIZE_REACHED = 81
    FENCED_INSTANCE_ID = 82
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83
    ELECTION_NOT_NEEDED = 84
    NO_REASSIGNMENT_IN_PROGRESS = 85
    GROUP_SUBSCRIBED_TO_TOPIC = 86
    INVALID_RECORD = 87
    UNSTABLE_OFFSET_COMMIT = 88
    THROTTLING_QUOTA_EXCEEDED = 89
    PRODUCER_FENCED = 90
    RESOURCE_NOT_FOUND = 91
    DUPLICATE_RESOURCE = 92
    UNACCEPTABLE_CREDENTIAL = 93
    INCONSISTENT_VOTER_SET = 94
    INVALID_UPDATE_VERSION = 95
    FEATURE_UPDATE_FAILED = 96
    PRINCIPAL_DESERIALIZATION_FAILURE = 97
    SNAPSHOT_NOT_FOUND = 98
    POSITION_OUT_OF_RANGE = 99
    UNKNOWN_TOPIC_ID = 100
    DUPLICATE_BROKER_REGISTRATION = 101
    BROKER_ID_NOT_REGISTERED = 102
    INCONSISTENT_TOPIC_ID = 103
    INCONSISTENT_CLUSTER_ID = 104
    TRANSACTIONAL_ID_NOT_FOUND = 105
    FETCH_SESSION_TOPIC_ID_ERROR = 106
    INELIGIBLE_REPLICA = 107
    NEW_LEADER_ELECTED = 108
    OFFSET_MOVED_TO_TIERED_STORAGE = 109
    FENCED_MEMBER_EPOCH = 110
    UNRELEASED_INSTANCE_ID = 111
    UNSUPPORTED_ASSIGNOR = 112
    STALE_MEMBER_EPOCH = 113
    MISMATCHED_ENDPOINT_TYPE = 114
    UNSUPPORTED_ENDPOINT_TYPE = 115
    UNKNOWN_CONTROLLER_ID = 116
    UNKNOWN_SUBSCRIPTION_ID = 117
    TELEMETRY_TOO_LARGE = 118
    INVALID_REGISTRATION = 119
    TRANSACTION_ABORTABLE = 120
    INVALID_RECORD_STATE = 121
    SHARE_SESSION_NOT_FOUND = 122
    INVALID_SHARE_SESSION_EPOCH = 123
    FENCED_STATE_EPOCH = 124
    INVALID_VOTER_KEY = 125
    DUPLICATE_VOTER = 126
    VOTER_NOT_FOUND = 127
    INVALID_REGULAR_EXPRESSION = 128
    REBOOTSTRAP_REQUIRED = 129
    STREAMS_INVALID_TOPOLOGY = 130
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131
    STREAMS_TOPOLOGY_FENCED = 132
    SHARE_SESSION_LIMIT_REACHED = 133


# For paths that every request takes: looking the name up on the enumeration costs nine hundred instructions.
NO_ERROR: Final = ErrorCode.NONE


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One error: `retriable` when the same request may succeed later, `refreshes_metadata` when the client should look around first."""

    code: ErrorCode
    name: str
    retriable: bool
    refreshes_metadata: bool
    sentence: str


# What a client may do about an error.
_GIVE_UP, _RETRY, _REFRESH = (False, False), (True, False), (True, True)

_ROWS: tuple[tuple[ErrorCode, tuple[bool, bool], str], ...] = (
    (ErrorCode.UNKNOWN_SERVER_ERROR, _GIVE_UP, "The server failed in a way that no other code describes."),
    (ErrorCode.NONE, _GIVE_UP, "Success."),
    (ErrorCode.OFFSET_OUT_OF_RANGE, _GIVE_UP, "The offset is not within the range of offsets that the partition holds."),
    (
        ErrorCode.CORRUPT_MESSAGE,
        _RETRY,
        "The records fail their checksum, have an impossible size, or lack a key that a compacted topic needs.",
    ),
    (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, _REFRESH, "This node does not host this topic or partition."),
    (ErrorCode.INVALID_FETCH_SIZE, _GIVE_UP, "The requested fetch size is not valid."),
    (ErrorCode.LEADER_NOT_AVAILABLE, _REFRESH, "The partition has no leader at the moment, for example because an election is under way."),
    (ErrorCode.NOT_LEADER_OR_FOLLOWER, _REFRESH, "This broker is not the leader of the partition, or not a replica of it."),
    (ErrorCode.REQUEST_TIMED_OUT, _RETRY, "The request was not completed within its time limit."),
    (ErrorCode.BROKER_NOT_AVAILABLE, _GIVE_UP, "The broker is not available."),
    (ErrorCode.REPLICA_NOT_AVAILABLE, _REFRESH, "No replica of the partition is available to answer this request."),
    (ErrorCode.MESSAGE_TOO_LARGE, _GIVE_UP, "A record batch is larger than the topic or the broker accepts."),
    (ErrorCode.STALE_CONTROLLER_EPOCH, _GIVE_UP, "The controller's epoch is older than the one already known."),
    (ErrorCode.OFFSET_METADATA_TOO_LARGE, _GIVE_UP, "The metadata string of a committed offset is longer than allowed."),
    (ErrorCode.NETWORK_EXCEPTION, _REFRESH, "The connection was lost before a response arrived."),
    (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, _RETRY, "The coordinator is still reading its partition of the log."),
    (ErrorCode.COORDINATOR_NOT_AVAILABLE, _REFRESH, "The coordinator is not available, or its internal topic has not been created yet."),
    (ErrorCode.NOT_COORDINATOR, _REFRESH, "This broker is not the coordinator that was asked for."),
    (ErrorCode.INVALID_TOPIC_EXCEPTION, _GIVE_UP, "The name of the topic is not allowed, or the operation is not allowed on this topic."),
    (ErrorCode.RECORD_LIST_TOO_LARGE, _GIVE_UP, "The batch of records is larger than a segment of the log."),
    (ErrorCode.NOT_ENOUGH_REPLICAS, _RETRY, "Fewer replicas are in sync than the topic requires; nothing was written."),
    (
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        _RETRY,
        "The records were written, but fewer replicas than required were in sync afterwards.",
    ),
    (ErrorCode.INVALID_REQUIRED_ACKS, _GIVE_UP, "The number of acknowledgements has to be 0, 1 or -1."),
    (ErrorCode.ILLEGAL_GENERATION, _GIVE_UP, "The generation in the request is not the group's current one."),
    (
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
        _GIVE_UP,
        "The member's protocol type or protocols have nothing in common with those of the group.",
    ),
    (ErrorCode.INVALID_GROUP_ID, _GIVE_UP, "The group id is empty or otherwise not allowed."),
    (ErrorCode.UNKNOWN_MEMBER_ID, _GIVE_UP, "The coordinator does not know this member."),
    (ErrorCode.INVALID_SESSION_TIMEOUT, _GIVE_UP, "The session timeout lies outside the limits of the broker."),
    (ErrorCode.REBALANCE_IN_PROGRESS, _GIVE_UP, "The group is rebalancing; the member has to join again."),
    (ErrorCode.INVALID_COMMIT_OFFSET_SIZE, _GIVE_UP, "The offset could not be stored because its record would be too large."),
    (ErrorCode.TOPIC_AUTHORIZATION_FAILED, _GIVE_UP, "Not authorized for one or more of the topics."),
    (ErrorCode.GROUP_AUTHORIZATION_FAILED, _GIVE_UP, "Not authorized for the group."),
    (ErrorCode.CLUSTER_AUTHORIZATION_FAILED, _GIVE_UP, "Not authorized for this operation on the cluster."),
    (ErrorCode.INVALID_TIMESTAMP, _GIVE_UP, "The timestamp of a record is outside the range that the topic accepts."),
    (ErrorCode.UNSUPPORTED_SASL_MECHANISM, _GIVE_UP, "The broker does not offer this SASL mechanism."),
    (ErrorCode.ILLEGAL_SASL_STATE, _GIVE_UP, "The request does not belong in the present state of the SASL exchange."),
    (ErrorCode.UNSUPPORTED_VERSION, _GIVE_UP, "This version of the API is not supported."),
    (ErrorCode.TOPIC_ALREADY_EXISTS, _GIVE_UP, "A topic with this name exists already."),
    (ErrorCode.INVALID_PARTITIONS, _GIVE_UP, "The number of partitions is not allowed."),
    (
        ErrorCode.INVALID_REPLICATION_FACTOR,
        _GIVE_UP,
        "The replication factor is smaller than 1 or larger than the number of available brokers.",
    ),
    (ErrorCode.INVALID_REPLICA_ASSIGNMENT, _GIVE_UP, "The assignment of replicas to brokers is not allowed."),
    (ErrorCode.INVALID_CONFIG, _GIVE_UP, "A setting is unknown or its value is not allowed."),
    (ErrorCode.NOT_CONTROLLER, _RETRY, "This node is not the active controller."),
    (ErrorCode.INVALID_REQUEST, _GIVE_UP, "The request contradicts itself or the protocol; the broker's log says more."),
    (ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, _GIVE_UP, "The record format of this log does not support the request."),
    (ErrorCode.POLICY_VIOLATION, _GIVE_UP, "A policy of the cluster refuses the request."),
    (
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        _GIVE_UP,
        "The producer's sequence number does not follow the last one that the broker has seen.",
    ),
    (
        ErrorCode.DUPLICATE_SEQUENCE_NUMBER,
        _GIVE_UP,
        "The producer's sequence number was already used by records that the broker has accepted.",
    ),
    (ErrorCode.INVALID_PRODUCER_EPOCH, _GIVE_UP, "The producer's epoch is not the current one."),
    (ErrorCode.INVALID_TXN_STATE, _GIVE_UP, "The operation does not fit the present state of the transaction."),
    (ErrorCode.INVALID_PRODUCER_ID_MAPPING, _GIVE_UP, "The producer id does not belong to this transactional id."),
    (ErrorCode.INVALID_TRANSACTION_TIMEOUT, _GIVE_UP, "The transaction timeout is larger than the broker allows."),
    (ErrorCode.CONCURRENT_TRANSACTIONS, _RETRY, "An earlier transaction of this producer is still being completed."),
    (ErrorCode.TRANSACTION_COORDINATOR_FENCED, _GIVE_UP, "The coordinator that sent the markers has been replaced by a newer one."),
    (ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, _GIVE_UP, "Not authorized for the transactional id."),
    (ErrorCode.SECURITY_DISABLED, _GIVE_UP, "This security feature is not enabled on the broker."),
    (ErrorCode.OPERATION_NOT_ATTEMPTED, _GIVE_UP, "Nothing was attempted, because another part of the request failed."),
    (ErrorCode.KAFKA_STORAGE_ERROR, _REFRESH, "The disk that holds the log failed."),
    (ErrorCode.LOG_DIR_NOT_FOUND, _GIVE_UP, "The log directory is not one of those that the broker is set up with."),
    (ErrorCode.SASL_AUTHENTICATION_FAILED, _GIVE_UP, "Authentication failed."),
    (ErrorCode.UNKNOWN_PRODUCER_ID, _GIVE_UP, "The broker no longer has any record of this producer id."),
    (ErrorCode.REASSIGNMENT_IN_PROGRESS, _GIVE_UP, "The partitions of the topic are being reassigned."),
    (ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED, _GIVE_UP, "Delegation tokens are not enabled on this cluster."),
    (ErrorCode.DELEGATION_TOKEN_NOT_FOUND, _GIVE_UP, "The delegation token does not exist."),
    (ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH, _GIVE_UP, "The principal is neither the owner nor a renewer of the delegation token."),
    (ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, _GIVE_UP, "Delegation tokens cannot be requested over a connection like this one."),
    (ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED, _GIVE_UP, "Not authorized for the delegation token."),
    (ErrorCode.DELEGATION_TOKEN_EXPIRED, _GIVE_UP, "The delegation token has expired."),
    (ErrorCode.INVALID_PRINCIPAL_TYPE, _GIVE_UP, "The type of the principal is not supported."),
    (ErrorCode.NON_EMPTY_GROUP, _GIVE_UP, "The group still has members."),
    (ErrorCode.GROUP_ID_NOT_FOUND, _GIVE_UP, "The group does not exist."),
    (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, _RETRY, "The fetch session does not exist; it may have been evicted."),
    (ErrorCode.INVALID_FETCH_SESSION_EPOCH, _RETRY, "The epoch of the fetch session is not the expected one."),
    (ErrorCode.LISTENER_NOT_FOUND, _REFRESH, "The leader has no listener of the name that the request came in on."),
    (ErrorCode.TOPIC_DELETION_DISABLED, _GIVE_UP, "Deleting topics is disabled on this cluster."),
    (ErrorCode.FENCED_LEADER_EPOCH, _REFRESH, "The leader epoch in the request is older than the broker's."),
    (ErrorCode.UNKNOWN_LEADER_EPOCH, _RETRY, "The leader epoch in the request is newer than the broker's."),
    (ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, _GIVE_UP, "This version of the API cannot carry the topic's compression."),
    (ErrorCode.STALE_BROKER_EPOCH, _GIVE_UP, "The broker's epoch is not its current one; it has registered again since."),
    (ErrorCode.OFFSET_NOT_AVAILABLE, _RETRY, "The leader has not yet caught up enough to know this offset."),
    (ErrorCode.MEMBER_ID_REQUIRED, _GIVE_UP, "The member has to join again with the id that it was just given."),
    (ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, _REFRESH, "The preferred leader is not available."),
    (ErrorCode.GROUP_MAX_SIZE_REACHED, _GIVE_UP, "The group already has as many members as it may have."),
    (ErrorCode.FENCED_INSTANCE_ID, _GIVE_UP, "Another consumer has taken over this static member's instance id."),
    (ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, _REFRESH, "None of the replicas that may lead is available."),
    (ErrorCode.ELECTION_NOT_NEEDED, _REFRESH, "The partition already has the wanted leader."),
    (ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, _GIVE_UP, "No reassignment is in progress for the partition."),
    (ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, _GIVE_UP, "A member of the group is subscribed to the topic, so its offsets cannot be deleted."),
    (ErrorCode.INVALID_RECORD, _GIVE_UP, "A record failed the broker's validation, and its batch was refused."),
    (ErrorCode.UNSTABLE_OFFSET_COMMIT, _RETRY, "The offset belongs to a transaction that is not completed yet."),
    (ErrorCode.THROTTLING_QUOTA_EXCEEDED, _RETRY, "The quota for this operation is used up for now."),
    (ErrorCode.PRODUCER_FENCED, _GIVE_UP, "A newer producer with the same transactional id has taken over."),
    (ErrorCode.RESOURCE_NOT_FOUND, _GIVE_UP, "The resource does not exist."),
    (ErrorCode.DUPLICATE_RESOURCE, _GIVE_UP, "The resource exists already, or is named twice in the request."),
    (ErrorCode.UNACCEPTABLE_CREDENTIAL, _GIVE_UP, "The credential does not meet the requirements."),
    (ErrorCode.INCONSISTENT_VOTER_SET, _GIVE_UP, "The sender's set of voters differs from the receiver's."),
    (ErrorCode.INVALID_UPDATE_VERSION, _GIVE_UP, "The update was based on a version that is not the current one."),
    (ErrorCode.FEATURE_UPDATE_FAILED, _GIVE_UP, "The features could not be updated; the message says why."),
    (ErrorCode.PRINCIPAL_DESERIALIZATION_FAILURE, _GIVE_UP, "The principal inside a forwarded request cannot be read."),
    (ErrorCode.SNAPSHOT_NOT_FOUND, _GIVE_UP, "The snapshot does not exist."),
    (ErrorCode.POSITION_OUT_OF_RANGE, _GIVE_UP, "The position lies outside the snapshot."),
    (ErrorCode.UNKNOWN_TOPIC_ID, _REFRESH, "No topic with this id exists here."),
    (ErrorCode.DUPLICATE_BROKER_REGISTRATION, _GIVE_UP, "Another broker with the same id is registered and alive."),
    (ErrorCode.BROKER_ID_NOT_REGISTERED, _GIVE_UP, "No broker with this id is registered."),
    (ErrorCode.INCONSISTENT_TOPIC_ID, _REFRESH, "The topic's id in the log differs from the one in the request."),
    (ErrorCode.INCONSISTENT_CLUSTER_ID, _GIVE_UP, "The request is meant for a cluster with another id."),
    (ErrorCode.TRANSACTIONAL_ID_NOT_FOUND, _GIVE_UP, "The transactional id does not exist."),
    (ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR, _RETRY, "The fetch session mixes requests with topic ids and requests without."),
    (ErrorCode.INELIGIBLE_REPLICA, _GIVE_UP, "The replica may not join the in-sync set now."),
    (ErrorCode.NEW_LEADER_ELECTED, _GIVE_UP, "The controller has elected a new leader for the partition."),
    (ErrorCode.OFFSET_MOVED_TO_TIERED_STORAGE, _GIVE_UP, "The records at this offset are only in remote storage."),
    (ErrorCode.FENCED_MEMBER_EPOCH, _GIVE_UP, "The member's epoch is not its current one; it has to leave its partitions and join again."),
    (ErrorCode.UNRELEASED_INSTANCE_ID, _GIVE_UP, "The instance id is still held by another member of the group."),
    (ErrorCode.UNSUPPORTED_ASSIGNOR, _GIVE_UP, "The assignor is not one that the group can use."),
    (ErrorCode.STALE_MEMBER_EPOCH, _GIVE_UP, "The member's epoch is old; it has to try again with the one from its next heartbeat."),
    (
        ErrorCode.MISMATCHED_ENDPOINT_TYPE,
        _GIVE_UP,
        "The request was sent to the wrong kind of listener: a broker's instead of a controller's, or the reverse.",
    ),
    (ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, _GIVE_UP, "This kind of endpoint is not supported here."),
    (ErrorCode.UNKNOWN_CONTROLLER_ID, _GIVE_UP, "The controller does not know a controller with this id."),
    (ErrorCode.UNKNOWN_SUBSCRIPTION_ID, _GIVE_UP, "The client's telemetry subscription is not the current one."),
    (ErrorCode.TELEMETRY_TOO_LARGE, _GIVE_UP, "The telemetry is larger than the broker accepts."),
    (ErrorCode.INVALID_REGISTRATION, _GIVE_UP, "The controller refuses the registration."),
    (ErrorCode.TRANSACTION_ABORTABLE, _GIVE_UP, "The transaction failed in a way that the producer can recover from by aborting it."),
    (ErrorCode.INVALID_RECORD_STATE, _GIVE_UP, "The record is not in a state that allows this acknowledgement."),
    (ErrorCode.SHARE_SESSION_NOT_FOUND, _RETRY, "The share session does not exist."),
    (ErrorCode.INVALID_SHARE_SESSION_EPOCH, _RETRY, "The epoch of the share session is not the expected one."),
    (ErrorCode.FENCED_STATE_EPOCH, _GIVE_UP, "The state epoch in the request is older than the share coordinator's."),
    (ErrorCode.INVALID_VOTER_KEY, _GIVE_UP, "The voter's id and directory do not match those of the receiver."),
    (ErrorCode.DUPLICATE_VOTER, _GIVE_UP, "The voter is already one of the set."),
    (ErrorCode.VOTER_NOT_FOUND, _GIVE_UP, "The voter is not one of the set."),
    (ErrorCode.INVALID_REGULAR_EXPRESSION, _GIVE_UP, "The regular expression cannot be compiled."),
    (
        ErrorCode.REBOOTSTRAP_REQUIRED,
        _GIVE_UP,
        "The client should forget the brokers it knows and start again from its bootstrap addresses.",
    ),
    (ErrorCode.STREAMS_INVALID_TOPOLOGY, _GIVE_UP, "The topology of the streams application is not valid."),
    (ErrorCode.STREAMS_INVALID_TOPOLOGY_EPOCH, _GIVE_UP, "The topology epoch in the request is not valid."),
    (ErrorCode.STREAMS_TOPOLOGY_FENCED, _GIVE_UP, "The topology epoch in the request is older than the group's."),
    (ErrorCode.SHARE_SESSION_LIMIT_REACHED, _RETRY, "The broker cannot open more share sessions."),
)

ERROR_TABLE: Mapping[ErrorCode, ErrorEntry] = MappingProxyType(
    {code: ErrorEntry(code, code.name, *advice, sentence) for code, advice, sentence in _ROWS}
)


def error_entry(code: int) -> ErrorEntry:
    """The entry of `code`; a code that 4.3 does not have reads as UNKNOWN_SERVER_ERROR, as Kafka's clients take it."""
    try:
        return ERROR_TABLE[ErrorCode(code)]
    except ValueError:
        return ERROR_TABLE[ErrorCode.UNKNOWN_SERVER_ERROR]
