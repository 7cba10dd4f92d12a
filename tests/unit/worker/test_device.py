"""Settings of the model: what they change, and what is refused."""

from __future__ import annotations

import pytest

from hermes.engine import Engine
from hermes.errors import InvalidInput
from services.common.metrics import Metrics
from services.common.settings import load
from services.hermes_worker.device import load_model
from services.hermes_worker.observer import EngineMetrics
from services.hermes_worker.settings import WorkerSettings
from tests.support import tiny, tiny_qwen


def settings(**chosen: object) -> WorkerSettings:
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    return load(WorkerSettings, "hermes-worker", ["--device=cpu", *arguments])


@pytest.mark.parametrize("family", tiny_qwen.FAMILIES)
def test_frames_of_a_chosen_size(family: str) -> None:
    height, width = tiny_qwen.frame_size(family)
    chosen = settings(model=tiny_qwen.folder(family), model_frame_size=f"{width}x{height}")
    assert chosen.model_options() == {"frame_size": (height, width)}
    model = load_model(chosen)
    assert model.frame_size == (height, width)
    assert model.layout.tokens == tiny_qwen.model(family).layout.tokens


@pytest.mark.parametrize("family", tiny_qwen.FAMILIES)
def test_frames_of_at_most_so_many_tokens(family: str) -> None:
    chosen = settings(model=tiny_qwen.folder(family), frame_tokens=60)
    assert chosen.model_options() == {"frame_tokens": 60}
    model = load_model(chosen)
    rows, columns = model.layout_of((1200, 1200)).sides
    assert (rows, columns) == (7, 7)


def test_time_at_a_chosen_rate() -> None:
    folder = tiny_qwen.folder("qwen2_5_vl")
    model = load_model(settings(model=folder, model_frames_per_second=0.5))
    assert model.layout.advance == tiny_qwen.model("qwen2_5_vl", 0.5).layout.advance == (8, 0, 0)


@pytest.mark.parametrize(
    ("model", "chosen", "reason"),
    [
        (
            tiny.folder,
            {"model_frame_size": "644x364"},
            "model_frame_size: cannot be chosen for llava_onevision: leave it out",
        ),
        (
            tiny.folder,
            {"model_frames_per_second": 1},
            "model_frames_per_second: cannot be chosen for llava_onevision: leave it out",
        ),
        (
            lambda: tiny_qwen.folder("qwen3_vl"),
            {"model_frames_per_second": 1},
            "model_frames_per_second: cannot be chosen for qwen3_vl: leave it out",
        ),
        (
            tiny.folder,
            {"frame_tokens": 100},
            "frame_tokens: cannot be chosen for llava_onevision: leave it out",
        ),
        (
            lambda: tiny_qwen.folder("qwen2_5_vl"),
            {"model_frame_size": "650x364"},
            "model_frame_size: 650x364: sides must be multiples of 28",
        ),
    ],
)
def test_an_option_that_the_family_lacks_is_refused_by_the_name_of_its_setting(
    model: object, chosen: dict[str, object], reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        load_model(settings(model=model(), **chosen))  # type: ignore[operator]
    assert str(refused.value) == reason


def test_memories_store_8_bits_where_that_is_set() -> None:
    model = load_model(settings(model=tiny.folder(), kv_cache_dtype="fp8"))
    assert model.shape.stored_dtype.itemsize == 1
    assert load_model(settings(model=tiny.folder())).shape == tiny.model().shape


def test_a_revision_of_a_folder_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(InvalidInput, match=r"^model_revision: 'main': .* is a folder"):
        load_model(settings(model=tiny.folder(), model_revision="main"))


@pytest.mark.parametrize("size", ["364", "644*364", "0x364", "x", "12345x10", "644x364x3"])
def test_an_unparsable_size_is_refused_at_once(
    size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        settings(model_frame_size=size)
    assert "--model-frame-size: must be WIDTHxHEIGHT in pixels" in capsys.readouterr().err


def test_defaults_are_the_models_own() -> None:
    assert settings().model_options() == {}
    assert load_model(settings(model=tiny.folder())).frame_size == tiny.model().frame_size


@pytest.mark.parametrize(
    ("budget", "field"), [(32, "recent_frames"), (10, "budget")], ids=["recent", "frame"]
)
def test_a_budget_that_cannot_work_ends_the_start(budget: int, field: str) -> None:
    """Before anything is served."""
    chosen = settings(budget_tokens=budget, max_answer_tokens=16, max_question_tokens=64)
    with pytest.raises(InvalidInput) as refused:
        Engine(tiny.model(), chosen.engine_config(), EngineMetrics(Metrics()))
    assert refused.value.field == field
