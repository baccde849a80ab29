//! Limits by control groups, version 1 or 2.
//!
//! Workloads have groups at the top of each hierarchy, `sagegate/INSTANCE/ID`, and not below the
//! group of the process that starts them: they outlive it, and a service manager ends all that is in
//! a service's group. Where the top belongs to somebody else, the own group has to do.
//!
//! An instance has a group while it has workloads. What a crash has left without a process goes at the
//! next start of any instance.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::runtime::{Failure, Limits};

/// The directory above those of instances.
const ABOVE: &str = "sagegate";

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    Cpu,
    Pids,
}

const KINDS: [(Kind, &str); 3] =
    [(Kind::Memory, "memory"), (Kind::Cpu, "cpu"), (Kind::Pids, "pids")];

/// How old a group without a process is before it belongs to nobody: a start takes less (`STANDS`).
const ABANDONED: Duration = Duration::from_secs(120);

/// How often a group is made again whose parent another instance has taken for abandoned.
const TRIES: u32 = 5;

/// A period of processor time, in microseconds.
const PERIOD: u64 = 100_000;

/// Where groups can be made, by what they limit.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    instance: String,
    places: Vec<Place>,
    missing: Vec<String>,
}

#[derive(Debug)]
struct Place {
    kinds: Vec<Kind>,
    version: u8,
    /// The directory below which groups may be made.
    top: PathBuf,
    /// The directory of this instance's groups, which is there while it has some.
    directory: PathBuf,
}

impl Place {
    /// Makes a group, and what is above it.
    fn make(&self, id: &str, instance: &str) -> std::io::Result<PathBuf> {
        let group = self.directory.join(id);
        let mut tries = 1;
        loop {
            let made = KINDS
                .iter()
                .filter(|(kind, _)| self.kinds.contains(kind))
                .try_for_each(|(_, name)| {
                    prepare(&self.top, self.version, name, instance).map(|_| ())
                })
                .and_then(|()| match fs::create_dir(&group) {
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
                    done => done,
                });
            match made {
                Ok(()) => return Ok(group),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && tries < TRIES => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Groups {
    /// Finds out what this process may limit, for workloads of this instance.
    pub(crate) fn find(instance: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::find_in(&mounts, &own, instance)
    }

    fn find_in(mounts: &str, own: &str, instance: &str) -> Self {
        let mut groups = Self { instance: instance.to_owned(), ..Self::default() };
        for (kind, name) in KINDS {
            let mut error = "no hierarchy of control groups has it".to_owned();
            let found = hierarchies(mounts, own, name).into_iter().find_map(|it| {
                it.tops.iter().find_map(|top| match prepare(top, it.version, name, instance) {
                    Ok(directory) => Some((it.version, top.clone(), directory)),
                    Err(cause) => {
                        error = format!("{}: {cause}", top.display());
                        None
                    }
                })
            });
            match found {
                Some((version, top, directory)) => groups.add(kind, version, top, directory),
                None => groups.missing.push(format!("{name} is not limited: {error}")),
            }
        }
        for place in &groups.places {
            sweep(&place.top.join(ABOVE));
        }
        groups
    }

    fn add(&mut self, kind: Kind, version: u8, top: PathBuf, directory: PathBuf) {
        match self.places.iter_mut().find(|it| it.directory == directory) {
            Some(place) => place.kinds.push(kind),
            None => self.places.push(Place { kinds: vec![kind], version, top, directory }),
        }
    }

    /// The names of the limits that hold.
    pub(crate) fn held(&self) -> Vec<&'static str> {
        let held = |kind: &Kind| self.places.iter().any(|place| place.kinds.contains(kind));
        KINDS.iter().filter(|(kind, _)| held(kind)).map(|(_, name)| *name).collect()
    }

    /// What is not limited, and why.
    pub(crate) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Makes the groups of a workload; gives the files to which its first process is written.
    pub(crate) fn make(&self, id: &str, limits: &Limits) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for place in &self.places {
            let wrong =
                |error| Failure::of(&place.directory.join(id).display().to_string(), &error);
            let group = place.make(id, &self.instance).map_err(wrong)?;
            for (file, value) in settings(place, limits) {
                match fs::write(group.join(file), value) {
                    Ok(()) => {}
                    // Only where swap is counted is there something to say about it.
                    Err(error) if file.contains("sw") => {
                        tracing::debug!(%error, file, "no limit of swap");
                    }
                    Err(error) => return Err(wrong(error)),
                }
            }
            files.push(group.join("cgroup.procs"));
        }
        Ok(files)
    }

    /// Ends what is left in the groups of a workload, and removes them. Says whether nothing is left.
    pub(crate) fn remove(&self, id: &str) -> bool {
        let mut gone = true;
        for place in &self.places {
            let group = place.directory.join(id);
            for pid in pids(&group) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            match fs::remove_dir(&group) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => gone = false,
            }
            remove_empty(&place.directory);
        }
        gone
    }
}

/// Removes what instances have left below `above`: groups of workloads without a process, and groups
/// of instances without workloads. Those that are in use cannot be removed (cgroups(7)).
fn sweep(above: &Path) {
    for instance in directories(above) {
        for group in directories(&instance) {
            let age = fs::metadata(&group).and_then(|it| it.modified()).map(|it| it.elapsed());
            if age.is_ok_and(|it| it.is_ok_and(|it| it > ABANDONED)) {
                let _ = fs::remove_dir(&group);
            }
        }
        let _ = fs::remove_dir(&instance);
    }
    let _ = fs::remove_dir(above);
}

/// Removes the group of an instance without workloads, and what is above it if it was the last.
fn remove_empty(instance: &Path) {
    if fs::remove_dir(instance).is_ok()
        && let Some(above) = instance.parent()
    {
        let _ = fs::remove_dir(above);
    }
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let found = entries.flatten().filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()));
    found.map(|it| it.path()).collect()
}

