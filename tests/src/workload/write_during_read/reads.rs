//! Random reads below a prefix, each compared with the model's answer.

use aspen_core::{
    Consistency, Cursor, KeyValueStore, Projection, ReadRequest, Revision, ScanOrder, ScanPage,
    ScanRequest,
};

use super::super::snapshot::check_page;
use super::super::{Context, SeededRandom};
use super::mirror::Mirror;
use crate::check::Violation;

/// How many keys a batch read names at most.
const READ_KEYS: u64 = 5;

/// Reads something and compares it with the model.
pub(super) async fn read(context: &Context, mirror: &Mirror) -> Result<(), Violation> {
    match context.random.below(3) {
        0 => read_keys(context, mirror).await,
        _ => scan(context, mirror).await,
    }
}

async fn read_keys(context: &Context, mirror: &Mirror) -> Result<(), Violation> {
    let count = 1 + context.random.below(READ_KEYS);
    let keys: Vec<_> = (0..count).map(|_| mirror.random_key(&context.random)).collect();
    let consistency = random_consistency(mirror, &context.random);
    let request = ReadRequest { keys, consistency };
    let Some(reply) = context.read(request.clone()).await? else { return Ok(()) };
    if consistency == Consistency::Linearizable {
        mirror.check_fresh(mirror.newest(), reply.revision)?;
    }
    let at = Consistency::AtRevision(mirror.model_revision(reply.revision));
    let expected = mirror.model().read(ReadRequest { consistency: at, ..request.clone() }).await;
    let expected =
        expected.map_err(|error| Violation::new("the model reads", error.to_string()))?;
    let shown: Vec<_> =
        expected.values.iter().map(|it| it.as_ref().map(|entry| mirror.shown(entry))).collect();
    match shown == reply.values {
        true => Ok(()),
        false => Err(differs(&request, &shown, &reply, mirror)),
    }
}

/// Pages through a range to its end.
async fn scan(context: &Context, mirror: &Mirror) -> Result<(), Violation> {
    let mut request = random_scan(mirror, &context.random);
    loop {
        let Some(page) = context.page(request.clone()).await? else { return Ok(()) };
        check_page(&request, &page)?;
        if request.effective_consistency() == Consistency::Linearizable {
            mirror.check_fresh(mirror.newest(), page.revision)?;
        }
        judge(mirror, &request, &page).await?;
        match page.cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return Ok(()),
        }
        context.think().await;
    }
}

async fn judge(mirror: &Mirror, request: &ScanRequest, page: &ScanPage) -> Result<(), Violation> {
    let revision = mirror.model_revision(page.revision);
    let cursor = request.cursor.clone().map(|cursor| Cursor { revision, ..cursor });
    let consistency = Consistency::AtRevision(revision);
    let expected =
        mirror.model().scan(ScanRequest { consistency, cursor, ..request.clone() }).await;
    let expected =
        expected.map_err(|error| Violation::new("the model reads", error.to_string()))?;
    let entries: Vec<_> = expected.entries.iter().map(|entry| mirror.shown(entry)).collect();
    let end = |page: &ScanPage| page.cursor.as_ref().map(|cursor| cursor.last_key.clone());
    let agree = entries == page.entries && expected.count == page.count;
    match agree && end(&expected) == end(page) {
        true => Ok(()),
        false => Err(differs(request, &(entries, expected.count, end(&expected)), page, mirror)),
    }
}

fn differs(
    request: &impl std::fmt::Debug,
    expected: &impl std::fmt::Debug,
    answer: &impl std::fmt::Debug,
    mirror: &Mirror,
) -> Violation {
    let detail = format!("{request:?}: expected {expected:?}, answered {answer:?}; {mirror}");
    Violation::new("the store reads as the model does", detail)
}

/// A freshness; the past is any revision since the prefix was first written.
fn random_consistency(mirror: &Mirror, random: &SeededRandom) -> Consistency {
    match random.below(4) {
        0 => Consistency::Stale,
        1 if mirror.newest() > Revision::ZERO => {
            let oldest = mirror.store_revision(Revision::new(1)).get();
            let revision = oldest + random.below(mirror.newest().get() - oldest + 1);
            Consistency::AtRevision(Revision::new(revision))
        }
        _ => Consistency::Linearizable,
    }
}

fn random_scan(mirror: &Mirror, random: &SeededRandom) -> ScanRequest {
    let order = match random.one_in(2) {
        true => ScanOrder::Forward,
        false => ScanOrder::Reverse,
    };
    let projection = match random.below(5) {
        0 => Projection::KeysOnly,
        1 => Projection::CountOnly,
        _ => Projection::Full,
    };
    let mut request = ScanRequest {
        order,
        projection,
        consistency: random_consistency(mirror, random),
        ..ScanRequest::new(mirror.random_range(random))
    };
    match random.below(3) {
        0 => request.limit = u32::try_from(1 + random.below(5)).unwrap_or(1),
        1 => request.bytes_max = usize::try_from(1 + random.below(500)).unwrap_or(1),
        _ => {}
    }
    request
}
