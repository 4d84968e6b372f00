"""Delay, jitter and drops of a simulated link, step by step."""

import importlib
from typing import Any

from robot_gcrl.bridge.client import Answer
from robot_gcrl.bridge.messages import Code

sim_channel = importlib.import_module("robot_gcrl.controllers.sim_channel")


def answer(step: int) -> Answer:
    return Answer(1000 + step, None, Code.OK, 0)


def received(channel: Any, steps: int, *, lateness: int = 0) -> list[list[int]]:
    """In each step, of which steps the answers reach the robot; each is put in `lateness` later."""
    taken = []
    for step in range(steps):
        channel.report(1000 + step)
        if step >= lateness:
            channel.put(answer(step - lateness))
        taken.append([a.report_ns - 1000 for a in channel.take()])
    return taken


def channel(delay=0, jitter=0, drop=0.0, seed=0) -> Any:
    return sim_channel.Channel(delay=delay, jitter=jitter, drop=drop, seed=(seed, 0))


def test_without_anything_each_answer_comes_in_its_step():
    assert received(channel(), 4) == [[0], [1], [2], [3]]


def test_a_delay_is_counted_from_the_report():
    assert received(channel(delay=2), 5) == [[], [], [0], [1], [2]]
    # what came late by itself waits only for the rest
    assert received(channel(delay=2), 5, lateness=1) == [[], [], [0], [1], [2]]
    assert received(channel(delay=2), 6, lateness=3) == [[], [], [], [0], [1], [2]]


def test_jitter_is_drawn_evenly():
    taken = received(channel(delay=1, jitter=2), 3000)
    late = [step - of for step, answers in enumerate(taken) for of in answers]
    assert set(late) == {1, 2, 3}
    assert all(abs(late.count(k) / len(late) - 1 / 3) < 0.03 for k in (1, 2, 3))


def test_within_a_step_the_oldest_reports_answer_comes_first():
    # seen to fail with `list` in place of `sorted`
    link = channel()
    for step in range(2):
        link.report(1000 + step)
    for step in (1, 0):
        link.put(answer(step))
    assert [a.report_ns for a in link.take()] == [1000, 1001]


def test_drops_lose_their_share_for_good():
    taken = received(channel(drop=0.2), 5000)
    assert abs(sum(map(len, taken)) / 5000 - 0.8) < 0.02


def test_the_draws_of_a_step_do_not_depend_on_what_arrives():
    # seen to fail with draws in `put`
    whole = received(channel(jitter=3, drop=0.3, seed=1), 200)
    gappy = channel(jitter=3, drop=0.3, seed=1)
    seen = []
    for step in range(200):
        gappy.report(1000 + step)
        if step % 2:
            gappy.put(answer(step))
        seen.append([a.report_ns - 1000 for a in gappy.take()])
    assert seen == [[of for of in answers if of % 2] for answers in whole]


def test_an_answer_to_another_episode_is_left_out():
    link = channel()
    link.report(1000)
    link.put(answer(7))
    assert link.take() == []
