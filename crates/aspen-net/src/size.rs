//! Upper bounds of encoded lengths, in bytes, without encoding: encoding twice would cost more than
//! the rest of a call. Every field is counted at its longest encoding.

use aspen_core::{
    ClientRequest, ClientResponse, Command, ControlRequest, ControlResponse, KEY_BYTES_MAX,
    KeyRange, KeyValue, LEASE_LIST_MAX, LeaseRequest, LeaseResponse, MESSAGE_BYTES_MAX, NodeRecord,
    OperationResult, Reply, SQL_QUERY_BYTES_MAX, SqlReply, TRANSACTION_BYTES_MAX,
    TRANSACTION_OPERATIONS_MAX, Transaction, WatchReply,
};

/// Fixed fields, tags and lengths of one message or item.
const MESSAGE: usize = 256;
const ITEM: usize = 64;
/// A number at its longest.
const WATCH_ID: usize = 10;
/// A lease's id, or a number beside it.
const LEASE: usize = 16;
/// A value of a row beside its bytes, or a row beside its values.
const SQL_VALUE: usize = 16;
/// Errors hold a text and perhaps two keys.
const ERROR: usize = 32 * 1024;

const _: () = assert!(LEASE_LIST_MAX * LEASE + MESSAGE < MESSAGE_BYTES_MAX);
const _: () = assert!(
    TRANSACTION_BYTES_MAX + TRANSACTION_OPERATIONS_MAX * ITEM + MESSAGE < MESSAGE_BYTES_MAX,
    "every legal transaction fits a message"
);

/// Of a request.
pub(crate) fn request_bytes_max(request: &ClientRequest) -> usize {
    MESSAGE
        + match request {
            ClientRequest::Read { request, .. } => {
                request.keys.iter().map(|key| ITEM + key.as_bytes().len()).sum()
            }
            ClientRequest::Scan { request, .. } => {
                let cursor = request.cursor.as_ref();
                range(&request.range) + cursor.map_or(0, |cursor| cursor.last_key.as_bytes().len())
            }
            ClientRequest::Propose { command: Command::Transaction(command), .. } => {
                transaction(command)
            }
            ClientRequest::Propose { .. } => 0,
            ClientRequest::Control(request) => control_request(request),
            ClientRequest::Watch { poll, .. } => {
                let adds: usize = poll.add.iter().map(|add| ITEM + range(&add.range)).sum();
                adds + poll.remove.len() * ITEM
            }
            ClientRequest::Lease { request: LeaseRequest::KeepAlive { leases }, .. } => {
                leases.len() * LEASE
            }
            ClientRequest::Lease { .. } => LEASE,
            ClientRequest::Sql { request, .. } => request.query.len(),
        }
}

/// Of a response. A node's own texts count at a generous bound.
pub(crate) fn response_bytes_max(response: &ClientResponse) -> usize {
    MESSAGE
        + match response {
            ClientResponse::Read(Ok(reply)) => {
                let present = reply.values.iter().flatten().map(key_value);
                reply.values.len() + present.sum::<usize>()
            }
            ClientResponse::Scan(Ok(page)) => {
                let cursor = page.cursor.as_ref();
                page.entries.iter().map(key_value).sum::<usize>()
                    + cursor.map_or(0, |cursor| cursor.last_key.as_bytes().len())
            }
            ClientResponse::Propose(Ok(reply)) => reply_bytes(reply),
            ClientResponse::Control(Ok(response)) => control_response(response),
            ClientResponse::Watch(Ok(reply)) => watch_reply(reply),
            ClientResponse::Lease(Ok(response)) => lease_response(response),
            ClientResponse::Sql(Ok(reply)) => sql_reply(reply),
            ClientResponse::Read(Err(_))
            | ClientResponse::Scan(Err(_))
            | ClientResponse::Propose(Err(_))
            | ClientResponse::Control(Err(_))
            | ClientResponse::Watch(Err(_))
            | ClientResponse::Lease(Err(_)) => ERROR,
            // SQLite's words quote the query.
            ClientResponse::Sql(Err(_)) => ERROR + SQL_QUERY_BYTES_MAX,
        }
}

fn range(range: &KeyRange) -> usize {
    ITEM + range.start.len() + range.end.as_ref().map_or(0, |end| end.len())
}

fn watch_reply(reply: &WatchReply) -> usize {
    let sets: usize = reply.sets.iter().map(|set| (1 + set.0.len()) * WATCH_ID).sum();
    let events: usize = reply.events.iter().map(|it| 2 * ITEM + it.event.len_bytes()).sum();
    let alone = reply.alone.len() * (ITEM + KEY_BYTES_MAX);
    sets + events + alone + reply.ended.len() * ITEM + KEY_BYTES_MAX
}

fn key_value(entry: &KeyValue) -> usize {
    ITEM + entry.key.as_bytes().len() + entry.value.len()
}

fn transaction(transaction: &Transaction) -> usize {
    let items = transaction.compares.len()
        + transaction.read_conflicts.len()
        + transaction.success.len()
        + transaction.failure.len();
    transaction.len_bytes() + items * ITEM
}

fn lease_response(response: &LeaseResponse) -> usize {
    match response {
        LeaseResponse::KeptAlive(kept) => kept.len() * LEASE,
        LeaseResponse::TimeToLive(None) => 0,
        LeaseResponse::TimeToLive(Some(status)) => {
            let keys = status.keys.iter().map(|key| ITEM + key.as_bytes().len());
            4 * LEASE + keys.sum::<usize>()
        }
        LeaseResponse::List { leases, .. } => leases.len() * LEASE,
    }
}

