from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.serving.rtsp import Limits
from streamer.serving.rtsp.messages import Interleaved, MessageError, Parser, Request, response

LIMITS = Limits(request_line_bytes=200, header_bytes=600, body_bytes=100)
DESCRIBE = b"DESCRIBE rtsp://h/masked RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n"
PING = b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 7\r\nContent-Length: 5\r\n\r\nhello"
REPORT = b"$\x01\x00\x08\x80\xc9\x00\x01abcd"
STREAM = DESCRIBE + REPORT + b"\r\n" + PING + DESCRIBE


def parse(*pieces: bytes) -> list[Request | Interleaved]:
    parser = Parser(LIMITS)
    messages = []
    for piece in pieces:
        parser.feed(piece)
        while (message := parser.take()) is not None:
            messages.append(message)
    return messages


def refusal(data: bytes) -> int:
    with pytest.raises(MessageError) as refused:
        parse(data)
    return refused.value.status


def test_a_request_comes_with_its_parts():
    (request,) = parse(PING)
    assert isinstance(request, Request)
    assert (request.method, request.uri, request.cseq) == ("GET_PARAMETER", "*", "7")
    assert request.body == b"hello"


def test_header_names_have_no_case_and_repeated_ones_are_joined():
    (request,) = parse(b"OPTIONS * RTSP/1.0\r\ncseq:1\r\nRequire: a\r\nREQUIRE:\tb \r\n\r\n")
    assert isinstance(request, Request)
    assert request.headers == {"cseq": "1", "require": "a, b"}


@pytest.mark.parametrize("blank", [b" ", b"\t", b"  \t "])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_folded_header_is_one_header(blank, end):
    lines = [b"SETUP * RTSP/1.0", b"CSeq: 1", b"Transport: RTP/AVP;", blank + b"unicast;", blank]
    (request,) = parse(end.join([*lines, blank + b"client_port=1-2 ", b"X: y", b"", b""]))
    assert isinstance(request, Request)
    assert request.headers["transport"].split() == ["RTP/AVP;", "unicast;", "client_port=1-2"]
    assert (request.headers["x"], request.cseq) == ("y", "1")


def test_folding_makes_no_headers_longer_or_more_than_allowed():
    head = b"OPTIONS * RTSP/1.0\r\nCSeq: 1"
    assert refusal(head + b"\r\n a" * 64 + b"\r\n\r\n") == 413
    assert refusal(head + b"\r\n " + b"a" * LIMITS.header_bytes + b"\r\n\r\n") == 413


@pytest.mark.parametrize(("value", "text"), [(b"T\xfcr", "Tür"), ("Tür".encode(), "Tür")])
def test_a_header_may_be_in_utf_8_or_else_in_latin_1(value, text):
    (request,) = parse(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: " + value + b"\r\n\r\n")
    assert isinstance(request, Request)
    assert request.headers["user-agent"] == text


def test_lines_may_end_with_a_line_feed_alone():
    (request,) = parse(b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n")
    assert isinstance(request, Request)
    assert request.cseq == "1"


def test_interleaved_frames_and_requests_share_a_stream():
    messages = parse(STREAM)
    assert [type(message) for message in messages] == [Request, Interleaved, Request, Request]
    assert messages[1] == Interleaved(1, REPORT[4:])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_pieces_of_any_size_make_the_same_messages(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(edges)]
    assert parse(*pieces) == parse(STREAM)


def test_bytes_one_at_a_time_make_the_same_messages():
    assert parse(*(bytes([byte]) for byte in STREAM)) == parse(STREAM)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"OPTIONS  * RTSP/1.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505),
        (b"OPTIONS * RTSP/1.0\r\n folded\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\x00\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\rX: 2\r\n\r\n", 400),
        (b"OPTIONS rtsp://h/\x01 RTSP/1.0\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\n\tfolded\r\nCSeq: 1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nX\r\n : 1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nX: \x00\xff\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nX\xff: 1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nContent-Length: 101\r\n\r\n", 413),
        (b"OPTIONS " + b"x" * 300, 414),
        (b"OPTIONS " + b"x" * 300 + b" RTSP/1.0\r\n\r\n", 414),
        (b"OPTIONS * RTSP/1.0\r\n" + b"X: y\r\n" * 120, 413),
        (b"OPTIONS * RTSP/1.0\r\n" + b"X:\r\n" * 100 + b"\r\n", 413),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_with_its_status(data, status):
    assert refusal(data) == status


def test_a_hundred_thousand_broken_streams_raise_nothing_else():
    random_ = random.Random(2326)
    refused = messages = 0
    statuses = set()
    for number in range(100_000):
        if number % 3 == 0:
            data = bytearray(random_.randbytes(random_.randrange(80)))
        else:
            data = bytearray(random_.choice((DESCRIBE, PING, REPORT, STREAM)))
            for _ in range(random_.randrange(4)):
                where = random_.randrange(len(data) or 1)
                kind = random_.randrange(3)
                if kind == 0:
                    data[where : where + 1] = random_.randbytes(1)
                elif kind == 1:
                    del data[where : where + random_.randrange(1, 8)]
                else:
                    data[where:where] = random_.choice((b"\r\n", b"$\xff", b"\n\n", b": ", b"\0"))
        cut = random_.randrange(len(data) + 1)
        parser = Parser(LIMITS)
        try:
            for piece in (data[:cut], data[cut:]):
                parser.feed(bytes(piece))
                while parser.take() is not None:
                    messages += 1
        except MessageError as error:
            statuses.add(error.status)
            refused += 1
    assert statuses <= {400, 413, 414, 505}
    assert refused > 20_000
    assert messages > 50_000


def test_a_stream_that_never_ends_is_refused_before_it_fills_the_memory():
    parser = Parser(LIMITS)

    def go_on() -> None:
        for _ in range(1000):
            parser.feed(b"X: y\r\n")
            parser.take()

    with pytest.raises(MessageError):
        go_on()
    assert parser.held <= LIMITS.header_bytes + 100


def test_a_long_conversation_leaves_nothing_in_the_buffer():
    parser = Parser(LIMITS)
    for _ in range(1000):
        parser.feed(STREAM)
        while parser.take() is not None:
            pass
    assert parser.held == 0
    assert not parser.partial


def test_a_response_has_its_length_and_repeats_a_header_that_comes_twice():
    data = response(401, "3", [("WWW-Authenticate", "a"), ("WWW-Authenticate", "b")], b"xy")
    assert data == (
        b"RTSP/1.0 401 Unauthorized\r\nCSeq: 3\r\nWWW-Authenticate: a\r\n"
        b"WWW-Authenticate: b\r\nContent-Length: 2\r\n\r\nxy"
    )
