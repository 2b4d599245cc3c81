//! One flipped bit in every region of the file: noticed, or without effect.

use super::fault_disk::Fault;
use super::*;
use crate::log::LogError;

const GROUPS: u32 = 3;
const ROUNDS: u64 = 6;
const PAGE_BYTES: usize = 4096;

/// The same rounds of writes as every image here holds.
async fn write_rounds(store: &RedbLogStore, rounds: std::ops::Range<u64>) {
    for round in rounds {
        for raw in 0..GROUPS {
            let log = store.group(group(raw));
            log.append(records(round * 10..(round + 1) * 10)).await.unwrap();
            if round == 2 {
                log.purge(LogIndex::new(4), Bytes::from_static(b"purged")).await.unwrap();
            }
            log.save_vote(Bytes::from(format!("vote {round}"))).await.unwrap();
        }
    }
}

/// The file of a store that was closed.
async fn closed() -> Vec<u8> {
    let disk = FaultDisk::empty();
    let store = open(&disk);
    write_rounds(&store, 0..ROUNDS).await;
    store.close().await.unwrap();
    disk.current()
}

/// The file of a store whose process was killed.
async fn killed() -> Vec<u8> {
    let disk = FaultDisk::empty();
    let store = open(&disk);
    write_rounds(&store, 0..ROUNDS).await;
    let image = disk.current();
    store.close().await.unwrap();
    image
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// An error told of the damage.
    Damage,
    /// Everything as it was written.
    Whole,
    /// Everything but the last write.
    WithoutTheLast,
}

/// Opens a file, reads everything, writes something and opens it again.
async fn look(image: Vec<u8>) -> Seen {
    let disk = FaultDisk::new(image, Fault::None);
    let (votes, ends) = match look_at(&disk).await {
        Ok(found) => found,
        Err(LogError::Corrupt(_) | LogError::Incompatible(_) | LogError::Stopped(_)) => {
            return Seen::Damage;
        }
        Err(error) => panic!("{error:?}"),
    };
    assert_eq!(ends, vec![Some(LogIndex::new(59)); GROUPS as usize]);
    let votes: Vec<_> = votes.into_iter().flatten().collect();
    match [votes == ["vote 5"; 3], votes == ["vote 5", "vote 5", "vote 4"]] {
        [true, _] => Seen::Whole,
        [_, true] => Seen::WithoutTheLast,
        _ => panic!("{votes:?}"),
    }
}

type Ends = (Vec<Option<Bytes>>, Vec<Option<LogIndex>>);

async fn look_at(disk: &Arc<FaultDisk>) -> Result<Ends, LogError> {
    let store = RedbLogStore::open_on(Arc::clone(disk), options())?;
    let (mut votes, mut ends) = (Vec::new(), Vec::new());
    for raw in 0..GROUPS {
        let log = store.group(group(raw));
        let from = log.state().purged.map_or(0, |(upto, _)| upto.get() + 1);
        assert!(from == 0 || from == 5, "group {raw} begins at {from}");
        let entries = log.read(from..u64::MAX, usize::MAX).await?;
        let end = log.state().last.map_or(from, |last| last.get() + 1);
        assert_eq!(entries, records(from..end), "group {raw}");
        votes.push(log.vote());
        ends.push(log.state().last);
    }
    write_more(disk, &store).await?;
    Ok((votes, ends))
}

/// What is written to a file that looked sound is there afterwards, or an error says why not.
async fn write_more(disk: &Arc<FaultDisk>, store: &Arc<RedbLogStore>) -> Result<(), LogError> {
    let log = store.group(group(1));
    let end = log.state().last.map_or(0, |last| last.get() + 1);
    log.append(records(end..end + 5)).await?;
    log.save_vote(Bytes::from_static(b"later")).await?;
    store.close().await?;
    let again = FaultDisk::new(disk.current(), Fault::None);
    let store = RedbLogStore::open_on(again, options())?;
    let log = store.group(group(1));
    assert_eq!(log.vote().as_deref(), Some(b"later".as_slice()));
    let entries = log.read(end..u64::MAX, usize::MAX).await?;
    assert_eq!(entries, records(end..end + 5));
    store.verify().await?;
    store.close().await
}

/// Places worth a flip: the whole header, and some of every page that holds anything.
fn places(image: &[u8], per_page: usize) -> Vec<usize> {
    let mut places = Vec::new();
    for page in (0..image.len()).step_by(PAGE_BYTES) {
        let end = image.len().min(page + PAGE_BYTES);
        let Some(last) = image[page..end].iter().rposition(|&byte| byte != 0) else { continue };
        match page {
            0 => places.extend(0..=last),
            _ => places.extend((0..per_page).map(|part| page + last * part / per_page)),
        }
    }
    places
}

/// Flips one bit of each byte; answers how often each thing was seen.
async fn flip_each(image: &[u8], places: impl Iterator<Item = usize>) -> [usize; 3] {
    let mut counts = [0; 3];
    for at in places {
        let mut damaged = image.to_vec();
        damaged[at] ^= 1 << (at % 8);
        counts[look(damaged).await as usize] += 1;
    }
    counts
}

fn header(image: &[u8]) -> Vec<usize> {
    places(image, 0)
}

#[tokio::test]
async fn a_bit_of_the_header_is_noticed_or_not_needed() {
    let image = closed().await;
    let [noticed, whole, without] = flip_each(&image, header(&image).into_iter().step_by(3)).await;
    assert!(noticed > 30 && whole > 0 && without == 0, "{noticed}, {whole}, {without}");
}

#[tokio::test]
async fn a_bit_of_any_page_is_noticed_or_not_needed() {
    let image = closed().await;
    let [noticed, whole, without] = flip_each(&image, places(&image, 2).into_iter()).await;
    assert!(noticed > 30 && whole > 0 && without == 0, "{noticed}, {whole}, {without}");
}

/// In a file that was not closed, damage of the newest commit looks like a commit that was cut
/// short, which nobody was promised: the file stands before it, never further back.
#[tokio::test]
async fn a_bit_of_a_file_that_was_not_closed_costs_the_newest_commit_at_most() {
    let image = killed().await;
    let places = places(&image, 2).into_iter().step_by(2);
    let [noticed, whole, without] = flip_each(&image, places).await;
    assert!(noticed + without > 30 && whole > 0, "{noticed}, {whole}, {without}");
}

#[tokio::test]
async fn slow_no_bit_gives_wrong_data() {
    let image = closed().await;
    let [.., without] = flip_each(&image, places(&image, 8).into_iter()).await;
    assert_eq!(without, 0);
    let image = killed().await;
    flip_each(&image, places(&image, 8).into_iter()).await;
}
