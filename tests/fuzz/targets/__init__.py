"""The targets, by name."""

from tests.fuzz.target import Target
from tests.fuzz.targets import frames, messages, servers, sinks, snapshots, texts, web

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        frames.CHUNKS,
        frames.PICTURES,
        snapshots.SNAPSHOTS,
        texts.CONFIG,
        texts.SETTINGS,
        texts.URLS,
        texts.SELECTORS,
        messages.CAMERAS,
        messages.UPDATES,
        messages.QUESTIONS,
        messages.CONTENTS,
        messages.REDIS,
        servers.RTSP,
        servers.LOGINS,
        web.PLAYLISTS,
        web.PARTS,
        web.STILLS,
        web.FORMATS,
        sinks.SINKS,
        sinks.REPLIES,
        sinks.EVENTS,
    )
}
