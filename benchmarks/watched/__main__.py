"""Hours of watched streams: `python -m benchmarks.watched`, half an hour on a core."""

from __future__ import annotations

import argparse
import random
import sys
import time

import torch

from benchmarks.watched.owners import CHECKPOINT_EVERY_S, OWNERLESS_S, Owned, engine_for, told_by
from benchmarks.watched.stage import LEAST_QUIET_S, QUESTIONS, QUIET_S, Stage
from benchmarks.watched.told import Rule, Told, score, too_soon
from hermes.v1.watch_pb2 import Watch
from hermes.vlm import load

CAMERAS = 16
WORKERS = 4
RULES = {
    "night": Rule(),
    "sign": Rule(hold_s=5),
    "place": Rule(cooldown_s=120),
    "colour": Rule(hold_s=3, cooldown_s=300),
    "count": Rule(hold_s=2),
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watched", description=__doc__)
    parser.add_argument("--hours", type=float, default=20.0, help="over all cameras")
    parser.add_argument("--kill-every", type=int, default=0, help="seconds; 0: nobody is killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--quiet", type=float, default=QUIET_S, help="seconds between two events of a watch, beside"
        f" the least of {LEAST_QUIET_S}; on average"
    )  # fmt: skip
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds = round(options.hours * 3600 / CAMERAS)
    stages = [
        Stage(f"camera-{number}", seconds, options.seed, quiet_s=options.quiet)
        for number in range(CAMERAS)
    ]
    began = time.monotonic()
    cameras, kills = play(stages, seconds, options.kill_every, options.seed)
    told, wrong = told_by(cameras)
    asked = sum(camera.asked for camera in cameras)
    print(
        f"{options.hours:g} hours over {CAMERAS} cameras, {asked} evaluations, {kills} workers"
        f" killed ({sum(camera.owners for camera in cameras) - CAMERAS} takeovers),"
        f" {time.monotonic() - began:.0f} s\n"
    )
    print(table(told, stages))
    print(f"\nopened or closed twice: {wrong}; before a cooldown was over: {too_soon(told, RULES)}")


def play(stages: list[Stage], seconds: int, kill_every: int, seed: int) -> tuple[list[Owned], int]:
    """Show every second to all cameras; the cameras, and how many workers were killed."""
    now = 0
    rng = random.Random(f"kills:{seed}")
    engine = engine_for(load("demo"), len(stages), lambda: float(now))
    engine.warm_up()
    engine.start()
    watches = {watch_id: watch(watch_id) for watch_id in QUESTIONS}
    cameras = [Owned(stage.camera_id, engine, lambda: float(now)) for stage in stages]
    kills, back_at, next_kill, mark = 0, -1, kill_every, time.monotonic()
    victims: list[Owned] = []
    try:
        for now in range(seconds):
            if now == back_at:
                for camera in victims:
                    camera.take()
            for camera, stage in zip(cameras, stages, strict=True):
                camera.show(now, stage.picture(now))
            wait(cameras, now)
            for camera in cameras:
                camera.begin(watches)
            if kill_every and now == next_kill:  # while it asks
                first = rng.randrange(WORKERS)
                victims = cameras[first::WORKERS]
                for camera in victims:
                    camera.kill()
                kills, back_at = kills + 1, now + OWNERLESS_S
                next_kill += rng.randint(round(0.8 * kill_every), round(1.2 * kill_every))
            for camera in cameras:
                camera.finish(watches)
                if now % CHECKPOINT_EVERY_S == CHECKPOINT_EVERY_S - 1:
                    camera.keep()
            if time.monotonic() - mark > 60:
                mark = time.monotonic()
                print(f"[{now} of {seconds} s]", file=sys.stderr, flush=True)
    finally:
        engine.stop()
    return cameras, kills


def wait(cameras: list[Owned], second: int) -> None:
    """Until all memories hold this second's frame."""
    until = time.monotonic() + 120
    while not all(camera.seen(second) for camera in cameras):
        if time.monotonic() > until:
            raise TimeoutError(f"frames of second {second} are not taken in")
        time.sleep(0.0005)


def watch(watch_id: str) -> Watch:
    """A watch with its question and its rule, and otherwise the defaults."""
    question, rule = QUESTIONS[watch_id], RULES[watch_id]
    made = Watch(id=watch_id, text=question.text, version=1)
    made.choices.texts.extend(question.choices)
    made.trigger.equals.choices.append(question.event)
    made.trigger.hold.FromSeconds(rule.hold_s)
    made.trigger.cooldown.FromSeconds(rule.cooldown_s)
    return made


def table(told: list[Told], stages: list[Stage]) -> str:
    """A line a watch, and one for all."""
    happenings = [one for stage in stages for one in stage.happenings]
    lines = [
        "| watch | happened | events | precision | recall | told twice | delay p50, p95, most |"
    ]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name in [*QUESTIONS, "all"]:
        ours = [one for one in told if name in (one.watch_id, "all")]
        found = score(ours, [one for one in happenings if name in (one.watch_id, "all")], RULES)
        delays = ", ".join(str(found.delay(percent)) for percent in (50, 95, 100))
        lines.append(
            f"| {name} | {found.expected} | {found.events} | {found.precision:.3f} |"
            f" {found.recall:.3f} | {found.twice} | {delays} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
