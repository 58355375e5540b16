"""Sessions of many steps: each is reported, and an interrupt takes effect between two."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from medigan_hub import Hub, Interrupted, dataset, generation, writers
from support import toys


@pytest.fixture
def hub(install):
    install(code=toys.code("stepping"))
    return Hub()


def test_each_step_of_each_batch_is_reported(hub):
    plugin, request = hub.request("toy-noise", 5, {"batch_size": 2})
    told = []
    request = replace(request, on_step=lambda *step: told.append(step))
    assert sum(map(len, generation.stream(plugin, request))) == 5
    assert told == [(done, 10) for done in range(1, 11)] * 3


def test_an_interrupt_takes_effect_between_two_steps(hub, tmp_path, contents):
    plugin, request = hub.request("toy-noise", 6, {"batch_size": 2})
    told = []

    def step(done, total):
        told.append(done)
        if len(told) == 14:  # in the midst of the second batch
            with pytest.warns(UserWarning, match="stopping after"):
                signal.raise_signal(signal.SIGINT)

    request = replace(request, on_step=step)
    arrangement = writers.arrange(writers.find("npz", request), request)
    with pytest.raises(Interrupted, match=r"2 of 6 samples are in .*, go on with resume=True"):
        dataset.write(
            lambda part: generation.stream(plugin, part), request, tmp_path / "out", arrangement
        )
    assert told == [*range(1, 11), 1, 2, 3, 4]
    verdict = hub.verify(tmp_path / "out")
    assert (verdict.listed, verdict.missing, verdict.changed) == (2, [], [])
    hub.save("toy-noise", 6, tmp_path / "out", batch_size=2, format="npz", resume=True)
    hub.save("toy-noise", 6, tmp_path / "whole", batch_size=2, format="npz")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
