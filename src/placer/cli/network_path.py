"""The path that the options of ``placer network estimate`` state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from placer.core.errors import UsageError

if TYPE_CHECKING:
    from placer.core.environment import NetworkPath


def named(network: str | None) -> NetworkPath:
    """Return a network of the catalogue or a file; without one, what options have to state."""
    from placer.core.environment import Basis, NetworkPath
    from placer.files import catalogue

    if network is not None:
        return catalogue.load_network(network)
    return NetworkPath("stated", "as the options say", loss_ratio=0.0, basis=Basis.ASSUMED)


def on_to(path: NetworkPath, start: str | None, end: str | None) -> NetworkPath:
    """Return the path with the way on to a region."""
    from placer.core.environment import ACCESS, ENDPOINT
    from placer.files import catalogue

    if end is None:
        if start is not None:
            raise UsageError("--from without --to", hint="name the region: --to aws-us-east-1")
        return path
    region = catalogue.load_place(end, what="--to")
    if region.is_country:
        raise UsageError(
            f"--to '{end}' is a country",
            hint="a region of it: " + " ".join(one.key for one in region.regions),
        )
    if path.measured_to in (None, ENDPOINT):
        told = (
            "holds the whole way to a server (`measured_to: endpoint`), part of which would count "
            "twice"
            if path.measured_to == ENDPOINT
            else "does not say what its round trip was measured to"
        )
        raise UsageError(
            f"--to has no effect: network '{path.name}' {told}",
            hint="name a network with `measured_to: access` or `measured_to: REGION`",
        )
    if path.measured_to == ACCESS and start is None:
        raise UsageError("--to without --from", hint="say where the device is: --from DE")
    if path.measured_to != ACCESS and start is not None:
        raise UsageError(
            f"--from has no effect: network '{path.name}' was measured to {path.measured_to}",
            hint="leave it out",
        )
    place = None if start is None else catalogue.load_place(start, what="--from")
    backbone = catalogue.backbone_between(path, place, region.regions[0])
    if backbone is not None and backbone.high_s is None:
        raise UsageError(
            f"no round trip from {backbone.start} to {backbone.end} is known",
            hint="`placer catalog list regions` shows the regions with round trips; else measure:"
            " placer network probe URL",
        )
    return replace(path, backbone=backbone)


def stated(
    path: NetworkPath,
    rtt: str | None,
    uplink: str | None,
    downlink: str | None,
    loss: str | None,
    loss_burst: float | None,
    buffer: str | None,
    cc: str | None,
    connection: str | None,
    tls: bool | None,
) -> NetworkPath:
    """Return the path with what the options say."""
    from placer.core.network import limits
    from placer.core.transfer import check_words

    if rtt is not None:
        quantiles = ((0.5, limits.parse_rtt_s(rtt, what="--rtt")),)
        path = replace(path, rtt_quantiles_s=quantiles, rtt_samples_s=())
    if uplink is not None:
        rate = limits.parse_link_rate_bytes_per_s(uplink, what="--uplink")
        path = replace(path, uplink_bytes_per_s=rate, uplink_p5_bytes_per_s=None)
    if downlink is not None:
        rate = limits.parse_link_rate_bytes_per_s(downlink, what="--downlink")
        path = replace(path, downlink_bytes_per_s=rate, downlink_p5_bytes_per_s=None)
    if loss is not None:
        ratio = limits.parse_loss_ratio(loss, what="--loss")
        path = replace(path, loss_ratio=ratio, loss_burst_packets=1.0)
    if loss_burst is not None:
        least, most = limits.MIN_BURST_PACKETS, limits.MAX_BURST_PACKETS
        if not least <= loss_burst <= most:
            raise UsageError(
                f"--loss-burst {loss_burst:g} is out of range",
                hint=f"{least:g} to {most:g} packets",
            )
        path = replace(path, loss_burst_packets=loss_burst)
    if buffer is not None:
        path = replace(path, buffer_bytes=limits.parse_buffer_bytes(buffer, what="--buffer"))
    path = replace(
        path,
        congestion_control=cc or path.congestion_control,
        connection=connection or path.connection,
        is_encrypted=path.is_encrypted if tls is None else tls,
    )
    check_words(path)
    return path
