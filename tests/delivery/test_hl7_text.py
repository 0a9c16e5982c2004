"""HL7 v2 text: escapes, character sets, division into parts, and frames of MLLP."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gransk.delivery.hl7.er7 import (
    Message,
    MessageError,
    Path,
    Repeated,
    encode,
    escape,
    header,
    segment,
    unescape,
)
from gransk.delivery.hl7.mllp import Frame, Unframer, framed

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
NASTY = st.text(alphabet="|^~\\&HNFSTRE.X0D\r\n æøåÆØÅé\x0b\x1c", max_size=40)


def read(*segments, charset="UNICODE UTF-8"):
    return Message(encode([header("A", "B", "", "", "", "", ["ORU", "R01"], "1", "P", "2.5.1",
                                  "", "", "", "", "", charset), *segments], charset))  # fmt: skip


@given(TEXT | NASTY)
def test_what_is_escaped_is_read_again(text):
    assert unescape(escape(text)) == text


@given(TEXT | NASTY)
def test_escaped_text_holds_no_delimiter_and_no_control(text):
    written = escape(text)
    assert not set(written) & set("|^~&")
    assert not any(ord(char) < 32 or ord(char) == 127 for char in written)


@settings(deadline=None)
@given(st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=4))
def test_components_come_back_from_a_whole_message(pairs):
    message = read(segment("PID", "1", "", Repeated([[a, ["", b]] for a, b in pairs]), "end"))
    pid = message.first("PID")
    for number, (a, b) in enumerate(pairs, start=1):
        assert pid.text(3, repeat=number) == a.strip()
        assert pid.text(3, 2, 2, repeat=number) == b.strip()
    assert pid.text(4) == "end"


@given(st.text(alphabet="\\|^~&XFSTRE.br0123456789abæ", max_size=40))
def test_any_text_of_a_peer_is_read_without_error(text):
    assert isinstance(unescape(text), str)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a\\.br\\b", "a\nb"),
        ("\\H\\loud\\N\\", "loud"),
        ("\\XC3A6\\", "æ"),
        ("\\Zlocal\\", "\\Zlocal\\"),
        ("5 \\ 3", "5 \\ 3"),
        ("\\.sp3\\x", "\n\n\nx"),
        ("\\.sp999999\\x", "\\.sp999999\\x"),
    ],
)
def test_sequences_of_the_standard(written, meant):
    assert unescape(written) == meant


@pytest.mark.parametrize("charset", ["UNICODE UTF-8", "8859/1", "8859/15"])
def test_danish_letters_in_each_character_set(charset):
    name = "Sørensen-Ærø^Åse é"
    message = read(segment("PID", "1", "", "", "", name), charset=charset)
    assert message.first("PID").text(5) == name
    assert message.msh.text(18) == charset


def test_letters_that_a_character_set_lacks_come_as_near_as_they_can():
    message = read(segment("PID", "1", "", "", "", "Łukasz Dvořák ☃"), charset="8859/1")
    assert message.first("PID").text(5) == "?ukasz Dvorák ?".replace("Dvor", "Dvor")


def test_hexadecimal_is_read_in_the_message_s_character_set():
    content = b"MSH|^~\\&|A|B|||||ORU^R01|1|P|2.5.1||||||8859/1\rPID|1||||S\\XF8\\ren\r"
    assert Message(content).first("PID").text(5) == "Søren"


def test_a_peer_s_own_delimiters():
    message = Message(b"MSH#*%@!#A#B#####ORU*R01#1#P#2.5.1\rPID#1##a@F@b*c!d%e\r")
    assert message.kind == ("ORU", "R01")
    pid = message.first("PID")
    assert (pid.text(3), pid.text(3, 2), pid.text(3, 2, 2)) == ("a#b", "c", "d")
    assert pid.text(3, repeat=2) == "e"
    assert pid.repeats(3) == 2
    assert pid.at(Path.parse("PID-3.2.2")) == "d"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01\x02",
        b"GET / HTTP/1.1\r\n\r\n",
        b"MSH",
        b"MSH|",
        b"MSH|||||||||||\r",
        b"MSH|^^^^|A|B\r",
        b"MSH|^~\\&|A\xff\xfe|B\r",
        b"MSH|^~\\&|A|B|||||ORU^R01|1|P|2.5.1||||||UNICODE UTF-16\r",
        b"MSH|^~\\&|A|B|||||ORU^R01|1|P|2.5.1\rnot a segment\r",
        b"MSH|^~\\&|A\x00|B\r",
    ],
)
def test_garbage_is_refused_and_not_repeated(content):
    with pytest.raises(MessageError) as refused:
        Message(content)
    assert "GET" not in str(refused.value)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(content):
    for tried in (content, b"MSH|^~\\&|" + content):
        try:
            message = Message(tried)
        except MessageError:
            continue
        assert message.control_id is not None
        assert all(isinstance(one.text(5, 2), str) for one in message.segments)


@given(
    st.lists(st.binary(max_size=60).map(lambda b: b.translate(None, b"\x0b\x1c")), max_size=4),
    st.integers(1, 9),
)
def test_frames_are_found_however_the_bytes_arrive(contents, step):
    stream = b"noise" + b"".join(b"\r\n" + framed(one) for one in contents)
    unframer = Unframer(1000)
    found = [
        frame
        for start in range(0, len(stream), step)
        for frame in unframer.feed(stream[start : start + step])
    ]
    assert found == [Frame(one) for one in contents]
    assert not unframer.inside


@given(st.integers(1, 50))
def test_a_message_over_the_limit_is_cut_and_the_next_is_whole(step):
    stream = framed(b"A" * 5000) + framed(b"B" * 100)
    unframer = Unframer(100)
    found = []
    held = 0
    for start in range(0, len(stream), step):
        found += unframer.feed(stream[start : start + step])
        held = max(held, len(unframer._buffer))
    assert [(frame.whole, frame.content[:1]) for frame in found] == [(False, b"A"), (True, b"B")]
    assert held <= 100 + 2 + step


def test_a_message_that_begins_again_counts_from_there():
    unframer = Unframer(1000)
    assert unframer.feed(b"\x0bMSH|half" + framed(b"whole")) == [Frame(b"whole")]


def test_bytes_without_a_frame_are_counted_and_not_kept():
    unframer = Unframer(1000)
    for _ in range(10):
        assert unframer.feed(b"x" * 1000) == []
    assert unframer.skipped == 10_000
    assert not unframer._buffer
