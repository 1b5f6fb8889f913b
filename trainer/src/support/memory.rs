//! How much memory the process may still have, so that a shortage is an error with figures, before it is one without.
//!
//! The least of what is read here counts: the machine's free memory, the limit of each control group that the process is in (a
//! container's), and the process' own limit of addresses (`ulimit -v`). All of it is an estimate: other processes come and go.

use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};

/// What is taken for available where the system reports nothing.
const UNKNOWN: u64 = 4 << 30;

/// Less than this is not worth a question.
const SMALL: u64 = 8 << 20;

/// More memory is needed than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("about {} of memory are needed, {} are available", Size(*.needed), Size(*.available))]
pub struct Shortage {
    /// Bytes, about.
    pub needed: u64,
    /// Bytes, about.
    pub available: u64,
}

/// A number of bytes as people read it: three digits, in powers of 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GB", 1e9), ("MB", 1e6), ("KB", 1e3)];
        let bytes = self.0 as f64;
        match units.into_iter().find(|&(_, unit)| bytes >= unit) {
            Some((name, unit)) if bytes / unit < 9.95 => write!(f, "{:.1} {name}", bytes / unit),
            Some((name, unit)) => write!(f, "{:.0} {name}", bytes / unit),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// Bytes that the process can still have, about.
#[must_use]
pub fn available() -> u64 {
    [free_memory(), addresses_left(), control_groups_left()].into_iter().flatten().min().unwrap_or(UNKNOWN)
}

/// Refuses what needs more memory than there is.
///
/// # Errors
/// [`Shortage`].
pub fn check(needed: u64) -> Result<(), Shortage> {
    if needed < SMALL {
        return Ok(());
    }
    let available = available();
    if needed > available { Err(Shortage { needed, available }) } else { Ok(()) }
}

/// Bytes of all claims that are held.
static CLAIMED: Mutex<u64> = Mutex::new(0);

/// Wakes who waits for a claim to end.
static RELEASED: Condvar = Condvar::new();

/// Memory that a piece of work takes while it runs, among others that do the same at once.
#[derive(Debug)]
pub struct Claim(u64);

impl Claim {
    /// Waits until so much memory is there beside what others have claimed. What waits must not hold a claim of its own.
    ///
    /// # Errors
    /// [`Shortage`] where it is not there although nobody else has claimed any.
    pub fn new(needed: u64) -> Result<Self, Shortage> {
        if needed < SMALL {
            return Ok(Self(0));
        }
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // What is claimed may be taken already, and then counts twice: on the safe side, as long as somebody will end.
            let available = available();
            if needed.saturating_add(*claimed) <= available {
                *claimed += needed;
                return Ok(Self(needed));
            }
            if *claimed == 0 {
                return Err(Shortage { needed, available });
            }
            claimed = RELEASED.wait(claimed).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.0 > 0 {
            *CLAIMED.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
            RELEASED.notify_all();
        }
    }
}

/// What Linux would give without swapping.
fn free_memory() -> Option<u64> {
    kilobytes(&read("/proc/meminfo")?, "MemAvailable:")
}

/// Addresses that one thread takes to set itself up: its stack and its signal stack.
const FOR_A_THREAD: u64 = 16 << 20;

/// Whether a thread that is started now can set itself up. Under a limit of addresses it may start and then end the process, for want of a
/// signal stack.
#[must_use]
pub fn has_addresses_for_a_thread() -> bool {
    addresses_left().is_none_or(|left| left >= FOR_A_THREAD)
}

/// What is left of the limit of addresses (`ulimit -v`); `None` where there is no limit.
#[must_use]
pub fn addresses_left() -> Option<u64> {
    let limit = address_limit(&read("/proc/self/limits")?)?;
    Some(limit.saturating_sub(kilobytes(&read("/proc/self/status")?, "VmSize:")?))
}

/// The limit in force, in bytes, of the line `Max address space`; `None` where there is none.
fn address_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What is left of the memory of the control groups that the process is in, of version 2 and of version 1.
fn control_groups_left() -> Option<u64> {
    groups(&read("/proc/self/cgroup")?).into_iter().filter_map(|(group, version)| left_in(&group, version)).min()
}

/// The version of a control group's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The directories of the control groups that `/proc/self/cgroup` names, and those above them, whose limits hold too.
fn groups(text: &str) -> Vec<(String, Version)> {
    let mut groups = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, version) = match controllers {
            "" => ("/sys/fs/cgroup", Version::Two),
            names if names.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", Version::One),
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        while let Some((above, _)) = path.rsplit_once('/') {
            groups.push((format!("{root}{path}"), version));
            path = above;
        }
        // Inside of a container its own group is all that is to be seen.
        groups.push((root.to_owned(), version));
    }
    groups
}

