"""What is written by hand is what the library's own messages say, whatever it is about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.tracing.collector import attributes
from zerosum.domain.traces import TraceOrigin, make_origin
from zerosum.tracing.otlp import (
    HAS_FAILED,
    TEXT_CHARACTERS_MAX,
    Envelope,
    Kind,
    named,
    with_attributes,
    with_link,
    with_state,
    write_siblings,
    write_span,
)
from zerosum.tracing.told import beginning, part_of

REMOTE = 0x300
"""It is known of the parent, and so, that it may be of another process."""

texts = st.text(st.characters(codec="utf-8"), max_size=2 * TEXT_CHARACTERS_MAX)
told = st.dictionaries(st.text(min_size=1, max_size=200), texts | st.integers(-(2**63), 2**63 - 1), max_size=5)
kinds = st.sampled_from(list(Kind))
times = st.integers(0, 2**64 - 1)
origins = st.builds(
    lambda trace_id, span_id: make_origin(f"{trace_id:032x}", f"{span_id:016x}", 1),
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
)


@given(origins, st.none() | origins, texts, kinds, times, times, told, st.lists(origins, max_size=4), texts)
def test_any_span_is_read_as_it_was_told(
    origin: TraceOrigin,
    parent: TraceOrigin | None,
    name: str,
    kind: Kind,
    began_at: int,
    ended_at: int,
    given_attributes: dict[str, str | int],
    linked: list[TraceOrigin],
    state: str,
) -> None:
    links = b"".join(map(with_link, linked))
    rest = (named.__wrapped__(name, kind), with_attributes(given_attributes), links, with_state(state), HAS_FAILED)
    written = write_span(origin, "" if parent is None else parent.span_id, began_at, ended_at, *rest)
    message = Envelope({"service.name": "zerosum", "n": 7}, "zerosum", "1.2").around([written, written])
    (of_process,) = ExportTraceServiceRequest.FromString(message).resource_spans
    (of_scope,) = of_process.scope_spans
    assert {pair.key: pair.value.string_value for pair in of_process.resource.attributes}["service.name"] == "zerosum"
    assert (of_scope.scope.name, of_scope.scope.version) == ("zerosum", "1.2")
    first, second = of_scope.spans
    assert first == second
    assert first == Span(
        trace_id=bytes.fromhex(origin.trace_id),
        span_id=bytes.fromhex(origin.span_id),
        parent_span_id=b"" if parent is None else bytes.fromhex(parent.span_id),
        name=name[:TEXT_CHARACTERS_MAX],
        kind=Span.SpanKind.ValueType(kind),
        start_time_unix_nano=began_at,
        end_time_unix_nano=ended_at,
        attributes=first.attributes,
        links=[
            Span.Link(trace_id=bytes.fromhex(one.trace_id), span_id=bytes.fromhex(one.span_id), flags=REMOTE)
            for one in linked
        ],
        trace_state=state[:TEXT_CHARACTERS_MAX],
        status=Status(code=Status.STATUS_CODE_ERROR),
        flags=REMOTE if parent else 0,
    )
    assert attributes(first) == {
        key: value if isinstance(value, int) else value[:TEXT_CHARACTERS_MAX] for key, value in given_attributes.items()
    }


@given(st.lists(st.tuples(origins, times), max_size=4), times, texts)
def test_siblings_are_spans_beneath_each_of_their_parents(
    parents: list[tuple[TraceOrigin, int]], ended_at: int, name: str
) -> None:
    told = named.__wrapped__(name, Kind.INTERNAL)
    message = Envelope({}, "zerosum", "1").around([write_siblings(parents, ended_at, told)])
    spans = ExportTraceServiceRequest.FromString(message).resource_spans[0].scope_spans[0].spans
    assert len({span.span_id for span in spans}) == len(parents)
    for span, (parent, began_at) in zip(spans, parents, strict=True):
        origin = make_origin(parent.trace_id, span.span_id.hex(), 1)
        alone = Envelope({}, "zerosum", "1").around([write_span(origin, parent.span_id, began_at, ended_at, told)])
        assert [span] == [*ExportTraceServiceRequest.FromString(alone).resource_spans[0].scope_spans[0].spans]


def test_what_is_no_text_spoils_no_message() -> None:
    written = write_span(beginning(), "", 1, 2, named("x", Kind.SERVER), with_attributes({"a": "\udcff"}))
    message = Envelope({}, "zerosum", "1").around([written])
    (span,) = ExportTraceServiceRequest.FromString(message).resource_spans[0].scope_spans[0].spans
    assert attributes(span) == {"a": "?"}


def test_a_part_is_in_the_trace_of_its_parent_and_is_collected_as_that_is() -> None:
    parent = TraceOrigin("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03")
    part = part_of(parent)
    assert (part.trace_id, part.flags) == (parent.trace_id, 3)
    assert part.span_id != parent.span_id
    assert beginning().is_recorded
