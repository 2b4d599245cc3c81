//! The read threads: bounded, each with a connection of its own.

use std::sync::Arc;

use aspen_core::{Key, KeyValue, ReadBytes, Revision, ScanPage, ScanRequest, runtime};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::body::{self, Role};
use super::changes::read_changes;
use super::core::Core;
use super::scan::{LazyView, Span, count, scan};
use super::view::View;
use crate::state::{Changes, ChangesRequest, PageBuilder, StateError};

/// Jobs that may wait for one reader.
const QUEUE_MAX: usize = 1024;

/// Jobs that share one read transaction: enough to make its cost vanish, few enough that the
/// write-ahead log can be checkpointed past it soon.
const BATCH_MAX: usize = 64;

/// How often a reader changes over to a newer file before it gives up.
const REPLACEMENTS_MAX: usize = 4;

/// A key to look up in the body.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) at: Revision,
    /// Which request of the job it belongs to.
    pub(super) request: usize,
}

/// What a reader is asked.
pub(super) enum ReadJob {
    /// Keys that the head does not know, each at its revision.
    Keys(KeysJob),
    /// A page at a revision.
    Page(Box<ScanRequest>, Revision, oneshot::Sender<Result<ScanPage, StateError>>),
    /// Changes that the head no longer has.
    Changes(Box<ChangesRequest>, oneshot::Sender<Result<Changes, StateError>>),
}

/// Keys that the head does not know.
pub(super) struct KeysJob {
    pub(super) wanted: Vec<Wanted>,
    /// What each request has found in the head.
    pub(super) found: Vec<ReadBytes>,
    /// One answer per key.
    pub(super) reply: oneshot::Sender<Vec<KeyResult>>,
}

/// The way to the read threads.
pub(super) struct Pool {
    readers: Vec<mpsc::Sender<ReadJob>>,
}

impl Pool {
    pub(super) fn start(core: &Arc<Core>) -> Result<Self, StateError> {
        let mut readers = Vec::new();
        for number in 0..core.options.readers {
            let mut reader = Reader { core: core.clone(), open: None };
            let name = format!("state-read-{number}");
            let sender = runtime::spawn_worker(&name, QUEUE_MAX, BATCH_MAX, move |jobs| {
                reader.step(jobs);
            });
            readers.push(sender.map_err(|error| StateError::Io(error.to_string()))?);
        }
        Ok(Self { readers })
    }

    /// Hands a job to the reader with the shortest queue.
    pub(super) async fn send(&self, job: ReadJob) -> Result<(), StateError> {
        let idlest = self.readers.iter().max_by_key(|reader| reader.capacity());
        let stopped = || StateError::Stopped("the readers have stopped".to_owned());
        idlest.ok_or_else(stopped)?.send(job).await.map_err(|_| stopped())
    }
}

/// A read thread's own state: a connection and the generation it belongs to.
struct Reader {
    core: Arc<Core>,
    open: Option<(u64, Connection)>,
}

impl Reader {
    fn step(&mut self, jobs: &mut Vec<ReadJob>) {
        let mut keys = Vec::new();
        let (mut pages, mut changes) = (Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                ReadJob::Keys(job) => keys.push(job),
                ReadJob::Page(request, at, reply) => pages.push((request, at, reply)),
                ReadJob::Changes(request, reply) => changes.push((request, reply)),
            }
        }
        // Point reads go first: they are short, a page may be long.
        self.keys(keys);
        for (request, at, reply) in pages {
            let page = self.with_view(|core, view| read_page(core, view, &request, at));
            // Whoever asked may have gone.
            let _ = reply.send(page);
        }
        for (request, reply) in changes {
            let changes = self.with_view(|core, view| read_changes(core, view, &request));
            let _ = reply.send(changes);
        }
    }

    fn keys(&mut self, jobs: Vec<KeysJob>) {
        if jobs.is_empty() {
            return;
        }
        let mut answers = Vec::new();
        let result = self.with_view(|core, view| {
            let body_revision = core.head.read().body_revision;
            let view = view.covering(body_revision)?;
            for job in &jobs[answers.len()..] {
                answers.push(read_keys(view, job));
            }
            Ok(())
        });
        let mut answers = answers.into_iter();
        for KeysJob { wanted, reply, .. } in jobs {
            let failed = || match &result {
                Err(error) => wanted.iter().map(|_| Err(error.clone())).collect(),
                Ok(()) => Vec::new(),
            };
            let _ = reply.send(answers.next().unwrap_or_else(failed));
        }
    }

    /// Runs a read on the current file; again when it was replaced meanwhile.
    fn with_view<T>(
        &mut self,
        mut read: impl FnMut(&Core, &mut LazyView<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let mut replaced = 0;
        loop {
            let result = self.connect().and_then(|()| match &self.open {
                Some((_, connection)) => read(&self.core, &mut LazyView::new(connection)),
                None => Err(StateError::Stopped("no connection".to_owned())),
            });
            let newer = |it: &Self| it.open.as_ref().map(|open| open.0) != Some(it.core.body().0);
            if result.is_ok() || replaced == REPLACEMENTS_MAX || !newer(self) {
                return result;
            }
            replaced += 1;
        }
    }

    fn connect(&mut self) -> Result<(), StateError> {
        let (generation, path) = self.core.body();
        if self.open.as_ref().is_none_or(|(open, _)| *open != generation) {
            self.open = None;
            let connection = body::open(&path, Role::Reader, &self.core.options)?;
            self.open = Some((generation, connection));
        }
        Ok(())
    }
}

type KeyResult = Result<Option<KeyValue>, StateError>;

/// Looks up the keys of a job. A request that has failed, above all at its byte limit, fails for
/// all its further keys without a look.
fn read_keys(view: &mut View<'_>, job: &KeysJob) -> Vec<KeyResult> {
    let mut requests: Vec<Result<ReadBytes, StateError>> =
        job.found.iter().cloned().map(Ok).collect();
    let read = |it: &Wanted| {
        let request = &mut requests[it.request];
        let bytes = request.as_mut().map_err(|error| error.clone())?;
        let result = read_key(view, it, bytes);
        if let Err(error) = &result {
            *request = Err(error.clone());
        }
        result
    };
    job.wanted.iter().map(read).collect()
}

fn read_key(view: &mut View<'_>, wanted: &Wanted, bytes: &mut ReadBytes) -> KeyResult {
    let version = view.at(wanted.key.as_bytes(), wanted.at)?;
    let found = version.and_then(|version| version.to_key_value(&wanted.key));
    found.as_ref().map_or(Ok(()), |entry| bytes.charge(entry))?;
    Ok(found)
}

fn read_page(
    core: &Core,
    view: &mut LazyView<'_>,
    request: &ScanRequest,
    at: Revision,
) -> Result<ScanPage, StateError> {
    let mut page = PageBuilder::new(request);
    let span = Span {
        range: request.remaining_range(),
        order: request.order,
        at,
        with_values: page.wants_values(),
        keys: page.keys_wanted(),
    };
    match page.is_count() {
        true => page.count(count(&core.head, view, span)?),
        false => scan(&core.head, view, span, &mut |entry| !page.push(entry))?,
    }
    Ok(page.finish(at))
}
