"""The report of the long form, in Markdown."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.e2e.chaos.results import Result, percentile

# The promise, where nobody was told to stay away.
RECOVERS_WITHIN_S = 10.0


def written(results: Sequence[Result], seed: int, commit: str, took_s: float, planned: int) -> str:
    return "\n".join([*_head(results, seed, commit, took_s, planned), *_failures(results), *_steps(results),
                      *_recoveries(results), *_exceptions(results), ""])  # fmt: skip


def _head(results: Sequence[Result], seed: int, commit: str, took_s: float, planned: int) -> Iterable[str]:
    injected: Counter[str] = sum((result.injected for result in results), Counter())
    kills = Counter(name for result in results for name, _ in result.kills)
    differences = sum(len(result.differences) for result in results)
    failed = sum(not result.has_passed for result in results)
    yield "# Faults over the wire"
    yield ""
    yield "Real processes on their worst day: each fault by itself, then several at once while processes are killed;"
    yield "after each step the books of both sides are compared to the last unit."
    yield ""
    yield f"- seed {seed}, commit {commit}, {took_s / 60:.0f} min"
    yield f"- {len(results)} of {planned} steps, {failed} failed"
    yield f"- **{differences} differences** (must be 0)"
    orders, cycles = sum(result.orders for result in results), sum(result.cycles for result in results)
    kinds = f"{injected.total()} faults of {len(injected)} kinds injected"
    yield f"- {kinds}; meanwhile {orders} orders and {cycles} cycles"
    counts = ", ".join(f"{name} {count}" for name, count in sorted(kills.items()))
    acted: Counter[str] = sum((result.acted for result in results), Counter())
    yield "- the strategy's rules acted meanwhile: " + ", ".join(f"{n} {rule}" for rule, n in acted.items())
    yield f"- {kills.total()} kills{': ' if counts else ''}{counts}"


def _failures(results: Sequence[Result]) -> Iterable[str]:
    for result in results:
        if result.has_passed:
            continue
        yield ""
        yield f"## {result.step.name} on {result.database} has failed"
        yield ""
        yield f"Repeat it: `{result.command}`"
        yield ""
        yield "```"
        for problem in (*result.differences, *result.problems):
            yield "\n".join(problem.splitlines()[:30])
        yield "```"


def _steps(results: Sequence[Result]) -> Iterable[str]:
    yield ""
    yield "## Steps"
    yield ""
    yield "Recovery: seconds from the end of the faults, from the restart of who was killed last, or from the end of"
    yield "the time for which everybody had to stay away (told to wait: by the exchange, or because the minute's"
    yield "request weight was used), to the next"
    yield "finished cycle. Settled: until every trader that lived then had ended its cycle."
    yield ""
    columns = "set | injected | orders | cycles | told to wait | recovery | settled | differences | killed"
    yield f"| database | step | {columns} |"
    yield "|---|---|" + "--:|" * columns.count("|") + "---|"
    for result in results:
        name = result.step.name
        if 1 < len(result.step.kinds) < 10:
            name += ": " + ", ".join(f"{kind} {result.injected[kind]}" for kind in result.step.kinds)
        killed = ", ".join(f"{victim} {_seconds(after)}" for victim, after in result.kills)
        waited = _seconds(result.told_to_wait or None)
        times = f"{waited} | {_seconds(result.recovery)} | {_seconds(result.settled)}"
        counts = f"{result.times_set} | {result.injected.total()} | {result.orders} | {result.cycles}"
        yield f"| {result.database} | {name} | {counts} | {times} | {len(result.differences)} | {killed} |"
    notes = [(result.step.name, note) for result in results for note in result.notes]
    if notes:
        yield ""
    for step_name, note in notes:
        yield f"- {step_name}: {note}"


def _recoveries(results: Sequence[Result]) -> Iterable[str]:
    after_faults = [result.recovery for result in results if result.recovery is not None and not result.step.victims]
    calm = [time for result in results if not result.step.lanes for _, time in result.kills if time is not None]
    stormy = [time for result in results if result.step.lanes for _, time in result.kills if time is not None]
    yield ""
    yield "## Recoveries"
    yield ""
    yield "| seconds to the next finished cycle | n | p50 | p99 | longest |"
    yield "|---|--:|--:|--:|--:|"
    for text, times in (
        ("after a fault has ended", after_faults),
        ("after a killed process was started again", calm),
        ("the same while faults are on", stormy),
    ):
        figures = " | ".join(_seconds(percentile(times, part)) for part in (0.5, 0.99, 1.0))
        yield f"| {text} | {len(times)} | {figures} |"
    slow = [result for result in results if (result.recovery or 0.0) > RECOVERS_WITHIN_S]
    if slow:
        names = ", ".join(f"{result.step.name} on {result.database}" for result in slow)
        yield ""
        yield f"Longer than {RECOVERS_WITHIN_S:g} s: {names}."


def _exceptions(results: Sequence[Result]) -> Iterable[str]:
    found: Counter[str] = sum((result.exceptions for result in results), Counter())
    found.update(fell for result in results for fell in result.fell)
    if not found:
        return
    yield ""
    yield "## Exceptions in the logs"
    yield ""
    for name, count in found.most_common():
        yield f"- {count} x {name}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
