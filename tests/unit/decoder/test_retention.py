from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.common.frame_log import BEGINNING, LogId
from services.decoder.retention import ENTRY_OVERHEAD, Retention

KIB = 1024


def fill(retention: Retention, ids: list[int], size: int, read: LogId | None = None) -> list[LogId]:
    bounds = []
    for ms in ids:
        bound = retention.min_id(LogId(ms), size, read)
        retention.appended(LogId(ms), size, bound)
        bounds.append(bound)
    return bounds


def test_live_keeps_the_replay_window() -> None:
    bounds = fill(Retention(300, 1 << 30, whole=False), [1_000_000, 1_300_000, 1_300_001], KIB)
    assert bounds == [LogId(700_000), LogId(1_000_000), LogId(1_000_001)]


def test_live_keeps_no_more_bytes_than_allowed() -> None:
    retention = Retention(300, 10 * KIB, whole=False)
    fill(retention, list(range(1000, 1100)), KIB)
    assert retention.bytes <= 10 * KIB
    assert retention.bytes > 8 * KIB


def test_what_was_there_before_counts() -> None:
    retention = Retention(300, 10 * KIB, whole=False)
    retention.seed(LogId(900_000), 10 * KIB)
    (bound,) = fill(retention, [900_001], KIB)
    assert LogId(600_000) < bound <= LogId(900_000)
    assert retention.bytes <= 10 * KIB


def test_a_file_keeps_what_is_unread_whatever_its_age_and_size() -> None:
    retention = Retention(1, KIB, whole=True)
    fill(retention, [1000, 100_000, 200_000], KIB)
    assert retention.unread(None) == 3 * (KIB + ENTRY_OVERHEAD)
    assert retention.min_id(LogId(300_000), KIB, None) == LogId(0, 1)
    bound = retention.min_id(LogId(300_000), KIB, LogId(100_000))
    assert LogId(100_000) < bound <= LogId(200_000)


entries = st.lists(st.tuples(st.integers(1, 100_000), st.integers(1, 4 * KIB)), max_size=60)


@given(entries, st.booleans(), st.integers(0, 10_000_000))
def test_the_accounting_is_that_of_a_real_log(
    appended: list[tuple[int, int]], whole: bool, read_ms: int
) -> None:
    retention = Retention(60, 16 * KIB, whole=whole)
    log: list[tuple[LogId, int]] = []
    read = LogId(read_ms)
    ms = 0
    for gap, size in appended:
        ms += gap
        id = LogId(ms)
        bound = retention.min_id(id, size, read)
        retention.appended(id, size, bound)
        unread = [entry for entry in log if entry[0] > read]
        log = [*(entry for entry in log if entry[0] >= bound), (id, size + ENTRY_OVERHEAD)]
        assert retention.bytes == sum(size for _, size in log)
        assert log[-1][0] == id
        if whole:
            assert set(unread) <= set(log)
        else:
            assert retention.bytes <= max(16 * KIB, log[-1][1])
            assert log[0][0].ms >= ms - 60_000
    assert retention.unread(read) == sum(size for id, size in log if id > read)


def test_a_file_is_kept_until_it_would_survive_its_reader() -> None:
    kept = Retention(10, 1 << 20, whole=True)
    for second in range(1, 60):
        kept.appended(LogId(1000 * second), 100, BEGINNING)
    new, read = LogId(60_000), LogId(58_000)
    assert kept.min_id(new, 100, read) == LogId(50_000)
    assert kept.min_id(new, 100, read, BEGINNING) == LogId(0, 1)
    assert kept.min_id(new, 100, read, LogId(20_000)) == LogId(20_000, 1)
    assert kept.min_id(new, 100, read, LogId(55_000)) == LogId(50_000)


def test_but_not_beyond_its_bound_in_bytes() -> None:
    """A store that is full does not fill Redis, too."""
    kept = Retention(10, 2000, whole=True)
    for second in range(1, 60):
        kept.appended(LogId(1000 * second), 100, BEGINNING)
    bound = kept.min_id(LogId(60_000), 100, LogId(58_000), LogId(1000))
    assert LogId(40_000) < bound < LogId(58_000)
    assert kept.min_id(LogId(60_000), 100, LogId(30_000), LogId(1000)) == LogId(30_000, 1)
