// A plot of values over time, a line a camera. The library comes when the first is drawn.

import { clock, ms, percent } from "../format.js";

const HEIGHT = 220;
const COLOURS = 6;

/** @typedef {import("../views/series.js").Point} Point */

/**
 * Draw into an element; the function that is returned takes the plot away.
 * @param {HTMLElement} place
 * @param {{points: Point[], events: EventRecord[], limit: number | null, share: boolean, nameOf: (id: string) => string}} what
 */
export function drawSeries(place, what) {
  let gone = false;
  /** @type {any} */
  let plot = null;
  const resized = new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: HEIGHT }));
  void import("../../vendor/uplot.js").then(({ default: UPlot }) => {
    if (gone) return;
    style();
    place.replaceChildren();
    plot = new UPlot(optionsOf(place, what), dataOf(what.points), place);
    resized.observe(place);
  });
  return () => {
    gone = true;
    resized.disconnect();
    plot?.destroy();
  };
}

/** The library's own style sheet, once. */
function style() {
  if (document.getElementById("uplot-style")) return;
  const link = document.createElement("link");
  link.id = "uplot-style";
  link.rel = "stylesheet";
  link.href = new URL("../../vendor/uplot.css", import.meta.url).href;
  document.head.append(link);
}

/** @param {Point[]} points */
function camerasOf(points) {
  return [...new Set(points.map((one) => one.camera))].sort();
}

/**
 * @param {Point[]} points
 * @returns {any}
 */
function dataOf(points) {
  const times = [...new Set(points.map((one) => one.at))].sort((a, b) => a - b);
  const places = new Map(times.map((at, number) => [at, number]));
  const rows = camerasOf(points).map((camera) => {
    const row = Array(times.length).fill(undefined);
    for (const one of points) if (one.camera === camera) row[places.get(one.at) ?? 0] = one.value;
    // A null ends a line. It stays ended until the camera's own next value, whatever others have.
    for (let at = 1; at < row.length; at += 1) {
      if (row[at] === undefined && row[at - 1] === null) row[at] = null;
    }
    return row;
  });
  return [times.map((at) => at / 1000), ...rows];
}

/**
 * @param {HTMLElement} place
 * @param {Parameters<typeof drawSeries>[1]} what
 * @returns {any}
 */
function optionsOf(place, { points, events, limit, share, nameOf }) {
  const colours = getComputedStyle(place);
  const of = (/** @type {string} */ name) => colours.getPropertyValue(name).trim();
  const axis = { stroke: of("--soft"), grid: { stroke: of("--line"), width: 1 }, ticks: { stroke: of("--line"), width: 1 } };
  const figure = (/** @type {number} */ value) => (share ? percent(value) : String(Math.round(value * 100) / 100));
  return {
    width: place.clientWidth,
    height: HEIGHT,
    scales: share ? { y: { range: [0, 1.02] } } : {},
    axes: [{ ...axis, space: 90, values: (/** @type {any} */ _, /** @type {number[]} */ all) => all.map((at) => clock(at * 1000)) }, { ...axis, size: 56, values: (/** @type {any} */ _, /** @type {number[]} */ all) => all.map(figure) }],
    series: [
      { label: "Time", value: (/** @type {any} */ _, /** @type {number | null} */ at) => (at === null ? "-" : clock(at * 1000)) },
      ...camerasOf(points).map((camera, number) => ({
        label: nameOf(camera),
        stroke: of(`--series-${number % COLOURS}`),
        width: 2,
        points: { show: false },
        value: (/** @type {any} */ _, /** @type {number | null} */ value) => (typeof value === "number" ? figure(value) : "-"),
      })),
    ],
    hooks: {
      drawClear: [(/** @type {any} */ plot) => shade(plot, events, of("--shade"))],
      draw: [(/** @type {any} */ plot) => limit !== null && rule(plot, limit, of("--bad"))],
    },
  };
}

/**
 * Behind the lines: when an event was open.
 * @param {any} plot
 * @param {EventRecord[]} events
 * @param {string} colour
 */
function shade(plot, events, colour) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = colour;
  for (const one of events) {
    const from = plot.valToPos(ms(one.opened) / 1000, "x", true);
    const to = one.closed ? plot.valToPos(ms(one.closed) / 1000, "x", true) : bbox.left + bbox.width;
    const left = Math.max(bbox.left, from);
    ctx.fillRect(left, bbox.top, Math.max(1, Math.min(bbox.left + bbox.width, to) - left), bbox.height);
  }
  ctx.restore();
}

/**
 * The limit at which an event opens.
 * @param {any} plot
 * @param {number} limit
 * @param {string} colour
 */
function rule(plot, limit, colour) {
  const { ctx, bbox } = plot;
  const y = plot.valToPos(limit, "y", true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.setLineDash([6, 4]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}
