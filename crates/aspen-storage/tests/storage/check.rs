//! Runs a plan on a state machine and on the model, and compares everything that can be seen.

use aspen_core::{
    Consistency, Cursor, ExpiringLease, KeyRange, KeyValueStore, LeaseId, Leases, LogIndex,
    ReadError, ReadRequest, Reply, Revision, ScanPage, ScanRequest, WatchEvent, WatchPosition,
    codec,
};
use aspen_storage::{
    ChangesRequest, Entry, EntryPayload, LeaseTerms, LeasedKeys, Position, StateError, StateMachine,
};
use bytes::Bytes;
use tempfile::TempDir;

use crate::model::{Expected, Model};
use crate::plan::{KEYS, PlannedProposal, PlannedScan, Step, key};
use crate::subject::Subject;

/// A replica beside its model, with the log that it would replay.
struct Run<S> {
    model: Model,
    subject: S,
    dirs: Vec<TempDir>,
    log: Vec<Entry>,
    replies: Vec<Vec<Reply>>,
}

/// Runs the steps; after each, compares reads and the scans given. Panics where they differ;
/// otherwise gives every reply.
pub(crate) fn run<S: Subject>(steps: &[Step], scans: &[PlannedScan]) -> Vec<Reply> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let mut run = Run {
            model: Model::default(),
            subject: S::create(dir.path()),
            dirs: vec![dir],
            log: Vec::new(),
            replies: Vec::new(),
        };
        for (number, step) in steps.iter().enumerate() {
            run = run.step(step).await;
            run.check_reads().await;
            run.check_changes(number).await;
            run.check_leases().await;
            // Two scans a step, others at the next, so that every plan sees many states.
            for scan in scans.iter().cycle().skip(2 * number).take(2) {
                run.check_scan(scan).await;
            }
        }
        let faults = run.subject.machine().check_integrity().await.unwrap();
        assert_eq!(faults, Vec::<String>::new());
        run.subject.machine().close().await.unwrap();
        run.replies.into_iter().flatten().collect()
    })
}

fn position(index: usize) -> Position {
    let marker = Bytes::from(format!("log id {index}"));
    Position { index: LogIndex::new(index as u64), marker }
}

/// All changes as the machine tells them, a few at a time, without the states before; `None` when
/// they are compacted.
async fn collect_changes(
    machine: &dyn StateMachine,
    range: KeyRange,
    after: Revision,
    visits_max: usize,
) -> Option<Vec<WatchEvent>> {
    let until = machine.revision();
    let mut position = WatchPosition::through(after);
    let mut found = Vec::new();
    while position < WatchPosition::through(until) {
        let (range, after) = (range.clone(), position.clone());
        let request = ChangesRequest { range, after, until, visits_max, bytes_max: 1 << 20 };
        let changes = match machine.changes(request).await {
            Err(StateError::Compacted { .. }) => return None,
            changes => changes.unwrap(),
        };
        assert!(changes.through > position, "it goes on");
        position = changes.through;
        found.extend(changes.changes);
    }
    Some(found.into_iter().map(WatchEvent::from).collect())
}

impl<S: Subject> Run<S> {
    async fn step(mut self, step: &Step) -> Self {
        match step {
            Step::Batch { clock_step_ms, proposals } => {
                self.entries(*clock_step_ms, std::slice::from_ref(proposals)).await;
            }
            Step::Entries(entries) => self.entries(1, entries).await,
            Step::Flush => {
                let flushed = self.subject.machine().flush().await.unwrap();
                assert_eq!(flushed, self.subject.machine().applied());
                assert_eq!(self.subject.machine().flushed(), flushed);
            }
            Step::Restart => {
                self.subject = self.subject.restart().await;
                self.replay().await;
            }
            Step::Snapshot => self.move_by_snapshot().await,
        }
        self
    }

    async fn entries(&mut self, clock_step_ms: i64, entries: &[Vec<PlannedProposal>]) {
        let mut expected: Vec<Vec<Expected>> = Vec::new();
        let first = self.log.len();
        for planned in entries {
            let batch = self.model.resolve(clock_step_ms, planned).await;
            expected.push(self.model.apply(&batch));
            let payload = EntryPayload::Batch(codec::encode(&batch).unwrap());
            self.log.push(Entry { position: position(self.log.len()), payload });
        }
        let replies = self.subject.machine().apply(self.log[first..].to_vec()).await.unwrap();
        assert_eq!(replies.len(), expected.len());
        for (replies, expected) in replies.iter().zip(&expected) {
            assert_eq!(replies.len(), expected.len());
            for (reply, expected) in replies.iter().zip(expected) {
                assert!(expected.allows(reply), "\nexpected {expected:#?}\nbut got {reply:#?}");
            }
        }
        self.replies.extend(replies);
        self.check_position();
    }

