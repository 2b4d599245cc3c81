//! The fewest faults with which a run still fails as it did.

use super::nemesis::Event;
use super::run::{Plan, Report, run};

/// How many runs may be spent on one failure.
const RUNS_MAX: usize = 80;

/// Leaves faults out as long as the same promise is broken (Zeller's ddmin, without its
/// complements of single parts). Answers the smallest plan that was found, and its run.
pub fn minimize(plan: &Plan, report: &Report) -> (Plan, Report) {
    let mut best = (plan.clone(), report.clone());
    let mut runs = 0;
    let mut chunk = plan.schedule.events.len().div_ceil(2);
    while chunk > 0 && runs < RUNS_MAX {
        let mut start = 0;
        while start < best.0.schedule.events.len() && runs < RUNS_MAX {
            runs += 1;
            match without(&best.0, start, chunk).and_then(|plan| fails_alike(plan, report)) {
                Some(smaller) => best = smaller,
                None => start += chunk,
            }
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    best
}

fn without(plan: &Plan, start: usize, count: usize) -> Option<Plan> {
    let events = &plan.schedule.events;
    let kept = |(index, event): (usize, &Event)| {
        (index < start || index >= start + count).then(|| event.clone())
    };
    let kept: Vec<Event> = events.iter().enumerate().filter_map(kept).collect();
    let mut smaller = plan.clone();
    smaller.schedule.events = kept;
    (smaller.schedule.events.len() < events.len()).then_some(smaller)
}

fn fails_alike(plan: Plan, wanted: &Report) -> Option<(Plan, Report)> {
    let report = run(plan.clone(), false);
    let invariant = |report: &Report| report.verdict.clone().err().map(|it| it.invariant);
    (invariant(&report) == invariant(wanted)).then_some((plan, report))
}
