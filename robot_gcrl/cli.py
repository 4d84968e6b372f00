"""The command line: parse, dispatch, exit code.

Exit codes: 0 done, 1 a bug (with its traceback), 2 a message for the user, 130 and 143 interrupted
after saving, 141 nobody reads any more.
"""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import cast

import tyro

from robot_gcrl import __version__
from robot_gcrl.commands import COMMANDS, DONE, USER_ERROR, Command, Train
from robot_gcrl.errors import RobotGcrlError, unknown_name

INTERRUPTED = 130
BROKEN_PIPE = 141
# What is imported under another name than it is installed by
_PACKAGES = {
    "PIL": "pillow",
    "mujoco.mjx": "mujoco-mjx",
    "orbax": "orbax-checkpoint",
    "zmq": "pyzmq",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name) and returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if not words or words[0] in ("-h", "--help"):
            sys.stdout.write(_overview())
            return DONE
        if words[0] == "--version":
            sys.stdout.write(f"robot-gcrl {__version__}\n")
            return DONE
        command, say = parse(words), sys.stdout.write
        # Libraries print while they are imported; what a command says is all that stdout gets
        with contextlib.redirect_stdout(sys.stderr):
            return command.run(say)
    except RobotGcrlError as error:
        # One line, whatever a message of another library within it looked like
        sys.stderr.write(f"robot-gcrl: {' '.join(str(error).split())}\n")
        return USER_ERROR
    except ModuleNotFoundError as error:
        package = _absent_package(error)
        if package is None:
            raise
        sys.stderr.write(
            f"robot-gcrl: The package {package!r} is not installed, which robot-gcrl "
            f"{_split(words)[0]} needs. Expected all that robot-gcrl depends on. Install it from "
            "the checkout: python -m pip install --constraint constraints.txt . (on a robot's "
            "computer see docs/install.md)\n"
        )
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who read has gone (| head); Python would complain once more as it flushes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def parse(words: Sequence[str]) -> Command:
    """The command of a command line, ready to run.

    Raises:
      UnknownNameError: no such command.
      SystemExit: an option that cannot be parsed (code 2), or a request for help (0).
    """
    name, rest = _split(words)
    from robot_gcrl.train.environment import lend_memory, prepare_environment, steps_natively

    prepare_environment(shares_cores=name == "train" and steps_natively(rest))
    if name == "sweep":
        lend_memory()
    if name == "train":
        from robot_gcrl.train.options import parse_train

        config, resume = parse_train(rest)
        return Train(config=config, resume=resume)
    if name == "controller":
        from robot_gcrl.commands.gating import parse_controller

        return parse_controller(rest)
    command = tyro.cli(
        COMMANDS[name],
        prog=f"robot-gcrl {name}",
        args=rest,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.PositionalMetavarFromFieldName),
    )
    return cast("Command", command)


def _split(words: Sequence[str]) -> tuple[str, list[str]]:
    """The command's name, of one word or two ("bridge ping"), and what follows it."""
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in COMMANDS:
            return name, list(words[count:])
    group = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
    given = " ".join(words[:2]) if group else words[0]
    raise unknown_name("command", given, group or COMMANDS, see="robot-gcrl --help")


def _absent_package(error: ModuleNotFoundError) -> str | None:
    """The package of other people that an import missed; None if it is there, or ours."""
    module = error.name or ""
    if module in _PACKAGES:
        return _PACKAGES[module]
    top = module.partition(".")[0]
    if top in ("", "robot_gcrl") or top in sys.stdlib_module_names:
        return None
    return None if importlib.util.find_spec(top) else _PACKAGES.get(top, top)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    first = {name: (kind.__doc__ or "").partition("\n")[0] for name, kind in COMMANDS.items()}
    rows = [f"  {name:<{width}}  {line}" for name, line in first.items()]
    return "\n".join(
        (
            "usage: robot-gcrl COMMAND [OPTIONS]",
            "",
            "Goal-conditioned robotics: train contrastive agents on MuJoCo.",
            "",
            *rows,
            "",
            "robot-gcrl COMMAND --help shows the options; robot-gcrl --version the version.",
            "",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
