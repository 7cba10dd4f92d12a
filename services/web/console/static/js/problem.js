// What went wrong with a request, as the service says it (RFC 9457).

export class Problem extends Error {
  /** @param {ProblemRecord} record */
  constructor(record) {
    super(record.detail || record.title || "It did not work");
    this.status = record.status;
    this.code = record.code ?? "";
    this.reason = record.reason ?? "";
    this.field = record.field ?? "";
    this.retryAfterS = record.retry_after_s ?? null;
  }

  /** Whether the service, or the gateway that it asks, could not be reached. */
  get unreachable() {
    return this.status === 0 || this.status === 503 || this.status === 504;
  }
}

/**
 * @param {unknown} error
 * @returns {string}
 */
export function said(error) {
  return error instanceof Error ? error.message : String(error);
}
