//! Every planted bug is found: otherwise the storm proves nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aspen_core::runtime::sim::{plant, planted_reached};

use crate::cluster::{Stores, simulate};
use crate::storm::storm;

/// Seeds after which a bug counts as not found.
const SEEDS: u64 = 40;

/// What became of one seed with a bug.
enum Found {
    Violation(String),
    Crash,
    Nothing,
    /// No code asked for the bug.
    Unreached,
}

fn run(bug: &'static str, seed: u64) -> Found {
    let scenario = move || {
        simulate(seed, move |dir| async move {
            plant(bug);
            let (_, result) = storm(Stores::Real, dir).await;
            (result, planted_reached().contains_key(bug))
        })
    };
    match catch_unwind(AssertUnwindSafe(scenario)) {
        Err(_) => Found::Crash,
        Ok((Err(violation), _)) => Found::Violation(violation),
        Ok((Ok(()), true)) => Found::Nothing,
        Ok((Ok(()), false)) => Found::Unreached,
    }
}

/// Looks for a bug until it shows itself.
fn is_found(bug: &'static str) {
    let mut reached = false;
    for seed in 0..SEEDS {
        match run(bug, seed) {
            Found::Violation(violation) => return println!("{bug}: seed {seed}: {violation}"),
            Found::Crash => return println!("{bug}: seed {seed}: a replica crashed"),
            Found::Nothing => reached = true,
            Found::Unreached => {}
        }
    }
    panic!("{bug} is not found in {SEEDS} seeds (asked for: {reached})");
}

macro_rules! planted {
    ($($test:ident: $bug:literal,)*) => {
        $(#[test]
        fn $test() {
            is_found($bug);
        })*
    };
}

planted! {
    read_without_read_index: "read-without-read-index",
    snapshot_drops_key: "snapshot-drops-key",
    apply_twice: "apply-twice",
    lost_session: "lost-session",
    vote_not_persisted: "vote-not-persisted",
    ack_before_sync: "ack-before-sync",
}
