//! What an engine is asked to make for a workload.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountBindOptions,
    MountBindOptionsPropagationEnum, MountType, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use rustix::process::{Resource, getrlimit};
use sagegate_agent::COMMAND;
use sagegate_agent::plan::{CONTAIN, EXECUTABLE, HOME, METADATA, PLAN, RUN};

use crate::runtime::{Limits, Spec};

/// Files of `/etc` that a container has from here; the others are its image's.
pub(super) const ETC: [&str; 4] = ["passwd", "group", "hosts", "resolv.conf"];
/// The name of the text of [`METADATA`] among the files that the container sees.
pub(super) const METADATA_FILE: &str = "resource-metadata.json";

/// Open files of a process, at most.
const FILES: u64 = 65_536;
/// Processes of the user of all containers, at most: each container's own are counted by its limit.
const PROCESSES: u64 = 32_768;

/// What a container is made of.
pub(super) struct Parts<'a> {
    pub(super) spec: &'a Spec,
    pub(super) image: &'a str,
    pub(super) executable: &'a Path,
    pub(super) home: &'a Path,
    /// The directory of the files that the container sees.
    pub(super) inside: &'a Path,
    pub(super) user: (u32, u32),
}

/// What to ask for. Everything that an engine or an image could have by default and a space must not
/// is said.
pub(super) fn body(parts: &Parts<'_>) -> ContainerCreateBody {
    let Parts { spec, image, executable, home, inside, user: (uid, gid) } = parts;
    let mut mounts = vec![
        mount(executable, EXECUTABLE, true),
        mount(inside, RUN, true),
        mount(&inside.join(METADATA_FILE), METADATA, true),
        mount(home, HOME, false),
    ];
    mounts.extend(ETC.map(|name| mount(&inside.join(name), &format!("/etc/{name}"), true)));
    for need in &spec.app.needs {
        mounts.push(mount(need, &need.display().to_string(), true));
    }
    ContainerCreateBody {
        image: Some((*image).to_owned()),
        hostname: Some(spec.hostname.clone()),
        user: Some(format!("{uid}:{gid}")),
        working_dir: Some("/".to_owned()),
        entrypoint: Some(vec![EXECUTABLE.to_owned()]),
        cmd: Some([COMMAND, CONTAIN, PLAN].map(str::to_owned).into()),
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        tty: Some(false),
        open_stdin: Some(false),
        host_config: Some(host(&spec.limits, mounts)),
        ..ContainerCreateBody::default()
    }
}

fn host(limits: &Limits, mounts: Vec<Mount>) -> HostConfig {
    let memory = i64::try_from(limits.memory).unwrap_or(i64::MAX);
    let scratch = limits.memory / 2;
    let tmp = format!("rw,nosuid,nodev,mode=1777,size={scratch}");
    let log = HashMap::from([("max-size".to_owned(), "64k".to_owned())]);
    HostConfig {
        mounts: Some(mounts),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), tmp)])),
        shm_size: Some(i64::try_from(scratch).unwrap_or(i64::MAX)),
        memory: Some(memory),
        // With swap, which there is none of.
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(limits.cpu_milli) * 1_000_000),
        pids_limit: Some(i64::from(limits.pids)),
        ulimits: Some(vec![
            ulimit("nofile", Resource::Nofile, FILES),
            ulimit("nproc", Resource::Nproc, PROCESSES),
        ]),
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("private".to_owned()),
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        // What the first stage says is read where a start fails; nothing else is written there.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(log),
        }),
        auto_remove: Some(false),
        init: Some(false),
        ..HostConfig::default()
    }
}

/// What is mounted below the host's directory is not shown, and a directory that is missing is not
/// made.
fn mount(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

/// No more than this, and than an engine with the limits of this process may give.
fn ulimit(name: &str, resource: Resource, most: u64) -> ResourcesUlimits {
    let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(most), hard: Some(most) }
}
