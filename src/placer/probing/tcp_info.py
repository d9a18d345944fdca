"""What Linux tells of a TCP connection (TCP_INFO)."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from dataclasses import dataclass

_FORMAT = "8B24I4Q6I4Q2I2Q3I"
"""``struct tcp_info`` of linux/tcp.h up to ``tcpi_rcv_ooopack``, which Linux 5.4 has."""
_SIZE = struct.calcsize(_FORMAT)
_NAMES = [
    "state",
    "ca_state",
    "retransmits",
    "probes",
    "backoff",
    "options",
    "wscale",
    "limited",
    "rto",
    "ato",
    "snd_mss",
    "rcv_mss",
    "unacked",
    "sacked",
    "lost",
    "retrans",
    "fackets",
    "last_data_sent",
    "last_ack_sent",
    "last_data_recv",
    "last_ack_recv",
    "pmtu",
    "rcv_ssthresh",
    "rtt",
    "rttvar",
    "snd_ssthresh",
    "snd_cwnd",
    "advmss",
    "reordering",
    "rcv_rtt",
    "rcv_space",
    "total_retrans",
    "pacing_rate",
    "max_pacing_rate",
    "bytes_acked",
    "bytes_received",
    "segs_out",
    "segs_in",
    "notsent_bytes",
    "min_rtt",
    "data_segs_in",
    "data_segs_out",
    "delivery_rate",
    "busy_time",
    "rwnd_limited",
    "sndbuf_limited",
    "delivered",
    "delivered_ce",
    "bytes_sent",
    "bytes_retrans",
    "dsack_dups",
    "reord_seen",
    "rcv_ooopack",
]


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """Counters of one connection so far."""

    rtt_s: float
    """Smoothed, of what is sent."""
    rcv_rtt_s: float
    """Of what is received; 0: not known yet."""
    unacked: int
    """Packets on their way, lost ones and those behind them that did arrive as well."""
    in_flight: int
    """Of them, those that are really on their way, by what was acknowledged selectively."""
    total_retrans: int
    dsack_dups: int
    """Of them, those that were not needed."""
    bytes_acked: int
    bytes_received: int
    notsent_bytes: int
    delivered: int
    """Packets that arrived there, also those behind a lost one."""
    data_segs_in: int
    """Packets with payload that arrived here, likewise."""
    data_segs_out: int
    """Packets with payload that were sent from here: those whose loss shows."""
    segs_out: int
    segs_in: int
    rcv_ooopack: int
    """Packets that came out of order: one before them was lost or overtaken."""
    busy_s: float
    rwnd_limited_s: float
    """Of it, waiting for the receiver to read."""

    @property
    def lost(self) -> int:
        """Packets sent again because they were lost."""
        return max(0, self.total_retrans - self.dsack_dups)


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """Return the counters of a connection; None where the system does not tell all of them."""
    if sys.platform != "linux":
        return None
    data = b""
    with contextlib.suppress(OSError):
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    if len(data) < _SIZE:
        return None
    all_ = dict(zip(_NAMES, struct.unpack(_FORMAT, data), strict=True))
    return TcpInfo(
        rtt_s=all_["rtt"] / 1e6,
        rcv_rtt_s=all_["rcv_rtt"] / 1e6,
        busy_s=all_["busy_time"] / 1e6,
        rwnd_limited_s=all_["rwnd_limited"] / 1e6,
        in_flight=max(0, all_["unacked"] - all_["sacked"] - all_["lost"] + all_["retrans"]),
        **{
            name: all_[name]
            for name in (
                "unacked",
                "total_retrans",
                "dsack_dups",
                "bytes_acked",
                "bytes_received",
                "notsent_bytes",
                "delivered",
                "data_segs_in",
                "data_segs_out",
                "segs_out",
                "segs_in",
                "rcv_ooopack",
            )
        },
    )


def congestion_control(sock: socket.socket) -> str | None:
    """Return what shares the link on this host: ``cubic``, ``bbr``; None: the system hides it."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError):
        name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
        return name.partition(b"\0")[0].decode("ascii", "replace")
    return None
