//! The system calls that change files, as SQLite and the standard library find them.
//!
//! A symbol of the program goes before the C library's of the same name, which is also how madsim
//! takes the clock over. Threads without declared directories pass straight through.
#![allow(unsafe_code, reason = "these functions take the place of the C library's")]

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use libc::{off_t, size_t, ssize_t};

use super::file::{FileKey, TrackedFile};
use super::{FILES, Files};

/// Whether the power is on below the file's directory, and whether it fails in this call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    Fails,
    Off,
}

impl Files {
    /// The file behind a descriptor, when it lies in a declared directory.
    fn find(&mut self, fd: c_int) -> Option<FileKey> {
        let key = key_of(fd)?;
        let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
        let known = self.tracked.get(&key).is_some_and(|file| file.path == path);
        if !known {
            let directory = self.directory_of(&path).map(Path::to_owned);
            self.tracked.insert(key, TrackedFile::new(path, directory));
        }
        let inside = self.tracked.get(&key).is_some_and(|file| file.directory.is_some());
        inside.then_some(key)
    }

    fn directory(&self, key: FileKey) -> Option<PathBuf> {
        self.tracked.get(&key)?.directory.clone()
    }

    fn power(&mut self, key: FileKey) -> Power {
        let Some(directory) = self.directory(key) else { return Power::On };
        if self.is_dead(&directory) {
            return Power::Off;
        }
        if self.fails_now(&directory) { Power::Fails } else { Power::On }
    }

    /// After the call in whose midst the power failed.
    fn settle(&mut self, key: FileKey, power: Power) {
        if let (Power::Fails, Some(directory)) = (power, self.directory(key)) {
            self.fail(&directory);
        }
    }

    fn file(&mut self, key: FileKey) -> &mut TrackedFile {
        self.tracked.get_mut(&key).expect("the file was just found")
    }
}

fn key_of(fd: c_int) -> Option<FileKey> {
    // SAFETY: a zeroed `stat` is valid, and the call writes at most that much.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let failed = unsafe { libc::fstat(fd, &mut stat) } != 0;
    (!failed).then_some(FileKey(stat.st_dev, stat.st_ino))
}

/// Reads as much as there is, from a position.
fn read_at(fd: c_int, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; len];
    // SAFETY: the buffer is `len` bytes long.
    let read = unsafe { libc::pread(fd, bytes.as_mut_ptr().cast(), len, offset as off_t) };
    let read = usize::try_from(read).unwrap_or_else(|_| read_anew(fd, offset, &mut bytes));
    bytes.truncate(read);
    bytes
}

/// Reads a file whose descriptor is for writing only, through one of its own.
fn read_anew(fd: c_int, offset: u64, bytes: &mut [u8]) -> usize {
    let file = File::open(format!("/proc/self/fd/{fd}"));
    file.and_then(|file| file.read_at(bytes, offset)).expect("a file that is written can be read")
}

fn io_error() -> c_int {
    // SAFETY: the C library answers the address of this thread's error number.
    unsafe { *libc::__errno_location() = libc::EIO };
    -1
}

/// Runs `act` on the file behind a descriptor when it is in a declared directory; `None` when the
/// call is to pass through. The files are taken away meanwhile, so that calls made here pass.
fn on_file<T>(fd: c_int, act: impl FnOnce(&mut Files, FileKey) -> T) -> Option<T> {
    let mut files = FILES.try_with(|files| files.try_borrow_mut().ok()?.take()).ok()??;
    let result = files.find(fd).map(|key| act(&mut files, key));
    FILES.set(Some(files));
    result
}

fn write_at(fd: c_int, offset: u64, len: size_t, write: impl Fn() -> ssize_t) -> ssize_t {
    let tracked = on_file(fd, |files, key| {
        let power = files.power(key);
        if power == Power::Off {
            return io_error() as ssize_t;
        }
        files.file(key).before_write(offset, len as u64, |at, len| read_at(fd, at, len));
        let written = write();
        if written > 0 {
            let file = files.file(key);
            file.after_write(offset, written as u64, |at, len| read_at(fd, at, len));
        }
        files.settle(key, power);
        written
    });
    tracked.unwrap_or_else(write)
}

fn sync(fd: c_int, number: libc::c_long) -> c_int {
    let tracked = on_file(fd, |files, key| match files.power(key) {
        Power::On => {
            files.file(key).synced();
            0
        }
        Power::Fails => {
            files.settle(key, Power::Fails);
            io_error()
        }
        Power::Off => io_error(),
    });
    // SAFETY: the call takes a descriptor and nothing else.
    tracked.unwrap_or_else(|| unsafe { libc::syscall(number, fd) as c_int })
}

fn truncate(fd: c_int, len: off_t) -> c_int {
    // SAFETY: the call takes a descriptor and a length.
    let cut = || unsafe { libc::syscall(libc::SYS_ftruncate, fd, len) as c_int };
    let tracked = on_file(fd, |files, key| {
        let power = files.power(key);
        if power == Power::Off {
            return io_error();
        }
        let result = cut();
        files.file(key).truncated(len as u64);
        files.settle(key, power);
        result
    });
    tracked.unwrap_or_else(cut)
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, len: size_t) -> ssize_t {
    // SAFETY: the caller's arguments are passed on as they are.
    let write = || unsafe { libc::syscall(libc::SYS_write, fd, bytes, len) as ssize_t };
    let is_tracking = FILES.try_with(|files| files.try_borrow().is_ok_and(|it| it.is_some()));
    if !is_tracking.unwrap_or(false) {
        return write();
    }
    // SAFETY: asks where the next write goes, and changes nothing.
    let offset = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
    match u64::try_from(offset) {
        Ok(offset) => write_at(fd, offset, len, write),
        // A pipe, a terminal or a socket.
        Err(_) => write(),
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(
    fd: c_int,
    bytes: *const c_void,
    len: size_t,
    offset: off_t,
) -> ssize_t {
    write_at(fd, offset as u64, len, || {
        // SAFETY: the caller's arguments are passed on as they are.
        unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, len, offset) as ssize_t }
    })
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(
    fd: c_int,
    bytes: *const c_void,
    len: size_t,
    offset: off_t,
) -> ssize_t {
    // SAFETY: the same function on this platform.
    unsafe { pwrite(fd, bytes, len, offset) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fsync)
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fdatasync)
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate(fd: c_int, len: off_t) -> c_int {
    truncate(fd, len)
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate64(fd: c_int, len: off_t) -> c_int {
    truncate(fd, len)
}
