//! The client over the real network, against one node that serves a store from memory.
#![cfg(not(madsim))]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;

use aspen_client::{Client, ClientOptions, PeerAddress, Ticket};
use aspen_core::{
    Caller, ClientId, ClientRequest, ClientResponse, ClusterId, Command, ControlError, ErrorKind,
    JoinReply, JoinRequest, Key, KeyRange, KeyValueStore, MemoryStore, NodeId, PeerHandler,
    PeerRejection, PeerRequest, ReadError, Rejection, Reply, RequestHandler, Rights, ScanRequest,
    Value, WriteCommand, WriteError, WriteFailure,
};
use aspen_net::{Cookie, NodeNet, NodeNetOptions, SecretKey};
use async_trait::async_trait;
use parking_lot::Mutex;

#[derive(Default)]
struct Server {
    store: MemoryStore,
    sessions: Mutex<BTreeSet<ClientId>>,
    /// How many requests each batch held.
    batches: Mutex<Vec<usize>>,
}

impl Server {
    async fn answer(&self, caller: Caller, request: ClientRequest) -> ClientResponse {
        match request {
            ClientRequest::Read { request, .. } => {
                ClientResponse::Read(self.store.read(request).await)
            }
            ClientRequest::Scan { request, .. } => {
                ClientResponse::Scan(self.store.scan(request).await)
            }
            ClientRequest::Propose { .. } if caller.rights < Rights::Write => {
                let failure = WriteFailure::Denied("the grant allows reading only".to_owned());
                ClientResponse::Propose(Err(WriteError::not_applied(failure)))
            }
            ClientRequest::Propose { session, command, .. } => ClientResponse::Propose(
                self.propose(session.map(|stamp| stamp.client), command).await,
            ),
            ClientRequest::Watch { .. } => {
                ClientResponse::Watch(Err(aspen_core::WatchPollError::UnknownSession))
            }

            ClientRequest::Lease { .. } => {
                ClientResponse::Lease(Err(ReadError::Unavailable("no leases here".to_owned())))
            }
            ClientRequest::Sql { .. } => {
                let error = aspen_core::SqlError::Unsupported("no SQL here".to_owned());
                ClientResponse::Sql(Err(error))
            }
            ClientRequest::Control(_) => {
                ClientResponse::Control(Err(ControlError::Unavailable("one node only".to_owned())))
            }
        }
    }

    async fn propose(
        &self,
        client: Option<ClientId>,
        command: Command,
    ) -> Result<Reply, WriteError> {
        match command {
            Command::OpenSession { client } => {
                self.sessions.lock().insert(client);
                Ok(Reply::SessionOpen)
            }
            Command::Transaction(transaction) => {
                let is_open = client.is_some_and(|client| self.sessions.lock().contains(&client));
                if !is_open {
                    return Ok(Reply::Rejected(Rejection::SessionExpired));
                }
                let outcome = self.store.write(WriteCommand::Transaction(transaction)).await?;
                Ok(Reply::Transaction(outcome))
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[async_trait]
impl RequestHandler for Server {
    async fn handle(&self, caller: Caller, requests: Vec<ClientRequest>) -> Vec<ClientResponse> {
        self.batches.lock().push(requests.len());
        let mut responses = Vec::new();
        for request in requests {
            responses.push(self.answer(caller, request).await);
        }
        responses
    }

    async fn join(&self, _: JoinRequest) -> JoinReply {
        JoinReply::Refused("this cluster has one node".to_owned())
    }
}

struct NoPeers;

#[async_trait]
impl PeerHandler for NoPeers {
    async fn handle(&self, _: NodeId, _: PeerRequest) -> Result<bytes::Bytes, PeerRejection> {
        Err(PeerRejection::Unavailable("this cluster has one node".to_owned()))
    }
}

async fn serve() -> (Arc<NodeNet>, Arc<Server>) {
    let cookie = Cookie::new("a cookie for tests").unwrap();
    let options = NodeNetOptions::new(NodeId::new(1), SecretKey::generate(), cookie);
    let net = NodeNet::bind(options).await.unwrap();
    net.set_cluster(ClusterId::new([5; 16]));
    net.set_peers(vec![net.record()]);
    let server = Arc::new(Server::default());
    net.serve(Arc::new(NoPeers), server.clone());
    (net, server)
}

fn ticket(net: &NodeNet, rights: Rights) -> Ticket {
    Ticket {
        cluster: ClusterId::new([5; 16]),
        peers: vec![PeerAddress::from(&net.record())],
        grant: Some(net.issue_grant(rights, None).unwrap()),
    }
}

fn key(number: usize) -> Key {
    Key::new(format!("k{number:03}").into_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_write_and_read_through_one_client() {
    let (net, server) = serve().await;
    let client = Client::connect(&ticket(&net, Rights::Write).to_string()).await.unwrap();
    let writes: Vec<_> = (0..200)
        .map(|number| {
            let client = client.clone();
            aspen_core::runtime::spawn(async move {
                client.set(key(number), Value::try_from("v").unwrap()).await
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let page = client.scan(ScanRequest::new(KeyRange::all())).await.unwrap();
    assert_eq!(page.count, 200);
    assert!(client.get(key(7)).await.unwrap().is_some());
    assert_eq!(server.sessions.lock().len(), 1, "concurrent first writes open one session");
    assert!(
        server.batches.lock().iter().any(|count| *count > 1),
        "concurrent writes share batches"
    );
    client.close().await;
    net.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_are_enforced_and_told() {
    let (net, _) = serve().await;
    let reader =
        Client::connect_with(ticket(&net, Rights::Read), ClientOptions::default()).await.unwrap();
    assert_eq!(reader.get(key(1)).await, Ok(None));
    let error = reader.set(key(1), Value::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    reader.close().await;

    let stranger = Ticket { grant: None, ..ticket(&net, Rights::Read) };
    let stranger = Client::connect_with(stranger, ClientOptions::default()).await.unwrap();
    let error = stranger.get(key(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    stranger.close().await;
    net.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_gone_is_told_at_the_deadline() {
    let (net, _) = serve().await;
    let ticket = ticket(&net, Rights::Write);
    net.close().await;
    drop(net);
    let options = ClientOptions { request_timeout_ms: 300, ..ClientOptions::default() };
    let client = Client::connect_with(ticket, options).await.unwrap();
    let error = client.set(key(1), Value::default()).await.unwrap_err();
    assert_eq!(error.applied, aspen_core::Applied::No, "{error}");
    client.close().await;
}
