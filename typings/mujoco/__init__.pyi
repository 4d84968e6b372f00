# MuJoCo's names come from compiled modules without type information: every one of them is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
