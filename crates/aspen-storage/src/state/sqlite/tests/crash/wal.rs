//! SQLite's write-ahead log, as far as its file format tells what is durable.

/// Bytes of the header: magic, version, page size, checkpoint count, two salts, two checksums.
const HEADER_BYTES: usize = 32;

/// Bytes before a frame's page: page number, size after a commit, two salts, two checksums.
const FRAME_HEADER_BYTES: usize = 24;

const PAGE_BYTES: usize = 4096;

/// The salts, which change whenever the log starts again from its beginning.
pub(super) fn salts(wal: &[u8]) -> Option<&[u8]> {
    wal.get(16..24)
}

/// The header's part of the log.
pub(super) fn header_bytes(wal: &[u8]) -> usize {
    HEADER_BYTES.min(wal.len())
}

/// The length up to the end of the last frame that belongs to this run of the log.
pub(super) fn valid_bytes(wal: &[u8]) -> usize {
    let Some(salts) = salts(wal) else { return 0 };
    let mut end = HEADER_BYTES;
    while let Some(frame) = wal.get(end..end + FRAME_HEADER_BYTES + PAGE_BYTES) {
        if &frame[8..16] != salts {
            break;
        }
        end += frame.len();
    }
    end
}
