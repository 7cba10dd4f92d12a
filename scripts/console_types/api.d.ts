// The records of the REST API, as the console uses them.

interface ProblemRecord {
  status: number;
  title?: string;
  detail?: string;
  code?: string;
  reason?: string;
  field?: string;
  retry_after_s?: number;
}

interface Span {
  start: string;
  end: string;
  reason: string;
}

interface Coverage {
  span: Span | null;
  gaps: Span[];
  forgotten: Span[];
  media_start_s: number | null;
  media_end_s: number | null;
  frames: number;
  frames_seen: number;
  whole_since: string | null;
  watching_since: string | null;
  lost: Span | null;
}

interface PictureStatus {
  width: number;
  height: number;
  coded_width: number;
  coded_height: number;
  codec: string;
  frames_per_second: number;
  color: string;
  transfer: string;
  frame_width: number;
  frame_height: number;
}

interface Camera {
  id: string;
  url: string;
  loop: boolean;
  created: string | null;
  labels: Record<string, string>;
  display_name: string;
  source: {
    state: string;
    error: string;
    error_message: string;
    frames_per_second: number;
    last_frame: string | null;
    reconnects: number;
    dropped_frames: number;
    decoder: string;
    picture: PictureStatus | null;
  };
  memory: {
    state: string;
    frames: number;
    tokens: number;
    bytes: number;
    lag_s: number | null;
    coverage: Coverage;
    worker: string;
    epoch: number;
    message: string;
    taken_ratio: number | null;
  };
}

interface Probe {
  error: string;
  error_message: string;
  picture: PictureStatus | null;
  key_frame_interval_s: number | null;
  key_frame_interval_open: boolean;
  frames_per_second: number;
  frame_bytes: number;
  length_s: number | null;
  thumbnail: string;
  decoder: string;
}

interface Frame {
  captured: string;
  url: string | null;
}

interface HeldFrame {
  number: number;
  tokens: number;
  summaries: number;
}

interface MemoryLayer {
  number: number;
  band: string;
  frames: HeldFrame[];
}

interface MemoryContents {
  policy: string;
  budget: number;
  tokens: number;
  bytes: number;
  frame_tokens: number;
  frames_seen: number;
  times: Record<string, number>;
  taken: Record<string, number>;
  layers: MemoryLayer[];
}

interface SpanInput {
  last?: string;
  from?: string;
  to?: string;
}

/** A range that is asked about, in ms since 1970. */
interface AskedRange {
  from: number;
  to?: number | null;
}

interface Timings {
  warm_time_to_first_token_s: number | null;
  gateway_time_to_first_token_s: number | null;
  time_per_output_token_s: number | null;
  total_s: number | null;
}

interface SpanCoverage {
  whole_s: number;
  thinned_s: number;
  forgotten_s: number;
  unseen_s: number;
}

interface EvidenceFrame {
  captured: string;
  fall: number;
  picture: string;
}

interface Answer {
  text: string;
  finish_reason: string;
  answer_tokens: number;
  timings: Timings;
  coverage: Coverage;
  model: string;
  span: SpanCoverage | null;
  choices: { text: string; probability: number }[];
  evidence: { frames: EvidenceFrame[] } | null;
  dropped_turns: number;
}

interface EventRecord {
  id: string;
  type: string;
  watch_id: string;
  camera_id: string;
  camera_display_name: string;
  severity: string;
  labels: Record<string, string>;
  question: string;
  opened: string;
  closed: string | null;
  end: string;
  value: number | null;
  peak: number | null;
  answer: string;
  sentence: string;
  evidence: { captured: string | null; url: string }[];
  acknowledgement: { by: string; at: string; note: string } | null;
  lag_s: number | null;
  sequence: number;
}

interface WatchCondition {
  kind: "above" | "below" | "equals" | "changes" | "rate";
  value?: number;
  choices?: string[];
  probability?: number;
  per_minute?: number;
}

interface Watch {
  id: string;
  display_name: string;
  text: string;
  camera_ids: string[];
  selector: string;
  form: { kind: "yes_no" | "choices" | "number" | "diary"; texts?: string[]; interval_s?: number };
  trigger: { condition: WatchCondition; hold_s: number; cooldown_s: number; gap: string } | null;
  severity: string;
  labels: Record<string, string>;
  hours: string | null;
  paused: boolean;
  every_s: number;
  created: string | null;
  version: number;
  cameras: number;
  open_events: number;
  message: string;
}

interface Evaluation {
  captured: string | null;
  value: number;
  choices: [string, number][];
  answer: string;
  holds: boolean;
}

interface Trial {
  camera_id: string;
  evaluation: Evaluation | null;
  evidence: { captured: string | null; picture: string }[];
  message: string;
}
