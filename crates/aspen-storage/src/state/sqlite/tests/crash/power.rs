//! Power cuts: between two photos of the files, any part of what was not synced may be missing.

use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::child::{End, Exit, Orders, Place, Progress, parse_progress};
use super::history::History;
use super::verdict::judge;
use super::wal::{header_bytes, salts, valid_bytes};
use crate::state::fault_point::FaultPoint;
use crate::state::sqlite::body::{self, Role};
use crate::state::sqlite::registers::Registers;
use crate::state::sqlite::tests::support::options;

const DATABASE: &str = "state-1.db";
const WAL: &str = "state-1.db-wal";
const SECTOR_BYTES: usize = 512;
const PAGE_BYTES: usize = 4096;

/// The steps of the flush thread, which alone writes these files.
const PHOTOGRAPHED: [FaultPoint; 6] = [
    FaultPoint::FlushWritten,
    FaultPoint::FlushCommitted,
    FaultPoint::CompactWritten,
    FaultPoint::CompactCommitted,
    FaultPoint::CheckpointBegun,
    FaultPoint::CheckpointDone,
];

/// Copies the files of a place beside it.
pub(super) fn take_photo(place: &Path, at: FaultPoint) {
    if !PHOTOGRAPHED.contains(&at) {
        return;
    }
    let photos = place.join("photos");
    fs::create_dir_all(&photos).unwrap();
    let number = fs::read_dir(&photos).unwrap().count();
    let photo = photos.join(format!("{number:04}-{at:?}"));
    fs::create_dir(&photo).unwrap();
    fs::copy(place.join("progress"), photo.join("progress")).unwrap();
    for name in [DATABASE, WAL] {
        fs::copy(place.join("state").join(name), photo.join(name)).unwrap();
    }
}

/// The files at one moment.
struct Photo {
    dir: PathBuf,
    point: String,
    database: Vec<u8>,
    wal: Vec<u8>,
    told: u64,
}

impl Photo {
    fn open(dir: PathBuf) -> Self {
        let name = dir.file_name().unwrap().to_str().unwrap();
        let point = name.split_once('-').unwrap().1.to_owned();
        let said = parse_progress(&fs::read_to_string(dir.join("progress")).unwrap());
        let (database, wal) =
            (fs::read(dir.join(DATABASE)).unwrap(), fs::read(dir.join(WAL)).unwrap());
        Self { dir, point, database, wal, told: said.told }
    }

    fn is(&self, point: FaultPoint) -> bool {
        self.point == format!("{point:?}")
    }

    /// Everything on it has been synced.
    fn is_durable(&self) -> bool {
        self.is(FaultPoint::FlushCommitted) || self.is(FaultPoint::CheckpointDone)
    }

    /// The last entry in the body.
    fn applied(&self) -> u64 {
        let copy = tempfile::tempdir().unwrap();
        for name in [DATABASE, WAL] {
            fs::copy(self.dir.join(name), copy.path().join(name)).unwrap();
        }
        let connection = body::open(&copy.path().join(DATABASE), Role::Reader, &options()).unwrap();
        let registers = Registers::load(&connection).unwrap();
        registers.applied.position.map_or(0, |at| at.index.get())
    }
}

/// What a disk keeps of bytes that were written and not synced.
#[derive(Clone, Copy, Debug)]
enum Kept {
    /// The file ends somewhere among them.
    Cut(u64),
    /// Some sectors.
    Sectors(u64),
    /// Some sectors; others hold anything.
    Garbage(u64),
}

impl Kept {
    fn all(seed: u64) -> [Self; 4] {
        [Self::Cut(seed), Self::Cut(seed + 1), Self::Sectors(seed), Self::Garbage(seed)]
    }

    /// A file whose first `synced` bytes are durable.
    fn file(self, before: &[u8], written: &[u8], synced: usize) -> Vec<u8> {
        let mut image = before[..synced.min(before.len())].to_vec();
        image.resize(synced, 0);
        image.copy_from_slice(&written[..synced]);
        let (Self::Cut(seed) | Self::Sectors(seed) | Self::Garbage(seed)) = self;
        let mut rng = StdRng::seed_from_u64(seed);
        if let Self::Cut(_) = self {
            let end = rng.random_range(synced..=written.len());
            image.extend_from_slice(&written[synced..end]);
            return image;
        }
        for (start, sector) in sectors(written, synced) {
            let old = before.get(start..start + sector.len());
            match (rng.random_range(0..4), self) {
                (0..2, _) => image.extend_from_slice(sector),
                (2, Self::Garbage(_)) => image.extend(sector.iter().map(|_| rng.random::<u8>())),
                _ => match old {
                    Some(old) => image.extend_from_slice(old),
                    None => image.resize(start + sector.len(), 0),
                },
            }
        }
        image
    }
}

/// The sectors of a file from a byte on; the first may be the rest of one.
fn sectors(bytes: &[u8], from: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = from;
    std::iter::from_fn(move || {
        let end = bytes.len().min((start / SECTOR_BYTES + 1) * SECTOR_BYTES);
        let sector = (start, bytes.get(start..end).filter(|sector| !sector.is_empty())?);
        start = end;
        Some(sector)
    })
}

