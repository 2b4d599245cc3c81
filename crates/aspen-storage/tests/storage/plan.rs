//! Random commands. They come from a small world, so that they meet: eight keys, three clients,
//! revisions near the current one. What depends on the state, such as a revision, is planned
//! relative to it and resolved when the step runs.

use aspen_core::{
    AtomicOperation, CompareOperator, Key, KeyRange, LeaseId, Operation, Projection,
    SESSION_TTL_MS, ScanOrder, StampPosition, VERSIONSTAMP_BYTES, Value, Versionstamp,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Keys that share prefixes, and some at the ends of the key space.
pub(crate) const KEYS: [&[u8]; 8] = [b"\0", b"a", b"a\0", b"ab", b"b", b"ba", b"\xff", b"\xff\xff"];

pub(crate) fn key(number: usize) -> Key {
    Key::new(KEYS[number]).unwrap()
}

/// A revision relative to the current one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pick {
    Back(u64),
    Ahead(u64),
    /// The `mod_revision` of the key that it goes with; the current revision for a range.
    Exact,
    /// The pinned revision with this number, counted from the lowest; the current one without any.
    Pinned(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum PlannedTarget {
    Version(u64),
    CreateRevision(Pick),
    ModRevision(Pick),
    Value(Value),
    Lease(Option<LeaseId>),
}

#[derive(Clone, Debug)]
pub(crate) enum PlannedConflict {
    Key(usize, Pick),
    Range(KeyRange, Pick),
}

#[derive(Clone, Debug)]
pub(crate) struct PlannedTransaction {
    pub(crate) compares: Vec<(usize, PlannedTarget, CompareOperator)>,
    pub(crate) conflicts: Vec<PlannedConflict>,
    pub(crate) success: Vec<Operation>,
    pub(crate) failure: Vec<Operation>,
}

#[derive(Clone, Debug)]
pub(crate) enum PlannedCommand {
    Transaction(PlannedTransaction),
    OpenSession(u8),
    Compact(Pick),
    Grant(LeaseId, u64),
    Revoke(LeaseId),
    Expire(Vec<PlannedExpiry>),
    Pin(LeaseId, Option<Pick>),
}

/// A lease whose time is over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PlannedExpiry {
    /// The one in force under this id.
    Granted(LeaseId),
    /// One that had the id before it.
    Earlier(LeaseId),
    /// The private lease in force with this number, counted from the oldest.
    Private(usize),
}

/// Which sequence number of a client a proposal bears.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PlannedSequence {
    Next,
    /// One used before, this far back: a retry.
    Again(u64),
    /// Beyond the window.
    Far,
}

#[derive(Clone, Debug)]
pub(crate) struct PlannedStamp {
    pub(crate) client: u8,
    pub(crate) sequence: PlannedSequence,
    /// How many of the client's last writes are not settled.
    pub(crate) unsettled: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct PlannedProposal {
    pub(crate) stamp: Option<PlannedStamp>,
    pub(crate) command: PlannedCommand,
}

#[derive(Clone, Debug)]
pub(crate) struct PlannedScan {
    pub(crate) range: KeyRange,
    pub(crate) order: ScanOrder,
    pub(crate) limit: u32,
    pub(crate) bytes_max: usize,
    pub(crate) projection: Projection,
    pub(crate) at: Option<Pick>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// One log entry.
    Batch { clock_step_ms: i64, proposals: Vec<PlannedProposal> },
    /// Several entries applied at once.
    Entries(Vec<Vec<PlannedProposal>>),
    /// Makes what was applied durable.
    Flush,
    /// Kills the replica and starts it again from its disk and the log.
    Restart,
    /// Moves to a new replica by a snapshot.
    Snapshot,
}

fn key_number() -> impl Strategy<Value = usize> {
    0..KEYS.len()
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => (0u8..4).prop_map(|byte| Value::new(vec![b'v', byte]).unwrap()),
        1 => Just(Value::default()),
        2 => (0usize..6000).prop_map(|len| Value::new(vec![b'x'; len]).unwrap()),
    ]
}

fn bound() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => key_number().prop_map(|number| KEYS[number].to_vec()),
        1 => Just(Vec::new()),
        1 => Just(b"aa".to_vec()),
    ]
}

/// Ranges of all kinds, empty and inverted ones included.
fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        4 => (bound(), option::of(bound())).prop_map(|(start, end)| KeyRange {
            start: start.into(),
            end: end.map(Into::into),
        }),
        1 => bound().prop_map(KeyRange::prefix),
        1 => key_number().prop_map(|number| KeyRange::single(&key(number))),
        1 => Just(KeyRange::all()),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        6 => Just(Pick::Exact),
        6 => (0u64..8).prop_map(Pick::Back),
        1 => (8u64..60).prop_map(Pick::Back),
        1 => (1u64..3).prop_map(Pick::Ahead),
        3 => (0usize..3).prop_map(Pick::Pinned),
    ]
}

