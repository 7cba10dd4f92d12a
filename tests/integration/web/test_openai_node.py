"""The OpenAI-compatible door, held against OpenAI's own client for Node."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from hermes.v1.query_pb2 import Complete, TokenLogprob
from tests.integration.web.conftest import World
from tests.support.fake_worker import End, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROGRAM = Path(__file__).with_name("openai_client.mjs")
PACKAGE = Path(__file__).resolve().parents[3] / "node_modules" / "openai"
NODE = shutil.which("node")


async def test_answers_whole_and_streamed_with_a_schema_and_log_probabilities(world: World) -> None:
    if NODE is None:
        pytest.skip("node is not installed")
    if not PACKAGE.is_dir():
        pytest.skip("node_modules/openai is missing: run npm install")
    tokens = [TokenLogprob(token=1, text='{"people": ', logprob=-0.5)]
    world.worker.scripts = [
        [Say('{"people": '), Say("2}"), End(also=Complete(logprobs=tokens))],
    ]
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(PROGRAM),
        f"{world.url}/v1",
        env={**os.environ, "OPENAI_API_KEY": world.tokens["root"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    said = json.loads(out)
    for answer in (said["whole"], said["streamed"]):
        (choice,) = answer["choices"]
        assert choice["finish_reason"] == "stop"
        assert json.loads(choice["message"]["content"]) == {"people": 2}
        (token,) = choice["logprobs"]["content"]
        assert (token["token"], token["logprob"]) == ('{"people": ', -0.5)
        assert answer["usage"]["total_tokens"] == 8
    assert said["deltas"] == ['{"people": ', "2}"]
    refusal = {"name": "NotFoundError", "status": 404, "code": "CAMERA_NOT_FOUND"}
    assert said["refused"] == refusal
    assert said["models"] == ["hermes"]
    question = world.worker.calls[-1].request.question
    assert question.decoding.logprobs
    assert '"people"' in question.json_schema
