"""The signals that ask a program to end. Imports nothing of ours."""

import signal

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What a scheduler sends before it takes the machine away (Slurm's --signal; submitit: SIGUSR2)
NOTICES = (signal.SIGUSR1, signal.SIGUSR2)


def ending_signals() -> tuple[signal.Signals, ...]:
    """Those that a program notes, to end by itself: a hangup that is ignored (nohup) stays so."""
    is_detached = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return tuple(n for n in ENDING if n != signal.SIGHUP or not is_detached)
