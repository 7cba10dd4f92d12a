"""`hermes evaluate`: the benchmarks of streaming video understanding, and a person's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import evaluate_run
from services.cli.output import fail, out, print_lines

app = typer.Typer(
    help="Measure how well memories answer, on benchmarks and on your own videos.",
    no_args_is_help=True,
    add_completion=False,
)

KEY = "HERMES_JUDGE_API_KEY"
"""The environment variable with the judge's key."""

Model = Annotated[
    str, typer.Option(help="Checkpoint folder, owner/name on the Hugging Face hub, or demo.")
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        help="A way to remember; give several.",
        show_default="hermes, hermes-paper, last-frames, uniform",
    ),
]
Budgets = Annotated[
    list[int] | None,
    typer.Option(
        "--budget",
        help="Video tokens per layer; give several to compare.",
        show_default="4000; of the demo's model, 192",
    ),
]
Fps = Annotated[float, typer.Option(help="Pictures a second.")]
Context = Annotated[
    str, typer.Option(help="Seconds of video before a question that may be seen, or all.")
]
Prompt = Annotated[
    str,
    typer.Option(
        help="official: the benchmark's own prompts. choices: the bare question, and the likeliest"
        " of its options.",
        show_default="official; of the demo's model, choices",
    ),
]
Limit = Annotated[int | None, typer.Option(help="At most so many videos, for a look.")]
Shard = Annotated[str, typer.Option(help="i/n: part i of n, by videos.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Results file. A run that was stopped goes on where it is.",
        show_default="results/BENCHMARK-MODEL.jsonl",
    ),
]
Revision = Annotated[str, typer.Option(help="Branch, tag or commit on the hub.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...", show_default="a GPU if any")]
FrameTokens = Annotated[
    int | None,
    typer.Option(
        help="Most tokens of a picture, for models whose frames follow its shape.",
        show_default="about 144",
    ),
]
MaxTokens = Annotated[
    int | None, typer.Option(help="Of an answer.", show_default="the benchmark's")
]
Every = Annotated[
    int | None,
    typer.Option(
        "--compress-every", min=1, help="Frames between two compressions.", show_default="16"
    ),
]
NoProbabilities = Annotated[
    bool, typer.Option("--no-probabilities", help="Do not read the question again for them.")
]
Seed = Annotated[int, typer.Option(help="Of the intervals' bootstrap.")]
Data = Annotated[Path, typer.Option(help="Folder with the benchmark's annotation files.")]
Videos = Annotated[
    Path | None, typer.Option(help="Folder with its videos.", show_default="that of the data")
]
Tasks = Annotated[
    list[str] | None, typer.Option("--task", help="A part of the benchmark; give several.")
]
JudgeUrl = Annotated[
    str,
    typer.Option(
        "--judge",
        help=f"Base URL of an OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1. Its"
        f" key is taken from {KEY}.",
    ),
]
JudgeModel = Annotated[str, typer.Option("--judge-model", help="The model that judges.")]
JudgePrompt = Annotated[
    Path | None,
    typer.Option(
        help="A file with other words for the judge; {question}, {answer} and {predicted} are"
        " filled in."
    ),
]


def _command(benchmark: str) -> Callable[..., None]:
    """The command that runs a benchmark."""

    def run(
        data: Data,
        model: Model = "demo",
        policy: Policies = None,
        budget: Budgets = None,
        fps: Fps = 1.0,
        context: Context = "all",
        task: Tasks = None,
        videos: Videos = None,
        prompt: Prompt = "",
        limit: Limit = None,
        shard: Shard = "",
        out: Out = None,
        revision: Revision = "",
        device: Device = "",
        frame_tokens: FrameTokens = None,
        max_tokens: MaxTokens = None,
        compress_every: Every = None,
        no_probabilities: NoProbabilities = False,
        seed: Seed = 0,
        judge: JudgeUrl = "",
        judge_model: JudgeModel = "",
        judge_prompt: JudgePrompt = None,
    ) -> None:
        settings = _settings(locals())
        chosen = evaluate_run.ModelChoice(model, revision, device, frame_tokens, fps)
        made = evaluate_run.open_benchmark(benchmark, data, tuple(task or ()), videos)
        path = evaluate_run.run(made, chosen, settings, out)
        if judge or judge_model:
            _judge(path, judge, judge_model, judge_prompt)

    return run


