//! The server's side of `sagegate exec`: a command's network interface, from the command's first
//! word to its end.
//!
//! A command connects to a socket of its own in the data directory, says where it wants to be, and
//! gets the namespace's descriptors. From then on its process is what is watched, by a descriptor of
//! it (pidfd_open(2)): it ends, in whichever way, and its interface is gone.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sagegate_fabric::frame;
use sagegate_server::{Inside, OperatorSocket, Place};
use sagegate_services::ec2;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;

use crate::node::{Node, fault};

/// The socket's name in the data directory.
pub(crate) const SOCKET: &str = "exec.sock";
/// How long a command may take for its first word.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a command wants to be, and as whom.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) subnet: String,
    pub(crate) groups: Vec<String>,
    /// As `sagegate env --as` has it.
    pub(crate) principal: Option<String>,
}

/// The answer; beside it the network namespace, and the user namespace to join first, if there is one.
#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    Entered(Entered),
    Refused(String),
}

/// Where a command was put.
#[derive(Serialize, Deserialize)]
pub(crate) struct Entered {
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    /// The name servers and domains that the VPC's DHCP options name.
    pub(crate) name_servers: Vec<IpAddr>,
    pub(crate) search: Vec<String>,
    /// The certificate to trust.
    pub(crate) authority: PathBuf,
}

/// Takes commands. What a server that was killed has left is removed first.
pub(crate) async fn open(node: &Arc<Node>, inside: Arc<Inside>) -> anyhow::Result<OperatorSocket> {
    let left = ec2::of_commands(&node.gate.store().snapshot()?, &node.scope)?;
    if !left.is_empty() {
        let remove = node.gate.transact(|tx| {
            for id in &left {
                ec2::remove_of_command(tx, &node.scope, id)?;
            }
            Ok(())
        });
        remove.await.map_err(fault)?;
    }
    let (directory, node) = (node.directory.clone(), Arc::clone(node));
    let serve = move |stream: tokio::net::UnixStream| {
        let (node, inside) = (Arc::clone(&node), Arc::clone(&inside));
        tokio::spawn(async move {
            if let Err(error) = command(&node, &inside, stream).await {
                tracing::warn!("a command in a subnet: {error:#}");
            }
        });
    };
    Ok(OperatorSocket::accept(&directory, SOCKET, serve).await?)
}

async fn command(
    node: &Node,
    inside: &Inside,
    stream: tokio::net::UnixStream,
) -> anyhow::Result<()> {
    let pid = stream.peer_cred()?.pid().and_then(Pid::from_raw);
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (stream, asked) = spawn_blocking(move || {
        let asked = frame::read::<Ask>(&stream);
        (stream, asked)
    })
    .await?;
    let Some((ask, _)) = asked? else { return Ok(()) };
    // The process waits for its answer, so that this is still its number.
    let process = pid
        .context("the command's process cannot be seen from here")
        .and_then(|pid| watch(pidfd_open(pid, PidfdFlags::empty())?));
    let process = match process {
        Ok(process) => process,
        Err(error) => return send(stream, Answer::Refused(error.to_string()), Vec::new()).await,
    };
    let entered = match enter(node, inside, &ask).await {
        Ok(entered) => entered,
        Err(error) => return send(stream, Answer::Refused(error.to_string()), Vec::new()).await,
    };
    let (interface, answer, descriptors) = entered;
    let sent = send(stream, answer, descriptors).await;
    if sent.is_ok() {
        let _ = process.readable().await;
    }
    leave(node, inside, &interface).await?;
    sent
}

fn watch(process: OwnedFd) -> anyhow::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that may close their descriptor; this one does not"
    )]
    Ok(AsyncFd::with_interest(process, Interest::READABLE)?)
}

/// Makes an interface and plugs it in.
async fn enter(
    node: &Node,
    inside: &Inside,
    ask: &Ask,
) -> anyhow::Result<(String, Answer, Vec<OwnedFd>)> {
    // What the machine cannot do, and who is not there, is found out before anything is made.
    inside.stand(&node.gate).await?;
    let environment =
        crate::operator::answer(node, "/env", &json!({ "as": ask.principal })).await?;
    let text = |name: &str| {
        let value = environment.get(name).and_then(Value::as_str);
        value.map(str::to_owned).context("credentials are not as they should be")
    };
    let (access_key_id, secret_access_key) =
        (text("AWS_ACCESS_KEY_ID")?, text("AWS_SECRET_ACCESS_KEY")?);
    let made = node.gate.transact(|tx| {
        ec2::make_for_command(tx, &node.scope, node.gate.env(), &ask.subnet, &ask.groups)
    });
    let interface = made.await.map_err(fault)?.id;
    let placed = inside.plug(&node.gate, &interface, None).await;
    let Place { namespace, name_servers, search } = match placed {
        Ok(place) => place,
        Err(error) => {
            leave(node, inside, &interface).await?;
            return Err(error.into());
        }
    };
    let entered = Entered {
        region: node.scope.region.to_string(),
        access_key_id,
        secret_access_key,
        name_servers,
        search,
        authority: sagegate_server::Authority::place(&node.directory),
    };
    let descriptors = [Some(namespace.net), namespace.user].into_iter().flatten().collect();
    Ok((interface, Answer::Entered(entered), descriptors))
}

async fn leave(node: &Node, inside: &Inside, interface: &str) -> anyhow::Result<()> {
    inside.unplug(&node.gate, interface).await;
    let remove = node.gate.transact(|tx| Ok(ec2::remove_of_command(tx, &node.scope, interface)?));
    remove.await.map_err(fault)
}

async fn send(stream: UnixStream, answer: Answer, descriptors: Vec<OwnedFd>) -> anyhow::Result<()> {
    let sent = spawn_blocking(move || -> io::Result<()> {
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        frame::write(&stream, &answer, &descriptors)
    });
    Ok(sent.await??)
}
