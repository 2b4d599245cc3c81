//! What a batch of reads finds in the head.

use aspen_core::{Key, ReadBytes, ReadReply, Revision};

use super::head::Head;
use super::pool::Wanted;
use crate::state::StateError;

/// The answers so far, and what they still want from the body.
#[derive(Default)]
pub(super) struct HeadAnswers {
    /// One per request, with a gap for every key that only the body knows.
    pub(super) replies: Vec<Result<ReadReply, StateError>>,
    /// Keys for the body.
    pub(super) wanted: Vec<Wanted>,
    /// Where each of them belongs: request and key.
    pub(super) places: Vec<(usize, usize)>,
    /// How much each request has found.
    pub(super) found: Vec<ReadBytes>,
}

impl HeadAnswers {
    /// Reads every request, each at the revision that it names.
    pub(super) fn new(head: &Head, requests: &[(Vec<Key>, Option<Revision>)]) -> Self {
        let mut answers = Self::default();
        for (keys, at) in requests {
            let revision = head.registers.resolve(*at);
            let reply = revision.and_then(|revision| answers.read(head, keys, revision));
            answers.replies.push(reply);
        }
        answers
    }

    /// Reads the next request. One that finds too much wants nothing from the body.
    fn read(
        &mut self,
        head: &Head,
        keys: &[Key],
        revision: Revision,
    ) -> Result<ReadReply, StateError> {
        let request = self.replies.len();
        let wanted_before = self.wanted.len();
        let mut bytes = ReadBytes::default();
        let mut values = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            let known = head.at(key, revision);
            if known.is_none() && head.body_revision > Revision::ZERO {
                self.wanted.push(Wanted { key: key.clone(), at: revision, request });
                self.places.push((request, place));
            }
            let found = known.and_then(|version| version.to_key_value(key));
            if let Err(error) = found.as_ref().map_or(Ok(()), |entry| bytes.charge(entry)) {
                self.wanted.truncate(wanted_before);
                self.places.truncate(wanted_before);
                return Err(error.into());
            }
            values.push(found);
        }
        // Requests that failed before have found nothing to go on from.
        self.found.resize_with(request, ReadBytes::default);
        self.found.push(bytes);
        Ok(ReadReply { revision, values })
    }
}
