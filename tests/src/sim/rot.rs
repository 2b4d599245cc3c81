//! What a log with flipped bits says, beside the sound one.

use std::sync::Arc;

use aspen_core::GroupId;
use aspen_node::compose::GROUPS;
use aspen_storage::{LogError, LogOptions, LogRecord, LogState, RedbLogStore};
use bytes::Bytes;
use madsim::runtime::Handle;

use super::disk::Platter;

/// What came of flipped bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The log reads as the sound one.
    Harmless,
    /// The log says that it is damaged.
    Noticed(String),
    /// The log reads as the sound one did a commit earlier: after a crash, a commit that fails its
    /// checksum is taken for one that was cut short.
    EndsEarly,
    /// The log answers what was never written.
    Altered(String),
}

/// Everything that a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Content {
    groups: Vec<GroupContent>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct GroupContent {
    state: LogState,
    vote: Option<Bytes>,
    records: Vec<LogRecord>,
}

/// Reads both logs and compares.
pub(crate) async fn inspect(sound: &Platter, damaged: &Platter, options: &LogOptions) -> Found {
    let sound = read(sound, options.clone()).await.expect("the sound log can be read");
    match read(damaged, options.clone()).await {
        Err(error) => Found::Noticed(error.to_string()),
        Ok(content) if content == sound => Found::Harmless,
        Ok(content) => match altered(&sound, &content) {
            Some(what) => Found::Altered(what),
            None => Found::EndsEarly,
        },
    }
}

async fn read(platter: &Platter, options: LogOptions) -> Result<Content, LogError> {
    let reader = Handle::current().create_node().name("log reader").build();
    let platter = platter.clone();
    let content = reader.spawn(async move {
        let log = RedbLogStore::open_on(platter.open(), options)?;
        let content = content(&log).await;
        log.close().await?;
        content
    });
    content.await.expect("the reader is not killed")
}

async fn content(log: &Arc<RedbLogStore>) -> Result<Content, LogError> {
    log.verify().await?;
    let mut groups = Vec::new();
    for group in GROUPS {
        groups.push(group_content(log, group).await?);
    }
    Ok(Content { groups })
}

async fn group_content(log: &RedbLogStore, group: GroupId) -> Result<GroupContent, LogError> {
    let log = log.group(group);
    let state = log.state();
    let first = state.purged.as_ref().map_or(0, |(index, _)| index.get() + 1);
    let end = state.last.map_or(first, |last| last.get() + 1);
    let records = log.read(first..end, usize::MAX).await?;
    Ok(GroupContent { state, vote: log.vote(), records })
}

/// An entry that is not the one that was written there.
fn altered(sound: &Content, found: &Content) -> Option<String> {
    for (sound, found) in sound.groups.iter().zip(&found.groups) {
        let known = |record: &LogRecord| sound.records.iter().find(|it| it.index == record.index);
        for record in &found.records {
            if known(record).is_some_and(|known| known != record) {
                return Some(format!("entry {} has another payload", record.index));
            }
        }
    }
    None
}
