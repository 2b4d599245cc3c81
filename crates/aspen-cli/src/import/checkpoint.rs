//! How far an import has come, in a file.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Position;
use super::record_reader::remember;
use crate::exit::CliError;
use crate::format::Format;
use crate::text;

/// The version of the file's format.
const VERSION: u32 = 1;

/// The content of the file, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    version: u32,
    format: Format,
    prefix_hex: String,
    /// Everything before this is in the store.
    pub(crate) done: Position,
    /// The input's last bytes before it, to notice another input.
    tail_hex: String,
}

impl Checkpoint {
    pub(crate) fn new(format: Format, prefix: &[u8]) -> Self {
        Self {
            version: VERSION,
            format,
            prefix_hex: text::hex(prefix),
            done: Position::default(),
            tail_hex: String::new(),
        }
    }

    /// Moves the point on.
    pub(crate) fn advance(&mut self, done: Position, tail: &[u8]) {
        self.done = done;
        self.tail_hex = text::hex(tail);
    }

    /// Reads what an earlier run with the same settings left; a fresh checkpoint when there is no
    /// file.
    pub(crate) fn load(path: &Path, format: Format, prefix: &[u8]) -> Result<Self, CliError> {
        let fresh = Self::new(format, prefix);
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(fresh),
            Err(error) => {
                return Err(CliError::io(format!("cannot read {}", path.display()))(error));
            }
        };
        let damaged = |detail: String| {
            CliError::Invalid(format!(
                "{} is no state file of an import ({detail}); remove it to start over",
                path.display()
            ))
        };
        let found: Self = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        let same = (found.version, found.format) == (VERSION, format)
            && found.prefix_hex == fresh.prefix_hex;
        if same {
            Ok(found)
        } else {
            Err(damaged("other version, --format or --prefix".to_owned()))
        }
    }

    /// Replaces the file: a crash leaves the old or the new one.
    pub(crate) fn save(&self, path: &Path) -> Result<(), CliError> {
        let failed = || CliError::io(format!("cannot write {}", path.display()));
        let bytes = serde_json::to_vec(self).map_err(|e| CliError::Failed(e.to_string()))?;
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        std::fs::write(&partial, bytes).map_err(failed())?;
        std::fs::rename(&partial, path).map_err(failed())
    }
}

/// Reads past what is done, and checks that it is the input that the checkpoint speaks of.
pub(crate) fn skip_done(source: &mut dyn Read, checkpoint: &Checkpoint) -> Result<(), CliError> {
    let mut left = checkpoint.done.bytes;
    let mut tail = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match source.read(&mut buffer[..wanted]) {
            Ok(0) => break,
            Ok(read) => {
                left -= read as u64;
                remember(&mut tail, &buffer[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CliError::io("cannot read the input")(error)),
        }
    }
    if left > 0 || text::hex(&tail) != checkpoint.tail_hex {
        return Err(CliError::Invalid(
            "the input is not the one that the state file speaks of; remove the state file to \
             start over"
                .to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_survives_its_file_and_belongs_to_its_settings() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut checkpoint = Checkpoint::load(&path, Format::Tsv, b"p/").unwrap();
        assert_eq!(checkpoint.done, Position::default());
        let done = Position { bytes: 4, lines: 1, records: 1, skipped: 0 };
        checkpoint.advance(done, b"a\tb\n");
        checkpoint.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path, Format::Tsv, b"p/").unwrap(), checkpoint);
        assert!(Checkpoint::load(&path, Format::Csv, b"p/").is_err());
        assert!(Checkpoint::load(&path, Format::Tsv, b"q/").is_err());
        std::fs::write(&path, "{").unwrap();
        let error = Checkpoint::load(&path, Format::Tsv, b"p/").unwrap_err();
        assert_eq!(error.status().code(), 2);
    }

    #[test]
    fn another_input_is_noticed() {
        let mut checkpoint = Checkpoint::new(Format::Tsv, b"");
        checkpoint.advance(Position { bytes: 4, ..Position::default() }, b"a\tb\n");
        let mut rest = &b"a\tb\nc\td\n"[..];
        skip_done(&mut rest, &checkpoint).unwrap();
        assert_eq!(rest, b"c\td\n");
        assert!(skip_done(&mut &b"a\tX\nc\td\n"[..], &checkpoint).is_err());
        assert!(skip_done(&mut &b"a"[..], &checkpoint).is_err());
    }
}
