import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.contract.errors import (
    EmptyUpload,
    MalformedBody,
    UnsupportedContainer,
    UploadStalled,
    UploadTooLarge,
    WrongField,
)
from service.gateway.uploads import FORM_OVERHEAD_BYTES, video_bytes
from tests.unit.gateway.forms import BOUNDARY, FORM, MP4_HEAD, RAW, arriving, form, part, read

VIDEO = MP4_HEAD + b"some frames"

# What may confuse a parser that looks for "\r\n--boundary".
LOOK_ALIKES = [
    b"\r\n--" + BOUNDARY[:-1] + b"x",
    b"\r\n--" + BOUNDARY[:-1],
    b"--" + BOUNDARY + b"--\r\n",
    b"\r\n-",
    b"\r\n--",
    b"\r",
    b"\n--" + BOUNDARY,
    b"\r\r\n--" + BOUNDARY[:5],
    b"\r\n\r\n",
]


def cut(body: bytes, positions: set[int]) -> list[bytes]:
    ends = [*sorted(position % (len(body) + 1) for position in positions), len(body)]
    return [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def test_a_raw_body_is_the_video():
    assert read([VIDEO]) == VIDEO


def test_a_form_of_one_file_holds_the_video():
    assert read([form(part(VIDEO))], FORM) == VIDEO


def test_a_raw_body_comes_through_whatever_content_type_it_claims():
    for content_type in (
        "",
        "application/x-www-form-urlencoded",
        "text/plain",
        "video/mp4",
        "mülti/part;;=",
        "a" * 999,
    ):
        assert read([VIDEO], content_type) == VIDEO


def test_every_cut_of_a_body_gives_the_same_bytes():
    body = form(part(VIDEO))
    for position in range(len(body) + 1):
        assert read([body[:position], body[position:]], FORM) == VIDEO
    for position in range(len(VIDEO) + 1):
        assert read([VIDEO[:position], VIDEO[position:]]) == VIDEO


def test_a_body_may_arrive_byte_by_byte():
    body = form(part(VIDEO))
    assert read([body[i : i + 1] for i in range(len(body))], FORM) == VIDEO


@given(
    filling=st.lists(st.sampled_from(LOOK_ALIKES) | st.binary(max_size=40), max_size=8),
    cuts=st.sets(st.integers(0, 2000), max_size=8),
)
@settings(max_examples=150)
def test_data_that_looks_like_a_boundary_is_data_however_it_is_cut(filling, cuts):
    video = MP4_HEAD + b"".join(filling)
    if b"\r\n--" + BOUNDARY in video + b"\r\n--":
        return  # a sender must choose another boundary for this one
    assert read(cut(form(part(video)), cuts), FORM) == video
    assert read(cut(video, cuts)) == video


def test_pieces_are_passed_on_before_the_body_has_ended():
    async def first() -> bytes:
        async def never_ending():
            yield VIDEO
            await asyncio.sleep(60)

        video = video_bytes(never_ending(), RAW, most_bytes=1000, idle_s=60, most_s=60)
        return await anext(video)

    assert asyncio.run(first()) == VIDEO


def test_a_boundary_in_quotes_and_other_parameters_are_understood():
    body = form(part(VIDEO))
    assert read([body], f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY.decode()}"') == VIDEO


def test_a_file_without_a_name_and_a_plain_field_are_taken_alike():
    assert read([form(part(VIDEO, filename=None))], FORM) == VIDEO
    assert read([form(part(VIDEO, filename=""))], FORM) == VIDEO


def test_what_follows_the_last_boundary_is_not_the_video():
    assert read([form(part(VIDEO)) + b"epilogue"], FORM) == VIDEO


@pytest.mark.parametrize("name", ["file", "Video", "video ", "videos", "", "vidéo", "x" * 1000])
def test_a_file_under_another_field_is_refused_with_the_right_field_named(name):
    with pytest.raises(WrongField, match="'video'") as refused:
        read([form(part(VIDEO, name))], FORM)
    assert len(refused.value.detail) < 250


def test_a_field_beside_the_file_is_refused_before_or_after_it():
    for parts in ([part(b"1", "faces"), part(VIDEO)], [part(VIDEO), part(b"1", "faces")]):
        with pytest.raises(WrongField, match="query parameters"):
            read([form(*parts)], FORM)


def test_two_files_are_refused():
    with pytest.raises(WrongField, match="one request for each"):
        read([form(part(VIDEO), part(VIDEO))], FORM)


def test_a_form_without_a_part_is_refused():
    with pytest.raises((WrongField, MalformedBody)):
        read([form()], FORM)


def test_a_part_without_a_disposition_is_refused():
    body = b"--" + BOUNDARY + b"\r\nContent-Type: video/mp4\r\n\r\n" + VIDEO + b"\r\n--" + BOUNDARY + b"--\r\n"
    with pytest.raises(WrongField):
        read([body], FORM)


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""']
)
def test_a_form_without_a_boundary_is_refused(content_type):
    with pytest.raises(MalformedBody, match="boundary"):
        read([form(part(VIDEO))], content_type)


