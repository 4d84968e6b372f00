"""The signals that ask a program to end. Imports nothing of ours."""

import signal

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ending_signals() -> tuple[signal.Signals, ...]:
    """Those that a program notes, to end by itself: a hangup that is ignored (nohup) stays so."""
    is_detached = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return tuple(n for n in ENDING if n != signal.SIGHUP or not is_detached)