fn pids(group: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw).collect()
}

/// What is written to make the limits hold.
fn settings(place: &Place, limits: &Limits) -> Vec<(&'static str, String)> {
    let quota = (u64::from(limits.cpu_milli) * PERIOD / 1000).max(1000);
    let mut settings = Vec::new();
    for kind in &place.kinds {
        match (kind, place.version) {
            (Kind::Memory, 1) => settings.extend([
                ("memory.limit_in_bytes", limits.memory.to_string()),
                ("memory.memsw.limit_in_bytes", limits.memory.to_string()),
            ]),
            (Kind::Memory, _) => settings.extend([
                ("memory.max", limits.memory.to_string()),
                ("memory.swap.max", "0".to_owned()),
            ]),
            (Kind::Cpu, 1) => settings.extend([
                ("cpu.cfs_period_us", PERIOD.to_string()),
                ("cpu.cfs_quota_us", quota.to_string()),
            ]),
            (Kind::Cpu, _) => settings.push(("cpu.max", format!("{quota} {PERIOD}"))),
            (Kind::Pids, _) => settings.push(("pids.max", limits.pids.to_string())),
        }
    }
    settings
}

/// A mounted hierarchy, and where in it groups might be made: at its top, else in the own group.
struct Hierarchy {
    version: u8,
    tops: Vec<PathBuf>,
}

/// The hierarchies that may have a controller, from `/proc/self/mountinfo` (proc(5): root and mount
/// point are words 4 and 5, the type and the options follow a lone hyphen) and `/proc/self/cgroup`
/// (cgroups(7): id, controllers, path).
fn hierarchies(mounts: &str, own: &str, controller: &str) -> Vec<Hierarchy> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let mut words = left.split(' ').skip(3);
        let (Some(root), Some(point)) = (words.next(), words.next()) else { continue };
        let mut words = right.split(' ');
        let version = match words.next() {
            Some("cgroup") => 1,
            Some("cgroup2") => 2,
            _ => continue,
        };
        let options = words.nth(1).unwrap_or_default();
        if version == 1 && !options.split(',').any(|it| it == controller) {
            continue;
        }
        let path = own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let same = if version == 2 {
                controllers.is_empty()
            } else {
                controllers.split(',').any(|it| it == controller)
            };
            same.then_some(path)
        });
        let top = PathBuf::from(point);
        let mut tops = vec![top.clone()];
        if let Some(below) = path.and_then(|path| Path::new(path).strip_prefix(root).ok())
            && below != Path::new("")
        {
            tops.push(top.join(below));
        }
        found.push(Hierarchy { version, tops });
    }
    found
}

