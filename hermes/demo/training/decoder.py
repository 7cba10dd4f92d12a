"""The second stage: train projector and decoder on streams; the tower is frozen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import AttentionInterface

from hermes.demo.questions import Moment
from hermes.demo.scenes import LOOKS, SIGNS
from hermes.demo.training import packing
from hermes.demo.training.courses import Course
from hermes.demo.training.optimiser import MasterWeights
from hermes.demo.training.pace import Pace
from hermes.demo.training.packing import IGNORED, NEWLINE, Layout, Packer, Sight, forgetting
from hermes.demo.training.precision import fast_dtype
from hermes.demo.training.settings import Settings
from hermes.demo.training.streams import Stream, make_stream
from hermes.demo.training.tower import features_of

ATTENTION = "hermes-demo-training"
MASK_GROUPS = 3
"""Groups of layers that forget different tokens."""

_FIRST_WORDS = 6  # of a guidance prompt, which have not seen yet what it asks


class Streams(IterableDataset[list[Stream]]):
    """Batches of fresh streams, shared out among loader processes, in order of their seeds."""

    def __init__(self, settings: Settings, course: Course, first_step: int = 0) -> None:
        self._settings = settings
        self._course = course
        self._first_step = first_step

    def __iter__(self) -> Iterator[list[Stream]]:
        torch.set_num_threads(1)
        s, course, info = self._settings, self._course, get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        kinds = course.kinds()
        for step in range(self._first_step + worker, course.steps, workers):
            first = course.first_seed + step * s.batch
            frames = course.frames(s, step)
            summaries = course.forgetful and step % s.summary_every == s.summary_every - 1
            questions = 4 if summaries else s.questions
            yield [
                make_stream(first + index, frames, questions, kinds=kinds, summaries=summaries)
                for index in range(s.batch)
            ]


FACTS = 3 * len(LOOKS) + 2 * SIGNS + 2


def facts(stream: Stream, frames: int) -> Tensor:
    """[FACTS] of what a summary is about: what appeared, came first, is there; signs; light."""
    scene, time = stream.scene, stream.times[frames - 1]
    at = Moment(scene, time)
    ever, now = at.looks_ever(), at.looks_now()
    found = [look in ever for look in LOOKS]
    found += [bool(at.came) and at.came[0].look == look for look in LOOKS]
    found += [look in now for look in LOOKS]
    shown = [number for _, number in scene.signs_until(time)]
    found += [number in shown for number in range(1, SIGNS + 1)]
    found += [number == shown[-1] for number in range(1, SIGNS + 1)]
    found += [scene.night(time), scene.night(0.0)]
    return torch.tensor(found, dtype=torch.float32)


class Learner:
    """A model in training: losses and accuracies of packed batches."""

    def __init__(self, model: Any, packer: Packer) -> None:
        AttentionInterface.register(ATTENTION, packing.attention)
        self.model = model
        self.device: torch.device = model.device
        self.language = model.model.language_model
        self.language.set_attn_implementation(ATTENTION)
        self.packer = packer
        self.reader = nn.Linear(model.config.text_config.hidden_size, FACTS)
        self.reader.to(self.device, model.dtype)
        """Reads facts from the guidance prompts' rows. Only for training."""

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained: all but the tower's."""
        model = self.model.model
        return [
            *model.multi_modal_projector.parameters(),
            *self.language.parameters(),
            *self.model.lm_head.parameters(),
            *self.reader.parameters(),
            model.image_newline,
        ]

    def forward(
        self,
        streams: Sequence[Stream],
        generator: torch.Generator | None,
        *,
        forgetful: bool = True,
    ) -> tuple[Layout, Tensor]:
        """The layout, and last hidden states [B, N, L, hidden] of the questions' words.

        `generator`: for what is forgotten, if `forgetful`, and for holes; None keeps everything.
        """
        layout, prefix = self.packer.pack(streams, generator), len(self.packer.prefix)
        hidden_from: list[Tensor | None] = [None]
        if generator is not None and forgetful:
            # Chance is drawn on the host, the same for every device.
            hidden_from = [
                forgetting(layout, generator, prefix).to(self.device) for _ in range(MASK_GROUPS)
            ]
        layout = layout.to(self.device)
        dtype = self.model.dtype
        sights = [Sight.of(layout, prefix, dtype, forgotten) for forgotten in hidden_from]
        hidden = self.language(
            inputs_embeds=self._inputs(layout, streams),
            position_ids=layout.positions,
            use_cache=False,
            sights=sights,
        ).last_hidden_state
        return layout, hidden[:, layout.video :].unflatten(1, layout.ids.shape[1:])

    def _inputs(self, layout: Layout, streams: Sequence[Stream]) -> Tensor:
        model = self.model.model
        pictures = torch.stack([torch.from_numpy(stream.pictures) for stream in streams])
        pictures = pictures.to(self.device)
        with torch.no_grad():
            features = features_of(self.model, pictures.flatten(0, 1).permute(0, 3, 1, 2))
        projected = model.apply_pooling(model.multi_modal_projector(features))
        frames = projected.reshape(len(streams), -1, projected.shape[-1])
        embed = self.language.get_input_embeddings()
        prefix = embed(torch.tensor(self.packer.prefix, device=self.device)).expand(
            len(streams), -1, -1
        )
        ids = layout.ids.flatten(1)
        words = embed(ids.clamp_min(0))
        words = torch.where((ids == NEWLINE)[..., None], model.image_newline, words)
        return torch.cat((prefix, frames.to(words.dtype), words), dim=1)

    def loss(
        self, streams: Sequence[Stream], generator: torch.Generator, *, forgetful: bool = True
    ) -> Tensor:
        """The loss of answers, and of the facts read from the guidance prompts' rows."""
        layout, hidden = self.forward(streams, generator, forgetful=forgetful)
        answered = layout.labels != IGNORED
        logits = self.model.lm_head(hidden[answered]).float()
        words = functional.cross_entropy(logits, layout.labels[answered])
        if layout.kinds[0][0] != "summary":
            return words
        line = torch.arange(layout.ids.shape[2], device=self.device)
        rows = (line >= _FIRST_WORDS) & (line < layout.cue[:, :, None])
        truths = torch.stack(
            [
                torch.stack([facts(stream, frames) for frames in row])
                for stream, row in zip(streams, layout.frames.tolist(), strict=True)
            ]
        ).to(self.device)
        truth = truths[:, :, None].expand(*rows.shape, FACTS)[rows]
        read = functional.binary_cross_entropy_with_logits(self.reader(hidden[rows]).float(), truth)
        return words + 3 * read

    @torch.no_grad()
    def accuracy(self, batches: Iterable[Sequence[Stream]]) -> dict[str, float]:
        """The share of answers with every word right, by kind."""
        right: dict[str, list[bool]] = defaultdict(list)
        for streams in batches:
            layout, hidden = self.forward(streams, None)
            said = self.model.lm_head(hidden).argmax(-1)
            hits = ((said == layout.labels) | (layout.labels == IGNORED)).all(dim=-1)
            for kinds, row in zip(layout.kinds, hits.tolist(), strict=True):
                for kind, hit in zip(kinds, row, strict=True):
                    right[kind].append(hit)
        return {kind: sum(found) / len(found) for kind, found in sorted(right.items())}


