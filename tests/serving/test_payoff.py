"""Whether speculation pays at all, and the reason where it does not."""

from __future__ import annotations

from dataclasses import replace

from vocabtrim_core.serving.measurement import Configuration, Latency, Measurement, Run
from vocabtrim_core.serving.payoff import unpaid

ALONE = Configuration("no speculation")
DRAFT = Configuration("4,096", 4096, "/d", 3, 1, 4)
FULL = Configuration("49,152", 49_152, "/v", 3, 1, 4)


def made(rates: dict[str, float], configurations=(ALONE, DRAFT, FULL)) -> Measurement:
    """10 answers of 41 tokens; the prefill lasts 0.5 s, what follows is told by `rates`.

    40 tokens one by one last 0.8 s (20 ms each); 25 cycles of a draft last 40 / rate s.
    """
    runs = []
    for c in configurations:
        for index in range(3):
            rate = rates[c.label] * (1 + 0.001 * index)
            after = 40 / rate
            whole, first = Latency(0.5 + after, 0, 0), Latency(0.5, 0, 0)
            drafted = bool(c.draft)
            runs.append(
                Run(
                    c.label,
                    1,
                    index,
                    throughput=41 / (0.5 + after),
                    tokens=410,
                    seconds=10 * (0.5 + after),
                    verified=250 if drafted else None,
                    acceptance_length=1.6 if drafted else None,
                    latency=whole,
                    first_token=first,
                    accepted=(150, 70, 10, 20) if drafted else (),
                )
            )
    settings = {"prompts": 10}
    return Measurement("p", "t", "llama.cpp", tuple(configurations), tuple(runs), settings=settings)


def test_the_reason_is_told_in_tokens_decoded_one_by_one():
    # 40 tokens at 20/s: 2 s for 25 cycles, 80 ms each; alone a token takes 20 ms: 4.0 of them.
    said = unpaid(made({"no speculation": 50, "4,096": 20, "49,152": 10}))
    assert said.startswith(
        "Speculation does not pay here: even the fastest draft, 4,096, is \N{MINUS SIGN}"
    )
    assert "drafting 3 and verifying 4 tokens takes as long as decoding 4.0 one by one" in said
    assert said.endswith("and gives 1.60.")  # (70 + 2 * 10 + 3 * 20) / 250 accepted


def test_where_it_pays_nothing_is_said():
    assert unpaid(made({"no speculation": 50, "4,096": 60, "49,152": 10})) == ""
    assert unpaid(made({"4,096": 20}, (DRAFT,))) == ""
    assert unpaid(made({"no speculation": 20}, (ALONE,))) == ""


def test_without_the_times_it_is_still_said():
    found = made({"no speculation": 50, "4,096": 20}, (ALONE, DRAFT))
    bare = replace(found, runs=tuple(replace(run, first_token=None) for run in found.runs))
    said = unpaid(bare)
    assert said.startswith("Speculation does not pay here: the draft, 4,096, is \N{MINUS SIGN}")
    assert "one by one" not in said
