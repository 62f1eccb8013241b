//! What the container is granted of processors and memory: `${cpus}` and `${memory}`.
//!
//! `os.cpu_count()` and `nproc` do not see a cgroup's quota, and a server that starts a worker for
//! each of the host's processors runs out of memory. Versions 1 and 2 of cgroups, each group above
//! ours included: the narrowest counts.

use std::fs;
use std::path::{Path, PathBuf};

/// Processors: the quota, rounded up, and no more than this process may run on; at least 1.
pub(crate) fn cpus() -> u64 {
    System::real().cpus()
}

/// Bytes of memory: the limit, or what the machine has.
pub(crate) fn memory() -> Option<u64> {
    System::real().memory()
}

/// The files of the kernel, below a directory of a test's own or `/`.
struct System {
    root: PathBuf,
}

/// A hierarchy of version 1, or the one of version 2.
struct Hierarchy {
    /// Where it is mounted.
    mount: PathBuf,
    /// Our group's directory in it.
    group: PathBuf,
}

impl System {
    fn real() -> Self {
        Self { root: "/".into() }
    }

    fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        let path = path.as_ref();
        fs::read_to_string(self.root.join(path.strip_prefix("/").unwrap_or(path))).ok()
    }

    fn cpus(&self) -> u64 {
        let allowed = self
            .read("/proc/self/status")
            .and_then(|status| count(field(&status, "Cpus_allowed_list:")?));
        let two = self.hierarchy(None).and_then(|hierarchy| {
            self.narrowest(&hierarchy, |group| quota_of_2(&self.read(group.join("cpu.max"))?))
        });
        let one = self.hierarchy(Some("cpu")).and_then(|hierarchy| {
            self.narrowest(&hierarchy, |group| {
                quota(
                    self.read(group.join("cpu.cfs_quota_us"))?.trim(),
                    self.read(group.join("cpu.cfs_period_us"))?.trim(),
                )
            })
        });
        [allowed, two, one].into_iter().flatten().min().unwrap_or(1).max(1)
    }

    fn memory(&self) -> Option<u64> {
        let machine = self.read("/proc/meminfo").and_then(|text| {
            let kilobytes = field(&text, "MemTotal:")?.split_whitespace().next()?;
            kilobytes.parse::<u64>().ok()?.checked_mul(1024)
        });
        let limit = |controller, file: &str| {
            let hierarchy = self.hierarchy(controller)?;
            // `max`, which is no number, means none.
            self.narrowest(&hierarchy, |group| self.read(group.join(file))?.trim().parse().ok())
        };
        let two = limit(None, "memory.max");
        let one = limit(Some("memory"), "memory.limit_in_bytes");
        [machine, two, one].into_iter().flatten().min()
    }

    /// The least of what our group and those above it say.
    fn narrowest(&self, hierarchy: &Hierarchy, read: impl Fn(&Path) -> Option<u64>) -> Option<u64> {
        let groups = hierarchy.group.ancestors();
        groups.take_while(|group| group.starts_with(&hierarchy.mount)).filter_map(read).min()
    }

    /// That of this controller of version 1, or that of version 2.
    fn hierarchy(&self, controller: Option<&str>) -> Option<Hierarchy> {
        let mounts = self.read("/proc/self/mountinfo")?;
        let (mount, top) = mounts.lines().find_map(|line| mounted(line, controller))?;
        let groups = self.read("/proc/self/cgroup")?;
        let ours = groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
            let ours = match controller {
                None => controllers.is_empty(),
                Some(controller) => controllers.split(',').any(|one| one == controller),
            };
            ours.then(|| group.to_owned())
        })?;
        // With the host's view of groups, a container sees its own as the top of the mount.
        let below = Path::new(&ours).strip_prefix(&top).unwrap_or(Path::new(""));
        let group = mount.join(below);
        Some(Hierarchy { mount, group })
    }
}

