//! What one watch told, from one revision to another.

use std::collections::BTreeMap;

use aspen_core::{Revision, WatchEvent};

use crate::check::Violation;

/// What a watch told of the revisions above one, up to another.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    after: Revision,
    through: Revision,
    /// Of each revision told: its keys, and whether each was removed.
    told: BTreeMap<Revision, Vec<(Vec<u8>, bool)>>,
}

impl Segment {
    pub(super) fn after(revision: Revision) -> Self {
        Self { after: revision, through: revision, told: BTreeMap::new() }
    }

    /// Everything up to here was told.
    pub(super) fn through(&self) -> Revision {
        self.through
    }

    /// One revision's events.
    pub(super) fn events(
        &mut self,
        revision: Revision,
        events: &[WatchEvent],
    ) -> Result<(), Violation> {
        if revision <= self.through || events.is_empty() {
            let detail = format!("{revision} after {}: {events:?}", self.through);
            return Err(Violation::new("a watch tells revisions in order, each once", detail));
        }
        let keys: Vec<_> =
            events.iter().map(|it| (it.key().as_bytes().to_vec(), it.is_delete())).collect();
        if !keys.is_sorted_by(|a, b| a.0 < b.0) || events.iter().any(|it| it.revision() != revision)
        {
            let detail = format!("{revision}: {events:?}");
            return Err(Violation::new("a revision's events have its keys in order", detail));
        }
        self.told.insert(revision, keys);
        self.through = revision;
        Ok(())
    }

    /// Nothing up to here is missing.
    pub(super) fn progress(&mut self, revision: Revision) -> Result<(), Violation> {
        if revision < self.through {
            let detail = format!("{revision} after {}", self.through);
            return Err(Violation::new("progress never goes back", detail));
        }
        self.through = revision;
        Ok(())
    }

    /// Some updates were dropped and come again.
    pub(super) fn lagging(&self, resume: Revision) -> Result<(), Violation> {
        if resume <= self.through {
            let detail = format!("resumes at {resume}, told until {}", self.through);
            return Err(Violation::new("a lagging watch repeats nothing", detail));
        }
        Ok(())
    }

    fn covers(&self, revision: Revision) -> bool {
        self.after < revision && revision <= self.through
    }
}

/// Watches that were told of the same revisions were told the same.
pub(super) fn must_agree(segments: &[Segment]) -> Result<(), Violation> {
    let mut truth: BTreeMap<Revision, &Vec<(Vec<u8>, bool)>> = BTreeMap::new();
    for (revision, keys) in segments.iter().flat_map(|segment| &segment.told) {
        let first = truth.entry(*revision).or_insert(keys);
        if *first != keys {
            let detail = format!("{revision}: {first:?} and {keys:?}");
            return Err(Violation::new("all watches tell the same", detail));
        }
    }
    for segment in segments {
        let missing =
            truth.keys().find(|at| segment.covers(**at) && !segment.told.contains_key(*at));
        if let Some(revision) = missing {
            let (after, through) = (segment.after, segment.through);
            let detail = format!("{revision} is missing between {after} and {through}");
            return Err(Violation::new("a watch leaves nothing out", detail));
        }
    }
    Ok(())
}

/// Every acknowledged write is in every watch that covers its revision.
pub(super) fn must_hold(
    segments: &[Segment],
    acknowledged: &BTreeMap<Revision, usize>,
) -> Result<(), Violation> {
    for (revision, puts) in acknowledged {
        for segment in segments.iter().filter(|segment| segment.covers(*revision)) {
            let told = segment.told.get(revision);
            let told_puts = told.map_or(0, |keys| keys.iter().filter(|it| !it.1).count());
            if told_puts != *puts {
                let detail = format!("{revision}: {puts} keys were set, told of {told:?}");
                return Err(Violation::new("an acknowledged write is told as a whole", detail));
            }
        }
    }
    Ok(())
}
