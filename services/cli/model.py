"""`hermes model`: what a model needs, before it is fetched or started."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from hermes.limits import BUDGET_TOKENS
from services.cli.figures import human_bytes
from services.cli.output import fail, out

if TYPE_CHECKING:
    from hermes.vlm.model_facts import ModelFacts

app = typer.Typer(help="Look at models.", no_args_is_help=True, add_completion=False)

_MANY = 100_000
"""More cameras than fit on any GPU, so that the GPU is what limits them."""
_SIZE = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")


@app.callback()
def _group() -> None:
    """Keeps `check` a command of its own."""


@app.command("check")
def check(
    model: Annotated[
        str, typer.Argument(help="Checkpoint folder, or owner/name on the Hugging Face hub.")
    ],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit on the hub.")] = "",
    frame_size: Annotated[
        str, typer.Option(help="WIDTHxHEIGHT of all frames, for models that allow a choice.")
    ] = "",
    frame_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most tokens of a picture, for models whose frames follow its shape.",
            show_default="about 144",
        ),
    ] = None,
    picture: Annotated[
        str, typer.Option(help="WIDTHxHEIGHT of a camera's pictures.", show_default="of 16:9")
    ] = "",
    fps: Annotated[float, typer.Option(min=0.01, max=30, help="Pictures a second.")] = 1.0,
    budget: Annotated[
        int, typer.Option(min=1, help="Video tokens per layer that a memory keeps.")
    ] = BUDGET_TOKENS.default,
    kv_cache_dtype: Annotated[
        str, typer.Option(help="Of stored keys and values: auto, or fp8 for 8 bits.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What a model is, what it takes, and whether it can be loaded here, from its small files."""
    try:
        from hermes.engine import EngineConfig
        from hermes.engine.gpus import GPUS, cameras_on, memory_bytes
        from hermes.memory.stored import KV_CACHE_DTYPES
        from hermes.vlm.model_facts import ModelFacts
        from hermes.vlm.model_folder import ModelFolder
    except ModuleNotFoundError as error:
        fail(f"{error.name} is missing here: install hermes-live[memory]")
    if kv_cache_dtype not in KV_CACHE_DTYPES:
        fail(f"--kv-cache-dtype: must be one of {', '.join(KV_CACHE_DTYPES)}")
    facts = ModelFacts.of(
        ModelFolder.find(model, revision or None, weights=False),
        _parsed("--frame-size", frame_size),
        frame_tokens=frame_tokens,
        picture=_parsed("--picture", picture),
    )
    facts = replace(facts, shape=replace(facts.shape, stored=KV_CACHE_DTYPES[kv_cache_dtype]))
    most = facts.most_frame_tokens
    if budget < most:
        fail(f"--budget: {budget} tokens are less than one frame, which has up to {most}")
    config = EngineConfig(budget_tokens=budget, max_cameras=_MANY)
    cameras = {gpu: cameras_on(gpu, facts, config) for gpu in GPUS}
    per_second = facts.frame_tokens * fps / facts.pictures_per_frame
    each = memory_bytes(facts, config)
    if as_json:
        print(json.dumps(_plain(facts) | {
            "tokens_per_second": per_second,
            "memory_bytes": each,
            "cameras": cameras,
        }))  # fmt: skip
    else:
        out.print(_table(model, facts, per_second, fps, each, cameras))
        for problem in facts.problems:
            out.print(f"[red]cannot be loaded here:[/] {escape(problem)}", soft_wrap=True)
    if facts.problems:
        raise typer.Exit(1)


def _parsed(option: str, size: str) -> tuple[int, int] | None:
    if not size:
        return None
    match = _SIZE.fullmatch(size)
    if match is None:
        fail(f"{option}: must be WIDTHxHEIGHT in pixels, such as 644x364")
    return int(match[2]), int(match[1])


def _count(parameters: int) -> str:
    if parameters < 1e9:
        return f"{parameters / 1e6:.1f} million"
    return f"{parameters / 1e9:.2f} billion"


def _plain(facts: ModelFacts) -> dict[str, object]:
    found = {key: value for key, value in asdict(facts).items() if key != "shape"}
    return found | {"bytes_per_token": facts.shape.bytes_per_token}


def _table(
    model: str,
    facts: ModelFacts,
    per_second: float,
    fps: float,
    each: int,
    cameras: dict[str, int],
) -> Table:
    height, width = facts.frame_size
    pictures = facts.pictures_per_frame
    shared = "" if pictures == 1 else f", which {pictures} pictures share"
    weights = human_bytes(facts.weight_bytes)
    rows = [
        ("model", model),
        ("family", facts.family + (", thinks before it answers" if facts.thinking else "")),
        ("parameters", _count(facts.parameters)),
        ("weights on a GPU", f"{weights}, {facts.quantisation or 'bfloat16'}"),
        ("frame", f"{width}x{height} pixels: {facts.frame_tokens} tokens{shared}"),
        ("a camera", f"{per_second:.0f} tokens a second at {fps:g} pictures a second"),
        ("its memory", f"{human_bytes(each)} on a GPU"),
        ("positions", f"{facts.position_limit}"),
        *((f"cameras on {gpu}", f"about {most}" if most else "none") for gpu, most in
          cameras.items()),
    ]  # fmt: skip
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, escape(value))
    return table
