//! What a broken store does.

/// One way to break a promise, now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// Linearizable reads show an older state.
    StaleReads,
    /// Reads show an older state under the current revision's name.
    FalseRevisions,
    /// Pages after the first show the newest state under the first page's revision.
    DriftingPages,
    /// Pages after the first leave out their first result.
    SkippingCursors,
    /// Writes are acknowledged and never happen.
    LostWrites,
    /// Writes happen twice, and the second time is answered.
    RepeatedWrites,
    /// Writes happen, are acknowledged, and happen once more later.
    LateRepeats,
    /// The operations of a write happen one after the other.
    TornWrites,
    /// Compares and read conflicts on keys are taken to hold.
    ForgottenConditions,
    /// Read conflicts on ranges are taken to hold.
    ForgottenRanges,
    /// Conditions on `mod_revision` look at the version instead.
    ComparedVersions,
    /// Deleting a range spares its last key.
    ShortDeletes,
    /// Writes happen although they are said to have failed.
    FalseFailures,
    /// The newest revisions are lost, and given out again.
    Rollbacks,
    /// Watches leave a revision out.
    SkippedEvents,
    /// Watches tell a revision twice.
    RepeatedEvents,
    /// Watches leave out part of a revision.
    TornEvents,
    /// Leases end although they were just kept alive.
    EarlyEnds,
    /// Leases are granted for far longer than was asked.
    EndlessLeases,
    /// A lease's last key stays when it is revoked.
    OutlivingKeys,
    /// Revisions are said to be pinned, and are not.
    ForgottenPins,
}

impl Lie {
    /// Once in how many opportunities it is told.
    pub(super) fn one_in(self) -> u64 {
        match self {
            Self::Rollbacks => 60,
            // Whoever compares the wrong counter does so each time.
            Self::ComparedVersions => 1,
            _ => 8,
        }
    }
}
