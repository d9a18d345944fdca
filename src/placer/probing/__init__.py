"""Measuring a network path to a server: sockets and clocks."""
