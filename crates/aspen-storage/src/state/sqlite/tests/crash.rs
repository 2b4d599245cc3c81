//! Crash images of the real files: a process that works on a directory is killed, or photographed,
//! at every step, and the directory must then hold what was promised and nothing by halves.

mod child;
mod history;
mod kills;
mod power;
mod verdict;
mod wal;
