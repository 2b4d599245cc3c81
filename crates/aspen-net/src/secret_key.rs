//! The key pair that a process is known by.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aspen_core::{EndpointKey, runtime};
use data_encoding::HEXLOWER_PERMISSIVE;

/// An Ed25519 secret key.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; 32]);

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The file cannot be read or written.
    #[error("secret key file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// The file does not hold 64 hexadecimal digits.
    #[error(
        "secret key file {path} is malformed: {detail}; restore it from a backup, or remove the \
         node from the cluster and join it anew under a new id"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never the key itself.
        detail: String,
    },
}

impl SecretKey {
    /// Draws a key at random.
    pub fn generate() -> Self {
        Self(runtime::random_bytes())
    }

    /// Wraps the raw seed.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads the key from a file of 64 hexadecimal digits, or draws one and writes the file (mode
    /// 0600) when there is none. A file that others may read is used all the same, with a warning.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`SecretKeyError`]; an existing file is never overwritten.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretKeyError> {
        match fs::read_to_string(path) {
            Ok(text) => {
                warn_when_readable_by_others(path);
                Self::parse(path, text.trim())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(malformed(path, "it is no text"))
            }
            Err(source) => Err(SecretKeyError::Io { path: path.to_owned(), source }),
        }
    }

    /// The public half: who the process is.
    pub fn public(&self) -> EndpointKey {
        EndpointKey::new(*self.to_iroh().public().as_bytes())
    }

    pub(crate) fn to_iroh(&self) -> iroh::SecretKey {
        iroh::SecretKey::from_bytes(&self.0)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SecretKeyError> {
        if text.len() != 64 {
            let detail = format!("it holds {} characters instead of 64", text.len());
            return Err(malformed(path, &detail));
        }
        let bytes = HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .map_err(|error| malformed(path, &format!("no hex digit at {}", error.position)))?;
        let seed = bytes.try_into().map_err(|_| malformed(path, "it holds no 32 bytes"))?;
        Ok(Self(seed))
    }

    fn create(path: &Path) -> Result<Self, SecretKeyError> {
        let key = Self::generate();
        key.write(path).map_err(|source| SecretKeyError::Io { path: path.to_owned(), source })?;
        Ok(key)
    }

    /// Written beside and linked into place, so that a crash leaves no half key and a key that
    /// another process wrote meanwhile is not overwritten.
    fn write(&self, path: &Path) -> io::Result<()> {
        let suffix = HEXLOWER_PERMISSIVE.encode(&runtime::random_bytes::<8>());
        let temporary = path.with_extension(format!("{suffix}.tmp"));
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = writeln!(file, "{}", HEXLOWER_PERMISSIVE.encode(&self.0))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(&temporary, path));
        fs::remove_file(&temporary)?;
        written?;
        match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

fn malformed(path: &Path, detail: &str) -> SecretKeyError {
    SecretKeyError::Malformed { path: path.to_owned(), detail: detail.to_owned() }
}

fn warn_when_readable_by_others(path: &Path) {
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format!("{:o}", mode & 0o777),
            "secret key file is open to others; run chmod 600 on it"
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_created_once_with_mode_0600_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        let key = SecretKey::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SecretKey::load_or_create(&path).unwrap(), key);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
        assert!(!format!("{key:?}").contains(fs::read_to_string(&path).unwrap().trim()));
    }

    #[test]
    fn a_malformed_file_is_named_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        for (text, reason) in
            [("", "0 characters"), ("abc", "3 characters"), (&"x".repeat(64), "at 0")]
        {
            fs::write(&path, text).unwrap();
            let error = SecretKey::load_or_create(&path).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("secret.key"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        let error = SecretKey::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("no text"), "{error}");
    }

    #[test]
    fn a_file_open_to_others_is_only_warned_about() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        let key = SecretKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(SecretKey::load_or_create(&path).unwrap(), key);
    }
}
