"""The energy of the device for one request: it computes, sends, receives and waits.

By the formula of the solver (`placer.core.partition.costs`), which ``docs/splitting.md`` prints.
"""

from __future__ import annotations

import math

import numpy as np

from placer.core.environment import Device, NetworkPath
from placer.core.partition.problem import Power
from placer.core.transfer import draw_rates


def missing_power(device: Device) -> tuple[str, ...]:
    """Return the keys of a device file that the energy needs and that are not stated."""
    figures = {
        "power": device.power_w,
        "send_power": device.send_w,
        "receive_power": device.receive_w,
        "idle_power": device.idle_w,
    }
    return tuple(key for key, value in figures.items() if value is None)


def power_of(device: Device) -> Power | None:
    """Return what the device draws while it does what; None: not all of it is known."""
    figures = (device.power_w, device.idle_w, device.send_w, device.receive_w)
    known = [figure for figure in figures if figure is not None]
    return Power(*known) if len(known) == len(figures) else None


def joules_per_request(
    device: Device,
    path: NetworkPath,
    *,
    compute_s: float | None,
    cloud_share: float,
    sizes: tuple[int | None, int | None],
    wait_s: float | None,
) -> float | None:
    """Return the mean energy of the device for a request; None: a figure that it takes is unknown.

    Parameters
    ----------
    compute_s
        Mean time that the device computes; None: unknown.
    cloud_share
        Share of the requests that go to a cloud.
    sizes, wait_s
        Of those: bytes up and down, and the mean time from sending to the answer.
    """
    computing = 0.0
    if compute_s != 0:
        if compute_s is None or device.power_w is None:
            return None
        computing = device.power_w * compute_s
    if cloud_share == 0:
        return computing
    network = _network_joules(device, path, sizes, wait_s)
    return None if network is None else computing + cloud_share * network


def _network_joules(
    device: Device,
    path: NetworkPath,
    sizes: tuple[int | None, int | None],
    wait_s: float | None,
) -> float | None:
    """Return what a request takes that goes to a cloud, beside computing.

    The device sends and receives for as long as the bytes take at the rates of the path, and waits
    for the rest.
    """
    up_bytes, down_bytes = sizes
    # the mean of 1 / factor of a log-normal factor of median 1 is exp(sigma^2 / 2)
    uplink, downlink = draw_rates(path, lambda sigma: np.asarray(math.exp(-(sigma**2) / 2)))
    if up_bytes is None or down_bytes is None or uplink is None or downlink is None:
        return None
    if device.send_w is None or device.receive_w is None or device.idle_w is None or wait_s is None:
        return None
    send_s, receive_s = up_bytes / float(uplink), down_bytes / float(downlink)
    idle_s = max(0.0, wait_s - send_s - receive_s)
    return device.send_w * send_s + device.receive_w * receive_s + device.idle_w * idle_s