fn lease() -> impl Strategy<Value = Option<LeaseId>> {
    option::weighted(0.3, (1u64..3).prop_map(LeaseId::new))
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (key_number(), value(), lease())
            .prop_map(|(number, value, lease)| Operation::Put { key: key(number), value, lease }),
        4 => key_number().prop_map(|number| Operation::Delete { key: key(number) }),
        2 => range().prop_map(|range| Operation::DeleteRange { range }),
        4 => key_number().prop_map(|number| Operation::Get { key: key(number) }),
        2 => (range(), 0u32..6).prop_map(|(range, limit)| Operation::Scan { range, limit }),
        1 => range().prop_map(|range| Operation::Scan { range, limit: 10_001 }),
        6 => (key_number(), atomic())
            .prop_map(|(number, operation)| Operation::Atomic { key: key(number), operation }),
        2 => versionstamped(),
        3 => (key_number(), value(), 1_000u64..1_003).prop_map(|(number, value, ttl_ms)| {
            Operation::PutTtl { key: key(number), value, ttl_ms }
        }),
    ]
}

/// Operands as wide as the values of puts, and a little wider or narrower.
fn atomic() -> impl Strategy<Value = AtomicOperation> {
    let kind = prop_oneof![
        Just(AtomicOperation::Add as fn(Value) -> AtomicOperation),
        Just(AtomicOperation::BitAnd as _),
        Just(AtomicOperation::BitOr as _),
        Just(AtomicOperation::BitXor as _),
        Just(AtomicOperation::Max as _),
        Just(AtomicOperation::Min as _),
        Just(AtomicOperation::ByteMax as _),
        Just(AtomicOperation::ByteMin as _),
        Just(AtomicOperation::AppendIfFits as _),
        Just(AtomicOperation::CompareAndClear as _),
    ];
    let operand = prop_oneof![
        3 => value(),
        1 => vec(any::<u8>(), 0..4).prop_map(|bytes| Value::new(bytes).unwrap()),
    ];
    (kind, operand).prop_map(|(kind, operand)| kind(operand))
}

/// Puts whose stamp is in the value of a known key, in a new key, and one without a placeholder.
fn versionstamped() -> impl Strategy<Value = Operation> {
    let position = prop_oneof![
        4 => Just(StampPosition::Value(1)),
        4 => Just(StampPosition::Key(1)),
        1 => Just(StampPosition::Value(0)),
    ];
    (position, lease()).prop_map(|(position, lease)| {
        let template = [&b"b"[..], &Versionstamp::PLACEHOLDER].concat();
        let key = match position {
            StampPosition::Key(_) => Key::new(template.clone()).unwrap(),
            StampPosition::Value(_) => key(4),
        };
        assert_eq!(template.len(), 1 + VERSIONSTAMP_BYTES);
        Operation::PutVersionstamped { key, value: Value::new(template).unwrap(), position, lease }
    })
}

fn compare() -> impl Strategy<Value = (usize, PlannedTarget, CompareOperator)> {
    let target = prop_oneof![
        (0u64..4).prop_map(PlannedTarget::Version),
        pick().prop_map(PlannedTarget::CreateRevision),
        pick().prop_map(PlannedTarget::ModRevision),
        value().prop_map(PlannedTarget::Value),
        lease().prop_map(PlannedTarget::Lease),
    ];
    let operator = prop_oneof![
        Just(CompareOperator::Equal),
        Just(CompareOperator::NotEqual),
        Just(CompareOperator::Less),
        Just(CompareOperator::Greater),
    ];
    (key_number(), target, operator)
}

fn conflict() -> impl Strategy<Value = PlannedConflict> {
    prop_oneof![
        (key_number(), pick()).prop_map(|(number, pick)| PlannedConflict::Key(number, pick)),
        (range(), pick()).prop_map(|(range, pick)| PlannedConflict::Range(range, pick)),
    ]
}

fn transaction() -> impl Strategy<Value = PlannedTransaction> {
    prop_oneof![12 => small_transaction(), 1 => key_number().prop_map(large_transaction)]
}

/// Its result is too large for a session to keep.
fn large_transaction(number: usize) -> PlannedTransaction {
    let value = Value::new(vec![b'x'; 40_000]).unwrap();
    let get = || Operation::Get { key: key(number) };
    PlannedTransaction {
        compares: Vec::new(),
        conflicts: Vec::new(),
        success: vec![Operation::put(key(number), value), get(), get()],
        failure: Vec::new(),
    }
}

