"""Placements as ways of answering a request, each judged by its latency."""
