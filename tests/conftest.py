"""What every test relies on."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # started in the background of a shell: what the tests interrupt inherits that and never stops
    signal.signal(signal.SIGINT, signal.default_int_handler)
