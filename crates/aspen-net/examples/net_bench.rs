//! Calls per second through [`aspen_net::ClientNet`] against a handler that does nothing.
//!
//! `cargo run --release -p aspen-net --example net_bench [SECONDS]`: one process, one runtime for
//! the node and one for the client, 256-byte values; reads that return one and writes that carry
//! one.
#![allow(clippy::print_stdout, reason = "a program that prints its figures")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    Caller, ClientRequest, ClientResponse, ClusterId, Command, GroupId, JoinReply, JoinRequest,
    Key, KeyValue, NodeId, Operation, PeerHandler, PeerRejection, PeerRequest, ReadReply,
    ReadRequest, Reply, RequestHandler, Revision, Rights, Transaction, Value, runtime,
};
use aspen_net::{
    ClientNet, ClientNetOptions, Cookie, NodeNet, NodeNetOptions, PeerAddress, SecretKey, Ticket,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Runtime;

type Failure = Box<dyn Error + Send + Sync>;

/// Far above any call here.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Answers at once.
struct Trivial {
    value: KeyValue,
}

#[async_trait]
impl PeerHandler for Trivial {
    async fn handle(&self, _: NodeId, request: PeerRequest) -> Result<Bytes, PeerRejection> {
        Ok(request.payload)
    }
}

#[async_trait]
impl RequestHandler for Trivial {
    async fn handle(&self, _: Caller, requests: Vec<ClientRequest>) -> Vec<ClientResponse> {
        let answer = |request| match request {
            ClientRequest::Read { .. } => ClientResponse::Read(Ok(ReadReply {
                revision: Revision::new(1),
                values: vec![Some(self.value.clone())],
            })),
            _ => ClientResponse::Propose(Ok(Reply::SessionOpen)),
        };
        requests.into_iter().map(answer).collect()
    }

    async fn join(&self, _: JoinRequest) -> JoinReply {
        JoinReply::Retry("this is a benchmark".to_owned())
    }
}

fn main() -> Result<(), Failure> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let (node_runtime, client_runtime) = (Runtime::new()?, Runtime::new()?);
    let (node, ticket) = node_runtime.block_on(start_node())?;
    let value = Value::new(vec![7; 256])?;
    client_runtime.block_on(async {
        let client = ClientNet::bind(&ticket, ClientNetOptions::default()).await?;
        for (name, request) in [("read", read()?), ("write", write(value)?)] {
            for in_flight in [1, 16, 64, 256] {
                let warm_up = Duration::from_millis(300);
                measure(&client, &ticket.peers[0], &request, in_flight, warm_up).await?;
                let duration = Duration::from_secs(seconds);
                let before = node.metrics();
                let mut took =
                    measure(&client, &ticket.peers[0], &request, in_flight, duration).await?;
                let after = node.metrics();
                let requests = after.requests_in - before.requests_in;
                let per_batch = requests as f64 / (after.batches_in - before.batches_in) as f64;
                report(name, in_flight, &mut took, duration, per_batch);
            }
        }
        client.close().await;
        Ok::<(), Failure>(())
    })?;
    node_runtime.block_on(node.close());
    Ok(())
}

async fn start_node() -> Result<(Arc<NodeNet>, Ticket), Failure> {
    let cookie = Cookie::new("benchmark")?;
    let options = NodeNetOptions::new(NodeId::new(1), SecretKey::generate(), cookie);
    let node = NodeNet::bind(options).await?;
    let revision = Revision::new(1);
    let value = KeyValue {
        key: key()?,
        value: Value::new(vec![7; 256])?,
        version: 1,
        create_revision: revision,
        mod_revision: revision,
        lease: None,
    };
    let handler = Arc::new(Trivial { value });
    let cluster = ClusterId::new([1; 16]);
    node.set_cluster(cluster);
    node.serve(handler.clone(), handler);
    let grant = Some(node.issue_grant(Rights::Write, None)?);
    let peers = vec![PeerAddress::from(&node.record())];
    Ok((node, Ticket { cluster, peers, grant }))
}

fn key() -> Result<Key, Failure> {
    Ok(Key::try_from("key-000000000001")?)
}

fn read() -> Result<ClientRequest, Failure> {
    Ok(ClientRequest::Read { group: GroupId::META, request: ReadRequest::one(key()?) })
}

fn write(value: Value) -> Result<ClientRequest, Failure> {
    let success = vec![Operation::put(key()?, value)];
    let command = Command::Transaction(Transaction { success, ..Transaction::default() });
    Ok(ClientRequest::Propose { group: GroupId::META, session: None, command })
}

/// Runs callers in a closed loop; how long each call took, in microseconds.
async fn measure(
    client: &Arc<ClientNet>,
    peer: &PeerAddress,
    request: &ClientRequest,
    in_flight: usize,
    duration: Duration,
) -> Result<Vec<u64>, Failure> {
    let end = runtime::now() + duration;
    let callers: Vec<_> = (0..in_flight)
        .map(|_| {
            let (client, peer, request) = (Arc::clone(client), peer.clone(), request.clone());
            runtime::spawn(async move {
                let mut took = Vec::new();
                loop {
                    let begun = runtime::now();
                    if begun >= end {
                        return Ok::<_, Failure>(took);
                    }
                    client.call(&peer, request.clone(), TIMEOUT).await?;
                    took.push(u64::try_from(begun.elapsed().as_micros())?);
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await??);
    }
    Ok(all)
}

fn report(name: &str, in_flight: usize, took: &mut [u64], duration: Duration, per_batch: f64) {
    took.sort_unstable();
    let quantile = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(0);
    let per_s = took.len() as f64 / duration.as_secs_f64();
    println!(
        "{name:<6} in_flight={in_flight:<4} calls_per_s={per_s:>8.0} p50_us={:<5} p99_us={:<6} \
         requests_per_batch={per_batch:.1}",
        quantile(50),
        quantile(99),
    );
}
