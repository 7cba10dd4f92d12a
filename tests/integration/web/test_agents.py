"""An agent of OpenAI's Agents SDK asks cameras: as its model, and by its tools over MCP."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.integration.web.conftest import World
from tests.support.fake_worker import HELLO

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_camera_answers_as_the_model_of_an_agent(world: World) -> None:
    # Loading it takes a second, which only the process that runs this test should spend.
    from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner

    no_traces = RunConfig(tracing_disabled=True)  # or else the framework sends them to OpenAI
    world.worker.scripts = [HELLO]
    question: Any = [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What came?"},
                {"type": "video_url", "video_url": {"url": "camera://lobby"}},
            ],
        }
    ]
    async with openai.AsyncOpenAI(
        base_url=f"{world.url}/v1", api_key=world.tokens["root"], max_retries=0
    ) as client:
        model = OpenAIChatCompletionsModel("hermes", openai_client=client)
        agent = Agent("guard", instructions="Be brief.", model=model)
        answer = await Runner.run(agent, question, run_config=no_traces)
        assert answer.final_output == "a red car"
        streamed = Runner.run_streamed(agent, question, run_config=no_traces)
        async for _ in streamed.stream_events():
            pass
        assert streamed.final_output == "a red car"
    asked = world.worker.calls[-1].request.question
    assert asked.text == "Be brief.\n\nWhat came?"


async def test_an_agent_finds_its_tools_over_mcp(world: World) -> None:
    from agents.mcp import MCPServerStreamableHttp

    world.worker.scripts = [HELLO]
    server = MCPServerStreamableHttp(
        params={"url": f"{world.url}/mcp", "headers": world.bearer("guest")},
        cache_tools_list=True,
    )
    async with server:
        tools = {tool.name for tool in await server.list_tools()}
        assert {"list_cameras", "ask_camera", "follow_events"} <= tools
        question = {"camera": "lobby", "question": "What came?"}
        answer = await server.call_tool("ask_camera", question)
        assert "a red car" in str(answer.content)
        refused = await server.call_tool("ask_camera", {**question, "camera": "dock"})
        assert "PERMISSION_DENIED" in str(refused.content)
