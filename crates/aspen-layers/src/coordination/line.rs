//! Places in line: keys in the order of the revisions at which they came into being.

use std::ops::ControlFlow;

use aspen_core::{
    Key, KeyRange, LeaseId, Operation, OperationResult, Projection, Revision, ScanOrder,
    ScanRequest, StampPosition, Value, Versionstamp,
};
use aspen_txn::{RangeQuery, TransactionBuilder};

use super::CoordinationError;
use super::space::Space;
use super::tenure::Tenure;

/// Which of a primitive's lines a key stands in: the first byte of its suffix. The versionstamp
/// follows.
pub(super) type Tag = u8;

/// A place in line.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) key: Key,
    /// The revision at which it was taken: nobody can come before it any more.
    pub(super) revision: Revision,
}

impl Space {
    /// The key of a place.
    fn place(&self, tag: Tag, revision: Revision) -> Place {
        let key = self.key(&[&[tag], Versionstamp::of(revision).as_bytes()]);
        Place { key, revision }
    }

    /// The revision at which the place of a key was taken.
    pub(super) fn stamped(&self, key: &Key) -> Option<Revision> {
        let stamp = key.as_bytes().get(self.prefix_len() + 1..)?;
        Some(Versionstamp::from_bytes(stamp.try_into().ok()?).revision())
    }

    /// The key of a place that is yet to be taken, and where its stamp goes.
    pub(super) fn unstamped(&self, tag: Tag) -> (Key, StampPosition) {
        let position = u32::try_from(self.prefix_len() + 1).unwrap_or(u32::MAX);
        (self.key(&[&[tag], &Versionstamp::PLACEHOLDER]), StampPosition::Key(position))
    }

    /// Takes the last place of a line, in one write. `Continue` when somebody stands in one of the
    /// lines `before`, `Break` when nobody does: then nobody will come before it.
    pub(super) async fn join(
        &self,
        tag: Tag,
        value: Value,
        lease: LeaseId,
        before: &[Tag],
    ) -> Result<ControlFlow<Place, Place>, CoordinationError> {
        let (key, position) = self.unstamped(tag);
        let scan = |tag: &Tag| Operation::Scan { range: self.range(&[*tag]), limit: 1 };
        let join = Operation::PutVersionstamped { key, value, position, lease: Some(lease) };
        let operations = before.iter().map(scan).chain([join]);
        let outcome = TransactionBuilder::new().then(operations).execute(&**self.store()).await?;
        let place = self.place(tag, outcome.revision);
        let stands = |result: &OperationResult| match result {
            OperationResult::Scan { entries, .. } => !entries.is_empty(),
            _ => false,
        };
        match outcome.results.iter().any(stands) {
            true => Ok(ControlFlow::Continue(place)),
            false => Ok(ControlFlow::Break(place)),
        }
    }

    /// Takes a place if nobody stands in the lines `before`.
    pub(super) async fn try_join(
        &self,
        tag: Tag,
        value: Value,
        lease: LeaseId,
        before: &[Tag],
    ) -> Result<Option<Place>, CoordinationError> {
        let run = self.coordinator.database.run_committed(async |tx| {
            for tag in before {
                let first = RangeQuery::new(self.range(&[*tag])).limit(1);
                if !tx.get_range(first).await?.entries.is_empty() {
                    return Ok(());
                }
            }
            let (key, position) = self.unstamped(tag);
            tx.set_versionstamped_leased(key, value.clone(), position, lease)?;
            Ok::<_, CoordinationError>(())
        });
        let committed = run.await?;
        Ok(committed.revision.map(|revision| self.place(tag, revision)))
    }

    /// Waits until nobody stands before a place in some lines. Each waiter watches only the one
    /// right before it, so that a hand-over wakes one.
    pub(super) async fn wait_turn(
        &self,
        place: &Place,
        before: &[Tag],
    ) -> Result<(), CoordinationError> {
        for tag in before {
            while let (Some(last), revision) = self.last_before(*tag, place).await? {
                self.wait_for_delete(&last, revision).await?;
            }
        }
        // Whoever lost its lease meanwhile has lost its place.
        match self.first(KeyRange::single(&place.key)).await? {
            (Some(_), _) => Ok(()),
            (None, _) => Err(CoordinationError::LeaseLost),
        }
    }

    /// The last key of a line before a place.
    async fn last_before(
        &self,
        tag: Tag,
        place: &Place,
    ) -> Result<(Option<aspen_core::KeyValue>, Revision), CoordinationError> {
        let start = self.range(&[tag]).start;
        let range = KeyRange::half_open(start, self.place(tag, place.revision).key.into_bytes());
        let (order, projection) = (ScanOrder::Reverse, Projection::KeysOnly);
        let request = ScanRequest { order, projection, limit: 1, ..ScanRequest::new(range) };
        let mut page = self.scan(request).await?;
        Ok((page.entries.pop(), page.revision))
    }

    /// Takes a place and waits until nobody stands before it.
    pub(super) async fn take_turn(
        &self,
        tenure: &Tenure,
        tag: Tag,
        value: Value,
        before: &[Tag],
    ) -> Result<Place, CoordinationError> {
        tenure
            .while_held(async {
                match self.join(tag, value, tenure.lease(), before).await? {
                    ControlFlow::Break(place) => Ok(place),
                    ControlFlow::Continue(place) => {
                        self.wait_turn(&place, before).await?;
                        Ok::<_, CoordinationError>(place)
                    }
                }
            })
            .await
    }
}
