"""What `hermes evaluate` does, once its options are read. The model's libraries are loaded here."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli.output import err, fail, out, print_lines
from services.cli.progress import redraws, say

if TYPE_CHECKING:
    from hermes.evaluation.item import Benchmark
    from hermes.evaluation.results import Results
    from hermes.evaluation.settings import RunSettings
    from hermes.vlm import VideoModel

_SHARD = re.compile(r"(\d+)/(\d+)")
BUDGET = 4000
"""Video tokens per layer, as the method's paper has it."""

_LINE_EVERY_S = 30.0
"""Where nothing can be drawn, a line of progress is written so often."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Options of a run, as they were given."""

    policies: tuple[str, ...]
    budgets: tuple[int, ...]
    fps: float
    context: str
    prompt: str  # "" is the model's
    limit: int | None
    shard: str
    max_tokens: int | None
    compress_every: int | None
    probabilities: bool
    seed: int
    tasks: tuple[str, ...] = ()

    def settings(self, model: str) -> RunSettings:
        """As the library takes them. The demo's model knows few positions and no letters."""
        from hermes.demo.limits import LIMITS
        from hermes.evaluation.contenders import DEFAULT
        from hermes.evaluation.settings import RunSettings
        from hermes.vlm.model_folder import DEMO
        from hermes.vlm.video_memory import COMPRESS_EVERY_FRAMES

        demo = model == DEMO
        prompt = self.prompt or ("choices" if demo else "official")
        if prompt not in ("official", "choices"):
            fail(f"--prompt: must be official or choices, not {prompt}")
        every = LIMITS["compress_every_frames"] if demo else COMPRESS_EVERY_FRAMES
        return RunSettings(
            policies=self.policies or DEFAULT,
            budgets=self.budgets or (LIMITS["budget_tokens"] if demo else BUDGET,),
            fps=self.fps,
            context_s=_context(self.context),
            prompt=cast(Literal["official", "choices"], prompt),
            probabilities=self.probabilities,
            max_tokens=self.max_tokens,
            compress_every_frames=self.compress_every or every,
            limit=self.limit,
            shard=_shard(self.shard),
            seed=self.seed,
            tasks=self.tasks,
        )


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model, and how it is loaded. `device`: "" for a GPU if there is one."""

    name: str
    revision: str
    device: str
    frame_tokens: int | None
    fps: float

    def load(self) -> tuple[VideoModel, dict[str, Any]]:
        """The model, and what is written down about how it was loaded."""
        import torch

        from hermes.vlm import load
        from hermes.vlm.loading import family_of
        from hermes.vlm.model_folder import ModelFolder
        from hermes.vlm.qwen2_5_vl import Qwen25VL

        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        revision = self.revision or None
        family = family_of(ModelFolder.find(self.name, revision, weights=False))
        # The prompt of this family needs the frame rate. The others have times, or neither.
        rate = self.fps if family is Qwen25VL else None
        model = load(
            self.name,
            device=device,
            revision=revision,
            frame_tokens=self.frame_tokens,
            frames_per_second=rate,
        )
        return model, {"revision": self.revision, "frame_tokens": self.frame_tokens}


def open_benchmark(name: str, data: Path, tasks: tuple[str, ...], videos: Path | None) -> Benchmark:
    """A benchmark's data in a folder."""
    _check_installed()
    from hermes.evaluation.benchmarks import BENCHMARKS

    return BENCHMARKS[name](data, tasks, videos)


def open_own(questions: Path, video: Path) -> Benchmark:
    """A person's own questions."""
    _check_installed()
    from hermes.evaluation.own import Own

    return Own(questions, video)


def run(benchmark: Benchmark, model: ModelChoice, chosen: Chosen, path: Path | None) -> Path:
    """Run a benchmark, print its scores, and return the results file."""
    from hermes.evaluation.results import ResultsFile
    from hermes.evaluation.run import Runner
    from hermes.evaluation.run import chosen as chosen_videos
    from hermes.evaluation.settings import header_of

    settings = chosen.settings(model.name)
    videos = chosen_videos(benchmark, settings)
    if missing := [video.name for video in videos if video.path is None]:
        say(
            f"{len(missing)} of {len(videos)} videos are missing: {', '.join(missing[:5])}"
            + (" ..." if len(missing) > 5 else "")
        )
    loaded, how = model.load()
    path = path or _default_path(benchmark.name, loaded.name, settings)
    with ResultsFile(path, header_of(benchmark, loaded, settings, how)) as results:
        done = len(results.found.videos)
        if results.found.answers or done:
            say(f"{path}: going on after {done} videos, {len(results.found.answers)} answers")
        with _progress() as on_progress:
            Runner(loaded, benchmark, settings, results, on_progress=on_progress).run()
        found = results.found
    _print_summary(found)
    if settings.shard is None and settings.limit is None:
        print_lines(str(one) for one in _write_submissions(benchmark, found, path.parent))
    out.print(f"results: {path}", soft_wrap=True)
    return path


