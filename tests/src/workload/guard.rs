//! How a transaction makes sure that what it read has not changed.

use aspen_core::{Compare, Key, KeyValue, Operation, WriteCommand};

use super::SeededRandom;

/// The ways to say "only if nothing that I read has changed". The first two hold for the keys'
/// whole history, the last for their values only, which suffices where operations follow from
/// values alone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Guard {
    /// Read conflicts: a change is an error.
    ReadConflicts,
    /// Compares of `mod_revision`: a change chooses the other branch.
    ModRevisions,
    /// Compares of values: a change chooses the other branch.
    Values,
}

impl Guard {
    pub(super) fn pick(random: &SeededRandom) -> Self {
        match random.below(3) {
            0 => Self::ReadConflicts,
            1 => Self::ModRevisions,
            _ => Self::Values,
        }
    }

    /// The write that runs `operations` if each key is still as it was read.
    pub(super) fn command(
        self,
        reads: &[(Key, Option<KeyValue>)],
        operations: Vec<Operation>,
    ) -> WriteCommand {
        match self {
            Self::ReadConflicts => WriteCommand::OptimisticTransaction {
                reads: reads.iter().map(|(key, read)| (key.clone(), mod_revision(read))).collect(),
                range_reads: Vec::new(),
                operations,
            },
            Self::ModRevisions => conditional(reads, operations, |key, read| {
                Compare::mod_revision(key, mod_revision(read))
            }),
            Self::Values => conditional(reads, operations, |key, read| match read {
                Some(entry) => Compare::value(key, entry.value.clone()),
                None => Compare::absent(key),
            }),
        }
    }
}

fn mod_revision(read: &Option<KeyValue>) -> aspen_core::Revision {
    read.as_ref().map_or(aspen_core::Revision::ZERO, |entry| entry.mod_revision)
}

fn conditional(
    reads: &[(Key, Option<KeyValue>)],
    operations: Vec<Operation>,
    condition: impl Fn(Key, &Option<KeyValue>) -> Compare,
) -> WriteCommand {
    let conditions = reads.iter().map(|(key, read)| condition(key.clone(), read)).collect();
    WriteCommand::ConditionalBatch { conditions, operations }
}
