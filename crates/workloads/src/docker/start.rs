//! Starting a container: what it sees, and the hand-over of the control socket to its first process.

use std::fs::{DirBuilder, Permissions};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use sagegate_agent::identity;
use sagegate_agent::plan::{DOOR, PLAN, READY as SAID};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::{UnixListener, UnixStream};

use super::container::{self, ETC, METADATA_FILE, Parts};
use super::{Docker, READY};
use crate::held::Held;
use crate::homes::{private, write_private};
use crate::plan::{Seen, plan};
use crate::runtime::{Failure, Spec};

/// How long a container's first process may take to be ready.
const STANDS: Duration = Duration::from_secs(60);
/// How long the end of one that is not may take to be told.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Variables that say who one is in a space, whatever its image says.
const WHO: [&str; 5] = ["HOME", "LOGNAME", "SHELL", "TMPDIR", "USER"];

impl Docker {
    /// Starts a workload of which there is nothing.
    pub(super) async fn launch(&self, spec: &Spec) -> Result<(), Failure> {
        let place = self.place(&spec.id);
        let wrong = |error: std::io::Error| Failure::of(&place.display().to_string(), &error);
        let image = spec.app.image.as_deref().unwrap_or(&self.image);
        let mut plan = plan(spec, Seen::Own, self.alone);
        for (name, value) in self.engine.environment(image).await? {
            if !WHO.contains(&name.as_str()) && !spec.app.env.contains_key(&name) {
                plan.env.insert(name, value);
            }
        }
        self.homes.ready(&spec.home, self.whose())?;
        private(&place)?;
        let json = |it: serde_json::Error| Failure::new(it.to_string());
        let text = serde_json::to_vec(spec).map_err(json)?;
        write_private(&place.join("spec.json"), &text).map_err(wrong)?;
        let inside = place.join("inside");
        let text = serde_json::to_vec(&plan).map_err(json)?;
        self.write_inside(spec, &inside, &text).map_err(wrong)?;

        let held = Held::open(&place).map_err(wrong)?;
        let listener = StdListener::bind(held.below("agent.sock")).map_err(wrong)?;
        let door = file_name(DOOR);
        let held = Held::open(&inside).map_err(wrong)?;
        let path = held.below(door);
        let door = UnixListener::bind(&path).map_err(wrong)?;
        // Nobody else comes to it: the directory above is this user's alone.
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).map_err(wrong)?;

        let parts = Parts {
            spec,
            image,
            executable: &self.executable,
            home: &self.homes.path(&spec.home),
            inside: &inside,
            user: self.user,
        };
        self.engine.start(&spec.id, container::body(&parts)).await.map_err(|failure| {
            Failure::new(format!("The image {image} could not be started. {failure}"))
        })?;
        let handed = tokio::select! {
            said = hand_over(&door, listener.into()) => said.is_ok_and(|said| said == SAID),
            () = self.engine.ended(&spec.id) => false,
            () = tokio::time::sleep(STANDS) => {
                return Err(Failure::new(format!(
                    "The image {image} could not be started: its first process is not ready after 60 \
                     seconds."
                )));
            }
        };
        std::fs::remove_file(&path).map_err(wrong)?;
        if !handed {
            let _ = tokio::time::timeout(LAST_WORDS, self.engine.ended(&spec.id)).await;
            return Err(not_ready(image, &self.engine.last_words(&spec.id).await));
        }
        write_private(&place.join(READY), b"").map_err(wrong)
    }

    /// Writes the files that the container sees.
    fn write_inside(&self, spec: &Spec, inside: &Path, plan: &[u8]) -> std::io::Result<()> {
        DirBuilder::new().mode(0o755).create(inside)?;
        let write = |name: &str, text: &[u8]| {
            let path = inside.join(name);
            std::fs::write(&path, text)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o644))
        };
        write(file_name(PLAN), plan)?;
        write(METADATA_FILE, spec.metadata.as_bytes())?;
        let (uid, gid) = self.user;
        for (name, text) in identity::etc(&spec.hostname, uid, gid) {
            if ETC.contains(&name) {
                write(name, text.as_bytes())?;
            }
        }
        std::fs::set_permissions(inside, Permissions::from_mode(0o755))
    }
}

/// The name at the end of a path.
fn file_name(path: &'static str) -> &'static str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Why nothing became of a container, in what it said.
fn not_ready(image: &str, words: &str) -> Failure {
    let said = if words.is_empty() { "it said nothing" } else { words };
    Failure::new(format!(
        "The image {image} could not be started: {said}. Sagegate's own executable is the first program \
         in it: the image must be for this machine's processor and have the GNU C library, no older \
         than the one that Sagegate was built with."
    ))
}

/// Gives the control socket to the first who comes, and hears what comes of it.
async fn hand_over(door: &UnixListener, listener: OwnedFd) -> std::io::Result<String> {
    let (mut stream, _) = door.accept().await?;
    send(&stream, &listener).await?;
    // From here on it is the container's alone: with its last process nobody listens any more.
    drop(listener);
    let mut said = String::new();
    // Init and agent let go of it when the agent is ready: its end is the end of the start.
    (&mut stream).take(64).read_to_string(&mut said).await?;
    Ok(said.trim().to_owned())
}

async fn send(stream: &UnixStream, listener: &OwnedFd) -> std::io::Result<()> {
    stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let descriptors = [listener.as_fd()];
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
            let bytes = [IoSlice::new(b"\n")];
            rustix::net::sendmsg(stream, &bytes, &mut control, SendFlags::NOSIGNAL)?;
            Ok(())
        })
        .await
}
