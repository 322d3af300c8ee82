"""The order of a turn: hooks, sending, and what was put off until behind it, before anything is read again."""

from __future__ import annotations

from collections.abc import Callable

from odradek.net.turn import Turn


class Sender:
    """A connection that notes when it sends."""

    def __init__(self, name: str, happened: list[str]) -> None:
        self._name = name
        self._happened = happened

    def flush(self) -> None:
        self._happened.append(f"{self._name} sends")


class Story:
    """A turn without a loop: what it asks to be called soon is called by `go_on`."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.due: list[Callable[[], None]] = []
        self.turn = Turn(self.due.append)
        self.turn.add_hook(lambda: self.happened.append("hook"))

    def go_on(self) -> None:
        due, self.due[:] = list(self.due), []
        for callback in due:
            callback()


def test_what_is_put_off_is_done_behind_the_answers_and_settled_in_the_same_turn() -> None:
    story = Story()
    first, second = Sender("first", story.happened), Sender("second", story.happened)

    def work() -> None:
        story.happened.append("work")
        story.turn.touch(second)

    story.turn.add_hook(lambda: story.turn.after_sending(work) if "work" not in story.happened else None)
    story.turn.touch(first)
    story.go_on()

    assert story.happened == ["hook", "first sends", "work", "hook", "second sends"]
    assert story.turn.turns_count == 1
    assert story.due == []


def test_what_is_put_off_outside_a_turn_brings_one_about() -> None:
    story = Story()

    story.turn.after_sending(lambda: story.happened.append("work"))
    assert story.happened == []
    story.go_on()

    assert story.happened == ["hook", "work", "hook"]


def test_what_is_put_off_by_work_that_was_put_off_is_done_too() -> None:
    story = Story()

    def work() -> None:
        story.happened.append("work")
        story.turn.after_sending(lambda: story.happened.append("more"))

    story.turn.after_sending(work)
    story.go_on()

    assert story.happened == ["hook", "work", "hook", "more", "hook"]


def test_who_is_touched_while_others_send_has_a_turn_of_its_own() -> None:
    story = Story()
    late = Sender("late", story.happened)

    class Waking(Sender):
        def flush(self) -> None:
            super().flush()
            story.turn.touch(late)

    story.turn.touch(Waking("first", story.happened))
    story.go_on()
    assert story.happened == ["hook", "first sends"]
    story.go_on()

    assert story.happened == ["hook", "first sends", "hook", "late sends"]
