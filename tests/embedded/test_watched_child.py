"""When a child is started again and when it is given up, with the time handed in."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from zerosum.embedded import EmbeddedError, GaveUp, ServerDidNotStart
from zerosum.embedded.watched_child import CRASHES_AT_START_MAX, STEADY_SECONDS, WatchedChild


class PretendProcess:
    """Alive from its start until the test lets it end."""

    def __init__(self) -> None:
        self.starts = 0
        self.pid: int | None = None
        self.exit_status: int | None = None
        self.fault: EmbeddedError | None = None
        self.steps_to_start = 0
        self._is_alive = False

    def starting(self) -> Iterator[None]:
        for _ in range(self.steps_to_start):
            yield
        if self.fault is not None:
            raise self.fault
        self.starts += 1
        self.pid = 100 + self.starts
        self._is_alive = True

    def stopping(self) -> Iterator[None]:
        yield
        self.end(0)

    def hurry(self) -> None: ...

    def is_alive(self) -> bool:
        return self._is_alive

    def end(self, status: int) -> None:
        self._is_alive, self.exit_status = False, status


class Scene:
    def __init__(self, *, is_proven_by_start: bool = False) -> None:
        self.process = PretendProcess()
        self.said: list[str] = []
        self.restarts = 0
        self.ended: list[int] = []
        self.now = 1000.0
        self.child = WatchedChild(
            "worker",
            self.process,
            notify=self.said.append,
            on_restart=lambda: setattr(self, "restarts", self.restarts + 1),
            on_end=self.ended.append,
            is_proven_by_start=is_proven_by_start,
        )

    def advance(self, seconds: float = 0.0, *, counts_crashes: bool = True) -> None:
        self.now += seconds
        self.child.advance(self.now, counts_crashes=counts_crashes)

    def end(self, status: int, *, counts_crashes: bool = True) -> float:
        """Let it end and start again; the seconds it was made to wait."""
        self.process.end(status)
        self.advance(counts_crashes=counts_crashes)
        delay = max(0.0, self.child.due_at - self.now)
        self.advance(delay)
        assert self.process.is_alive()
        return round(delay, 3)

    def run_steadily(self) -> None:
        self.advance(STEADY_SECONDS + 0.1)


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.advance()
    return scene


def test_first_restart_is_immediate_and_each_next_one_waits_twice_as_long_up_to_five_seconds(scene: Scene) -> None:
    scene.run_steadily()
    assert [scene.end(1) for _ in range(9)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_no_restart_before_it_is_due(scene: Scene) -> None:
    scene.end(1)
    scene.process.end(1)
    scene.advance()
    scene.advance(0.09)
    assert not scene.process.is_alive()
    scene.advance(0.02)
    assert scene.process.is_alive()


def test_ten_steady_seconds_make_the_next_restart_immediate_again(scene: Scene) -> None:
    scene.run_steadily()
    assert [scene.end(1) for _ in range(3)] == [0.0, 0.1, 0.2]
    scene.advance(STEADY_SECONDS - 0.1)
    assert scene.end(1) == 0.4
    scene.run_steadily()
    assert scene.end(1) == 0.0


def test_each_end_and_return_is_told_and_the_hook_is_called(scene: Scene) -> None:
    scene.end(-signal.SIGKILL)
    scene.end(3)
    assert scene.said == [
        "worker was killed by SIGKILL; starting it again.",
        "worker runs again.",
        "worker ended with exit code 3; starting it again.",
        "worker runs again.",
    ]
    assert scene.restarts == 2


def test_child_that_is_told_to_stop_is_back_at_once_however_often_and_never_given_up(scene: Scene) -> None:
    """By somebody else, one process after another: it ended in good order, so the next start will work."""
    assert [scene.end(-signal.SIGTERM) for _ in range(20)] == [0.0] * 20
    assert scene.said[:2] == ["worker was killed by SIGTERM; starting it again.", "worker runs again."]


def test_start_that_fails_after_a_child_was_told_to_stop_is_not_repeated_without_a_pause(scene: Scene) -> None:
    scene.process.end(-signal.SIGTERM)
    scene.process.fault = EmbeddedError("No space left on device.")
    pauses = []
    for _ in range(4):
        scene.advance(scene.child.due_at - scene.now)
        scene.advance()
        pauses.append(round(scene.child.due_at - scene.now, 3))
    assert pauses == [0.0, 0.1, 0.2, 0.4]


def test_child_that_keeps_ending_right_after_the_start_is_given_up(scene: Scene) -> None:
    for _ in range(CRASHES_AT_START_MAX - 1):
        scene.end(1)
    scene.process.end(1)
    with pytest.raises(GaveUp, match=r"^worker ended with exit code 1\. That was the 5th time: giving up\.$"):
        scene.advance()


def test_child_that_never_starts_is_given_up_with_its_reason(scene: Scene) -> None:
    scene.process.fault = EmbeddedError("No space left on device.")
    scene.process.end(1)
    for _ in range(CRASHES_AT_START_MAX - 1):
        scene.advance(1)
    with pytest.raises(GaveUp, match=r"^worker did not start: No space left on device\. That was"):
        scene.advance(1)


def test_start_that_fails_after_a_kill_counts_unless_the_start_itself_was_killed(scene: Scene) -> None:
    scene.process.end(-signal.SIGKILL)
    scene.process.fault = ServerDidNotStart("killed", log_tail="")
    for _ in range(2 * CRASHES_AT_START_MAX):
        scene.advance(5)
    scene.process.fault = EmbeddedError("No space left on device.")
    for _ in range(CRASHES_AT_START_MAX - 1):
        scene.advance(5)
    with pytest.raises(GaveUp):
        scene.advance(5)


def test_child_that_has_run_steadily_once_is_never_given_up(scene: Scene) -> None:
    scene.run_steadily()
    for _ in range(3 * CRASHES_AT_START_MAX):
        scene.end(1)


def test_server_that_took_connections_once_is_never_given_up() -> None:
    scene = Scene(is_proven_by_start=True)
    scene.advance()
    scene.process.fault = EmbeddedError("No space left on device.")
    scene.process.end(1)
    for _ in range(3 * CRASHES_AT_START_MAX):
        scene.advance(5)


def test_server_that_never_took_connections_is_given_up() -> None:
    scene = Scene(is_proven_by_start=True)
    scene.process.fault = EmbeddedError("No space left on device.")
    for _ in range(CRASHES_AT_START_MAX - 1):
        scene.advance(5)
    with pytest.raises(GaveUp):
        scene.advance(5)


def test_kill_from_outside_is_no_reason_to_give_up(scene: Scene) -> None:
    for _ in range(3 * CRASHES_AT_START_MAX):
        scene.end(-signal.SIGKILL)


def test_crash_while_the_database_is_down_is_no_reason_to_give_up(scene: Scene) -> None:
    for _ in range(3 * CRASHES_AT_START_MAX):
        scene.end(1, counts_crashes=False)


def test_failure_that_goes_on_is_told_once_a_minute(scene: Scene) -> None:
    scene.run_steadily()
    scene.process.fault = EmbeddedError("No space left on device.")
    scene.process.end(1)
    for _ in range(600):
        scene.advance(0.5)
    told = [line for line in scene.said if "No space left" in line]
    assert 3 < len(told) < 10
    scene.process.fault = None
    scene.advance(5)
    assert scene.said[-1] == "worker runs again."


def test_start_in_steps_is_up_only_at_its_end(scene: Scene) -> None:
    scene.process.steps_to_start = 2
    scene.process.end(1)
    scene.advance()
    for _ in range(2):
        scene.advance(0.1)
        assert scene.child.is_moving
        assert not scene.child.is_up
    scene.advance(0.1)
    assert scene.child.is_up


def test_recycling_is_no_failure(scene: Scene) -> None:
    scene.child.recycle()
    for _ in range(3):
        scene.advance()
    assert scene.process.starts == 2
    assert scene.said == ["worker runs again."]
    assert scene.end(1) == 0.0


def test_each_process_that_has_ended_is_told_once() -> None:
    scene = Scene()
    scene.advance()
    assert scene.ended == []
    scene.end(-signal.SIGKILL)
    assert scene.ended == [101]
    scene.child.recycle()
    for _ in range(4):
        scene.advance()
    assert scene.ended == [101, 102]
    assert scene.process.pid == 103
