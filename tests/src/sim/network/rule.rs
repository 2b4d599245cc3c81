//! What is wrong with the network.

use std::collections::BTreeSet;

use super::{Kind, Party, Passage};

/// The direction of a message within an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leg {
    Request,
    Answer,
}

/// What happens to the messages of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// None arrives.
    Cut,
    /// All wait until the rule ends.
    Hold,
    /// Some are lost.
    Drop {
        /// How many of a hundred.
        percent: u32,
    },
    /// Some arrive twice; not those of clients.
    Repeat {
        /// How many of a hundred.
        percent: u32,
    },
    /// All take longer.
    Slow {
        /// By so many milliseconds at least.
        ms_min: u64,
        /// By so many at most.
        ms_max: u64,
    },
}

impl Effect {
    /// Whether nothing passes.
    pub(super) fn stops(&self) -> bool {
        matches!(self, Self::Cut | Self::Hold)
    }
}

/// What happens to which messages. What is `None` matches all.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) from: Option<BTreeSet<Party>>,
    pub(crate) to: Option<BTreeSet<Party>>,
    pub(crate) kind: Option<Kind>,
    pub(crate) leg: Option<Leg>,
    pub(crate) effect: Effect,
}

impl Rule {
    /// For every message.
    pub(crate) fn everywhere(effect: Effect) -> Self {
        Self { from: None, to: None, kind: None, leg: None, effect }
    }

    /// For every message from one of these to one of those.
    pub(crate) fn between(from: BTreeSet<Party>, to: BTreeSet<Party>, effect: Effect) -> Self {
        Self { from: Some(from), to: Some(to), ..Self::everywhere(effect) }
    }

    /// For every message of a kind.
    pub(crate) fn of_kind(kind: Kind, leg: Leg, effect: Effect) -> Self {
        Self { kind: Some(kind), leg: Some(leg), ..Self::everywhere(effect) }
    }

    pub(super) fn covers(&self, passage: &Passage) -> bool {
        let among = |parties: &Option<BTreeSet<Party>>, party| {
            parties.as_ref().is_none_or(|parties| parties.contains(&party))
        };
        among(&self.from, passage.from)
            && among(&self.to, passage.to)
            && self.kind.is_none_or(|kind| kind == passage.kind)
            && self.leg.is_none_or(|leg| leg == passage.leg)
    }
}
