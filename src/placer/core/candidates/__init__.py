"""A placement whose latency is known, judged in full: what it costs, needs and breaks."""