for _name, _help in (
    ("streamingbench", "StreamingBench: real-time, sequential, proactive and omni questions."),
    ("ovobench", "OVO-Bench: backward, real-time and forward tasks."),
    ("rvs", "RVS-Ego and RVS-Movie, whose free answers another model judges."),
    ("videomme-long", "The long videos of Video-MME, asked at their ends."),
):
    app.command(_name, help=_help)(_command(_name))


@app.command("own")
def own(
    questions: Annotated[Path, typer.Option(help="File with one question in JSON on each line.")],
    video: Annotated[Path, typer.Option(help="Folder with the videos, or the one video.")],
    model: Model = "demo",
    policy: Policies = None,
    budget: Budgets = None,
    fps: Fps = 1.0,
    context: Context = "all",
    prompt: Prompt = "",
    limit: Limit = None,
    shard: Shard = "",
    out: Out = None,
    revision: Revision = "",
    device: Device = "",
    frame_tokens: FrameTokens = None,
    max_tokens: MaxTokens = None,
    compress_every: Every = None,
    no_probabilities: NoProbabilities = False,
    seed: Seed = 0,
) -> None:
    """Your own videos and questions."""
    settings = _settings(locals())
    chosen = evaluate_run.ModelChoice(model, revision, device, frame_tokens, fps)
    evaluate_run.run(evaluate_run.open_own(questions, video), chosen, settings, out)


@app.command("report")
def report(
    results: Annotated[list[Path], typer.Argument(help="Results files, of one run or several.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html and report.md.")] = Path(
        "report"
    ),
    data: Annotated[
        Path | None,
        typer.Option(help="The benchmark's data: also write its own results format (shards)."),
    ] = None,
) -> None:
    """A page with tables and plots, from results files; shards of one run are put together."""
    print_lines(str(path) for path in evaluate_run.write_report(results, out, data))


@app.command("judge")
def judge(
    results: Annotated[Path, typer.Argument(help="Results file.")],
    judge: JudgeUrl,
    judge_model: JudgeModel,
    judge_prompt: JudgePrompt = None,
) -> None:
    """Have a model judge free answers, again or for the first time, without the video model."""
    _judge(results, judge, judge_model, judge_prompt)


@app.command("fake")
def fake(
    benchmark: Annotated[str, typer.Argument(help="Its name, as above, or own.")],
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    videos: Annotated[int, typer.Option(min=1)] = 4,
    seconds: Annotated[int, typer.Option(min=20, help="Of each video.")] = 120,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Small data in a benchmark's format, from the demo's worlds, to try a run with."""
    print_lines([str(evaluate_run.make_fake(benchmark, out, videos, seconds, seed))])


def _judge(results: Path, url: str, model: str, prompt: Path | None) -> None:
    if not url or not model:
        fail("--judge and --judge-model belong together")
    key = os.environ.get(KEY, "")
    made = evaluate_run.judge(results, url, model, key, prompt)
    out.print(f"verdicts of {model}: {made}", soft_wrap=True)


def _settings(given: dict[str, Any]) -> evaluate_run.Chosen:
    """What the command line says about a run."""
    return evaluate_run.Chosen(
        policies=tuple(given["policy"] or ()),
        budgets=tuple(given["budget"] or ()),
        fps=given["fps"],
        context=given["context"],
        prompt=given["prompt"],
        limit=given["limit"],
        shard=given["shard"],
        max_tokens=given["max_tokens"],
        compress_every=given["compress_every"],
        probabilities=not given["no_probabilities"],
        seed=given["seed"],
        tasks=tuple(given.get("task") or ()),
    )