/// What is left in a group; pages that are only kept for the next reader do not count as taken.
fn left_in(group: &str, version: Version) -> Option<u64> {
    let (limit, usage, kept) = match version {
        Version::Two => ("memory.max", "memory.current", "inactive_file"),
        Version::One => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    };
    let number = |file: &str| read(&format!("{group}/{file}"))?.trim().parse::<u64>().ok();
    let limit = number(limit)?;
    let stat = read(&format!("{group}/memory.stat")).unwrap_or_default();
    let kept = stat.lines().find_map(|line| line.strip_prefix(kept)?.trim().parse::<u64>().ok()).unwrap_or(0);
    Some(limit.saturating_sub(number(usage)?.saturating_sub(kept)))
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The number of a line such as `MemAvailable:   24006244 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let number = text.lines().find_map(|line| line.strip_prefix(name))?;
    number.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_digits_or_three() {
        let cases = [
            (999, "999 bytes"),
            (1_000, "1.0 KB"),
            (9_949, "9.9 KB"),
            (12_345, "12 KB"),
            (805_306_368, "805 MB"),
            (1_750_000_000, "1.8 GB"),
            (24_000_000_000, "24 GB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Size(bytes).to_string(), expected);
        }
    }

    #[test]
    fn lines_of_the_system_are_read() {
        let text = "MemTotal:       24006244 kB\nMemAvailable:   100 kB\nHugePages_Total:       0\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(102_400));
        assert_eq!(kilobytes(text, "HugePages_Total:"), None);
        assert_eq!(kilobytes(text, "VmSize:"), None);
        let line = "Max address space         2048000000           unlimited            bytes     \n";
        assert_eq!(address_limit(&format!("Limit  Soft Limit  Hard Limit  Units\n{line}")), Some(2_048_000_000));
        assert_eq!(address_limit("Max address space         unlimited            unlimited            bytes"), None);
    }

    #[test]
    fn the_groups_above_a_group_count_too() {
        let expected = ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"];
        assert_eq!(groups("0::/a/b\n"), expected.map(|group| (group.to_owned(), Version::Two)));
        let both = groups("12:cpu,cpuacct:/x\n11:memory:/docker/1\n0::/\n");
        let expected = [
            ("/sys/fs/cgroup/memory/docker/1", Version::One),
            ("/sys/fs/cgroup/memory/docker", Version::One),
            ("/sys/fs/cgroup/memory", Version::One),
            ("/sys/fs/cgroup", Version::Two),
        ];
        assert_eq!(both, expected.map(|(group, version)| (group.to_owned(), version)));
        assert_eq!(groups("nonsense\n"), []);
    }

    #[test]
    fn a_group_leaves_its_limit_less_what_is_taken_and_not_only_kept() {
        let group = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(group.path().join(file), text).unwrap();
        let path = group.path().to_str().unwrap();
        assert_eq!(left_in(path, Version::Two), None);
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        assert_eq!(left_in(path, Version::Two), None, "a group without a limit");
        write("memory.max", "1000\n");
        assert_eq!(left_in(path, Version::Two), Some(300));
        write("memory.stat", "anon 500\ninactive_file 200\nactive_file 1\n");
        assert_eq!(left_in(path, Version::Two), Some(500));
        write("memory.limit_in_bytes", "100\n");
        write("memory.usage_in_bytes", "600\n");
        assert_eq!(left_in(path, Version::One), Some(0));
    }

    #[test]
    fn more_than_there_is_is_refused_with_both_figures_and_the_rest_is_lent_and_given_back() {
        let shortage = check(u64::MAX).unwrap_err();
        assert_eq!(shortage.needed, u64::MAX);
        assert!(shortage.to_string().contains(" of memory are needed, "), "{shortage}");
        assert!(Claim::new(u64::MAX / 2).is_err());
        let share = available() / 4;
        // One after the other where they do not fit at once.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Claim::new(share).unwrap());
            }
        });
    }
}
