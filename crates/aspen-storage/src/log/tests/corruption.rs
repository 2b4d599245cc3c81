//! Damaged files: an error or the right data, never wrong data.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fault_disk::Fault;
use super::*;
use crate::log::LogError;

const GROUPS: u32 = 3;

async fn fill() -> Vec<u8> {
    let disk = FaultDisk::empty();
    let store = open(&disk);
    for round in 0..20 {
        for raw in 0..GROUPS {
            let log = store.group(group(raw));
            log.append(records(round * 10..(round + 1) * 10)).await.unwrap();
            log.save_vote(Bytes::from(format!("vote {round}"))).await.unwrap();
        }
    }
    store.close().await.unwrap();
    disk.current()
}

/// Reads everything; `None` when an error told of the damage.
async fn look(image: Vec<u8>) -> Option<()> {
    let disk = FaultDisk::new(image, Fault::None);
    let store = match RedbLogStore::open_on(disk, options()) {
        Ok(store) => store,
        Err(LogError::Corrupt(_) | LogError::Incompatible(_)) => return None,
        Err(error) => panic!("{error:?}"),
    };
    for raw in 0..GROUPS {
        let log = store.group(group(raw));
        assert_eq!(log.vote(), Some(Bytes::from_static(b"vote 19")), "group {raw}");
        assert_eq!(log.state().last, Some(LogIndex::new(199)), "group {raw}");
        match log.read(0..u64::MAX, usize::MAX).await {
            Ok(entries) => assert_eq!(entries, records(0..200), "group {raw}"),
            Err(LogError::Corrupt(_)) => return None,
            Err(error) => panic!("{error:?}"),
        }
    }
    Some(())
}

/// Offsets of pages that hold anything.
fn used_pages(image: &[u8]) -> Vec<usize> {
    let used = |page: &usize| image[*page..].iter().take(4096).any(|&byte| byte != 0);
    (0..image.len()).step_by(4096).filter(used).collect()
}

#[tokio::test]
async fn flipped_bytes_never_give_wrong_data() {
    let image = fill().await;
    let pages = used_pages(&image);
    let mut noticed = 0;
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut damaged = image.clone();
        let page = pages[rng.random_range(0..pages.len())];
        for _ in 0..rng.random_range(1..8) {
            let used = damaged[page..].iter().take(4096).rposition(|&byte| byte != 0).unwrap_or(0);
            damaged[page + rng.random_range(0..=used)] ^= rng.random_range(1..=255u8);
        }
        noticed += u32::from(look(damaged).await.is_none());
    }
    assert!(noticed > 20, "only {noticed} of 400 damaged files were noticed");
}

#[tokio::test]
async fn zeroed_pages_never_give_wrong_data() {
    let image = fill().await;
    for page in used_pages(&image).into_iter().skip(1) {
        let mut damaged = image.clone();
        let end = damaged.len().min(page + 4096);
        damaged[page..end].fill(0);
        look(damaged).await;
    }
}

#[tokio::test]
async fn a_file_cut_short_is_noticed() {
    let image = fill().await;
    for part in 1..8 {
        assert_eq!(look(image[..image.len() * part / 8].to_vec()).await, None, "{part}/8");
    }
}

#[tokio::test]
async fn writing_to_a_damaged_file_fails_or_succeeds_whole() {
    let image = fill().await;
    let pages = used_pages(&image);
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut damaged = image.clone();
        let page = pages[rng.random_range(1..pages.len())];
        damaged[page + rng.random_range(0..4096usize)] ^= rng.random_range(1..=255u8);
        let disk = FaultDisk::new(damaged, Fault::None);
        let Ok(store) = RedbLogStore::open_on(disk, options()) else { continue };
        let log = store.group(group(1));
        let written = log.append(records(200..210)).await;
        let emptied = log.truncate(LogIndex::new(0)).await;
        match (written, emptied) {
            (Ok(()), Ok(())) => assert_eq!(log.state().last, None),
            (Ok(()), Err(_)) => assert_eq!(log.state().last, Some(LogIndex::new(209))),
            (Err(_), emptied) => {
                assert!(matches!(emptied, Err(LogError::Stopped(_))), "{emptied:?}");
                assert_eq!(log.state().last, Some(LogIndex::new(199)));
            }
        }
        let _ = store.close().await;
    }
}
