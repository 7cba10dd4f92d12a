"""The targets, by name."""

from tests.fuzz.target import Target
from tests.fuzz.targets import (
    bundles,
    frames,
    messages,
    servers,
    sinks,
    snapshots,
    texts,
    watches,
    web,
)

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        frames.CHUNKS,
        frames.PICTURES,
        bundles.BUNDLES,
        snapshots.SNAPSHOTS,
        texts.CONFIG,
        texts.SETTINGS,
        texts.URLS,
        texts.SELECTORS,
        messages.CAMERAS,
        messages.UPDATES,
        messages.QUESTIONS,
        messages.FRAMES,
        messages.CONTENTS,
        messages.REDIS,
        servers.RTSP,
        servers.LOGINS,
        watches.WATCHES,
        watches.CHANGES,
        watches.EVENTS,
        watches.FILTERS,
        watches.HOURS,
        web.PLAYLISTS,
        web.PARTS,
        web.STILLS,
        web.FORMATS,
        sinks.SINKS,
        sinks.REPLIES,
        sinks.EVENTS,
    )
}
