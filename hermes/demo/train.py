"""`python -m hermes.demo.train`: train the demo model from scratch, on generated scenes.

Two cores need four to five hours; `--device cuda` takes a GPU. `--work` keeps the tower and what is
known after each course, and now and then within one; what is there already is taken up and not
trained again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hermes.cpus import usable_cpus
from hermes.demo import checkpoint, words
from hermes.demo.scenes import LOOKS
from hermes.demo.training.card import card
from hermes.demo.training.courses import courses
from hermes.demo.training.decoder import Learner, held_out, train_decoder
from hermes.demo.training.pace import Pace
from hermes.demo.training.packing import Packer
from hermes.demo.training.settings import Settings
from hermes.demo.training.tower import train_tower

RECORD = "training.json"
"""A file next to the weights: the settings, and the model's accuracy."""
READER = "reader.safetensors"
"""A file next to a finished course's weights: the state that the next course continues from."""


def main() -> None:
    """Train, and write the checkpoint."""
    parser = argparse.ArgumentParser(prog="python -m hermes.demo.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("hermes-demo"), help="folder to write")
    parser.add_argument("--work", type=Path, help="folder for what is learned so far")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...")
    parser.add_argument("--threads", type=int, default=min(torch.get_num_threads(), usable_cpus()))
    for setting in fields(Settings):
        name = f"--{setting.name.replace('_', '-')}"
        parser.add_argument(name, type=type(setting.default), default=setting.default)
    given = vars(parser.parse_args())
    settings = Settings(**{setting.name: given[setting.name] for setting in fields(Settings)})
    torch.set_num_threads(given["threads"])
    train(settings, given["out"], given["work"] or given["out"], given["device"])


def train(settings: Settings, out: Path, work: Path, device: str = "cpu") -> None:
    """Train a model as `settings` say and write its checkpoint to `out`."""
    pace, tokenizer = Pace(), words.build()
    work.mkdir(parents=True, exist_ok=True)
    model: Any = checkpoint.model_of(tokenizer, seed=settings.seed)
    model.to(device)
    tower, kept = model.model.vision_tower, work / "tower.safetensors"
    seen: dict[str, float] = {}
    if kept.is_file():
        pace.say(f"the tower is taken from {kept}")
        tower.load_state_dict(load_file(kept))
        with safe_open(kept, "pt") as file:
            seen = json.loads((file.metadata() or {}).get("accuracy", "{}"))
    else:
        seen = train_tower(model, settings, pace)
        save_file(tower.state_dict(), kept, {"accuracy": json.dumps(seen)})
    tower.requires_grad_(False)

    torch.manual_seed(settings.seed + 1)
    learner = Learner(model, Packer(tokenizer))
    for course in courses(settings):
        folder = work / course.name
        if folder.is_dir():
            pace.say(f"{course.name}: taken from {folder}")
            model.load_state_dict(type(model).from_pretrained(folder).state_dict())
            learner.reader.load_state_dict(load_file(folder / READER))
            continue
        progress = work / f"{course.name}.progress"
        train_decoder(learner, settings, course, pace, progress)
        checkpoint.write(folder, model, tokenizer)
        save_file(learner.reader.state_dict(), folder / READER)
        progress.unlink()
    tower.load_state_dict(load_file(kept))  # saving rounded it
    known = learner.accuracy(held_out(settings, settings.held_out_batches))
    checkpoint.write(out, model.to(torch.float16), tokenizer)
    record = {"settings": asdict(settings), "tower": seen, "held_out": known}
    (out / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    (out / "README.md").write_text(
        card(
            settings,
            known,
            asked=settings.held_out_batches * settings.batch * settings.questions,
            parameters=sum(weight.numel() for weight in model.parameters()),
            layers=model.config.text_config.num_hidden_layers,
            words=len(tokenizer),
            side=checkpoint.SIDE,
            tokens=checkpoint.FRAME_TOKENS,
            positions=checkpoint.POSITIONS,
            looks=len(LOOKS),
        )
    )
    pace.say(f"written to {out}")


if __name__ == "__main__":
    main()
