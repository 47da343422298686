"""Loaded first in the process that workers are forked from: an interrupt while it loads the rest ends it in silence.

Python would print where the import stood. It is started with interrupts held back, until this is here to take them.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
