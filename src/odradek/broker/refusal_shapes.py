"""What an error looks like in each API that has no single place for it: the request repeated, with the code on every item.

Most responses carry one error code at the top. The others answer item by item, and a refusal of the whole request has to name
every item again, at every level, or clients wait for answers that never come. An `Echo` says which list of the request becomes
which list of the response; the classes and fields are Kafka's, the rows follow `getErrorResponse` of each request class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from odradek.base.error_codes import ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """`target` of the response is filled with one `item` per element of the request's `source`.

    `fields` are copied, `response=request` where the two names differ; an element that is a bare number or string is copied into
    the only field. The error goes to `error_field` of the item if it has one, and to the `inner` items; its sentence only to a client
    of `message_version_min` or later. A dot in `source` goes through a list of lists, of which the response keeps only the inner.
    """

    source: str
    target: str
    item: str
    fields: tuple[str, ...] = ()
    inner: Echo | None = None
    error_field: str = "error_code"
    message_version_min: int = 0


def _groups(source: str, target: str, item: str, field: str = "group_id") -> Echo:
    return Echo(source=source, target=target, item=item, fields=(field,))


def _share_state(item: str) -> Echo:
    partition = Echo(source="partitions", target="partitions", item="PartitionResult", fields=("partition",))
    return Echo(source="topics", target="results", item=item, fields=("topic_id",), inner=partition)


def _offset_topic(prefix: str, fields: tuple[str, ...] = ("name",)) -> Echo:
    partition = Echo(source="partitions", target="partitions", item=f"{prefix}ResponsePartition", fields=("partition_index",))
    return Echo(source="topics", target="topics", item=f"{prefix}ResponseTopic", fields=fields, inner=partition)


_CONFIG_RESOURCE: Final = ("resource_type", "resource_name")
_ALTERED_RESOURCE: Final = Echo(source="resources", target="responses", item="AlterConfigsResourceResponse", fields=_CONFIG_RESOURCE)

ECHOES_BY_MODULE: Final[Mapping[str, tuple[Echo, ...]]] = {
    "list_offsets": (
        Echo(
            source="topics",
            target="topics",
            item="ListOffsetsTopicResponse",
            fields=("name",),
            inner=Echo(source="partitions", target="partitions", item="ListOffsetsPartitionResponse", fields=("partition_index",)),
        ),
    ),
    "offset_commit": (_offset_topic("OffsetCommit", ("name", "topic_id")),),
    "txn_offset_commit": (_offset_topic("TxnOffsetCommit"),),
    "offset_delete": (),
    "describe_groups": (Echo(source="groups", target="groups", item="DescribedGroup", fields=("group_id",), message_version_min=6),),
    "consumer_group_describe": (_groups("group_ids", "groups", "DescribedGroup"),),
    "share_group_describe": (_groups("group_ids", "groups", "DescribedGroup"),),
    "streams_group_describe": (_groups("group_ids", "groups", "DescribedGroup"),),
    "delete_groups": (_groups("groups_names", "results", "DeletableGroupResult"),),
    "describe_share_group_offsets": (_groups("groups", "groups", "DescribeShareGroupOffsetsResponseGroup"),),
    "describe_transactions": (_groups("transactional_ids", "transaction_states", "TransactionState", "transactional_id"),),
    "create_topics": (Echo(source="topics", target="topics", item="CreatableTopicResult", fields=("name",)),),
    "delete_topics": (
        Echo(source="topics", target="responses", item="DeletableTopicResult", fields=("name", "topic_id")),
        Echo(source="topic_names", target="responses", item="DeletableTopicResult", fields=("name",), message_version_min=5),
    ),
    "create_partitions": (Echo(source="topics", target="results", item="CreatePartitionsTopicResult", fields=("name",)),),
    "delete_records": (
        Echo(
            source="topics",
            target="topics",
            item="DeleteRecordsTopicResult",
            fields=("name",),
            inner=Echo(source="partitions", target="partitions", item="DeleteRecordsPartitionResult", fields=("partition_index",)),
        ),
    ),
    "offset_for_leader_epoch": (
        Echo(
            source="topics",
            target="topics",
            item="OffsetForLeaderTopicResult",
            fields=("topic",),
            inner=Echo(source="partitions", target="partitions", item="EpochEndOffset", fields=("partition",)),
        ),
    ),
    "write_txn_markers": (
        Echo(
            source="markers",
            target="markers",
            item="WritableTxnMarkerResult",
            fields=("producer_id",),
            inner=Echo(
                source="topics",
                target="topics",
                item="WritableTxnMarkerTopicResult",
                fields=("name",),
                inner=Echo(
                    source="partition_indexes",
                    target="partitions",
                    item="WritableTxnMarkerPartitionResult",
                    fields=("partition_index",),
                ),
            ),
        ),
    ),
    "describe_configs": (Echo(source="resources", target="results", item="DescribeConfigsResult", fields=_CONFIG_RESOURCE),),
    "alter_configs": (_ALTERED_RESOURCE,),
    "incremental_alter_configs": (_ALTERED_RESOURCE,),
    "alter_replica_log_dirs": (
        Echo(
            source="dirs.topics",
            target="results",
            item="AlterReplicaLogDirTopicResult",
            fields=("topic_name=name",),
            inner=Echo(source="partitions", target="partitions", item="AlterReplicaLogDirPartitionResult", fields=("partition_index",)),
        ),
    ),
    "create_acls": (Echo(source="creations", target="results", item="AclCreationResult"),),
    "delete_acls": (Echo(source="filters", target="filter_results", item="DeleteAclsFilterResult"),),
    "describe_producers": (
        Echo(
            source="topics",
            target="topics",
            item="TopicResponse",
            fields=("name",),
            inner=Echo(source="partition_indexes", target="partitions", item="PartitionResponse", fields=("partition_index",)),
        ),
    ),
    "describe_topic_partitions": (Echo(source="topics", target="topics", item="DescribeTopicPartitionsResponseTopic", fields=("name",)),),
    "metadata": (Echo(source="topics", target="topics", item="MetadataResponseTopic", fields=("name", "topic_id")),),
    "alter_client_quotas": (
        Echo(
            source="entries",
            target="entries",
            item="AlterClientQuotasResponseEntryData",
            inner=Echo(
                source="entity",
                target="entity",
                item="AlterClientQuotasResponseEntityData",
                fields=("entity_type", "entity_name"),
            ),
        ),
    ),
    "alter_user_scram_credentials": (
        Echo(source="deletions", target="results", item="AlterUserScramCredentialsResult", fields=("user=name",)),
        Echo(source="upsertions", target="results", item="AlterUserScramCredentialsResult", fields=("user=name",)),
    ),
    "elect_leaders": (
        Echo(
            source="topic_partitions",
            target="replica_election_results",
            item="ReplicaElectionResult",
            fields=("topic",),
            inner=Echo(source="partitions", target="partition_result", item="PartitionResult", fields=("partition_id",)),
        ),
    ),
    "alter_partition_reassignments": (
        Echo(
            source="topics",
            target="responses",
            item="ReassignableTopicResponse",
            fields=("name",),
            inner=Echo(source="partitions", target="partitions", item="ReassignablePartitionResponse", fields=("partition_index",)),
        ),
    ),
    "initialize_share_group_state": (_share_state("InitializeStateResult"),),
    "read_share_group_state": (_share_state("ReadStateResult"),),
    "write_share_group_state": (_share_state("WriteStateResult"),),
    "delete_share_group_state": (_share_state("DeleteStateResult"),),
    "read_share_group_state_summary": (_share_state("ReadStateSummaryResult"),),
}

ADDED_PARTITIONS_BY_TOPIC: Final = Echo(
    source="v3_and_below_topics",
    target="results_by_topic_v3_and_below",
    item="AddPartitionsToTxnTopicResult",
    fields=("name",),
    inner=Echo(
        source="partitions",
        target="results_by_partition",
        item="AddPartitionsToTxnPartitionResult",
        fields=("partition_index",),
        error_field="partition_error_code",
    ),
)
FETCHED_OFFSETS_BY_TOPIC: Final = Echo(
    source="topics",
    target="topics",
    item="OffsetFetchResponseTopic",
    fields=("name",),
    inner=Echo(source="partition_indexes", target="partitions", item="OffsetFetchResponsePartition", fields=("partition_index",)),
)
FETCHED_OFFSETS_BY_GROUP: Final = Echo(source="groups", target="groups", item="OffsetFetchResponseGroup", fields=("group_id",))
FOUND_COORDINATORS: Final = Echo(source="coordinator_keys", target="coordinators", item="Coordinator", fields=("key",))


def repeat(echo: Echo, request: object, response: object, *, module: str, version: int, code: ErrorCode, message: str | None) -> None:
    """Fill the list `echo.target` of `response` from `request`."""
    item_type = getattr(import_module(f"odradek.protocol.messages.{module}"), echo.item)
    items = getattr(response, echo.target)
    for element in _elements(request, echo.source):
        item = item_type()
        for field in echo.fields:
            target, _, source = field.partition("=")
            setattr(item, target, element if isinstance(element, int | str) else getattr(element, source or target))
        if hasattr(item, echo.error_field):
            setattr(item, echo.error_field, int(code))
        if hasattr(item, "error_message") and version >= echo.message_version_min:
            item.error_message = message
        if echo.inner is not None:
            repeat(echo.inner, element, item, module=module, version=version, code=code, message=message)
        items.append(item)


def _elements(request: object, source: str) -> Iterable[object]:
    outer, _, inner = source.partition(".")
    elements = getattr(request, outer) or ()
    return (nested for element in elements for nested in getattr(element, inner)) if inner else elements
