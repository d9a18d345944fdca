"""The Open Inference Protocol over gRPC, with the messages that Triton's client ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError
from placer.core.graph import TensorSpec
from placer.core.units import format_bytes
from placer.probing.dialing import Access, closed, now_s, stalled
from placer.probing.exchange import Line, Meter, Overdue, overdue
from placer.probing.http import foreign
from placer.probing.inference import inputs_from, unknown_model
from placer.probing.server_time import Counted
from placer.probing.targets import Target
from placer.probing.tensors import REQUEST_ID, ModelInput, datatype_of, raw_bytes

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client begins HTTP/2: RFC 9113 section 3.4, with an empty SETTINGS."""
MAX_MESSAGE_BYTES = 2**31 - 1
HEADERS_BYTES = 250
"""About what the headers of a call and of its answer take, each."""
UNREAD_BYTES = 65_535
"""What comes of a message that is too large before it is refused: the first window of HTTP/2."""


def greet(target: Target, line: Line, access: Access) -> float:
    """Begin HTTP/2 and return how long the server's first byte took.

    Raises
    ------
    InputError
        It speaks another protocol.
    MeasuringError
        It stalls or closes.
    """
    began_s = now_s()
    first = b""
    block = memoryview(bytearray(64))
    try:
        line.sendall(PREFACE)
        while len(first) < 9:
            n_bytes = line.receive_into(block)
            if not n_bytes:
                break
            first += block[:n_bytes].tobytes()
    except Overdue as error:
        raise overdue(target, error, "its first frame of HTTP/2") from error
    except TimeoutError as error:
        if first:
            raise foreign(target, first) from error
        raise stalled(target, "no HTTP/2", access) from error
    except OSError as error:
        raise closed(target, "when it is spoken to in HTTP/2") from error
    if not first:
        raise closed(target, "when it is spoken to in HTTP/2")
    if len(first) < 9 or first[3] != 4 or first[5:9] != bytes(4):
        raise foreign(target, first)
    return now_s() - began_s


def messages() -> tuple[Any, Any, Any]:
    """Return grpc, and the messages and the stubs of the protocol.

    Raises
    ------
    MeasuringError
        They are not installed.
    """
    try:
        import grpc
        from tritonclient.grpc import service_pb2, service_pb2_grpc
    except ImportError as error:
        raise MeasuringError(
            f"gRPC cannot be spoken: {error}", hint="install it: pip install 'placer[probe]'"
        ) from error
    return grpc, service_pb2, service_pb2_grpc


