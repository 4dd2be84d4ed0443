"""The record once more, at the end of an MP4 or MOV file: an XMP packet in a top-level ``uuid`` box.

Services that strip the tags of a video often copy its boxes, and others the other way round; what is in both
places survives more of them. ISO 16684-1 (XMP), and part 3 of Adobe's specification for the box.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

from av.container import InputContainer

from scenewright.media.record import parse_record
from scenewright.media.source import Opened

_BOX = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
_NAMESPACE = "urn:scenewright:record:1"
_RDF, _DC = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/"
_META, _LANG = "adobe:ns:meta/", "{http://www.w3.org/XML/1998/namespace}lang"
_HEAD = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = b'\n<?xpacket end="w"?>'
#: Larger packets are not looked into.
_MOST = 16 * 1024**2


def append_xmp(path: Path, text: str, caption: str | None) -> None:
    """Add a packet with the record ``text``, and the caption as its description, to the end of a file."""
    for prefix, uri in (("x", _META), ("rdf", _RDF), ("dc", _DC), ("scenewright", _NAMESPACE)):
        ElementTree.register_namespace(prefix, uri)
    root = ElementTree.Element(f"{{{_META}}}xmpmeta")
    rdf = ElementTree.SubElement(root, f"{{{_RDF}}}RDF")
    described = ElementTree.SubElement(rdf, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": ""})
    if caption and _can_be_xml(caption):
        choices = ElementTree.SubElement(
            ElementTree.SubElement(described, f"{{{_DC}}}description"), f"{{{_RDF}}}Alt"
        )
        ElementTree.SubElement(choices, f"{{{_RDF}}}li", {_LANG: "x-default"}).text = caption
    ElementTree.SubElement(described, f"{{{_NAMESPACE}}}record").text = text
    packet = _HEAD + ElementTree.tostring(root, encoding="utf-8") + _TAIL
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 8 + len(_BOX) + len(packet), b"uuid") + _BOX + packet)


def record_text(container: InputContainer, source: Opened) -> str | None:
    """What the ``comment`` tag of an open file holds, if that is a record; else what its packet does, if it
    has one. Never raises for what is in the file."""
    comment = {key.lower(): value for key, value in container.metadata.items()}.get("comment")
    if parse_record(comment) is not None or "mp4" not in container.format.name:
        return comment
    if source.path is not None:
        with source.path.open("rb") as file:
            return _read(file)
    place = source.file.tell()  # FFmpeg reads from the same one
    try:
        return _read(source.file)
    finally:
        source.file.seek(place)


def _read(file: BinaryIO) -> str | None:
    packet = _packet(file)
    if packet is None or b"<!DOCTYPE" in packet:
        return None
    try:
        root = ElementTree.fromstring(packet.strip())
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    return root.findtext(f".//{{{_NAMESPACE}}}record")


def _packet(file: BinaryIO) -> bytes | None:
    end = file.seek(0, os.SEEK_END)
    at = 0
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            long = file.read(8)
            if len(long) < 8:
                return None
            (size,) = struct.unpack(">Q", long)
            head = 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            return None
        if kind == b"uuid" and head + len(_BOX) < size <= _MOST and file.read(len(_BOX)) == _BOX:
            return file.read(size - head - len(_BOX))
        at += size
    return None


def _can_be_xml(text: str) -> bool:
    """Whether XML 1.0 has all of its characters."""
    return all(
        c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000" for c in text
    )