/// A moment between a photo on which everything is synced and a later one.
struct Moment<'p> {
    synced: &'p Photo,
    written: &'p Photo,
}

impl Moment<'_> {
    /// The files that a power cut may leave: database and write-ahead log.
    fn images(&self, seed: u64) -> Vec<(String, Vec<u8>, Vec<u8>)> {
        let (synced, written) = (self.synced, self.written);
        let mut images = Vec::new();
        let mut add = |what: String, database: Vec<u8>, wal: Vec<u8>| {
            images.push((
                format!("{} to {}, {what}", self.label(synced), self.label(written)),
                database,
                wal,
            ));
        };
        if salts(&synced.wal) == salts(&written.wal) {
            for kept in Kept::all(seed) {
                let wal = kept.file(&synced.wal, &written.wal, valid_bytes(&synced.wal));
                add(format!("log {kept:?}"), synced.database.clone(), wal);
            }
        } else {
            // The log has started again, which only follows a whole checkpoint. Its new header is
            // synced before anything behind it is written.
            add("no log".into(), written.database.clone(), synced.wal.clone());
            for kept in Kept::all(seed) {
                let wal = kept.file(&synced.wal, &written.wal, header_bytes(&written.wal));
                add(format!("new log {kept:?}"), written.database.clone(), wal);
            }
        }
        if written.is(FaultPoint::CheckpointDone) {
            // The log is synced before its pages are copied.
            for round in 0..4 {
                let mixed = mixed_pages(&synced.database, &written.database, seed + round);
                add(format!("pages {round}"), mixed, written.wal.clone());
            }
        }
        images
    }

    fn label(&self, photo: &Photo) -> String {
        photo.dir.file_name().unwrap().to_string_lossy().into_owned()
    }
}

/// Some pages as they were, some as they are, some torn.
fn mixed_pages(before: &[u8], after: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut image = after.to_vec();
    for start in (0..before.len().min(after.len())).step_by(PAGE_BYTES) {
        let torn = start + SECTOR_BYTES * rng.random_range(0..PAGE_BYTES / SECTOR_BYTES);
        match rng.random_range(0..3) {
            0 => {}
            1 => {
                image[start..start + PAGE_BYTES].copy_from_slice(&before[start..start + PAGE_BYTES])
            }
            _ => image[start..torn].copy_from_slice(&before[start..torn]),
        }
    }
    if rng.random() {
        image.truncate(before.len().min(after.len()));
    }
    image
}

/// Runs a process to its end and gives its photos, in order.
fn photos(place: &Place, orders: &Orders) -> Vec<Photo> {
    assert_eq!(place.run(orders), Exit::Finished);
    let dirs = fs::read_dir(place.photos()).unwrap().map(|entry| entry.unwrap().path());
    let mut dirs: Vec<_> = dirs.collect();
    dirs.sort();
    dirs.into_iter().map(Photo::open).collect()
}

async fn judge_image(
    database: &[u8],
    wal: &[u8],
    history: &History,
    said: Progress,
) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(DATABASE), database).unwrap();
    fs::write(dir.path().join(WAL), wal).unwrap();
    judge(dir.path(), history, said).await
}

/// Cuts the power between the photos of a process.
async fn cut_power(seed: u64, every: usize) -> usize {
    let place = Place::new();
    let orders = Orders::write(seed, End::Photographed);
    let photos = photos(&place, &orders);
    for point in PHOTOGRAPHED {
        assert!(photos.iter().any(|photo| photo.is(point)), "no photo at {point:?}");
    }
    let history = History::new(seed, orders.entries);
    let (mut number, mut judged) = (0usize, 0);
    for (at, written) in photos.iter().enumerate() {
        let Some(synced) = photos[..at].iter().rev().find(|photo| photo.is_durable()) else {
            continue;
        };
        let said = Progress { promised: synced.applied(), told: written.told };
        for (label, database, wal) in (Moment { synced, written }).images(at as u64) {
            number += 1;
            if number.is_multiple_of(every) {
                let found = judge_image(&database, &wal, &history, said).await;
                found.unwrap_or_else(|wrong| panic!("seed {seed}, {label}: {wrong}"));
                judged += 1;
            }
        }
    }
    judged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_loses_nothing_flushed() {
    let judged = cut_power(11, 7).await;
    assert!(judged > 10, "only {judged} images");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_a_power_cut_loses_nothing_flushed() {
    for seed in 11..13 {
        let judged = cut_power(seed, 1).await;
        assert!(judged > 70, "only {judged} images");
    }
}

/// Synced bytes that are missing must be found out, or the images prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_cut_too_short_is_noticed() {
    let place = Place::new();
    let orders = Orders::write(12, End::Photographed);
    let photos = photos(&place, &orders);
    let history = History::new(orders.seed, orders.entries);
    let is_flush = |photo: &&Photo| photo.is(FaultPoint::FlushCommitted);
    let flushed = photos.iter().filter(is_flush).nth(3).unwrap();
    let said = Progress { promised: flushed.applied(), told: flushed.told };
    let whole = judge_image(&flushed.database, &flushed.wal, &history, said).await;
    assert_eq!(whole, Ok(()));
    let short = &flushed.wal[..valid_bytes(&flushed.wal) - 1];
    assert!(judge_image(&flushed.database, short, &history, said).await.is_err());
}