class GrpcClient:
    """One channel to an inference server. Calls raise PlacerError."""

    def __init__(self, target: Target, access: Access, meter: Meter, max_bytes: int) -> None:
        self._grpc, self._pb, stubs = messages()
        self._target, self._access, self._meter = target, access, meter
        self._max_bytes = min(max_bytes, MAX_MESSAGE_BYTES)
        """Of an answer: a larger one is refused before it is read."""
        self._metadata = [(name.lower(), value) for name, value in access.headers]
        place = target.authority if ":" in target.host else f"{target.host}:{target.port}"
        choices = [
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", self._max_bytes),
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),
        ]
        if target.is_encrypted:
            if access.is_insecure:
                raise UsageError(
                    "gRPC checks certificates always: --insecure has no meaning",
                    hint="--ca-cert FILE names the authority that signed it",
                )
            roots = None if access.ca_cert is None else Path(access.ca_cert).read_bytes()
            credentials = self._grpc.ssl_channel_credentials(root_certificates=roots)
            self._channel = self._grpc.secure_channel(place, credentials, options=choices)
        else:
            self._channel = self._grpc.insecure_channel(place, options=choices)
        self._stub = stubs.GRPCInferenceServiceStub(self._channel)

    def __enter__(self) -> GrpcClient:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the channel."""
        self._channel.close()

    def server_metadata(self) -> tuple[str, float]:
        """Return what the server calls itself, and how long the call took."""
        answer, time_s = self._call("ServerMetadata", self._pb.ServerMetadataRequest())
        return f"{answer.name} {answer.version}".strip(), time_s

    def model_inputs(self, model: str) -> tuple[ModelInput, ...]:
        """Return the inputs of a model."""
        answer, _ = self._call("ModelMetadata", self._pb.ModelMetadataRequest(name=model), model)
        told = [
            {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)}
            for one in answer.inputs
        ]
        return inputs_from(self._target, told, model)

    def request(
        self, model: str, specs: Sequence[TensorSpec], arrays: Mapping[str, np.ndarray]
    ) -> Any:
        """Return the message of an inference."""
        return self._pb.ModelInferRequest(
            model_name=model,
            id=REQUEST_ID,
            inputs=[
                self._pb.ModelInferRequest.InferInputTensor(
                    name=spec.name, datatype=datatype_of(spec), shape=list(spec.shape)
                )
                for spec in specs
            ],
            raw_input_contents=[raw_bytes(spec, arrays[spec.name]) for spec in specs],
        )

    def infer(self, model: str, request: Any) -> tuple[Any, float]:
        """Ask a model once; return the answer and how long it took."""
        answer, time_s = self._call("ModelInfer", request, model)
        if not answer.outputs:
            raise InputError(
                f"{self._target.authority} answers an inference of '{model}' without outputs",
                hint="look into the server's log",
            )
        return answer, time_s

    def counted(self, model: str) -> Counted | None:
        """Return what Triton's statistics extension counted so far; None: there is none."""
        try:
            answer, _ = self._call("ModelStatistics", self._pb.ModelStatisticsRequest(name=model))
        except PlacerError:
            return None
        stats = answer.model_stats
        if not stats:
            return None
        return Counted(
            sum(one.inference_stats.success.count for one in stats),
            sum(one.inference_stats.success.ns for one in stats) / 1e9,
            "statistics extension",
        )

    def _call(self, name: str, request: Any, model: str | None = None) -> tuple[Any, float]:
        call = getattr(self._stub, name)
        began_s = now_s()
        self._meter.add(request.ByteSize() + HEADERS_BYTES, HEADERS_BYTES)
        try:
            answer = call(request, timeout=self._access.wait_s(), metadata=self._metadata)
        except self._grpc.RpcError as error:
            raise self._explained(error, name, model) from error
        except ValueError as error:  # metadata that gRPC does not take
            raise UsageError(f"--header cannot be sent over gRPC: {error}") from error
        time_s = now_s() - began_s
        self._meter.add(0, answer.ByteSize())
        return answer, time_s

    def _explained(self, error: Any, name: str, model: str | None) -> PlacerError:
        code, said = error.code(), " ".join(str(error.details() or "").split())[:300]
        codes = self._grpc.StatusCode
        what = f"{self._target.authority} answers {name} with {code.name}"
        if code is codes.DEADLINE_EXCEEDED:
            return stalled(self._target, f"no answer to {name}", self._access)
        if code is codes.RESOURCE_EXHAUSTED and "larger than max" in said:
            self._meter.add(0, UNREAD_BYTES)
            return MeasuringError(
                f"{self._target.authority} answers {name} with more than "
                f"{format_bytes(self._max_bytes)}",
                hint="raise --max-data",
            )
        if code is codes.UNAVAILABLE:
            return MeasuringError(f"{what}: {said}", hint="look into the server's log")
        if code is codes.UNIMPLEMENTED:
            return InputError(
                f"{self._target.authority} speaks gRPC, but not the Open Inference Protocol: "
                f"{name} is {code.name}",
                hint="give the gRPC port of an inference server",
            )
        if code in (codes.UNAUTHENTICATED, codes.PERMISSION_DENIED):
            return InputError(
                f"{what}: {said}", hint="sign in: --header 'Authorization: Bearer ...'"
            )
        is_unknown = code is codes.NOT_FOUND or (
            code in (codes.INVALID_ARGUMENT, codes.UNKNOWN, codes.INTERNAL)
            and name == "ModelMetadata"
        )
        if model is not None and is_unknown:
            return unknown_model(self._target, model, self._known_models(), said)
        if code in (codes.INVALID_ARGUMENT, codes.NOT_FOUND):
            return InputError(f"{what}: {said}")
        return MeasuringError(f"{what}: {said}", hint="look into the server's log")

    def _known_models(self) -> list[str] | None:
        try:
            answer = self._stub.RepositoryIndex(
                self._pb.RepositoryIndexRequest(),
                timeout=self._access.wait_s(),
                metadata=self._metadata,
            )
        except self._grpc.RpcError:
            return None
        return sorted({one.name for one in answer.models})