fn small_transaction() -> impl Strategy<Value = PlannedTransaction> {
    (
        prop_oneof![2 => Just(0usize..1), 1 => Just(0usize..3)],
        prop_oneof![2 => Just(0usize..1), 1 => Just(0usize..3)],
    )
        .prop_flat_map(|(compares, conflicts)| {
            (
                vec(compare(), compares),
                vec(conflict(), conflicts),
                vec(operation(), 0..5),
                vec(operation(), 0..3),
            )
        })
        .prop_map(|(compares, conflicts, success, failure)| PlannedTransaction {
            compares,
            conflicts,
            success,
            failure,
        })
}

fn stamp() -> impl Strategy<Value = PlannedStamp> {
    let sequence = prop_oneof![
        6 => Just(PlannedSequence::Next),
        3 => (0u64..6).prop_map(PlannedSequence::Again),
        1 => Just(PlannedSequence::Far),
    ];
    (0u8..3, sequence, 0u64..8).prop_map(|(client, sequence, unsettled)| PlannedStamp {
        client,
        sequence,
        unsettled,
    })
}

fn proposal() -> impl Strategy<Value = PlannedProposal> {
    let command = prop_oneof![
        20 => transaction().prop_map(PlannedCommand::Transaction),
        2 => (0u8..3).prop_map(PlannedCommand::OpenSession),
        2 => pick().prop_map(PlannedCommand::Compact),
        3 => lease_command(),
        2 => (lease_id(), option::of(pick()))
            .prop_map(|(lease, at)| PlannedCommand::Pin(lease, at)),
    ];
    (option::of(stamp()), command).prop_map(|(stamp, command)| PlannedProposal { stamp, command })
}

fn lease_id() -> impl Strategy<Value = LeaseId> {
    (1u64..3).prop_map(LeaseId::new)
}

fn lease_command() -> impl Strategy<Value = PlannedCommand> {
    let expiry = prop_oneof![
        3 => lease_id().prop_map(PlannedExpiry::Granted),
        1 => lease_id().prop_map(PlannedExpiry::Earlier),
        4 => (0usize..3).prop_map(PlannedExpiry::Private),
    ];
    prop_oneof![
        12 => (lease_id(), 1_000u64..1_003).prop_map(|(id, ttl)| PlannedCommand::Grant(id, ttl)),
        1 => (0u64..2).prop_map(|id| PlannedCommand::Grant(LeaseId::new(id), id * 999)),
        2 => lease_id().prop_map(PlannedCommand::Revoke),
        4 => vec(expiry, 0..4).prop_map(PlannedCommand::Expire),
    ]
}

/// Opens every client's session.
pub(crate) fn open_sessions() -> Step {
    let open =
        |client| PlannedProposal { stamp: None, command: PlannedCommand::OpenSession(client) };
    Step::Batch { clock_step_ms: 1, proposals: (0..3).map(open).collect() }
}

fn clock_step_ms() -> impl Strategy<Value = i64> {
    let ttl_ms = SESSION_TTL_MS as i64;
    prop_oneof![
        20 => 0i64..2_000,
        4 => Just(61_000i64),
        1 => Just(ttl_ms),
        2 => -5_000i64..0,
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (clock_step_ms(), vec(proposal(), 0..4))
            .prop_map(|(clock_step_ms, proposals)| Step::Batch { clock_step_ms, proposals }),
        4 => vec(vec(proposal(), 0..3), 1..4).prop_map(Step::Entries),
        3 => Just(Step::Flush),
        2 => Just(Step::Restart),
        1 => Just(Step::Snapshot),
    ]
}

pub(crate) fn scan() -> impl Strategy<Value = PlannedScan> {
    let order = prop_oneof![Just(ScanOrder::Forward), Just(ScanOrder::Reverse)];
    let projection = prop_oneof![
        3 => Just(Projection::Full),
        1 => Just(Projection::KeysOnly),
        1 => Just(Projection::CountOnly),
    ];
    let limit = prop_oneof![4 => 1u32..5, 1 => Just(10_000u32)];
    let bytes_max = prop_oneof![1 => 1usize..20, 2 => Just(4 * 1024 * 1024)];
    (range(), order, limit, bytes_max, projection, option::of(pick())).prop_map(
        |(range, order, limit, bytes_max, projection, at)| PlannedScan {
            range,
            order,
            limit,
            bytes_max,
            projection,
            at,
        },
    )
}
