#!/usr/bin/env node
// Asks HERMES Live a question and prints the answer as it is written.
//
//   node examples/node/ask.mjs ADDRESS CAMERA QUESTION
//
// The API is loaded from protos/ as it is; nothing is generated.

import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const PROTOS = fileURLToPath(new URL("../../protos/", import.meta.url));
const TIMEOUT_MS = 60_000;

const [address, camera, question, ...rest] = process.argv.slice(2);
if (question === undefined || rest.length > 0) {
  console.error("usage: node examples/node/ask.mjs ADDRESS CAMERA QUESTION");
  console.error('e.g.   node examples/node/ask.mjs 127.0.0.1:50051 lobby "Is the door open?"');
  process.exit(2);
}

const definition = protoLoader.loadSync("hermes/v1/query.proto", {
  includeDirs: [PROTOS],
  enums: String,
  longs: String,
});
const { QueryService } = grpc.loadPackageDefinition(definition).hermes.v1;
const client = new QueryService(address, grpc.credentials.createInsecure());

const metadata = new grpc.Metadata();
if (process.env.HERMES_TOKEN) {
  metadata.set("authorization", `Bearer ${process.env.HERMES_TOKEN}`);
}

const call = client.Ask(
  { question: { cameraId: camera, text: question } },
  metadata,
  { deadline: Date.now() + TIMEOUT_MS },
);

// Ctrl-C stops the work at the other end as well.
process.once("SIGINT", () => call.cancel());

call.on("data", ({ delta, complete }) => {
  if (delta) {
    process.stdout.write(delta.text);
  }
  if (complete) {
    printTimings(complete);
  }
});
call.on("end", () => client.close());
call.on("error", (error) => {
  console.error(`\n${grpc.status[error.code]}: ${error.details}`);
  process.exitCode = 1;
  client.close();
});

function printTimings({ model, finishReason, answerTokens, timings }) {
  const parts = {
    "first token": timings?.gatewayTimeToFirstToken,
    "from a ready memory": timings?.warmTimeToFirstToken,
    "a token": timings?.timePerOutputToken,
    total: timings?.total,
  };
  const shown = Object.entries(parts)
    .filter(([, duration]) => duration)
    .map(([name, duration]) => `${name} ${milliseconds(duration).toFixed(1)} ms`);
  const reason = (finishReason ?? "").replace("FINISH_REASON_", "").toLowerCase();
  console.log(`\n\n${model}: ${answerTokens ?? 0} tokens, ${reason}; ${shown.join(", ")}`);
}

function milliseconds({ seconds = 0, nanos = 0 }) {
  return Number(seconds) * 1e3 + nanos / 1e6;
}
