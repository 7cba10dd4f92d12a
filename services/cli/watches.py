"""`hermes watch`: add, try, list, get, update, pause, resume and remove watches."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Annotated, Any

import typer

from hermes.client import HermesClient, Trial, Watch, WatchState
from services.cli.connection import DEFAULT_GATEWAY, Gateway, TokenFile
from services.cli.output import err, out, print_lines
from services.cli.plain import plain
from services.cli.progress import calling
from services.cli.rows import print_rows
from services.cli.watch_flags import flag, given_of, with_flags
from services.cli.watch_given import build
from services.cli.watch_words import (
    HEADING,
    STYLES,
    TRIAL_HEADING,
    details_of,
    row_of,
    trial_row,
)

app = typer.Typer(
    help="Standing questions: add, try, list, look at, update, pause and remove watches.",
    no_args_is_help=True,
    add_completion=False,
)

Id = Annotated[str, typer.Argument(help="Id of the watch.")]
Json = Annotated[bool, typer.Option("--json", help="JSON in place of a table.")]
EVIDENCE_FRAMES = 3


@app.command("add")
@with_flags
def add(
    watch: Id,
    question: Annotated[str, typer.Argument(help="What is asked, again and again.")],
    flags: dict[str, Any],
    trial: Annotated[
        bool, typer.Option("--try", help="Only ask now, and show what is found; adds nothing.")
    ] = False,
    paused: Annotated[bool, typer.Option("--paused", help="Add it, and ask nothing yet.")] = False,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Add a watch. Without a condition, a yes/no watch opens an event from 0.8 on."""
    wanted = build(Watch(watch, question), given_of(flags, question=question), flag)
    wanted = replace(wanted, paused=paused)
    with calling(gateway, token_file) as client:
        if trial:
            _try(client, wanted, as_json)
            return
        state = client.create_watch(wanted)
    _show(state, as_json)


@app.command("try")
def try_(
    watch: Id,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Ask a watch now, of each of its cameras. Opens nothing."""
    with calling(gateway, token_file) as client:
        _try(client, client.get_watch(watch).watch, as_json)


@app.command("list")
def list_watches(
    camera: Annotated[
        str, typer.Option("--camera", "-c", help="Only watches of this camera.", show_default=False)
    ] = "",
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """List watches."""
    with calling(gateway, token_file) as client:
        states = client.list_watches(camera)
    if as_json:
        print(json.dumps([plain(state) for state in states], indent=2))
    elif states:
        print_rows(out, HEADING, [row_of(state) for state in states], STYLES)
    else:
        err.print("no watches yet: hermes watch add ID QUESTION --camera CAMERA", markup=False)


@app.command("get")
def get(
    watch: Id,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Show one watch."""
    with calling(gateway, token_file) as client:
        state = client.get_watch(watch)
    _show(state, as_json)


@app.command("update")
@with_flags
def update(
    watch: Id,
    flags: dict[str, Any],
    question: Annotated[str | None, typer.Option(help="What is asked.", show_default=False)] = None,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Change a watch. Another question, form, trigger or other cameras end its open events."""
    if not given_of(flags, question=question).said:
        raise typer.BadParameter("give a flag that says what to change", param_hint="ID")
    with calling(gateway, token_file) as client:
        before = client.get_watch(watch).watch
        given = given_of(flags, question=question, labels=dict(before.labels))
        changes = changes_of(before, build(before, given, flag))
        state = client.update_watch(watch, **changes) if changes else client.get_watch(watch)
    _show(state, as_json)


@app.command("pause")
def pause(watch: Id, gateway: Gateway = DEFAULT_GATEWAY, token_file: TokenFile = None) -> None:
    """Ask nothing for now. Its open events end."""
    with calling(gateway, token_file) as client:
        client.update_watch(watch, paused=True)


@app.command("resume")
def resume(watch: Id, gateway: Gateway = DEFAULT_GATEWAY, token_file: TokenFile = None) -> None:
    """Ask again."""
    with calling(gateway, token_file) as client:
        client.update_watch(watch, paused=False)


@app.command("remove")
def remove(watch: Id, gateway: Gateway = DEFAULT_GATEWAY, token_file: TokenFile = None) -> None:
    """Remove a watch. Its open events end."""
    with calling(gateway, token_file) as client:
        client.delete_watch(watch)


def changes_of(before: Watch, after: Watch) -> dict[str, Any]:
    """The fields that differ, with their new values."""
    names = (field.name for field in fields(Watch))
    return {
        name: getattr(after, name)
        for name in names
        if getattr(before, name) != getattr(after, name)
    }


def _show(state: WatchState, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plain(state), indent=2))
        return
    print_rows(out, HEADING, [row_of(state)], STYLES)
    print_lines(details_of(state))


def _try(client: HermesClient, watch: Watch, as_json: bool) -> None:
    trials: Iterable[Trial] = client.try_watch(watch, evidence=EVIDENCE_FRAMES)
    if as_json:
        for trial in trials:
            print(json.dumps(plain(trial)), flush=True)
        return
    found = sorted(trials, key=lambda trial: trial.camera_id)
    print_rows(out, TRIAL_HEADING, [trial_row(trial, watch) for trial in found])
    if not any(trial.evaluation for trial in found):
        raise typer.Exit(1)
