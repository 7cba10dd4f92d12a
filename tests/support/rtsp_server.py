# mypy: ignore-errors
"""An RTSP server for tests. Run by the system's python3, which has GStreamer's bindings.

    python3 rtsp_server.py PORT FILE.h264 RATE [USER:PASSWORD]

Serves rtsp://127.0.0.1:PORT/live: the Annex-B file, looped without end, with
steady timestamps, to each client from its own beginning. Prints `ready`.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def access_units(path):
    """The file cut before each access unit delimiter."""
    with open(path, "rb") as file:
        data = file.read()
    mark = b"\x00\x00\x00\x01\x09"
    starts = []
    at = data.find(mark)
    while at >= 0:
        starts.append(at)
        at = data.find(mark, at + 1)
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


class Factory(GstRtspServer.RTSPMediaFactory):
    """One pipeline for each client: an appsrc fed at the video's own rate."""

    def __init__(self, units, rate):
        super().__init__()
        self.units = units
        self.duration = Gst.SECOND // rate

    def do_create_element(self, url):
        return Gst.parse_launch(
            "( appsrc name=source is-live=true format=time do-timestamp=false "
            "caps=video/x-h264,stream-format=byte-stream,alignment=au "
            "! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )"
        )

    def do_configure(self, media):
        source = media.get_element().get_by_name_recurse_up("source")
        state = {"index": 0}

        def push():
            unit = self.units[state["index"] % len(self.units)]
            buffer = Gst.Buffer.new_wrapped(unit)
            buffer.pts = buffer.dts = state["index"] * self.duration
            buffer.duration = self.duration
            state["index"] += 1
            return source.emit("push-buffer", buffer) == Gst.FlowReturn.OK

        def begin(_media, new_state):
            if new_state == Gst.State.PLAYING and "timer" not in state:
                state["timer"] = GLib.timeout_add(self.duration // Gst.MSECOND, push)

        media.connect("new-state", lambda m, s: begin(m, Gst.State(s)))
        media.connect(
            "unprepared", lambda m: state.get("timer") and GLib.source_remove(state["timer"])
        )
        # The first picture goes in at once: preparing the media waits for it.
        for _ in range(2):
            push()


def main():
    port, path, rate = sys.argv[1], sys.argv[2], int(sys.argv[3])
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = Factory(access_units(path), rate)
    if len(sys.argv) > 4:
        user, _, password = sys.argv[4].partition(":")
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    factory.set_latency(0)
    server.get_mount_points().add_factory("/live", factory)
    if server.attach(None) == 0:
        sys.exit("the port cannot be bound")
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
