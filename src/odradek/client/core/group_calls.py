"""What is asked about groups: which there are, how they are, and that they be gone
(`DescribeConsumerGroupsHandler`, `DeleteConsumerGroupsHandler`, `KafkaAdminClient.listGroups`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.client.core.group_description import CONSUMER_PROTOCOL_TYPE, DEAD, GroupDescription, classic_group, consumer_group
from odradek.client.core.keyed_call import AT_COORDINATOR, Answered, Ask, RetryRule, in_parts
from odradek.client.core.lookups import CoordinatorKind, CoordinatorLookup, each_broker
from odradek.client.errors import ClientError, Refused
from odradek.protocol.message import Message
from odradek.protocol.messages import consumer_group_describe, describe_groups
from odradek.protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from odradek.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse

_LISTING_RULE: Final = RetryRule(again=frozenset({ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE}))


@final
@dataclass(frozen=True, slots=True)
class GroupListing:
    """A group as its coordinator lists it. `type` and `state` are empty where the broker is too old to say."""

    group_id: str
    type: str
    protocol_type: str
    state: str
    coordinator_id: int


@final
class NoConsumerGroup(ClientError):
    """The group is of another kind (a Connect cluster, a share group), so that its members have no assigned partitions to tell of."""


@final
class ListGroups:
    """The groups of each broker."""

    def __init__(self, states: Sequence[str] = (), types: Sequence[str] = ()) -> None:
        """Empty means any; the case does not matter."""
        self.lookup = each_broker()
        self._states = list(states)
        self._types = list(types)

    def asks(self, keys: Collection[int]) -> Iterator[Ask[int]]:
        yield Ask(ListGroupsRequest(states_filter=self._states, types_filter=self._types), ListGroupsResponse, list(keys))

    def read(self, node_id: int, ask: Ask[int], response: Message) -> Answered[int, list[GroupListing]]:
        assert isinstance(response, ListGroupsResponse)
        answered: Answered[int, list[GroupListing]] = Answered()
        if response.error_code != ErrorCode.NONE:
            # A broker that is no coordinator yet will be one: it is asked, not another.
            answered.judge(node_id, response.error_code, None, _LISTING_RULE)
            return answered
        answered.done[node_id] = [
            GroupListing(group.group_id, group.group_type.capitalize(), group.protocol_type, group.group_state, node_id)
            for group in response.groups
        ]
        return answered


@final
class DescribeGroups:
    """Groups of consumers, of either protocol: each is asked for as a group of KIP-848 first, and as a classic one if it is none."""

    def __init__(self) -> None:
        self.lookup = CoordinatorLookup(CoordinatorKind.GROUP)
        self._not_found_message_of_classic: dict[str, str | None] = {}

    def asks(self, keys: Collection[str]) -> Iterator[Ask[str]]:
        as_classic = self._not_found_message_of_classic
        for part in in_parts(key for key in keys if key not in as_classic):
            request = consumer_group_describe.ConsumerGroupDescribeRequest(group_ids=list(part))
            yield Ask(request, consumer_group_describe.ConsumerGroupDescribeResponse, part)
        for part in in_parts(key for key in keys if key in as_classic):
            yield Ask(describe_groups.DescribeGroupsRequest(groups=list(part)), describe_groups.DescribeGroupsResponse, part)

    def read(self, node_id: int, ask: Ask[str], response: Message) -> Answered[str, GroupDescription]:
        if isinstance(response, consumer_group_describe.ConsumerGroupDescribeResponse):
            return self._read_consumer(node_id, response)
        assert isinstance(response, describe_groups.DescribeGroupsResponse)
        return self._read_classic(node_id, response)

    def fall_back(self, ask: Ask[str]) -> bool:
        """A broker without the API of KIP-848 has classic groups only."""
        if not isinstance(ask.request, consumer_group_describe.ConsumerGroupDescribeRequest):
            return False
        self._not_found_message_of_classic.update(dict.fromkeys(ask.keys))
        return True

    def _read_consumer(
        self, node_id: int, response: consumer_group_describe.ConsumerGroupDescribeResponse
    ) -> Answered[str, GroupDescription]:
        answered: Answered[str, GroupDescription] = Answered()
        for group in response.groups:
            if group.error_code in (ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.UNSUPPORTED_VERSION):
                # This answer tells better than the one to come why there is no such group.
                self._not_found_message_of_classic[group.group_id] = group.error_message
                answered.is_next_at_once = True
            elif group.error_code != ErrorCode.NONE:
                answered.judge(group.group_id, group.error_code, group.error_message, AT_COORDINATOR)
            else:
                answered.done[group.group_id] = consumer_group(node_id, group)
        return answered

    def _read_classic(self, node_id: int, response: describe_groups.DescribeGroupsResponse) -> Answered[str, GroupDescription]:
        answered: Answered[str, GroupDescription] = Answered()
        for group in response.groups:
            group_id = group.group_id
            # Before version 6 a group that does not exist is described as dead.
            code = ErrorCode.GROUP_ID_NOT_FOUND if not group.error_code and group.group_state == DEAD else group.error_code
            if code == ErrorCode.GROUP_ID_NOT_FOUND:
                answered.refused[group_id] = Refused(code, self._not_found_message_of_classic.get(group_id) or group.error_message)
            elif code != ErrorCode.NONE:
                answered.judge(group_id, code, group.error_message, AT_COORDINATOR)
            elif group.protocol_type not in ("", CONSUMER_PROTOCOL_TYPE):
                answered.refused[group_id] = NoConsumerGroup(f"group {group_id} is not a consumer group ({group.protocol_type})")
            else:
                answered.done[group_id] = classic_group(node_id, group)
        return answered


@final
class DeleteGroups:
    """Groups that shall be forgotten, with their offsets."""

    def __init__(self) -> None:
        self.lookup = CoordinatorLookup(CoordinatorKind.GROUP)

    def asks(self, keys: Collection[str]) -> Iterator[Ask[str]]:
        for part in in_parts(keys):
            yield Ask(DeleteGroupsRequest(groups_names=list(part)), DeleteGroupsResponse, part)

    def read(self, node_id: int, ask: Ask[str], response: Message) -> Answered[str, None]:
        assert isinstance(response, DeleteGroupsResponse)
        answered: Answered[str, None] = Answered()
        for result in response.results:
            if result.error_code == ErrorCode.NONE:
                answered.done[result.group_id] = None
            else:
                answered.judge(result.group_id, result.error_code, None, AT_COORDINATOR)
        return answered
