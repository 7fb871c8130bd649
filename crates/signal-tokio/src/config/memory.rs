//! How much memory this process may use, as the system has it.

use std::fs;
use std::path::Path;

/// Taken where the system does not tell.
const ASSUMED: u64 = 4 << 30;

/// What the machine has, or less if a control group allows less: systemd's `MemoryMax=`, a
/// container's limit.
pub(super) fn bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.as_deref().and_then(total);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = of_groups(Path::new("/sys/fs/cgroup"), &groups);
    machine.into_iter().chain(group).min().unwrap_or(ASSUMED)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

/// The least that the groups of a process allow it, each of which is within all above it. `groups`
/// is what stands in `/proc/self/cgroup`: `HIERARCHY:CONTROLLERS:PATH` in each line, with hierarchy
/// 0 for the unified one.
fn of_groups(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (hierarchy, controllers) = (parts.next()?, parts.next()?);
        let path = parts.next()?.trim_start_matches('/');
        if hierarchy == "0" {
            of_group(root, path, "memory.max")
        } else if controllers
            .split(',')
            .any(|controller| controller == "memory")
        {
            of_group(&root.join("memory"), path, "memory.limit_in_bytes")
        } else {
            None
        }
    });
    limits.min()
}

fn of_group(root: &Path, path: &str, file: &str) -> Option<u64> {
    // The last of these is empty: the root itself, which in a container is the container's group.
    let groups = Path::new(path).ancestors();
    let limits = groups.filter_map(|group| {
        let limit = fs::read_to_string(root.join(group).join(file)).ok()?;
        limit.trim().parse().ok()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_read_in_kibibytes() {
        assert_eq!(
            total("MemFree: 7 kB\nMemTotal:       16384 kB\n"),
            Some(16 << 20)
        );
        assert_eq!(total("MemTotal: much\n"), None);
    }

    #[test]
    fn the_least_that_a_group_or_one_above_it_allows_counts() {
        let folder = signal_testwire::Folder::new("groups");
        let root = std::path::PathBuf::from(folder.path(""));
        let write = |file: &str, text: &str| {
            let file = root.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
            fs::write(file, text).expect("a new file");
        };
        write("system.slice/memory.max", "268435456\n");
        write("system.slice/signal.service/memory.max", "max\n");
        write("memory/docker/abc/memory.limit_in_bytes", "1000000\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let of = |groups: &str| of_groups(&root, groups);
        assert_eq!(of("0::/system.slice/signal.service\n"), Some(256 << 20));
        assert_eq!(
            of("5:cpu,memory:/docker/abc\n4:pids:/\n0::/\n"),
            Some(1_000_000)
        );
        // A path that is another namespace's: only the root is there.
        assert_eq!(of("3:memory:/../other\n"), Some(9_223_372_036_854_771_712));
        assert_eq!(of("0::/\n"), None);
    }
}
