"""Advice on scaling, tried on a queue that does not exist: the load doubles, and falls again.

`imgpipe scale` gives the same advice for a real queue. It advises; nobody carries it out. The rule of thumb adds a slot
while more than 50 tasks wait, and takes one away while fewer than 30 % of the slots work.

Prints:

    after   15 s: SCALE_UP from 6 to 7 slots, UTILISATION
    after  620 s: SCALE_UP from 7 to 13 slots, UTILISATION
    after 1505 s: SCALE_DOWN from 13 to 11 slots, UTILISATION
    after 1570 s: SCALE_DOWN from 11 to 6 slots, UTILISATION
    after 1635 s: SCALE_DOWN from 6 to 5 slots, UTILISATION
    advice: 100.0% of tasks waited no longer than 10 s; 4.9 slot hours, 5 changes
    rule of thumb: 94.1% of tasks waited no longer than 10 s; 3.2 slot hours, 45 changes
"""

from imgpipe.advice import AdviceSettings
from imgpipe.advice.policies import Advised, Naive
from imgpipe.advice.simulate import Fleet, Load, lognormal, simulate

TEN_MINUTES = 600
settings = AdviceSettings(target_wait_seconds=10, maximum=16)
load = Load(
    phases=((TEN_MINUTES, 8.0), (TEN_MINUTES, 16.0), (TEN_MINUTES, 4.0)),  # tasks per second
    service=lognormal(mean_seconds=0.5, variation=1.0),
    seed=7,
)

advised, naive = Advised(settings), Naive(settings)
outcomes = {"advice": simulate(load, Fleet(slots=6), advised), "rule of thumb": simulate(load, Fleet(slots=6), naive)}

for advice in advised.advices:
    if advice.current_slots != advice.recommended_slots and advice.inputs:
        change = f"{advice.action} from {advice.current_slots} to {advice.recommended_slots} slots"
        print(f"after {advice.inputs.at_seconds:4.0f} s: {change}, {advice.reason.code}")
for name, outcome in outcomes.items():
    print(
        f"{name}: {outcome.within(10):.1%} of tasks waited no longer than 10 s;",
        f"{outcome.slot_seconds / 3600:.1f} slot hours, {outcome.changes} changes",
    )
