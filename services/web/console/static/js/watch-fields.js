// A watch as the fields of a form, and back.

import { readLabels, writtenLabels } from "./parts/labels-field.js";

/** @param {Watch} [watch] */
export function fieldsOf(watch) {
  const form = /** @type {any} */ (watch?.form ?? { kind: "yes_no" });
  const trigger = watch?.trigger ?? null;
  const condition = /** @type {any} */ (trigger?.condition ?? { kind: "above", value: 0.8 });
  return {
    id: watch?.id ?? "",
    display_name: watch?.display_name ?? "",
    text: watch?.text ?? "",
    which: watch?.selector ? "selector" : "ids",
    camera_ids: watch?.camera_ids ?? [],
    selector: watch?.selector ?? "",
    form: form.kind,
    choices: form.texts?.join(", ") ?? "",
    interval: text(form.interval_s, "600"),
    condition: form.kind === "diary" ? "" : condition.kind,
    equals: condition.choices?.join(", ") ?? "",
    value: text(condition.value ?? condition.per_minute ?? (condition.probability || "")),
    hold: text(trigger?.hold_s || ""),
    cooldown: text(trigger?.cooldown_s || ""),
    gap: trigger?.gap ?? "hold",
    every: text(watch?.every_s || ""),
    hours: watch?.hours ?? "",
    severity: watch?.severity ?? "warning",
    labels: writtenLabels(watch?.labels ?? {}),
    // What the form does not show stays as it is.
    kept: { form, condition, trigger },
  };
}

/**
 * @param {ReturnType<typeof fieldsOf>} fields
 * @returns {any}
 */
export function watchOf(fields) {
  return {
    display_name: fields.display_name.trim(),
    text: fields.text.trim(),
    camera_ids: fields.which === "ids" ? fields.camera_ids : [],
    selector: fields.which === "selector" ? fields.selector.trim() : "",
    form: formOf(fields),
    trigger: fields.form === "diary" ? null : triggerOf(fields),
    severity: fields.severity,
    labels: readLabels(fields.labels),
    hours: fields.hours.trim() || null,
    every_s: Number(fields.every) || 0,
  };
}

/** @param {ReturnType<typeof fieldsOf>} fields */
function formOf({ form, choices, interval, kept }) {
  const before = kept.form.kind === form ? kept.form : {};
  if (form === "choices") return { ...before, kind: form, texts: listed(choices) };
  if (form === "diary") return { ...before, kind: form, interval_s: Number(interval) };
  return { ...before, kind: form };
}

/** @param {ReturnType<typeof fieldsOf>} fields */
function triggerOf(fields) {
  const before = fields.kept.trigger ?? {};
  return {
    ...before,
    condition: conditionOf(fields),
    hold_s: Number(fields.hold) || 0,
    cooldown_s: Number(fields.cooldown) || 0,
    gap: fields.gap,
  };
}

/** @param {ReturnType<typeof fieldsOf>} fields */
function conditionOf({ condition: kind, value, equals, kept }) {
  const before = kept.condition.kind === kind ? kept.condition : {};
  if (kind === "equals") return { ...before, kind, choices: listed(equals), probability: Number(value) || 0 };
  if (kind === "changes") return { ...before, kind, probability: Number(value) || 0 };
  if (kind === "rate") return { ...before, kind, per_minute: Number(value) };
  return { ...before, kind, value: Number(value) };
}

/** @param {string} words */
const listed = (words) => words.split(",").map((one) => one.trim()).filter(Boolean);

/** @param {unknown} value @param {string} [otherwise] */
const text = (value, otherwise = "") => (value === undefined || value === null || value === "" ? otherwise : String(value));
