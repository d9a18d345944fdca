"""The runtimes that execute models, one module each.

A runtime module has ``load()`` and ``open_session(request: SessionRequest) -> RuntimeSession``
(see ``placer.core.runtime``). ``placer.profiling`` loads it by the module name that the caller
hands over, so that measuring does not depend on any one runtime.
"""
