"""A story of a group that draws itself: every request that is sent to the shard, and every answer when it comes."""

from __future__ import annotations

from collections.abc import Sequence

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group import consumer_embedding
from odradek.coordinator.shard import Answer, Refusal, Ticket
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from odradek.protocol.messages.sync_group import SyncGroupResponse
from tests.coordinator.group.migration_story import MigrationStory
from tests.coordinator.group.shard_story import GROUP
from tests.coordinator.sequences.diagram import Diagram

COORDINATOR = "coordinator"
PARTITIONS = {"orders": 4}


class GroupTeller:
    """Who joins is called by a name; the member ids that the coordinator makes are told by it."""

    def __init__(self, *participants: str, topics: dict[str, int] | None = None) -> None:
        self.story = MigrationStory(topics or PARTITIONS)
        self.diagram = Diagram(participants)
        self._names: dict[str, str] = {}
        self._asked: dict[Ticket, tuple[str, str]] = {}
        self._told: set[Ticket] = set()

    # The classic protocol

    def join(self, name: str, *, protocols: Sequence[tuple[str, bytes]] = (("range", b"meta"),), instance_id: str | None = None) -> None:
        """JoinGroup, with the member id that `name` was given, if it was."""
        known = self.id_of(name)
        said = ", with its id" if known else f", instance {instance_id}" if instance_id else ""
        self.diagram.message(name, COORDINATOR, f"JoinGroup{said}")
        ticket = self.story.join(known or "", protocols=protocols, instance_id=instance_id, client_id=name)
        self._note(ticket, name, "JoinGroup")

    def sync(self, name: str, generation: int, assignments: dict[str, bytes] | None = None, *, instance_id: str | None = None) -> None:
        """SyncGroup; the leader brings what everybody is assigned."""
        by_id = {self.id_of(member) or "": assignment for member, assignment in (assignments or {}).items()}
        brought = " ".join(f"{member}: {_assigned(assignment)}" for member, assignment in (assignments or {}).items())
        self.diagram.message(name, COORDINATOR, f"SyncGroup, {brought}" if brought else "SyncGroup")
        ticket = self.story.sync(self.id_of(name) or "", generation, by_id, instance_id=instance_id)
        self._note(ticket, name, "SyncGroup")

    def heartbeat(self, name: str, generation: int, *, instance_id: str | None = None) -> None:
        self.diagram.message(name, COORDINATOR, f"Heartbeat, generation {generation}")
        request = HeartbeatRequest(
            group_id=GROUP, generation_id=generation, member_id=self.id_of(name) or "", group_instance_id=instance_id
        )
        story = self.story
        self._note(story.ask(lambda ticket: story.shard.heartbeat(ticket, request, story.now)), name, "Heartbeat")

    def leave(self, name: str) -> None:
        self.diagram.message(name, COORDINATOR, "LeaveGroup")
        request = LeaveGroupRequest(group_id=GROUP, members=[MemberIdentity(member_id=self.id_of(name) or "")])
        story = self.story
        self._note(story.ask(lambda ticket: story.shard.leave(ticket, request, story.now)), name, "LeaveGroup")

    # The consumer protocol

    def beat(self, name: str, said: str, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse:
        """ConsumerGroupHeartbeat, of which `said` is what matters."""
        self.diagram.message(name, COORDINATOR, f"heartbeat, {said}")
        story = self.story
        ticket = story.ask(lambda ticket: story.shard.consumer_heartbeat(ticket, request, story.caller(1), story.now))
        self._note(ticket, name, "heartbeat")
        return story.answer(ticket, ConsumerGroupHeartbeatResponse)

    # What goes on around

    def wait(self, elapsed_ms: int, text: str) -> None:
        """Let time pass, and the coordinator do what is due."""
        self.diagram.note(text)
        self.story.advance(elapsed_ms)
        self._tell_answers()

    def id_of(self, name: str) -> str | None:
        """The member id that a name goes by now."""
        return next((member_id for member_id, known in self._names.items() if known == name), None)

    def _note(self, ticket: Ticket, name: str, api: str) -> None:
        self._asked[ticket] = (name, api)
        self._tell_answers()

    def _tell_answers(self) -> None:
        for ticket, answer in self.story.answers.items():
            if ticket in self._told or ticket not in self._asked:
                continue
            self._told.add(ticket)
            name, _ = self._asked[ticket]
            if isinstance(answer, JoinGroupResponse) and answer.member_id:
                self._names.setdefault(answer.member_id, name)
            self.diagram.message(COORDINATOR, name, self._text_of(answer))

    def _text_of(self, answer: Answer) -> str:
        if isinstance(answer, Refusal):
            return answer.code.name
        code = ErrorCode(getattr(answer, "error_code", 0))
        if code is ErrorCode.MEMBER_ID_REQUIRED:
            return f"{code.name}, and an id"
        if code is not ErrorCode.NONE:
            return code.name
        match answer:
            case JoinGroupResponse() if answer.members:
                members = ", ".join(sorted(self._names.get(member.member_id, "?") for member in answer.members))
                return f"generation {answer.generation_id}, you lead {members}"
            case JoinGroupResponse():
                leader = self._names.get(answer.leader)
                return f"generation {answer.generation_id}" + (f", {leader} leads" if leader else "")
            case SyncGroupResponse():
                return f"you have {_assigned(answer.assignment)}"
            case ConsumerGroupHeartbeatResponse() if answer.member_epoch < 0:
                return "ok"
            case ConsumerGroupHeartbeatResponse():
                return f"epoch {answer.member_epoch}{self._owned(answer)}"
            case HeartbeatResponse() | LeaveGroupResponse():
                return "ok"
            case _:
                raise AssertionError(f"nobody tells of {answer}")

    def _owned(self, answer: ConsumerGroupHeartbeatResponse) -> str:
        if answer.assignment is None:
            return ""
        places = [f"{self.story.name_of(entry.topic_id)} {_numbers(entry.partitions)}" for entry in answer.assignment.topic_partitions]
        return f", you have {', '.join(places) or 'nothing'}"


def _numbers(indexes: Sequence[int]) -> str:
    return " ".join(str(index) for index in indexes)


def _assigned(assignment: bytes) -> str:
    """An assignment as our stories write it, or as Kafka's consumers do."""
    if not assignment:
        return "nothing"
    if not assignment.startswith(b"\x00"):
        return assignment.decode()
    parts = consumer_embedding.assignment_of(assignment).assigned_partitions
    return ", ".join(f"{part.topic} {_numbers(part.partitions)}" for part in parts) or "nothing"
