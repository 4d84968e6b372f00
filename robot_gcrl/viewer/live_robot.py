"""A robot behind a policy server: drawn from telemetry, moved by goals, never waited for.

Two viewers on one server agree: the goal that telemetry tells is the one that is shown, whoever set
it.
"""

import collections
import time

import mujoco
import numpy as np

from robot_gcrl.bridge.feed import RobotState
from robot_gcrl.bridge.rules import SECOND_NS
from robot_gcrl.contract.observe import goal_distances, is_success
from robot_gcrl.viewer.energy import EnergyMap
from robot_gcrl.viewer.goals import GoalDesk, Verdict, make_markers
from robot_gcrl.viewer.ground import Ground
from robot_gcrl.viewer.headings import make_headings, unit_headings
from robot_gcrl.viewer.pose import Pose
from robot_gcrl.viewer.remote import Remote
from robot_gcrl.viewer.remote_orders import GoalAnswer
from robot_gcrl.viewer.remote_words import action_age, is_fresh, tell
from robot_gcrl.viewer.scene import PlacedMarkers, Show
from robot_gcrl.viewer.tour import Tour
from robot_gcrl.viewer.world import TRACE, Status

# Telemetry that left the server before it took our goal still tells the one before
_SETTLE = SECOND_NS // 4
# States between two points of the path, and height of one of which the goal says nothing [m]
_TRACE_EVERY, _TRACE_HEIGHT = 2, 0.02
# Over which actions are counted, in states
_RATES = 20
# A gap in telemetry counts as no more than this towards the time at a goal [s]
_GAP = 0.1


