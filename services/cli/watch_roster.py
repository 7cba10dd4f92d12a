"""The watches of a run beside those that are registered: created, changed, deleted, left alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from hermes.client import HermesClient, Watch
from hermes.errors import WatchNotFound
from services.cli.watches import changes_of
from services.common.files import write_private

FILE_WATCHES = "file-watches.json"


class WatchRoster:
    """Makes the registered watches those that a configuration file wants."""

    def __init__(
        self,
        wanted: Sequence[Watch],
        file: Path | None,
        kept_in: Path | None,
        say_paused: Collection[str] = (),
    ) -> None:
        """`kept_in`: where it is kept which watches the file names, for the next run.

        `say_paused`: the watches of which the file says whether they are paused.
        """
        self._wanted = {watch.id: watch for watch in wanted}
        self._file = file
        self._say_paused = say_paused
        self._kept = None if kept_in is None else kept_in / FILE_WATCHES

    def apply(self, client: HermesClient, say: Callable[[str], None]) -> None:
        """Create, change and delete watches, and say what is done. Raises `HermesError`.

        A watch that the file does not name, and did not name at the last run, stays.
        """
        dropped = self._dropped()
        if not self._wanted and not dropped:
            return
        there = {state.watch.id: state.watch for state in client.list_watches()}
        for watch_id in dropped:
            if watch_id in there:
                _delete(client, watch_id)
                say(f"watch {watch_id}: removed, as {self._file} names it no more")
        same = []
        for watch_id, watch in self._wanted.items():
            if watch_id not in there:
                state = client.create_watch(watch)
                note = f": {state.message}" if state.message else ""
                say(f"watch {watch_id}: added{note}")
            elif changes := self._changes(there[watch_id], watch):
                client.update_watch(watch_id, **changes)
                say(f"watch {watch_id}: {', '.join(changes)} changed")
            else:
                same.append(watch_id)
        if same:
            say(f"watches as before: {', '.join(same)}")
        self._remember()

    def _changes(self, there: Watch, wanted: Watch) -> Mapping[str, object]:
        left = {"created", "version", "within"}
        if wanted.id not in self._say_paused:
            left.add("paused")
        changes = changes_of(there, wanted)
        return {name: value for name, value in changes.items() if name not in left}

    def _dropped(self) -> list[str]:
        """The watches that the same file named at the last run, and does not name now."""
        if self._kept is None or self._file is None:
            return []
        try:
            kept = json.loads(self._kept.read_text())
            named = [str(id) for id in kept["watches"]] if kept["file"] == str(self._file) else []
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return [id for id in named if id not in self._wanted]

    def _remember(self) -> None:
        if self._kept is not None and self._file is not None:
            kept = {"file": str(self._file), "watches": sorted(self._wanted)}
            with write_private(self._kept) as file:
                file.write(json.dumps(kept).encode())


def _delete(client: HermesClient, watch_id: str) -> None:
    try:
        client.delete_watch(watch_id)
    except WatchNotFound:
        return  # somebody else was quicker