fn sql_reply(reply: &SqlReply) -> usize {
    let names = reply.columns.iter().map(|name| SQL_VALUE + name.len());
    let values = reply.rows.iter().flat_map(|row| &row.0).map(|it| SQL_VALUE + it.len_bytes());
    names.sum::<usize>() + reply.rows.len() * SQL_VALUE + values.sum::<usize>()
}

fn reply_bytes(reply: &Reply) -> usize {
    match reply {
        Reply::Transaction(outcome) => outcome.results.iter().map(result).sum(),
        Reply::Rejected(_) => ERROR,
        Reply::SessionOpen
        | Reply::Compacted { .. }
        | Reply::LeaseGranted { .. }
        | Reply::LeaseRevoked { .. }
        | Reply::LeasesExpired { .. }
        | Reply::RevisionPinned { .. } => 0,
    }
}

fn result(result: &OperationResult) -> usize {
    ITEM + match result {
        OperationResult::Get(entry) => entry.as_ref().map_or(0, key_value),
        OperationResult::Scan { entries, .. } => entries.iter().map(key_value).sum(),
        OperationResult::Put { .. } | OperationResult::Deleted { .. } => 0,
    }
}

fn record(record: &NodeRecord) -> usize {
    ITEM + record.addresses.iter().map(|address| ITEM + address.len()).sum::<usize>()
}

fn control_request(request: &ControlRequest) -> usize {
    match request {
        ControlRequest::Init { members, .. } => members.iter().map(record).sum(),
        ControlRequest::ChangeMembership { voters } => voters.len() * ITEM,
        _ => 0,
    }
}

fn control_response(response: &ControlResponse) -> usize {
    match response {
        ControlResponse::Done => 0,
        ControlResponse::Ticket(text) => text.len(),
        ControlResponse::Metrics(metrics) => group(metrics),
        ControlResponse::Status(status) => {
            let nodes = status.nodes.iter().map(|node| {
                record(&node.record) + ITEM + node.version.as_ref().map_or(0, String::len)
            });
            nodes.sum::<usize>()
                + status.groups.iter().map(|status| group(&status.metrics)).sum::<usize>()
        }
    }
}

fn group(metrics: &aspen_core::GroupMetrics) -> usize {
    let members = metrics.voters.len() + metrics.learners.len() + metrics.replication.len();
    MESSAGE + members * ITEM
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use aspen_core::{
        Cursor, GroupId, Key, Operation, ReadReply, ReadRequest, Revision, ScanPage, ScanRequest,
        SqlRequest, SqlRow, SqlValue, TransactionOutcome, Value, codec,
    };

    use super::*;

    fn key(len: usize) -> Key {
        Key::new(vec![b'k'; len]).unwrap()
    }

    fn entry() -> KeyValue {
        KeyValue {
            key: key(300),
            value: Value::new(vec![1; 5_000]).unwrap(),
            version: u64::MAX,
            create_revision: Revision::new(u64::MAX),
            mod_revision: Revision::new(u64::MAX),
            lease: None,
        }
    }

    #[test]
    fn bounds_are_above_the_encoded_length_and_near_it() {
        let group = GroupId::META;
        let mut scan = ScanRequest::new(KeyRange::prefix(vec![7; 200]));
        scan.cursor = Some(Cursor::new(Revision::new(u64::MAX), key(200)));
        let put = Operation::put(key(9), Value::new(vec![2; 900]).unwrap());
        let transaction = Transaction { success: vec![put; 50], ..Transaction::default() };
        let requests = [
            ClientRequest::Read {
                group,
                request: ReadRequest { keys: vec![key(100); 40], ..ReadRequest::one(key(1)) },
            },
            ClientRequest::Scan { group, request: scan },
            ClientRequest::Propose {
                group,
                session: None,
                command: Command::Transaction(transaction),
            },
            ClientRequest::Control(ControlRequest::Status),
            ClientRequest::Sql { group, request: SqlRequest::new("SELECT key ".repeat(400)) },
        ];
        for request in requests {
            let exact = codec::encode(&request).unwrap().len();
            let bound = request_bytes_max(&request);
            assert!(bound >= exact && bound <= 2 * exact + 4 * MESSAGE, "{bound} for {exact}");
        }
    }

    #[test]
    fn response_bounds_are_above_the_encoded_length() {
        let revision = Revision::new(u64::MAX);
        let entries = vec![entry(); 30];
        let results = vec![
            OperationResult::Scan { entries: entries.clone(), more: true },
            OperationResult::Get(Some(entry())),
            OperationResult::Put { version: u64::MAX, create_revision: revision },
        ];
        let outcome = TransactionOutcome { revision, succeeded: true, results };
        let page = ScanPage { revision, entries, count: u64::MAX, cursor: None };
        let row =
            SqlRow(vec![SqlValue::Text("x".repeat(700)), SqlValue::Blob(vec![7; 700].into())]);
        let columns = vec!["key".to_owned(), "value".to_owned()];
        let reply = SqlReply { revision, columns, rows: vec![row; 40], truncated: true };
        let responses = [
            ClientResponse::Sql(Ok(reply)),
            ClientResponse::Read(Ok(ReadReply { revision, values: vec![Some(entry()); 20] })),
            ClientResponse::Scan(Ok(page)),
            ClientResponse::Propose(Ok(Reply::Transaction(outcome))),
        ];
        for response in responses {
            let exact = codec::encode(&response).unwrap().len();
            let bound = response_bytes_max(&response);
            assert!(bound >= exact && bound <= 2 * exact, "{bound} for {exact}");
        }
    }
}