def train_decoder(
    learner: Learner,
    settings: Settings,
    course: Course,
    pace: Pace,
    progress: Path,
) -> None:
    """Train the learner's model in place.

    `progress`: a file that is written now and then. If it is there already, training goes on from
    what it tells.
    """
    dtype = fast_dtype(learner.device)
    model = learner.model.to(dtype)
    learner.reader.to(dtype)
    weights = MasterWeights(
        learner.parameters(),
        rate=course.rate,
        steps=course.steps,
        warm_up=settings.warm_up,
        decay=settings.decay,
    )
    generator = torch.Generator().manual_seed(course.first_seed)
    done = 0
    if progress.is_file():
        kept: dict[str, Any] = torch.load(progress, map_location=learner.device, weights_only=True)
        done = kept["steps"]
        weights.restore(kept["weights"])
        generator.set_state(kept["generator"].cpu())
        pace.say(f"{course.name}: continues after step {done}")
    checks = list(held_out(settings, settings.check_batches))
    loader = DataLoader(
        Streams(settings, course, done),
        batch_size=None,
        num_workers=settings.loaders,
        prefetch_factor=4 if settings.loaders else None,
    )
    for step, streams in enumerate(loader, done):
        loss = learner.loss(streams, generator, forgetful=course.forgetful)
        weights.step(loss)
        pace.step(course.name, step, course.steps, float(loss.detach()))
        if (step + 1) % settings.check_every == 0 or step + 1 == course.steps:
            found = learner.accuracy(checks)
            pace.say(" ".join(f"{kind}={share:.2f}" for kind, share in found.items()))
            kept = {"steps": step + 1, "weights": weights.state()}
            _replace(progress, {**kept, "generator": generator.get_state()})
    weights.publish(torch.float32)
    model.to(torch.float32)
    learner.reader.to(torch.float32)


def _replace(path: Path, content: dict[str, Any]) -> None:
    made = path.with_suffix(".new")
    torch.save(content, made)
    made.replace(path)


def held_out(settings: Settings, count: int) -> Iterator[list[Stream]]:
    """`count` batches of streams that are never trained on."""
    for batch in range(count):
        first = settings.held_out_seed + batch * settings.batch
        yield [
            make_stream(first + index, settings.frames, settings.questions)
            for index in range(settings.batch)
        ]
