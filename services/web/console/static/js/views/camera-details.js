// What is known of a camera, in words and figures.

import { bytes, duration, percent, plain, whole } from "../format.js";
import { html } from "../html.js";

/** @param {{camera: Camera}} props */
export function CameraDetails({ camera }) {
  const { source, memory } = camera;
  const picture = source.picture;
  /** @type {[string, any][]} */
  const rows = [
    ["Id", camera.id],
    ["Address", camera.url],
    ["Added", camera.created && whole(camera.created)],
    ["Source", plain(source.state) + (source.error ? `: ${plain(source.error)}` : "")],
    ["Message", source.error_message],
    ["Video", picture && `${picture.codec}, ${picture.coded_width}×${picture.coded_height}, ${picture.color} ${picture.transfer}`],
    ["Frames", picture && `${picture.frame_width}×${picture.frame_height}, ${source.frames_per_second.toFixed(2)} a second`],
    ["Reconnects", source.reconnects],
    ["Dropped frames", source.dropped_frames],
    ["Decoder", source.decoder],
    ["Memory", plain(memory.state)],
    ["Waits for", memory.message],
    ["Holds", `${memory.frames.toLocaleString()} of ${memory.coverage.frames_seen.toLocaleString()} frames, ${memory.tokens.toLocaleString()} tokens in its fullest layer, ${bytes(memory.bytes)}`],
    ["Taken in", memory.taken_ratio !== null && `${percent(memory.taken_ratio)} of a frame, in the mean`],
    ["Watching since", memory.coverage.watching_since && whole(memory.coverage.watching_since)],
    ["Lag", memory.lag_s !== null && duration(memory.lag_s)],
    ["Worker", memory.worker && `${memory.worker}, epoch ${memory.epoch}`],
  ];
  return html`<dl class="facts-list panel">
    ${rows.filter(([, value]) => value || value === 0).map(([name, value]) => html`<dt key=${`${name}-`}>${name}</dt><dd key=${name}>${value}</dd>`)}
  </dl>`;
}
