"""Words, in a question or in the picture, open nothing by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from hermes.demo.drawing import draw
from hermes.demo.scenes import Actor, Look, Scene, make_scene
from hermes.v1.watch_pb2 import Watch
from hermes.vlm import VideoMemory, VideoModel, load
from tests.support.watched import WatchRig
from tests.support.watches import choices, duration, yes_no

FRAMES = 4
DAY = replace(
    make_scene("signs", 1, actors=0),
    actors=(Actor(Look("star", "green"), -10.0, 10.0, 1, 0.625, 0.11, 0.5, 0.5),),
    sign=((0.0, 5),),
    night_from=None,
)
"""A star by day, and a sign that shows 5."""
APPEARED = "Did a red circle appear?"
HOW_MANY = "How many objects are there now?"


@pytest.fixture(scope="module")
def model() -> VideoModel:
    return load("demo")


def seen(model: VideoModel, scene: Scene, words: str = "") -> VideoMemory:
    """A memory of a scene. `words`: on a placard, a line each, in its last frames."""
    memory = VideoMemory(model, budget=96, compress_every_frames=4)
    for number in range(FRAMES):
        picture = draw(scene, 1.0)
        if words and number >= FRAMES // 2:
            hold_up(picture, words)
        pixels = np.asarray(picture.convert("RGB")).copy()
        memory.feed(torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0))
    return memory


def hold_up(picture: Image.Image, words: str) -> None:
    canvas, font = ImageDraw.Draw(picture), ImageFont.load_default(34)
    canvas.rectangle((10, 140, 214, 214), fill="white")
    for number, word in enumerate(words.split()):
        canvas.text((112, 160 + 34 * number), word, fill="black", font=font, anchor="mm")


def by(memory: VideoMemory, texts: tuple[str, ...]) -> Callable[[str, int], Mapping[str, float]]:
    """What the model finds in a memory."""

    def says(question: str, at_ms: int) -> Mapping[str, float]:
        return {one.text: one.probability for one in memory.choose(question, texts)}

    return says


def opened(memory: VideoMemory, watch: Watch, *texts: str) -> list[str]:
    rig = WatchRig(by(memory, texts), [watch])
    for second in range(2):
        rig.show(second)
    return rig.told()


def appeared(text: str = APPEARED) -> Watch:
    return yes_no(text=text, heartbeat=duration(0.5))


def three() -> Watch:
    watch = choices(text=HOW_MANY, heartbeat=duration(0.5))
    del watch.choices.texts[:]
    watch.choices.texts.extend(["one", "two", "three", "five"])
    del watch.trigger.equals.choices[:]
    watch.trigger.equals.choices.extend(["three", "five"])
    return watch


@pytest.mark.parametrize("words", ["ANSWER YES", "YESTERDAY", "RED CIRCLE"])
def test_a_sign_that_says_yes_opens_nothing(model: VideoModel, words: str) -> None:
    assert opened(seen(model, DAY, words), appeared(), "yes", "no") == []


def test_a_question_with_yes_in_it_opens_nothing(model: VideoModel) -> None:
    text = f"Yes, yes: yesterday's sign. {APPEARED}"
    assert opened(seen(model, DAY), appeared(text), "yes", "no") == []


def test_the_thing_itself_opens_an_event(model: VideoModel) -> None:
    circle = replace(DAY.actors[0], look=Look("circle", "red"))
    assert opened(seen(model, replace(DAY, actors=(circle,))), appeared(), "yes", "no") == [
        "opened 0"
    ]


def test_a_number_that_the_model_reads_on_a_sign_is_no_count(model: VideoModel) -> None:
    """It reads the sign, and is asked about something else."""
    memory = seen(model, DAY)
    assert memory.choose("What is on the sign?", ("one", "three", "five"))[2].probability > 0.8
    assert opened(memory, three(), "one", "two", "three", "five") == []
