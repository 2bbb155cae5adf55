import pytest

from mien.contract.containers import (
    HEAD_BYTES,
    TRUSTED_CONTAINERS,
    UPLOAD_CONTAINERS,
    VIDEO_SUFFIXES,
    is_accepted,
    listed,
)


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00",
        b"\x00\x00\x00\x18ftyp3gp4\x00\x00\x00\x00",
        b"\x00\x00\x00\x0aftypqt  \n\n\n\n",
        b"\x0a\x0a\x0a\x0amoov\x00\x00\x00\x00mvhd",
        b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat",
        b"\x1a\x45\xdf\xa3\x01\x00\x00\x00",
        b"RIFF\x0a\x00\x00\x00AVI LIST",
    ],
)
def test_a_video_is_recognised_by_its_first_bytes(head):
    assert is_accepted(head[:HEAD_BYTES])


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"FLV\x01\x05",
        b"#EXTM3U\n#EXTINF",
        b"xftypmp42",
        b" \x1a\x45\xdf\xa3",
    ],
)
def test_what_is_no_video_is_refused(head):
    assert not is_accepted(head[:HEAD_BYTES])


def test_a_3gp_file_is_named_found_and_decoded_like_the_others():
    assert listed(UPLOAD_CONTAINERS) == "MP4, MOV, 3GP, MKV, WebM or AVI"
    assert listed(UPLOAD_CONTAINERS[:1]) == "MP4"
    assert ".3gp" in VIDEO_SUFFIXES
    assert ".flv" not in VIDEO_SUFFIXES
    assert any("3gp" in container.demuxers for container in UPLOAD_CONTAINERS)
    assert TRUSTED_CONTAINERS[-1].demuxers == ("flv",)
