"""`hermes events`: what watches found; as a list, as it comes, and one by one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from hermes.client import Event, EventFilter, FollowedEvent, HermesClient
from hermes.durations import read_duration
from hermes.errors import InvalidInput, Retryable
from services.cli.connection import DEFAULT_GATEWAY, Gateway, TokenFile, open_client
from services.cli.event_words import HEADING, STYLES, details_of, line_of, row_of
from services.cli.output import err, out, print_lines
from services.cli.plain import plain
from services.cli.progress import calling, say
from services.cli.rows import print_rows
from services.cli.watch_flags import SeverityChoice

app = typer.Typer(
    help="What watches found: list events, follow them, look at one, acknowledge it.",
    invoke_without_command=True,
    add_completion=False,
)

MOST_ON_A_PAGE = 1_000
MOST_PAUSE_S = 10.0

Watches = Annotated[
    list[str] | None, typer.Option("--watch", "-w", help="Of this watch; repeatable.")
]
Cameras = Annotated[
    list[str] | None, typer.Option("--camera", "-c", help="Of this camera; repeatable.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", help="Of cameras with such labels; repeatable, means and."),
]
Severity = Annotated[
    SeverityChoice | None, typer.Option(help="This severity and graver ones.", show_default=False)
]
Open = Annotated[bool, typer.Option("--open", help="Only those that are not over.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Id = Annotated[str, typer.Argument(help="Id of the event.")]


@app.callback()
def list_events(
    context: typer.Context,
    watch: Watches = None,
    camera: Cameras = None,
    label: Labels = None,
    severity: Severity = None,
    only_open: Open = False,
    last: Annotated[
        str, typer.Option(help="Opened within this time: 2h, 7d.", show_default=False)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="The most events that are shown.")] = 100,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """List events, newest first."""
    if context.invoked_subcommand is not None:
        return
    filter_ = _filter(watch, camera, label, severity, only_open, last)
    with calling(gateway, token_file) as client:
        found = _newest(client, filter_, limit)
    if as_json:
        for event in found:
            print(json.dumps(plain(event)))
    elif found:
        print_rows(out, HEADING, [row_of(event) for event in found], STYLES)
    else:
        err.print("no such events")


@app.command("follow")
def follow(
    watch: Watches = None,
    camera: Cameras = None,
    label: Labels = None,
    severity: Severity = None,
    after: Annotated[
        str,
        typer.Option(
            help="Go on after this position (--json shows them); 0: all that are kept.",
            show_default="from now on",
        ),
    ] = "",
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Print messages about events as they come, until Ctrl-C."""
    filter_ = _filter(watch, camera, label, severity, False, "")
    with open_client(gateway, token_file) as client:
        for followed in following(client, filter_, after, say):
            if followed.missed:
                err.print("[yellow]messages before this one are no longer kept[/]")
            if as_json:
                shown = {**plain(followed.event), "position": followed.position}
                print(json.dumps({**shown, "missed": followed.missed}), flush=True)
            else:
                print_lines([line_of(followed.event)])


@app.command("get")
def get(
    event: Id,
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write the pictures of the evidence into.",
            file_okay=False,
            exists=True,
            show_default=False,
        ),
    ] = None,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Show one event."""
    with calling(gateway, token_file) as client:
        found = client.get_event(event)
    if pictures is not None:
        _write_pictures(found, pictures)
    _show(found, as_json)


@app.command("ack")
def acknowledge(
    event: Id,
    note: Annotated[str, typer.Argument(help="A remark, for the others.")] = "",
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Note that you have taken notice of an event. The first who does stays."""
    with calling(gateway, token_file) as client:
        found = client.acknowledge(event, note)
    _show(found, as_json)


def following(
    client: HermesClient,
    filter_: EventFilter,
    after: str,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[FollowedEvent]:
    """Follow events; again where it broke off, if the gateway goes away for a while."""
    reached, pause_s = False, 0.0
    while True:
        with client.follow_events(filter_, after=after) as stream:
            try:
                for followed in stream:
                    reached, pause_s = True, 0.0
                    yield followed
                return
            except Retryable as error:
                after = stream.position or after
                pause_s = min(MOST_PAUSE_S, max(error.retry_after_s, 2 * pause_s))
                if not reached and pause_s >= MOST_PAUSE_S:
                    raise
                tell(f"{error}; trying again in {pause_s:.0f} s")
        sleep(pause_s)


def _newest(client: HermesClient, filter_: EventFilter, limit: int) -> list[Event]:
    found: list[Event] = []
    while len(found) < limit:
        before_id = found[-1].id if found else ""
        page = client.events(
            filter_, limit=min(limit - len(found), MOST_ON_A_PAGE), before_id=before_id
        )
        if not page:
            break
        found += page
    return found


def _filter(
    watch: list[str] | None,
    camera: list[str] | None,
    label: list[str] | None,
    severity: SeverityChoice | None,
    only_open: bool,
    last: str,
) -> EventFilter:
    if camera and label:
        raise InvalidInput("--camera", "goes without --label: use one of them")
    after = datetime.now(UTC) - timedelta(seconds=read_duration(last, "--last")) if last else None
    return EventFilter(
        watch_ids=tuple(watch or ()),
        camera_ids=tuple(camera or ()),
        selector=",".join(label or ()),
        at_least=None if severity is None else severity.value,
        only_open=only_open,
        opened_after=after,
    )


def _show(event: Event, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plain(event), indent=2))
        return
    print_rows(out, HEADING, [row_of(event)], STYLES)
    print_lines(details_of(event))


def _write_pictures(event: Event, folder: Path) -> None:
    for number, frame in enumerate(event.evidence, 1):
        if frame.picture:
            path = folder / f"{event.id}-{number}.jpg"
            path.write_bytes(frame.picture)
            err.print(f"[dim]·[/] written: {path}", soft_wrap=True)