/// Mount point and root of a line of proc_pid_mountinfo(5), if it is what is asked for.
fn mounted(line: &str, controller: Option<&str>) -> Option<(PathBuf, PathBuf)> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (top, point) = (fields.next()?, fields.next()?);
    let mut kind = kind.split(' ');
    let wanted = match (kind.next()?, controller) {
        ("cgroup2", None) => true,
        ("cgroup", Some(controller)) => kind.nth(1)?.split(',').any(|option| option == controller),
        _ => false,
    };
    wanted.then(|| (point.into(), top.into()))
}

/// The rest of the line that begins with `name`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// How many a list like `0-3,8` has.
fn count(list: &str) -> Option<u64> {
    list.split(',').try_fold(0u64, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// `cpu.max`: quota and period, or `max`.
fn quota_of_2(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    quota(words.next()?, words.next()?)
}

/// Rounded up. Version 1 has -1 for none.
fn quota(quota: &str, period: &str) -> Option<u64> {
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| quota.div_ceil(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these files.
    struct Machine(System);

    impl Machine {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root =
                std::env::temp_dir().join(format!("pydexec-cgroup-{}-{name}", std::process::id()));
            for (path, text) in files {
                let file = root.join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Self(System { root })
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.root);
        }
    }

    const TWO: &str = "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup rw\n";
    const ONE: &str = "\
        30 1 0:26 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
        31 1 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    const STATUS: (&str, &str) = ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-7\n");
    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");

    #[test]
    fn a_quota_of_version_2_is_rounded_up() {
        for (max, cpus) in [
            ("150000 100000", 2),
            ("100000 100000", 1),
            ("1000 100000", 1),
            ("400000 100000", 4),
            ("900000 100000", 8),
            ("max 100000", 8),
        ] {
            let machine = Machine::new(
                &max.replace(' ', "-"),
                &[
                    ("proc/self/mountinfo", TWO),
                    ("proc/self/cgroup", "0::/\n"),
                    STATUS,
                    ("sys/fs/cgroup/cpu.max", max),
                ],
            );
            assert_eq!(machine.0.cpus(), cpus, "{max}");
        }
    }

    #[test]
    fn the_groups_above_count_too() {
        let machine = Machine::new(
            "above",
            &[
                ("proc/self/mountinfo", TWO),
                ("proc/self/cgroup", "0::/a/b\n"),
                STATUS,
                MEMINFO,
                ("sys/fs/cgroup/a/cpu.max", "200000 100000"),
                ("sys/fs/cgroup/a/b/cpu.max", "max 100000"),
                ("sys/fs/cgroup/a/memory.max", "5000\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ],
        );
        assert_eq!(machine.0.cpus(), 2);
        assert_eq!(machine.0.memory(), Some(5000));
    }

    #[test]
    fn version_1_has_its_own_files_and_a_mount_that_begins_at_our_group() {
        let machine = Machine::new(
            "one",
            &[
                ("proc/self/mountinfo", ONE),
                ("proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n"),
                STATUS,
                MEMINFO,
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
        );
        assert_eq!(machine.0.cpus(), 3);
        // No limit in version 1 is a number beyond any machine.
        assert_eq!(machine.0.memory(), Some(1_024_000));
        let path = machine.0.root.join("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us");
        fs::write(path, "-1\n").unwrap();
        assert_eq!(machine.0.cpus(), 8);
    }

    #[test]
    fn without_any_of_these_files_there_is_one_processor() {
        let machine = Machine::new("none", &[]);
        assert_eq!(machine.0.cpus(), 1);
        assert_eq!(machine.0.memory(), None);
    }

    #[test]
    fn this_machine_has_both() {
        assert!(cpus() >= 1);
        assert!(memory().unwrap() > 1 << 20);
    }

    #[test]
    fn lists_of_processors_are_counted() {
        for (list, many) in
            [("0", Some(1)), ("0-3", Some(4)), ("0-1,4,6-7", Some(5)), ("", None), ("3-1", None)]
        {
            assert_eq!(count(list), many, "{list}");
        }
    }
}