def write_report(paths: Sequence[Path], folder: Path, data: Path | None) -> list[Path]:
    """Write the report of results files, and the benchmark's own format if its data is given."""
    _check_installed()
    from hermes.evaluation.benchmarks import BENCHMARKS
    from hermes.evaluation.judge import is_verdicts, judge_of, read_verdicts
    from hermes.evaluation.report import Judged, page_of, runs_of, write_page
    from hermes.evaluation.results import Results

    # A pattern such as results/*.jsonl finds verdicts as well, which are read with their results.
    files = [Results.read(path) for path in paths if not is_verdicts(path)]
    if not files:
        fail("these are verdicts: give the results files that they are about")
    judged: dict[Path, list[Judged]] = {}
    runs = runs_of(files)
    for run in runs:
        judges: dict[str, Judged] = {}
        for path in run.parts:
            for verdicts in sorted(path.parent.glob(f"{path.stem}.judged-*.jsonl")):
                name = judge_of(verdicts)
                own = judges.setdefault(name, Judged(name))
                own.verdicts += read_verdicts(verdicts).values()
        judged[run.path] = list(judges.values())
    written = write_page(page_of(runs, judged), folder)
    if data is not None:
        for run in runs:
            name = run.header["benchmark"]
            if name not in BENCHMARKS:
                fail(f"--data: {name} has no format of its own that shards could be written in")
            benchmark = BENCHMARKS[name](data, tuple(run.header["settings"]["tasks"]), None)
            if benchmark.digest != run.header["data_sha256"]:
                fail(f"--data: {data} has other annotations than {run.path} was made with")
            written += _write_submissions(benchmark, run, folder)
    return written


def judge(results: Path, url: str, model: str, key: str, prompt: Path | None) -> Path:
    """Have a model judge the free answers of a results file."""
    _check_installed()
    from hermes.evaluation.judge import PROMPT, Judge, endpoint, judge_all, verdicts_path
    from hermes.evaluation.records import read_text
    from hermes.evaluation.results import Results

    words = PROMPT if prompt is None else read_text(prompt)
    found = Results.read(results)
    if not any(answer.rule == "judged" for answer in found.answers):
        fail(f"{results} has no answers that need a judge")
    path = verdicts_path(results, model)
    with _progress() as on_progress:
        verdicts = judge_all(
            Judge(model, endpoint(url, key), words),
            found.answers,
            path,
            lambda done, whole: on_progress("answers judged", done, whole),
        )
    unread = sum(verdict.right is None for verdict in verdicts)
    if unread:
        say(f"{unread} of {len(verdicts)} verdicts cannot be read; they count neither way")
    return path


def make_fake(benchmark: str, folder: Path, videos: int, seconds: int, seed: int) -> Path:
    """Write small data in a benchmark's format."""
    _check_installed()
    from hermes.evaluation.fakes import formats

    if benchmark not in formats.FORMATS:
        fail(f"{benchmark} is unknown; known: {', '.join(formats.FORMATS)}")
    return formats.make_fake(benchmark, folder, videos, seconds, seed)


def _write_submissions(benchmark: Benchmark, run: Results, folder: Path) -> list[Path]:
    from hermes.evaluation.submission import write_submissions

    return write_submissions(benchmark, run, folder)


def _print_summary(found: Results) -> None:
    from hermes.evaluation.report import summary_of

    print_lines(summary_of(found))


def _check_installed() -> None:
    try:
        import av
        import torch
        import transformers
    except ModuleNotFoundError as error:
        fail(f"{error.name} is missing here: install hermes-live[evaluation]")
    del av, torch, transformers


def _context(given: str) -> float | None:
    if given == "all":
        return None
    try:
        return float(given)
    except ValueError:
        fail(f"--context: must be seconds or all, not {given}")


def _shard(given: str) -> tuple[int, int] | None:
    if not given:
        return None
    match = _SHARD.fullmatch(given)
    if match is None:
        fail(f"--shard: must be i/n, such as 3/8, not {given}")
    return int(match[1]), int(match[2])


def _default_path(benchmark: str, model: str, settings: RunSettings) -> Path:
    part = "" if settings.shard is None else f"-{settings.shard[0]}-of-{settings.shard[1]}"
    return Path("results") / f"{benchmark}-{model}{part}.jsonl"


@contextmanager
def _progress() -> Iterator[Callable[[str, float, float], None]]:
    """How far a run is, with the time that is left: a bar, or a line now and then."""
    if redraws(err):
        bar = Progress(
            TextColumn("[dim]{task.description}[/]"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            console=err,
            transient=True,
        )
        task = bar.add_task("", total=None)
        with bar:
            yield lambda what, done, whole: bar.update(
                task, description=what, completed=done, total=whole
            )
        return
    began, first, before = time.monotonic(), [0.0, 0.0], [0.0, -1.0]

    def show(what: str, done: float, whole: float) -> None:
        now = time.monotonic() - began
        if before[1] < 0:
            before[:] = first[:] = [now, done]  # what an earlier run did took no time of this one
        elif now - before[0] > _LINE_EVERY_S and before[1] < done < whole:
            pace = (done - first[1]) / (now - first[0])
            say(f"{100 * done / whole:.0f}%, about {_left((whole - done) / pace)} left: {what}")
            before[:] = [now, done]

    yield show


def _left(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
