"""Measuring a model in child processes, and judging the instrument while doing so."""