    /// The changes after some revision, in pieces of some length, are those of the model.
    async fn check_changes(&self, number: usize) {
        let current = self.model.store.revision().get();
        let after = Revision::new(number as u64 * 7 % (current + 1));
        let range = match number % 3 {
            0 => KeyRange::all(),
            1 => KeyRange::from_key(key(KEYS.len() / 2).into_bytes()),
            _ => KeyRange::single(&key(number % KEYS.len())),
        };
        let mut expected = self.model.store.changes(&range, after).ok();
        expected.iter_mut().flatten().for_each(|event| event.previous = None);
        let found = collect_changes(self.subject.machine(), range, after, 1 + number % 5).await;
        assert_eq!(found, expected, "after {after}");
    }

    fn check_position(&self) {
        let machine = self.subject.machine();
        assert_eq!(machine.revision(), self.model.store.revision());
        let last = self.log.len().checked_sub(1).map(position);
        assert_eq!(machine.applied().position, last);
    }

    /// Applies again what the replica had not made durable; the replies must be the same.
    async fn replay(&mut self) {
        let applied = self.subject.machine().applied().position;
        let next = applied.map_or(0, |position| position.index.get() as usize + 1);
        let replies = self.subject.machine().apply(self.log[next..].to_vec()).await.unwrap();
        assert_eq!(replies, self.replies[next..]);
        self.check_position();
    }

    async fn move_by_snapshot(&mut self) {
        let built = self.subject.machine().build_snapshot().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let target = S::create(dir.path());
        let incoming = target.machine().incoming_path();
        std::fs::copy(&built.path, &incoming).unwrap();
        let installed = target.machine().install_snapshot(incoming).await.unwrap();
        assert_eq!(installed, built.applied);
        assert_eq!(installed, self.subject.machine().applied());
        self.subject.machine().close().await.unwrap();
        self.subject = target;
        self.dirs.push(dir);
        self.check_position();
    }

    /// Revisions worth reading at: now, some of the past, the horizon's edges, the future, and what
    /// is pinned with the revisions around it.
    fn revisions(&self) -> Vec<Option<Revision>> {
        let (current, horizon) = (self.model.store.revision().get(), self.model.horizon.get());
        let past = [current.saturating_sub(1), current / 2, horizon, horizon.saturating_sub(1)];
        let named = past.into_iter().chain([current, current + 1]);
        let pinned = self.model.store.pinned_revisions().into_iter().map(Revision::get);
        let pinned = pinned.flat_map(|at| [at.saturating_sub(1), at, at + 1]);
        named.chain(pinned).map(|raw| Some(Revision::new(raw))).chain([None]).collect()
    }

    async fn check_reads(&self) {
        let keys: Vec<_> = (0..KEYS.len()).map(key).collect();
        let revisions = self.revisions();
        let requests = revisions.iter().map(|at| (keys.clone(), *at)).collect();
        let actual = self.subject.machine().read(requests).await;
        assert_eq!(actual.len(), revisions.len());
        for (actual, at) in actual.into_iter().zip(revisions) {
            let consistency = at.map_or(Consistency::Stale, Consistency::AtRevision);
            let request = ReadRequest { keys: keys.clone(), consistency };
            assert_eq!(actual.map_err(ReadError::from), self.model.store.read(request).await);
        }
    }

    /// Compares which leases there are, and their keys.
    async fn check_leases(&self) {
        let machine = self.subject.machine();
        let expected = self.model.store.granted_leases();
        let terms = |(granted, ttl_ms): &(ExpiringLease, u64)| {
            (granted.lease, LeaseTerms { grant: granted.grant, ttl_ms: *ttl_ms })
        };
        let granted: Vec<_> = expected.iter().map(terms).collect();
        assert_eq!(machine.leases().await.unwrap(), granted);
        for (lease, _) in granted.into_iter().chain([(LeaseId::new(99), LeaseTerms::default())]) {
            let expected = self.model.store.time_to_live(lease, true).await.unwrap();
            let expected = expected.map(|status| LeasedKeys {
                count: status.keys_attached as usize,
                keys: status.keys,
            });
            assert_eq!(machine.leased(lease, KEYS.len()).await.unwrap(), expected, "{lease}");
        }
    }

    /// Compares every page of a scan.
    async fn check_scan(&self, planned: &PlannedScan) {
        let mut at = planned.at.map(|pick| self.model.revision(pick));
        let mut request = ScanRequest {
            range: planned.range.clone(),
            order: planned.order,
            limit: planned.limit,
            bytes_max: planned.bytes_max,
            projection: planned.projection,
            consistency: at.map_or(Consistency::Stale, Consistency::AtRevision),
            cursor: None,
        };
        loop {
            let actual = self.subject.machine().scan(request.clone(), at).await;
            let expected = self.model.store.scan(request.clone()).await;
            assert_eq!(actual.map_err(ReadError::from), expected, "{request:?}");
            let Ok(ScanPage { cursor: Some(cursor), .. }) = expected else { return };
            let Cursor { revision, .. } = cursor;
            at = Some(revision);
            request.cursor = Some(cursor);
        }
    }
}