@pytest.mark.parametrize("boundary", ["other", "x" * 300])
def test_a_form_with_another_boundary_than_it_says_is_refused(boundary):
    with pytest.raises(MalformedBody):
        read([form(part(VIDEO))], f"multipart/form-data; boundary={boundary}")


def test_a_form_that_ends_early_is_refused_wherever_it_ends():
    body = form(part(VIDEO))
    # The last "--\r\n" aside: with the two dashes the form is complete.
    for end in range(1, len(body) - 3):
        with pytest.raises(MalformedBody):
            read([body[:end]], FORM)


@pytest.mark.parametrize(
    "junk", [b"\x00" * 500, b"GET / HTTP/1.1\r\n\r\n", b"\r\n" * 200 + b"x", b"--" + BOUNDARY + b"\r\n:\r\n\r\n"]
)
def test_a_body_that_is_no_form_is_refused(junk):
    with pytest.raises(MalformedBody):
        read([junk], FORM)


def test_a_part_with_endless_headers_is_refused_without_gathering_them():
    head = b"--" + BOUNDARY + b"\r\nContent-Disposition: "
    taken = 0

    def endless():
        nonlocal taken
        yield head
        while True:
            taken += 1000
            yield b"a" * 1000

    with pytest.raises(MalformedBody):
        read(endless(), FORM)
    assert taken < 20_000


def test_an_endless_epilogue_is_refused():
    def endless():
        yield form(part(VIDEO))
        while True:
            yield b"x" * 10_000

    with pytest.raises(UploadTooLarge):
        read(endless(), FORM, most_bytes=len(VIDEO))


def test_an_empty_body_and_an_empty_file_have_an_error_of_their_own():
    for pieces, content_type in (([], RAW), ([b"", b""], RAW), ([form(part(b""))], FORM), ([], FORM)):
        with pytest.raises(EmptyUpload, match=r"no bytes|empty"):
            read(pieces, content_type)


TAKEN = {
    "mp4": MP4_HEAD,
    "mov": b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ",
    "3gp": b"\x00\x00\x00\x18ftyp3gp4\x00\x00\x00\x00",
    "old mov, index first": b"\x00\x00\x10\x00moov\x00\x00\x00\x6cmvhd",
    "old mov, data first": b"\x00\x10\x00\x00mdat\x00\x00\x00\x00",
    "old mov, wide": b"\x00\x00\x00\x08wide\x00\x10\x00\x00mdat",
    "matroska and webm": b"\x1a\x45\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x23",
    "avi": b"RIFF\x00\x10\x00\x00AVI LIST",
}

