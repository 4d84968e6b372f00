"""Names of the ways in which training episodes are given goals. Imports no JAX."""

from typing import Literal

GoalProposal = Literal["task", "visited", "visited_noise", "frontier", "curriculum"]
"""Where a proposed goal comes from:

task: the task's own distribution, as far as the practice does not depart from it.
visited: what was achieved before, any control step in the replay with equal probability.
visited_noise: the same, moved by normal noise, where the task admits that.
frontier: of what was achieved before, what was achieved rarely.
curriculum: the task's distribution near the robot, within a radius that grows with success.
"""
