//! Planted faults: each must be found, or the comparison compares nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aspen_core::runtime::watch;
use aspen_core::{
    AtomicOperation, Command, GroupId, Key, LeaseId, Operation, Proposal, ProposalBatch,
    ReadConflict, ReadReply, Reply, Revision, ScanPage, ScanRequest, codec,
};
use aspen_storage::{
    AppliedState, Changes, ChangesRequest, Entry, EntryPayload, LeaseFeed, LeaseTerms, LeasedKeys,
    MemoryStateMachine, SnapshotFile, StateError, StateMachine,
};
use async_trait::async_trait;

use crate::equivalence::find_difference;
use crate::subject::Subject;

/// A fault: what it does to a proposal before it is applied.
trait Fault: Send + Sync + 'static {
    fn tamper(proposal: &mut Proposal);
}

/// A memory state machine with a fault.
struct Faulty<F> {
    machine: Arc<MemoryStateMachine>,
    fault: std::marker::PhantomData<F>,
}

impl<F: Fault> Faulty<F> {
    fn tamper(entry: &mut Entry) {
        let EntryPayload::Batch(bytes) = &mut entry.payload else { return };
        let mut batch: ProposalBatch = codec::decode(bytes).unwrap();
        batch.proposals.iter_mut().for_each(F::tamper);
        *bytes = codec::encode(&batch).unwrap();
    }
}

impl<F: Fault> Subject for Faulty<F> {
    fn create(dir: &Path) -> Self {
        let machine = MemoryStateMachine::new(GroupId::META, dir);
        Self { machine, fault: std::marker::PhantomData }
    }

    fn machine(&self) -> &dyn StateMachine {
        self
    }

    async fn restart(self) -> Self {
        Self { machine: MemoryStateMachine::open(&self.machine.disk()), fault: self.fault }
    }
}

#[async_trait]
impl<F: Fault> StateMachine for Faulty<F> {
    fn applied(&self) -> AppliedState {
        self.machine.applied()
    }

    fn revision(&self) -> Revision {
        self.machine.revision()
    }

    async fn apply(&self, mut entries: Vec<Entry>) -> Result<Vec<Vec<Reply>>, StateError> {
        entries.iter_mut().for_each(Self::tamper);
        self.machine.apply(entries).await
    }

    async fn read(
        &self,
        requests: Vec<(Vec<Key>, Option<Revision>)>,
    ) -> Vec<Result<ReadReply, StateError>> {
        self.machine.read(requests).await
    }

    async fn scan(
        &self,
        request: ScanRequest,
        at: Option<Revision>,
    ) -> Result<ScanPage, StateError> {
        self.machine.scan(request, at).await
    }

    async fn sql(
        &self,
        request: aspen_core::SqlRequest,
    ) -> Result<aspen_core::SqlReply, aspen_core::SqlError> {
        self.machine.sql(request).await
    }

    async fn changes(&self, request: ChangesRequest) -> Result<Changes, StateError> {
        self.machine.changes(request).await
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.machine.revisions()
    }

    fn lease_feed(&self) -> &LeaseFeed {
        self.machine.lease_feed()
    }

    async fn leases(&self) -> Result<Vec<(LeaseId, LeaseTerms)>, StateError> {
        self.machine.leases().await
    }

    async fn leased(
        &self,
        lease: LeaseId,
        keys_max: usize,
    ) -> Result<Option<LeasedKeys>, StateError> {
        self.machine.leased(lease, keys_max).await
    }

    async fn flush(&self) -> Result<AppliedState, StateError> {
        self.machine.flush().await
    }

    fn flushed(&self) -> AppliedState {
        self.machine.flushed()
    }

    async fn build_snapshot(&self) -> Result<SnapshotFile, StateError> {
        self.machine.build_snapshot().await
    }

    async fn latest_snapshot(&self) -> Result<Option<SnapshotFile>, StateError> {
        self.machine.latest_snapshot().await
    }

    fn incoming_path(&self) -> PathBuf {
        self.machine.incoming_path()
    }

    async fn install_snapshot(&self, path: PathBuf) -> Result<AppliedState, StateError> {
        self.machine.install_snapshot(path).await
    }

    async fn check_integrity(&self) -> Result<Vec<String>, StateError> {
        self.machine.check_integrity().await
    }

