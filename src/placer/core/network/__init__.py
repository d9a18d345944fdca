"""The network model: TCP connections, what they carry, and how long a request takes."""
