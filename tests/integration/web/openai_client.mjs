// What OpenAI's client for Node makes of the HTTP door, as one JSON object on standard output.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], maxRetries: 0 });
const about = (url) => ({
  model: "hermes",
  messages: [
    {
      role: "user",
      content: [
        { type: "text", text: "How many people?" },
        { type: "video_url", video_url: { url } },
      ],
    },
  ],
});
const schema = { type: "object", properties: { people: { type: "integer" } } };
const asked = {
  ...about("camera://lobby"),
  logprobs: true,
  response_format: { type: "json_schema", json_schema: { name: "people", schema } },
};

const whole = await client.chat.completions.parse(asked);
const runner = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
const deltas = [];
runner.on("content", (delta) => deltas.push(delta));
const streamed = await runner.finalChatCompletion();
const refused = await client.chat.completions
  .create(about("camera://nowhere"))
  .catch((error) => ({ name: error.constructor.name, status: error.status, code: error.code }));
const models = [];
for await (const model of client.models.list()) {
  models.push(model.id);
}
console.log(JSON.stringify({ whole, streamed, deltas, refused, models }));
