//! Files that are there wholly or not at all.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::DataDirError;

/// Replaces a file's content, durably and for the owner's eyes only: a crash leaves the old content
/// or the new, and a reader never sees a part.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), DataDirError> {
    write(path, content).map_err(|error| DataDirError::io(path, &error))
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    // The rename itself is durable only once the directory is.
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
