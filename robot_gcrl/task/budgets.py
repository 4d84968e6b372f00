"""How long each preset trains a task, where the task does not know better."""

from collections.abc import Mapping

from robot_gcrl.task.task import Budget

# arXiv 2503.14858 trains most tasks for 100M control steps, one gradient step per 40 of them.
PAPER = Budget(control_steps=100_000_000, gradient_steps=2_500_000)
DEFAULT = Budget(control_steps=50_000_000, gradient_steps=1_250_000)
SMOKE = Budget(control_steps=4096, gradient_steps=64)


def budgets(*, laptop: Budget) -> Mapping[str, Budget]:
    """Budgets by preset name: the task's own on a laptop, the common ones elsewhere."""
    return {"paper": PAPER, "default": DEFAULT, "laptop": laptop, "smoke": SMOKE}
