"""What every test relies on."""

from __future__ import annotations

import signal

from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # started in the background of a shell: what the tests interrupt inherits that and never stops
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("placer", deadline=None)  # a shared machine makes any test slow once
settings.load_profile("placer")
