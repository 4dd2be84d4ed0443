"""Media in and out: probe, decode, encode, mux, thumbnails and contact sheets (PyAV and Pillow)."""

from scenewright.media.audio import decode_audio
from scenewright.media.decode import TimedFrame, decode, iter_frames
from scenewright.media.encode import FORMATS, encode, encode_audio, mux
from scenewright.media.probe import AudioInfo, MediaInfo, VideoInfo, probe
from scenewright.media.sheets import contact_sheet, film_strip, save_image, thumbnail
from scenewright.media.source import Limits, MediaError

__all__ = [
    "FORMATS",
    "AudioInfo",
    "Limits",
    "MediaError",
    "MediaInfo",
    "TimedFrame",
    "VideoInfo",
    "contact_sheet",
    "decode",
    "decode_audio",
    "encode",
    "encode_audio",
    "film_strip",
    "iter_frames",
    "mux",
    "probe",
    "save_image",
    "thumbnail",
]
