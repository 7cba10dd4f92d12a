"""HLS for tests: short segments of real H.264, and playlists of them."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.support import video

SEGMENT_S = 1.0
FRAMES = 10


def segment(
    folder: Path, start_ms: int, size: tuple[int, int] = (video.WIDTH, video.HEIGHT)
) -> bytes:
    """One second of video as a transport stream, whose timestamps begin at `start_ms`."""
    times = [start_ms + index * 100 for index in range(FRAMES)]
    path = folder / f"{start_ms}-{size[0]}.ts"
    return video.write(path, 0, rate=FRAMES, times_ms=times, size=size).read_bytes()


def playlist(*entries: str, first: int = 0, end: bool = True) -> bytes:
    """Of segments, and of tags that stand as they are."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:1",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
    ]
    for entry in entries:
        lines += [entry] if entry.startswith("#") else [f"#EXTINF:{SEGMENT_S},", entry]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if end else []), ""]).encode()


def encrypted(data: bytes, key: bytes, number: int) -> bytes:
    """As HLS does it with AES-128, without an IV of its own."""
    padding = 16 - len(data) % 16
    cipher = Cipher(algorithms.AES128(key), modes.CBC(number.to_bytes(16, "big"))).encryptor()
    return cipher.update(data + bytes([padding]) * padding) + cipher.finalize()
