"""The record at the end of MP4 and MOV files, read by FFmpeg and by us."""

import io
import struct

import av
import numpy as np
import pytest

from scenewright.clip import Clip, Waveform
from scenewright.media import decode, encode, mux, probe

FACTS = {"prompt": 'a <red> "ball" & é ✓', "seed": 3, "settings": {"steps": 4}}


@pytest.fixture
def clip():
    frames = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    return Clip(frames, 8.0, caption=FACTS["prompt"], metadata=FACTS)


def without_tags(path):
    """The bytes of a file whose user data are gone, as a service that strips tags leaves them."""
    data = path.read_bytes()
    assert data.count(b"udta") == 1
    return data.replace(b"udta", b"free")


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_ffmpeg_finds_the_packet(tmp_path, clip, suffix):
    path = encode(clip, tmp_path / f"a.{suffix}")
    with av.open(str(path), options={"export_xmp": "1"}) as container:
        packet = container.metadata["xmp"]
    assert 'a &lt;red&gt; "ball" &amp; é ✓</rdf:li>' in packet
    assert packet.startswith("<?xpacket begin=")
    assert packet.endswith('<?xpacket end="w"?>')


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_file_without_tags_still_describes_itself(tmp_path, clip, suffix):
    data = without_tags(encode(clip, tmp_path / f"a.{suffix}"))
    bare = tmp_path / f"bare.{suffix}"
    bare.write_bytes(data)
    for source in (bare, data, io.BytesIO(data)):
        info = probe(source)
        assert dict(info.metadata) == FACTS
        assert info.caption == FACTS["prompt"]
        assert "comment" not in info.tags
        np.testing.assert_array_equal(decode(source).frames, decode(tmp_path / f"a.{suffix}").frames)


def test_new_sound_leaves_the_record_in_both_places(tmp_path, clip):
    (tmp_path / "bare.mp4").write_bytes(without_tags(encode(clip, tmp_path / "a.mp4")))
    sound = Waveform(np.zeros((1, 16000), np.float32), 16000)
    heard = mux(tmp_path / "bare.mp4", sound, tmp_path / "heard.mp4")
    assert dict(probe(heard).metadata) == FACTS
    assert dict(probe(without_tags(heard)).metadata) == FACTS


@pytest.mark.parametrize("caption", [None, "bell \x07", "half \ud800"])
def test_a_caption_that_xml_has_no_characters_for_is_in_the_record_alone(tmp_path, clip, caption):
    path = encode(clip.with_(caption=caption), tmp_path / "a.mp4")
    assert probe(without_tags(path)).caption == caption


def test_broken_packets_are_no_record(tmp_path, clip):
    data = without_tags(encode(clip, tmp_path / "a.mp4"))
    at = data.index(b"uuid") - 4
    mark, body = data[at + 8 : at + 24], data[at + 24 :]

    def box(packet):
        return struct.pack(">I4s", 24 + len(packet), b"uuid") + mark + packet

    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]>' + body
    for end in (b"", box(b""), box(body[:-60]), box(b"<a/>"), box(b"\xff\xfe\x00"), box(bomb)):
        broken = data[:at] + end
        assert dict(probe(broken).metadata) == {}
    long = struct.pack(">I4sQ", 1, b"uuid", 32 + len(body)) + mark + body
    to_the_end = box(body).replace(struct.pack(">I", 24 + len(body)), struct.pack(">I", 0), 1)
    for end in (long, to_the_end, box(b"other")[:8] + b"0" * 16 + b"other" + box(body)):
        assert dict(probe(data[:at] + end).metadata) == FACTS
