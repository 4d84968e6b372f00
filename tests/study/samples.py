"""Studies and result lines that the tests are made of."""

from robot_gcrl.study.study import Study

TINY = {"preset": "smoke", "engine": "native", "steps": 256, "evaluations": 1}
RATE = {"mean": 0.5, "ci95": [0.1, 0.9], "n": 4}


def make_study(**changed) -> Study:
    variants = {"default": {}, "plain": {"agent.final_norm": False, "agent.learning_rate": 1}}
    content = {"name": "s", "tasks": ["reacher"], "seeds": [0, 1], "options": TINY,
               "variants": variants, "evaluation": {"episodes": 4}}  # fmt: skip
    return Study(**(content | changed))


def result_line(task, variant, seed, mean, **more):
    rate = {"mean": mean, "ci95": [0.0, 1.0], "n": 4}
    return {
        "study": "s", "task": task, "variant": variant, "seed": seed, "minutes": None,
        "wall_seconds": 90.0, "control_steps": 1000, "options": {}, "evaluation": {},
        "curve": [[500, 30.0, mean / 2, 0.0, 0.0], [1000, 60.0, mean, 0.0, 0.0]],
        "success_any": rate, "success_final": rate, "time_at_goal": rate,
    } | more  # fmt: skip


LINES = [
    result_line("reacher", "default", 0, 0.2), result_line("reacher", "default", 1, 0.4),
    result_line("reacher", "other", 0, 0.6), result_line("reacher", "other", 1, 0.8),
    result_line("point", "default", 0, 0.5), result_line("point", "other", 0, 0.5),
]  # fmt: skip