    fn head_bytes(&self) -> usize {
        self.machine.head_bytes()
    }

    async fn close(&self) -> Result<(), StateError> {
        self.machine.close().await
    }
}

macro_rules! canary {
    ($test:ident, $proposal:ident => $tamper:expr) => {
        #[test]
        fn $test() {
            struct Planted;
            impl Fault for Planted {
                fn tamper($proposal: &mut Proposal) {
                    $tamper
                }
            }
            assert!(find_difference::<Faulty<Planted>>(256, 40), "the fault was not found");
        }
    };
}

fn conflicts(proposal: &mut Proposal) -> Option<&mut Vec<ReadConflict>> {
    match &mut proposal.command {
        Command::Transaction(transaction) => Some(&mut transaction.read_conflicts),
        _ => None,
    }
}

fn operations(proposal: &mut Proposal) -> impl Iterator<Item = &mut Operation> {
    let found = match &mut proposal.command {
        Command::Transaction(transaction) => Some(transaction),
        _ => None,
    };
    found.into_iter().flat_map(|found| found.success.iter_mut().chain(&mut found.failure))
}

canary!(finds_that_a_retry_happens_twice, proposal => proposal.session = None);

canary!(finds_that_key_conflicts_are_ignored, proposal => if let Some(all) = conflicts(proposal) {
    all.retain(|one| !matches!(one, ReadConflict::Key { .. }));
});

canary!(finds_that_range_conflicts_are_ignored, proposal => if let Some(all) = conflicts(proposal) {
    all.retain(|one| !matches!(one, ReadConflict::Range { .. }));
});

canary!(finds_that_compaction_goes_too_far, proposal => {
    if let Command::Compact { horizon } = &mut proposal.command {
        *horizon = horizon.next();
    }
});

canary!(finds_that_a_range_delete_takes_too_much, proposal => {
    operations(proposal).for_each(|operation| {
        if let Operation::DeleteRange { range } = operation {
            range.end = None;
        }
    });
});

canary!(finds_that_a_lease_is_lost, proposal => operations(proposal).for_each(|operation| {
    if let Operation::Put { lease, .. } = operation {
        *lease = lease.filter(|lease| *lease != LeaseId::new(2));
    }
}));

canary!(finds_that_an_atomic_operation_takes_the_lease, proposal => {
    operations(proposal).for_each(|operation| {
        if let Operation::Atomic { key, operation: AtomicOperation::ByteMax(operand) } = operation {
            *operation = Operation::put(key.clone(), operand.clone());
        }
    });
});

canary!(finds_that_min_is_max, proposal => operations(proposal).for_each(|operation| {
    if let Operation::Atomic { operation, .. } = operation
        && let AtomicOperation::Min(operand) = operation
    {
        *operation = AtomicOperation::Max(operand.clone());
    }
}));

canary!(finds_that_a_stamp_is_left_out, proposal => operations(proposal).for_each(|operation| {
    if let Operation::PutVersionstamped { key, value, lease, .. } = operation {
        let (key, value) = (key.clone(), value.clone());
        *operation = Operation::Put { key, value, lease: *lease };
    }
}));

canary!(finds_that_an_earlier_grant_ends_a_lease, proposal => {
    if let Command::ExpireLeases { leases } = &mut proposal.command {
        leases.iter_mut().for_each(|expiring| expiring.grant += 1);
    }
});

canary!(finds_that_a_ttl_is_forgotten, proposal => operations(proposal).for_each(|operation| {
    if let Operation::PutTtl { key, value, .. } = operation {
        *operation = Operation::put(key.clone(), value.clone());
    }
}));

canary!(finds_that_settled_results_are_kept, proposal => {
    if let Some(stamp) = &mut proposal.session {
        stamp.settled_below = 0;
    }
});

canary!(finds_that_a_pin_is_ignored, proposal => {
    if let Command::PinRevision { lease, .. } = &mut proposal.command {
        *lease = LeaseId::new(99);
    }
});

canary!(finds_that_a_pin_outlives_its_lease, proposal => {
    if let Command::PinRevision { lease, .. } = &mut proposal.command {
        *lease = LeaseId::new(lease.get() % 2 + 1);
    }
});
