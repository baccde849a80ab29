//! Starting a workload: what the launcher is told, and waiting until the agent is ready.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sagegate_agent::COMMAND;
use sagegate_agent::plan::{HOME, Launch, Plan, READY, Walls};
use tokio::io::AsyncReadExt;

use super::found::last_words;
use super::{Process, Standing};
use crate::held::Held;
use crate::homes::{Whose, private, write_private};
use crate::plan::{PORT, Seen, plan};
use crate::runtime::{Failure, Isolation, Seat, Spec};

/// How long a sandbox may take to stand.
const STANDS: Duration = Duration::from_secs(30);

impl Process {
    /// Starts a workload in an empty directory.
    pub(super) async fn launch(
        &self,
        spec: &Spec,
        isolation: Isolation,
        directory: &Path,
        seat: Option<Seat>,
    ) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| Failure::of(&directory.display().to_string(), &error);
        private(&directory.join("root"))?;
        let full = isolation == Isolation::Full;
        let whose = if full { Whose::ItsOwn } else { Whose::ThisUsers };
        let (uid, gid) = self.homes.ready(&spec.home, whose)?;
        let root = directory.join("root");
        let walls = match isolation {
            Isolation::Full => Walls::Full { root, uid, gid },
            Isolation::OneUser => Walls::OneUser { root },
            Isolation::None => Walls::None,
        };
        let tmp = directory.join("tmp");
        if isolation == Isolation::None {
            private(&tmp)?;
        }
        let groups = self.groups.make(&spec.id, &spec.limits)?;
        let home = self.homes.path(&spec.home);
        let seen = match walls {
            Walls::None => Seen::Host { home: &home, tmp: &tmp },
            Walls::OneUser { .. } | Walls::Full { .. } => Seen::Own,
        };
        let plan = plan(spec, seen, self.alone);
        let launch = Launch {
            walls,
            groups,
            pid_file: directory.join("pid"),
            home,
            home_too: spec.home_too.clone(),
            executable: self.executable.clone(),
            hostname: spec.hostname.clone(),
            needs: spec.app.needs.clone(),
            metadata: spec.metadata.clone(),
            scratch: spec.limits.memory / 2,
            processes: u64::from(spec.limits.pids),
            probe: false,
            joins: seat.is_some(),
            files: spec.files.clone(),
            plan,
        };
        let json = |it: serde_json::Error| Failure::new(it.to_string());
        let text = serde_json::to_vec(spec).map_err(json)?;
        write_private(&directory.join("spec.json"), &text).map_err(wrong)?;
        let path = directory.join("launch.json");
        write_private(&path, &serde_json::to_vec(&launch).map_err(json)?).map_err(wrong)?;

        let held = Held::open(directory).map_err(wrong)?;
        let listener = UnixListener::bind(held.below("agent.sock")).map_err(wrong)?;
        let log = std::fs::File::create(directory.join("agent.log")).map_err(wrong)?;
        let (ours, theirs) = UnixStream::pair().map_err(wrong)?;
        if let Some(seat) = seat {
            hand_over(&ours, &seat).map_err(wrong)?;
        }
        ours.set_nonblocking(true).map_err(wrong)?;
        let mut said = tokio::net::UnixStream::from_std(ours).map_err(wrong)?;
        let mut launcher = tokio::process::Command::new(&self.executable)
            .args([COMMAND, "launch"])
            .arg(&path)
            .env_clear()
            .stdin(OwnedFd::from(listener))
            .stdout(OwnedFd::from(theirs))
            .stderr(log)
            .spawn()
            .map_err(|error| Failure::of(&self.executable.display().to_string(), &error))?;
        let mut text = Vec::new();
        // All stages have the socket, and the agent lets go of it when it is ready: its end is the end
        // of the start, for better or worse.
        let ended = tokio::time::timeout(STANDS, said.read_to_end(&mut text)).await;
        let _ = tokio::time::timeout(STANDS, launcher.wait()).await;
        if ended.is_err() {
            return Err(Failure::new("the sandbox does not stand after 30 seconds"));
        }
        if text.trim_ascii() != READY.as_bytes() {
            return Err(Failure::new(format!(
                "The sandbox could not be built: {}",
                last_words(directory)
            )));
        }
        Ok(())
    }
}

/// Has the launcher find a network namespace with the next byte of its standard output.
fn hand_over(launcher: &UnixStream, seat: &Seat) -> std::io::Result<()> {
    let descriptors: Vec<BorrowedFd<'_>> =
        [Some(&seat.net), seat.user.as_ref()].into_iter().flatten().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !beside.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(std::io::Error::other("too many descriptors"));
    }
    let flags = SendFlags::NOSIGNAL;
    sendmsg(launcher, &[IoSlice::new(&[0])], &mut beside, flags)?;
    Ok(())
}

/// Finds out which walls stand on this machine, by building them.
pub(super) fn try_walls(directory: &Path, executable: &Path) -> Standing {
    let root = directory.join("run").join(".probe");
    if rustix::process::geteuid().is_root() {
        // As root nothing less will do: what got out of a lesser sandbox would be root.
        let uid = 1_000_000_000 - 1;
        let walls = Walls::Full { root: root.join("root"), uid, gid: uid };
        return match try_one(&root, executable, walls) {
            Ok(()) => Standing::Walls(Isolation::Full, Vec::new()),
            Err(cause) => Standing::Refused(format!(
                "As root, apps run only in namespaces of their own, which this machine does not \
                 allow: {}. Allow it (CAP_SYS_ADMIN), or run Sagegate as another user",
                cause.message
            )),
        };
    }
    match try_one(&root, executable, Walls::OneUser { root: root.join("root") }) {
        Ok(()) => Standing::Walls(Isolation::OneUser, Vec::new()),
        Err(cause) => Standing::Walls(
            Isolation::None,
            vec![format!("no namespaces for users without root: {}", cause.message)],
        ),
    }
}

fn try_one(directory: &Path, executable: &Path, walls: Walls) -> Result<(), Failure> {
    let _ = std::fs::remove_dir_all(directory);
    private(&directory.join("root"))?;
    private(&directory.join("home"))?;
    let wrong = |error: std::io::Error| Failure::of(&directory.display().to_string(), &error);
    let nothing = BTreeMap::new();
    let launch = Launch {
        walls,
        groups: Vec::new(),
        pid_file: directory.join("pid"),
        home: directory.join("home"),
        home_too: None,
        executable: executable.to_owned(),
        hostname: "probe".to_owned(),
        needs: Vec::new(),
        metadata: String::new(),
        scratch: 1 << 20,
        processes: 16,
        probe: true,
        joins: false,
        files: BTreeMap::new(),
        plan: Plan {
            home: HOME.into(),
            tmp: "/tmp".into(),
            command: Vec::new(),
            env: nothing,
            port: PORT,
            probe: String::new(),
            activity: None,
            lifecycle_scripts: Vec::new(),
            relays: BTreeMap::new(),
            alone: None,
            sweep: false,
        },
    };
    let path = directory.join("launch.json");
    let text = serde_json::to_vec(&launch).map_err(|it| Failure::new(it.to_string()))?;
    write_private(&path, &text).map_err(wrong)?;
    let output = std::process::Command::new(executable)
        .args([COMMAND, "launch"])
        .arg(&path)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::of(&executable.display().to_string(), &error))?;
    let _ = std::fs::remove_dir_all(directory);
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(said.trim().replace('\n', "; ")))
}
