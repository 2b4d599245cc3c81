//! How much memory the measured processes need.

/// Sets the processes' peaks back to what they use now, so that the next peak belongs to the next
/// row. A system without `/proc` measures no memory at all.
pub(super) fn reset_peaks(pids: &[u32]) {
    for pid in pids {
        // 5 resets the peak resident set, as proc_pid_clear_refs(5) says.
        let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
}

/// The largest peak resident set among the processes, in MiB.
pub(super) fn peak_mib(pids: &[u32]) -> Option<u64> {
    let read = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/status")).ok();
    pids.iter().filter_map(read).filter_map(|status| parse_peak_mib(&status)).max()
}

fn parse_peak_mib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_in_mib() {
        let status = "Name:\tnode\nVmHWM:\t   10240 kB\nVmRSS:\t    9000 kB\n";
        assert_eq!(parse_peak_mib(status), Some(10));
        assert_eq!(parse_peak_mib("Name:\tkernel thread\n"), None);
    }
}
