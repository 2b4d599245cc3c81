//! Reads and writes of a batch: those of one group share a call, and so a round of consensus.

use std::collections::BTreeMap;

use aspen_core::{
    Caller, ClientRequest, ClientResponse, Command, GroupId, LeaseRequest, LeaseResponse, Proposal,
    ReadError, ReadRequest, ScanRequest, SessionStamp, SqlError, SqlReply, SqlRequest, WatchPoll,
    WatchPollError, WatchReply, WriteError, WriteFailure,
};
use futures_util::future::{join_all, join3};

use super::control;
use crate::core::Core;
use crate::directory::Directory;

/// A batch, sorted by what can share a call. Positions are the requests' places in it.
#[derive(Default)]
pub(super) struct Batch {
    reads: BTreeMap<GroupId, (Vec<usize>, Vec<ReadRequest>)>,
    proposals: BTreeMap<GroupId, (Vec<usize>, Vec<Proposal>)>,
    answers: Vec<(usize, ClientResponse)>,
}

type Answers = Vec<(usize, ClientResponse)>;

impl Batch {
    /// An answer that is there already.
    pub(super) fn answer(&mut self, position: usize, response: ClientResponse) {
        self.answers.push((position, response));
    }

    /// Adds a read.
    pub(super) fn read(&mut self, position: usize, group: GroupId, request: ReadRequest) {
        let (positions, requests) = self.reads.entry(group).or_default();
        positions.push(position);
        requests.push(request);
    }

    /// Adds a write, unless the disk has no room for it.
    pub(super) fn propose(
        &mut self,
        position: usize,
        group: GroupId,
        session: Option<SessionStamp>,
        command: Command,
        core: &Core,
    ) {
        if let Err(refusal) = core.guard.admit(&command) {
            return self.answer(position, ClientResponse::Propose(Err(refusal)));
        }
        let (positions, proposals) = self.proposals.entry(group).or_default();
        positions.push(position);
        proposals.push(Proposal { session, command });
    }

    /// Runs everything at once and answers in the order of the positions.
    pub(super) async fn run(
        self,
        core: &Core,
        caller: Caller,
        others: Vec<(usize, ClientRequest)>,
    ) -> Vec<ClientResponse> {
        let reads = self.reads.into_iter().map(|(group, (p, r))| read(core, group, p, r));
        let writes = self.proposals.into_iter().map(|(group, (p, r))| propose(core, group, p, r));
        let others = others.into_iter().map(|(position, request)| async move {
            vec![(position, other(core, caller, request).await)]
        });
        let (reads, writes, others) =
            join3(join_all(reads), join_all(writes), join_all(others)).await;
        let ran = reads.into_iter().chain(writes).chain(others).flatten();
        let mut answers: Answers = self.answers.into_iter().chain(ran).collect();
        answers.sort_by_key(|(position, _)| *position);
        answers.into_iter().map(|(_, response)| response).collect()
    }
}

async fn read(
    core: &Core,
    id: GroupId,
    positions: Vec<usize>,
    requests: Vec<ReadRequest>,
) -> Answers {
    let results = match core.host.group(id) {
        Some(group) => group.read(requests).await,
        None => requests.iter().map(|_| Err(ReadError::NoSuchGroup(id))).collect(),
    };
    let located = results.into_iter().map(|result| result.map_err(|e| locate(&core.directory, e)));
    positions.into_iter().zip(located.map(ClientResponse::Read)).collect()
}

async fn propose(
    core: &Core,
    id: GroupId,
    positions: Vec<usize>,
    proposals: Vec<Proposal>,
) -> Answers {
    core.proposals.add(id, proposals.len());
    let results = match core.host.group(id) {
        Some(group) => group.propose(proposals).await,
        None => {
            let missing = || Err(WriteError::not_applied(WriteFailure::NoSuchGroup(id)));
            proposals.iter().map(|_| missing()).collect()
        }
    };
    let located =
        results.into_iter().map(|result| result.map_err(|e| locate_write(&core.directory, e)));
    positions.into_iter().zip(located.map(ClientResponse::Propose)).collect()
}

async fn other(core: &Core, caller: Caller, request: ClientRequest) -> ClientResponse {
    match request {
        ClientRequest::Scan { group, request } => {
            let page = scan(core, group, request).await;
            ClientResponse::Scan(page.map_err(|error| locate(&core.directory, error)))
        }
        ClientRequest::Control(request) => {
            ClientResponse::Control(control::run(core, caller, request).await)
        }
        ClientRequest::Watch { group, poll } => {
            ClientResponse::Watch(watch(core, caller, group, poll).await)
        }
        ClientRequest::Lease { group, request } => {
            let answer = lease(core, group, request).await;
            ClientResponse::Lease(answer.map_err(|error| locate(&core.directory, error)))
        }
        ClientRequest::Sql { group, request } => {
            ClientResponse::Sql(sql(core, group, request).await)
        }
        // The sorting in `handle` sends no other request here.
        ClientRequest::Read { .. } | ClientRequest::Propose { .. } => {
            ClientResponse::Read(Err(ReadError::Bug("a request went astray".to_owned())))
        }
    }
}

async fn watch(
    core: &Core,
    caller: Caller,
    id: GroupId,
    poll: WatchPoll,
) -> Result<WatchReply, WatchPollError> {
    let group = core.host.group(id).ok_or(ReadError::NoSuchGroup(id))?;
    core.watches.poll(&group, caller.endpoint, poll).await.map_err(|error| match error {
        WatchPollError::Read(error) => WatchPollError::Read(locate(&core.directory, error)),
        other => other,
    })
}

async fn scan(
    core: &Core,
    id: GroupId,
    request: ScanRequest,
) -> Result<aspen_core::ScanPage, ReadError> {
    let group = core.host.group(id).ok_or(ReadError::NoSuchGroup(id))?;
    group.scan(request).await
}

async fn lease(
    core: &Core,
    id: GroupId,
    request: LeaseRequest,
) -> Result<LeaseResponse, ReadError> {
    let group = core.host.group(id).ok_or(ReadError::NoSuchGroup(id))?;
    group.lease(request).await
}

async fn sql(core: &Core, id: GroupId, request: SqlRequest) -> Result<SqlReply, SqlError> {
    let group = core.host.group(id).ok_or(ReadError::NoSuchGroup(id))?;
    group.sql(request).await.map_err(|error| match error {
        SqlError::Read(error) => SqlError::Read(locate(&core.directory, error)),
        other => other,
    })
}

fn locate(directory: &Directory, error: ReadError) -> ReadError {
    match error {
        ReadError::NotLeader(hint) => ReadError::NotLeader(directory.locate(hint)),
        other => other,
    }
}

fn locate_write(directory: &Directory, mut error: WriteError) -> WriteError {
    if let WriteFailure::NotLeader(hint) = error.failure {
        error.failure = WriteFailure::NotLeader(directory.locate(hint));
    }
    error
}
