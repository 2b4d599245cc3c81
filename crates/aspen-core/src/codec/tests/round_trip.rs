//! What is encoded is decoded, and what is not an encoding is refused without a panic.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::codec::{decode, encode};
use crate::*;

fn key() -> impl Strategy<Value = Key> {
    vec(any::<u8>(), 1..40).prop_map(|bytes| Key::new(bytes).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    vec(any::<u8>(), 0..300).prop_map(|bytes| Value::new(bytes).unwrap())
}

fn range() -> impl Strategy<Value = KeyRange> {
    (vec(any::<u8>(), 0..9), option::of(vec(any::<u8>(), 0..9)))
        .prop_map(|(start, end)| KeyRange { start: start.into(), end: end.map(Into::into) })
}

fn revision() -> impl Strategy<Value = Revision> {
    any::<u64>().prop_map(Revision::new)
}

fn lease() -> impl Strategy<Value = Option<LeaseId>> {
    option::of(any::<u64>().prop_map(LeaseId::new))
}

fn compare() -> impl Strategy<Value = Compare> {
    let target = prop_oneof![
        any::<u64>().prop_map(CompareTarget::Version),
        revision().prop_map(CompareTarget::CreateRevision),
        revision().prop_map(CompareTarget::ModRevision),
        value().prop_map(CompareTarget::Value),
        lease().prop_map(CompareTarget::Lease),
    ];
    let operator = prop_oneof![
        Just(CompareOperator::Equal),
        Just(CompareOperator::NotEqual),
        Just(CompareOperator::Less),
        Just(CompareOperator::Greater),
    ];
    (key(), target, operator).prop_map(|(key, target, operator)| Compare { key, target, operator })
}

fn read_conflict() -> impl Strategy<Value = ReadConflict> {
    prop_oneof![
        (key(), revision()).prop_map(|(key, expected)| ReadConflict::Key { key, expected }),
        (range(), revision())
            .prop_map(|(range, read_revision)| ReadConflict::Range { range, read_revision }),
    ]
}

fn atomic() -> impl Strategy<Value = AtomicOperation> {
    prop_oneof![
        value().prop_map(AtomicOperation::Add),
        value().prop_map(AtomicOperation::BitXor),
        value().prop_map(AtomicOperation::ByteMin),
        value().prop_map(AtomicOperation::AppendIfFits),
        value().prop_map(AtomicOperation::CompareAndClear),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (key(), value(), lease()).prop_map(|(key, value, lease)| Operation::Put {
            key,
            value,
            lease
        }),
        key().prop_map(|key| Operation::Delete { key }),
        range().prop_map(|range| Operation::DeleteRange { range }),
        key().prop_map(|key| Operation::Get { key }),
        (range(), any::<u32>()).prop_map(|(range, limit)| Operation::Scan { range, limit }),
        (key(), atomic()).prop_map(|(key, operation)| Operation::Atomic { key, operation }),
        (key(), value(), any::<(bool, u32)>(), lease()).prop_map(
            |(key, value, (in_key, offset), lease)| {
                let place = if in_key { StampPosition::Key } else { StampPosition::Value };
                Operation::PutVersionstamped { key, value, position: place(offset), lease }
            }
        ),
        (key(), value(), any::<u64>()).prop_map(|(key, value, ttl_ms)| Operation::PutTtl {
            key,
            value,
            ttl_ms
        }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let transaction = (
        vec(compare(), 0..3),
        vec(read_conflict(), 0..3),
        vec(operation(), 0..4),
        vec(operation(), 0..4),
    )
        .prop_map(|(compares, read_conflicts, success, failure)| {
            Command::Transaction(Transaction { compares, read_conflicts, success, failure })
        });
    prop_oneof![
        4 => transaction,
        1 => any::<[u8; 16]>().prop_map(|id| Command::OpenSession { client: ClientId::new(id) }),
        1 => revision().prop_map(|horizon| Command::Compact { horizon }),
        1 => lease_command(),
    ]
}

fn lease_command() -> impl Strategy<Value = Command> {
    let id = || any::<u64>().prop_map(LeaseId::new);
    let expiring = (id(), any::<u64>()).prop_map(|(lease, grant)| ExpiringLease { lease, grant });
    prop_oneof![
        (id(), any::<u64>()).prop_map(|(lease, ttl_ms)| Command::GrantLease { lease, ttl_ms }),
        id().prop_map(|lease| Command::RevokeLease { lease }),
        vec(expiring, 0..4).prop_map(|leases| Command::ExpireLeases { leases }),
        (id(), option::of(revision()))
            .prop_map(|(lease, revision)| Command::PinRevision { lease, revision }),
    ]
}

fn stamp() -> impl Strategy<Value = SessionStamp> {
    any::<([u8; 16], u64, u64)>().prop_map(|(client, sequence, settled_below)| SessionStamp {
        client: ClientId::new(client),
        sequence,
        settled_below,
    })
}

fn batch() -> impl Strategy<Value = ProposalBatch> {
    let proposal = (option::of(stamp()), command())
        .prop_map(|(session, command)| Proposal { session, command });
    (any::<u64>(), vec(proposal, 0..4))
        .prop_map(|(time_ms, proposals)| ProposalBatch { time_ms, proposals })
}

fn entry() -> impl Strategy<Value = KeyValue> {
    (key(), value(), any::<u64>(), revision(), revision(), lease()).prop_map(
        |(key, value, version, create_revision, mod_revision, lease)| KeyValue {
            key,
            value,
            version,
            create_revision,
            mod_revision,
            lease,
        },
    )
}

fn reply() -> impl Strategy<Value = Reply> {
    let result = prop_oneof![
        (any::<u64>(), revision()).prop_map(|(version, create_revision)| OperationResult::Put {
            version,
            create_revision
        }),
        any::<u64>().prop_map(|count| OperationResult::Deleted { count }),
        option::of(entry()).prop_map(OperationResult::Get),
        (vec(entry(), 0..4), any::<bool>())
            .prop_map(|(entries, more)| OperationResult::Scan { entries, more }),
    ];
    let outcome = (revision(), any::<bool>(), vec(result, 0..4)).prop_map(
        |(revision, succeeded, results)| TransactionOutcome { revision, succeeded, results },
    );
    let conflict = (key(), option::of(range()), revision(), revision())
        .prop_map(|(key, range, expected, actual)| Conflict { key, range, expected, actual });
    prop_oneof![
        outcome.prop_map(Reply::Transaction),
        conflict.prop_map(|conflict| Reply::Rejected(conflict.into())),
        ".*".prop_map(|detail| Reply::Rejected(Rejection::Invalid(detail))),
        (any::<u64>(), any::<u64>())
            .prop_map(|(id, ttl_ms)| { Reply::LeaseGranted { lease: LeaseId::new(id), ttl_ms } }),
        any::<(u64, u64)>().prop_map(|(leases, keys)| {
            Reply::LeasesExpired { revision: Revision::new(keys), leases, keys }
        }),
        revision().prop_map(|revision| Reply::RevisionPinned { revision }),
    ]
}

proptest! {
    #[test]
    fn batches_round_trip(batch in batch()) {
        let bytes = encode(&batch).unwrap();
        prop_assert_eq!(decode::<ProposalBatch>(&bytes).unwrap(), batch);
    }

    #[test]
    fn replies_round_trip(reply in reply()) {
        let bytes = encode(&reply).unwrap();
        prop_assert_eq!(decode::<Reply>(&bytes).unwrap(), reply);
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode::<ProposalBatch>(&bytes);
        let _ = decode::<Reply>(&bytes);
        let _ = decode::<ClientRequest>(&bytes);
        let _ = decode::<ClientResponse>(&bytes);
        let _ = decode::<PeerRequest>(&bytes);
        let _ = decode::<JoinReply>(&bytes);
    }

    /// Nearly right bytes reach deeper than noise.
    #[test]
    fn a_damaged_batch_never_panics(
        batch in batch(),
        at in any::<prop::sample::Index>(),
        xor in 1u8..,
    ) {
        let mut bytes = encode(&batch).unwrap().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        let _ = decode::<ProposalBatch>(&bytes);
    }
}