class LiveRobot:
    """One robot of a server; see `Stage`.

    Attributes:
      show: what is shown.
      remote: the operator's end.
    """

    is_live = True

    def __init__(self, show: Show, remote: Remote, *, seed: int = 0) -> None:
        """The scene at a start of the evaluation, until the robot is heard of.

        Args:
          show: of the policy file that is served, or `bare_show`.
          remote: that this stage closes; its contract is that of `show`.
          seed: of random goals.
        """
        self.show, self.remote, self.contract = show, remote, show.contract
        self.title = f"{show.name}, live"
        self.model = show.compile()
        self.data = mujoco.MjData(self.model)
        self.desk = GoalDesk(show.contract)
        self.tour = Tour(show.contract)
        self.markers = make_markers(show.contract)
        self._ground = Ground(self.model)
        self._placed = PlacedMarkers(self.model, self.data, self.markers)
        self._pose = Pose(show, self.model, self.data)
        self._rng = np.random.default_rng(seed)
        self._trace: collections.deque[np.ndarray] = collections.deque(maxlen=TRACE + 1)
        self._begin(None)
        self.show_goal()
        mujoco.mj_fwdPosition(self.model, self.data)

    def reset(self) -> None:
        """Nothing but the markers: where a live robot is, is not ours to say."""
        self.show_goal()

    def random_goal(self) -> None:
        """One of the goals of the evaluation; without a policy file, anywhere within the bounds."""
        goals = self.show.scenarios.goal
        if len(goals):
            self.ask(goals[int(self._rng.integers(len(goals)))])
        else:
            drawn = self._rng.uniform(*self.desk.bounds).astype(np.float32)
            self.ask(unit_headings(make_headings(self.contract), drawn))

    def ask(self, goal: np.ndarray) -> bool:
        """Sends a goal [G]; whether it is within the bounds. It is pending until the answer."""
        is_within = self.desk.ask(goal)
        if is_within:
            self.remote.ask(self.desk.wanted)
        self.show_goal()
        return is_within

    def show_goal(self) -> None:
        """Puts the markers where the wanted goal is."""
        self._placed.show(self.desk.wanted)

    def take_dragged_goal(self) -> None:
        """Asks for the goal that a person has dragged a marker to, if one was moved."""
        goal = self._placed.dragged(self.desk.wanted)
        if goal is not None:
            self.tour.stop()
            self.ask(goal)
        self.show_goal()

    def step(self, count: int) -> None:
        """Takes in what came from the server; never waits, and there is nothing to step."""
        del count
        for answer in self.remote.turn():
            self._hear(answer)
        state = self._state()
        if self.remote.robot != self._robot:
            self._begin(self.remote.robot)
        if state is not None and state.heard_ns != self._heard_ns:
            self._take(state)
        self.show_goal()

    def stop(self) -> None:
        """Stops the robot until it is cleared; the tour ends."""
        self.tour.stop()
        self.remote.stop("a person at the viewer")

    def clear(self) -> None:
        """Ends the robot's stop."""
        self.remote.clear()

    def believe(self) -> EnergyMap | None:
        """See `Stage`; None too where the policy observes its last action, which nobody tells."""
        belief, state = self.show.belief, self._state()
        needs_action = any(f.source == "previous_action" for f in self.contract.observation)
        if belief is None or state is None or not state.inputs.size or needs_action:
            return None
        unused = np.zeros(self.contract.action_size, np.float32)
        return belief.ask(state.inputs, unused, self.desk.wanted)

    def close(self) -> None:
        """Says bye to the server; the robot goes on."""
        if self.show.belief is not None:
            self.show.belief.close()
        self.remote.close()

    def status(self) -> Status:
        """What a person is told now; not a number where nothing is known."""
        state, words = self._state(), tell(self.remote, self._pose.lacks)
        achieved = np.full(self.contract.goal_size, np.nan, np.float32)
        if state is not None and state.achieved.size:
            achieved = state.achieved
        distances = self._distances(achieved)
        commands, spread = 0, 0.0
        if len(self._commands) > 1 and is_fresh(self.remote):
            (then, before), (now, after) = self._commands[0], self._commands[-1]
            commands, spread = after - before, (now - then) / SECOND_NS
        return Status(
            achieved=achieved,
            distances=distances,
            success=bool(is_success(self.contract, distances)),
            time_at_goal=self._at_goal / max(self._asked_states, 1),
            seconds=self._seconds,
            policy_hz=commands / spread if spread > 0.0 else 0.0,
            action_age=action_age(self.remote),
            engine=words.engine,
            link=words.link,
            fell=self._pose.is_fallen,
            trace=np.array(self._trace) if self._trace else np.zeros((0, 3)),
        )

    def _state(self) -> RobotState | None:
        """The robot's newest; None also where its numbers mean something else than ours."""
        return None if self.remote.mismatch else self.remote.state

    def _begin(self, robot: str | None) -> None:
        """Another robot: nothing is known of it yet."""
        self._robot = robot
        self._heard_ns = self._stamp_ns = self._settles_ns = 0
        self._seconds = 0.0
        self._at_goal = self._asked_states = self._states = 0
        self._commands: collections.deque[tuple[int, int]] = collections.deque(maxlen=_RATES)
        self._trace.clear()
        self.tour.stop()
        self._forget_goal()

    def _hear(self, answer: GoalAnswer) -> None:
        if not answer.refusal:
            self._settles_ns = time.monotonic_ns() + _SETTLE
            self._pursue(answer.goal)
        elif np.array_equal(answer.goal, self.desk.wanted):  # not one that was asked for before
            self.tour.stop()
            self.desk.refuse(answer.refusal)

    def _pursue(self, goal: np.ndarray) -> None:
        if self.desk.active is None or not np.array_equal(goal, self.desk.active):
            self._at_goal = self._asked_states = 0
        self.desk.confirm(goal)

    def _forget_goal(self) -> None:
        self.desk.active = None
        if self.desk.verdict.state == "active":
            self.desk.verdict = Verdict("none")

    def _take(self, state: RobotState) -> None:
        """A state that was not seen yet."""
        passed = min((state.heard_ns - self._heard_ns) / SECOND_NS, _GAP)
        self._follow(state)
        if not state.lost and state.stamp_ns not in (0, self._stamp_ns):
            is_same = 0 < self._stamp_ns < state.stamp_ns
            self._seconds += (state.stamp_ns - self._stamp_ns) / SECOND_NS if is_same else 0.0
            if not is_same:
                self._seconds = 0.0
                self._commands.clear()
            self._commands.append((state.heard_ns, state.counters["commands"]))
            self.data.time = self._seconds
            self._pose.draw(state)
            self._count(state, passed if self._heard_ns else 0.0)
            self._stamp_ns = state.stamp_ns
        self._heard_ns = state.heard_ns

    def _follow(self, state: RobotState) -> None:
        """The goal that telemetry tells is the one that is pursued, whoever set it."""
        active, goal = self.desk.active, state.goal
        if time.monotonic_ns() <= self._settles_ns:
            return
        if goal.size != self.contract.goal_size:
            self._forget_goal()
            return
        if active is not None and np.array_equal(goal, active):
            return
        if self.desk.verdict.state == "refused":
            self.desk.verdict = Verdict("none")  # somebody's later goal is worth more
        if not np.array_equal(goal, self.desk.wanted):
            self.tour.stop()
        self._pursue(goal)

    def _count(self, state: RobotState, passed: float) -> None:
        """Path, time at the goal and tour, of a state that came `passed` [s] after the last."""
        reached = bool(is_success(self.contract, self._distances(state.achieved)))
        self._asked_states += 1
        self._at_goal += reached
        if self._states % _TRACE_EVERY == 0 and self.markers:
            self._trace.append(self._ground.place(self.markers[0], state.achieved, _TRACE_HEIGHT))
        self._states += 1
        # The next goal of the tour may be on its way
        following = self.tour.advance(reached and self.desk.verdict.state == "active", passed)
        if following is not None:
            self.ask(following)

    def _distances(self, achieved: np.ndarray) -> np.ndarray:
        """[S], SI; not a number without a goal that is pursued."""
        goal = self.desk.active
        if goal is None:
            return np.full(len(self.contract.success), np.nan, np.float32)
        return goal_distances(self.contract, achieved, goal)
