//! `aspen-node`: one node of an Aspen cluster as a process.

#[cfg(not(madsim))]
mod flags;
#[cfg(not(madsim))]
mod program;
#[cfg(not(madsim))]
mod serve;
#[cfg(not(madsim))]
mod signals;

#[cfg(not(madsim))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(not(madsim))]
fn main() -> std::process::ExitCode {
    program::run_program()
}

/// A simulation has no processes, but Cargo builds a package's programs with its tests.
#[cfg(madsim)]
fn main() {}
