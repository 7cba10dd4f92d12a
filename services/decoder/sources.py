"""Opening whatever a camera's URL names: video, or single pictures."""

from __future__ import annotations

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED
from services.common.cameras import is_file
from services.common.redaction import secrets_of
from services.decoder.corrections import NO_CORRECTIONS, Corrections
from services.decoder.faults import SourceFault
from services.decoder.location import locate, patience_s
from services.decoder.opening import Opening
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from services.decoder.still_source import StillSource
from services.decoder.web_formats import WebFormat

STILLS = frozenset({WebFormat.STILL, WebFormat.PARTS})


def open_source(
    url: str,
    settings: DecoderSettings,
    per_second: float,
    corrections: Corrections = NO_CORRECTIONS,
) -> Source | StillSource:
    """The open source. Takes up to `longest_open_s`; raises `SourceFault`.

    `per_second`: the frames that are wanted; a picture is fetched so often.
    """
    try:
        location = locate(url, settings)
    except InvalidInput as error:
        raise SourceFault(SOURCE_ERROR_REFUSED, error.message, permanent=True) from None
    opening = Opening(
        location, settings, patience_s(url, settings), secrets_of(url), live=not is_file(url)
    )
    try:
        format = opening.format()
        if format in STILLS:
            return StillSource(location, format, per_second, corrections)
    except BaseException:
        location.close()
        raise
    return Source(url, settings, corrections, location)