/// Makes the directory of this instance's groups, with the controller switched on in it.
fn prepare(top: &Path, version: u8, name: &str, instance: &str) -> std::io::Result<PathBuf> {
    let above = top.join(ABOVE);
    let directory = above.join(instance);
    if version == 2 {
        let known = fs::read_to_string(top.join("cgroup.controllers"))?;
        if !known.split_whitespace().any(|it| it == name) {
            return Err(std::io::Error::other("not a controller of this hierarchy"));
        }
    }
    fs::create_dir_all(&directory)?;
    for group in [top, &above, &directory] {
        if version == 2 {
            fs::write(group.join("cgroup.subtree_control"), format!("+{name}"))?;
        } else if name == "memory" && group != top {
            // Set for ever where a kernel has but one way.
            let _ = fs::write(group.join("memory.use_hierarchy"), "1");
        }
    }
    // What cannot be written would be found out only at the first start.
    rustix::fs::access(&directory, rustix::fs::Access::WRITE_OK)?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { cpu_milli: 1500, memory: 1 << 30, pids: 100 }
    }

    #[test]
    fn the_second_version_is_switched_on_from_the_top() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        let mounts = format!("30 1 0:1 / {} rw - cgroup2 cgroup rw\n", top.path().display());
        let groups = Groups::find_in(&mounts, "0::/\n", "i1");
        assert_eq!(groups.held(), ["memory", "cpu", "pids"]);
        let directory = top.path().join("sagegate/i1");
        for group in [top.path(), &top.path().join("sagegate"), &directory] {
            assert!(group.join("cgroup.subtree_control").exists(), "{}", group.display());
        }
        let files = groups.make("w", &limits()).unwrap();
        assert_eq!(files, [directory.join("w/cgroup.procs")]);
        let read = |name: &str| fs::read_to_string(directory.join("w").join(name)).unwrap();
        assert_eq!(read("memory.max"), "1073741824");
        assert_eq!(read("cpu.max"), "150000 100000");
        assert_eq!(read("pids.max"), "100");
    }

    #[test]
    fn the_first_version_has_a_hierarchy_for_each() {
        let top = tempfile::tempdir().unwrap();
        let mut mounts = String::new();
        for name in ["memory", "cpu"] {
            let point = top.path().join(name);
            fs::create_dir(&point).unwrap();
            mounts.push_str(&format!("30 1 0:1 / {} rw - cgroup x rw,{name}\n", point.display()));
        }
        let groups = Groups::find_in(&mounts, "1:cpu:/\n2:memory:/\n", "i1");
        assert_eq!(groups.held(), ["memory", "cpu"]);
        assert_eq!(
            groups.missing(),
            ["pids is not limited: no hierarchy of control groups has it"]
        );
        groups.make("w", &limits()).unwrap();
        let read = |name: &str| fs::read_to_string(top.path().join(name)).unwrap();
        assert_eq!(read("memory/sagegate/i1/w/memory.limit_in_bytes"), "1073741824");
        assert_eq!(read("cpu/sagegate/i1/w/cpu.cfs_quota_us"), "150000");
    }

    /// Where this machine has a second-version hierarchy with a controller in it, as root.
    #[test]
    fn a_real_hierarchy_of_the_second_version_holds_and_is_left_as_it_was() {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let second: String = mounts
            .lines()
            .filter(|it| it.contains(" - cgroup2 "))
            .map(|it| format!("{it}\n"))
            .collect();
        let instance = format!("test{:08x}", std::process::id());
        let groups = Groups::find_in(&second, &own, &instance);
        if groups.places.is_empty() {
            eprintln!(
                "SKIPPED: limits by the second version of control groups: {:?}",
                groups.missing
            );
            return;
        }
        let files = groups.make("w", &limits()).unwrap();
        let mut child = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
        for file in &files {
            fs::write(file, child.id().to_string()).unwrap();
        }
        for place in &groups.places {
            let read =
                |name: &str| fs::read_to_string(place.directory.join("w").join(name)).unwrap();
            for kind in &place.kinds {
                match kind {
                    Kind::Memory => assert_eq!(read("memory.max").trim(), "1073741824"),
                    Kind::Cpu => assert_eq!(read("cpu.max").trim(), "150000 100000"),
                    Kind::Pids => assert_eq!(read("pids.max").trim(), "100"),
                }
            }
        }
        // What is in use is nobody's to remove.
        sweep(&groups.places[0].top.join(ABOVE));
        assert!(groups.places[0].directory.join("w").exists());
        let _ = groups.remove("w");
        let ended = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(9));
        assert!(groups.remove("w"));
        assert!(!groups.places[0].directory.exists());
    }

    #[test]
    fn what_is_left_without_a_process_goes_unless_it_is_young() {
        let top = tempfile::tempdir().unwrap();
        let above = top.path().join(ABOVE);
        let (old, young) = (above.join("i1/old"), above.join("i2/young"));
        for group in [&old, &young] {
            fs::create_dir_all(group).unwrap();
        }
        let made = fs::metadata(&old).unwrap().modified().unwrap();
        let before = made - ABANDONED - Duration::from_secs(60);
        fs::File::open(&old).unwrap().set_modified(before).unwrap();
        fs::create_dir(above.join("i3")).unwrap();
        sweep(&above);
        assert_eq!(directories(&above), [above.join("i2")]);
        assert!(young.exists());
        fs::remove_dir(&young).unwrap();
        remove_empty(&above.join("i2"));
        assert!(!above.exists());
    }

    #[test]
    fn where_the_top_is_not_ours_the_own_group_is_next() {
        let mounts = "30 1 0:1 /box /cg rw - cgroup2 cgroup rw\n";
        let found = hierarchies(mounts, "0::/box/service\n", "memory");
        assert_eq!(found[0].tops, [PathBuf::from("/cg"), PathBuf::from("/cg/service")]);
    }
}
