"""Readers of deployment manifests: one file a format, one line each in ``formats.FORMATS``."""