REFUSED = {
    "text": b"just some words, no video at all",
    "short text": b"hi",
    "one byte": b"\x00",
    "html": b"<!doctype html><html></html>",
    "json": b'{"video": "http://example.com"}',
    "png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01",
    "gif": b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00",
    "webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    "wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1",
    "heif": b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00heic",
    "heif sequence": b"\x00\x00\x00\x18ftypmsf1\x00\x00\x00\x00",
    "avif": b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avif",
    "avif sequence": b"\x00\x00\x00\x1cftypavis\x00\x00\x00\x00",
    "canon raw": b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01",
    "ffconcat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "ffconcat with a mark": b"\xef\xbb\xbfffconcat version 1.0\n",
    "m3u8": b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n",
    "dash": b'<?xml version="1.0"?><MPD></MPD>',
    "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
    "mp3": b"ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    "ogg": b"OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    "flv": b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00",
    "mpeg-ts": b"G@\x00\x10\x00\x00\xb0\x0d\x00\x01\xc1\x00\x00\x00\x01",
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00\x00\x00\x00\x00",
    "elf": b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    "atom at the wrong place": b"ftypisom\x00\x00\x00\x20moov\x00\x00",
}


@pytest.mark.parametrize("kind", TAKEN)
def test_every_accepted_container_is_recognised_by_its_first_bytes(kind):
    assert read([TAKEN[kind] + bytes(100)]) == TAKEN[kind] + bytes(100)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_video_container_is_refused_whether_raw_or_in_a_form(kind):
    for pieces, content_type in (([REFUSED[kind]], "video/mp4"), ([form(part(REFUSED[kind]))], FORM)):
        with pytest.raises(UnsupportedContainer, match=r"^The upload is .*\. (Convert|Send|It|Unpack)"):
            read(pieces, content_type)


def test_what_is_no_video_is_refused_before_the_rest_arrives():
    taken = 0

    def counted():
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"no video "

    with pytest.raises(UnsupportedContainer):
        read(counted())
    assert taken == 2


def test_nothing_is_passed_on_before_the_container_is_known():
    async def first() -> None:
        video = video_bytes(arriving([b"#EXTM3U\n", b"#EXTINF:10,\nx"]), RAW, most_bytes=1000, idle_s=5, most_s=5)
        await anext(video)

    with pytest.raises(UnsupportedContainer):
        asyncio.run(first())


def test_the_size_limit_is_the_videos_own_to_the_byte():
    size = len(VIDEO)
    assert read([VIDEO], most_bytes=size) == VIDEO
    assert read([form(part(VIDEO))], FORM, most_bytes=size) == VIDEO
    for pieces, content_type in (([VIDEO], RAW), ([form(part(VIDEO))], FORM), ([VIDEO[:-1], VIDEO[-1:]], RAW)):
        with pytest.raises(UploadTooLarge, match="Cut or compress"):
            read(pieces, content_type, most_bytes=size - 1)


def test_what_a_form_may_add_to_its_file_is_enough_for_a_long_file_name():
    assert len(form(part(b"", filename="f" * 3000))) < FORM_OVERHEAD_BYTES
    assert read([form(part(VIDEO, filename="f" * 3000))], FORM, most_bytes=len(VIDEO)) == VIDEO


def test_an_upload_that_stands_still_is_given_up():
    with pytest.raises(UploadStalled, match="Send it again"):
        read([VIDEO, VIDEO], pause_s=0.3, idle_s=0.05)


def test_an_upload_that_moves_too_slowly_is_given_up():
    with pytest.raises(UploadStalled):
        read([VIDEO] * 50, pause_s=0.02, idle_s=1, most_s=0.2)


def test_an_upload_that_only_sends_empty_pieces_is_given_up():
    with pytest.raises(UploadStalled):
        read([b""] * 100, pause_s=0.02, idle_s=1, most_s=0.2)


def test_time_that_the_store_takes_is_not_held_against_the_client():
    async def slow_store() -> int:
        size = 0
        async for piece in video_bytes(arriving([VIDEO] * 3), RAW, most_bytes=1000, idle_s=0.1, most_s=60):
            await asyncio.sleep(0.2)
            size += len(piece)
        return size

    assert asyncio.run(slow_store()) == 3 * len(VIDEO)


def test_a_client_that_disconnects_is_distinguished_from_a_body_that_ends():
    class GoneAway(Exception):
        pass

    async def vanishing():
        yield VIDEO
        raise GoneAway

    async def gather() -> None:
        async for _ in video_bytes(vanishing(), RAW, most_bytes=1000, idle_s=5, most_s=5):
            pass

    with pytest.raises(GoneAway):
        asyncio.run(gather())
