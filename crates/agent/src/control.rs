//! The control socket: what each connection asks for.

use std::sync::Arc;
use std::time::Duration;

use sagegate_ssh::{SpaceHost, User};
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional_with_sizes,
};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, SetOnce, mpsc, watch};
use zeroize::Zeroizing;

use crate::COMMAND;
use crate::plan::{Plan, USER};
use crate::protocol::{Answer, CONTROL_LINE, FromAgent, HostKey, LINE, Open, Status, ToAgent};
use crate::relay::Dials;
use crate::supervise::{Stop, note};

/// The stage that is a process of an SSH session.
pub(crate) const SSH_STAGE: &str = "ssh";

/// How long the first line of a connection may take.
const FIRST_LINE: Duration = Duration::from_secs(5);
/// How long an SSH connection waits for the host key.
const HOST_KEY: Duration = Duration::from_secs(3);
/// Connections that may be open.
const CONNECTIONS: usize = 1024;
/// Bytes on the way in one direction of a connection.
const BUFFER: usize = 64 * 1024;

/// What connections share.
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) dials: &'static Dials,
    pub(crate) stop: mpsc::Sender<Stop>,
    /// What SSH sessions have in common, once there is a host key.
    pub(crate) ssh: SetOnce<Arc<SpaceHost>>,
    /// Control connections that are open.
    pub(crate) controls: watch::Sender<u32>,
}

/// Comes back when nobody has had a control connection for as long as the plan allows; never where
/// it sets no such time.
pub(crate) async fn forgotten(shared: &Shared) {
    let Some(seconds) = shared.plan.alone else { return std::future::pending().await };
    let mut controls = shared.controls.subscribe();
    loop {
        let _ = controls.wait_for(|open| *open == 0).await;
        let back = controls.wait_for(|open| *open > 0);
        if tokio::time::timeout(Duration::from_secs(seconds), back).await.is_err() {
            return;
        }
    }
}

/// Counts a control connection while it is open.
struct Counted<'a>(&'a watch::Sender<u32>);

impl<'a> Counted<'a> {
    fn new(controls: &'a watch::Sender<u32>) -> Self {
        controls.send_modify(|open| *open += 1);
        Self(controls)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// Answers connections, for ever.
pub(crate) async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let open = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _ = connection(stream, &shared).await;
            drop(permit);
        });
    }
}

async fn connection(mut stream: UnixStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let line = tokio::time::timeout(FIRST_LINE, first_line(&mut stream)).await??;
    let open = match serde_json::from_slice::<Open>(&line) {
        Ok(open) => open,
        Err(error) => return refuse(stream, format!("nothing that can be opened: {error}")).await,
    };
    match open {
        Open::Control => {
            let _counted = Counted::new(&shared.controls);
            answer(&mut stream, &Answer::Opened).await?;
            control(stream, shared).await
        }
        Open::App => tcp(stream, shared.plan.port).await,
        Open::Tcp { port } => tcp(stream, port).await,
        Open::Accept { id } => match shared.dials.take(id) {
            Some(inside) => join(stream, inside).await,
            None => refuse(stream, format!("nothing waits under the number {id}")).await,
        },
        Open::Ssh => ssh(stream, shared).await,
    }
}

/// The first line, byte by byte: what follows it is not this function's.
async fn first_line(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while line.len() < LINE {
        match stream.read_u8().await? {
            b'\n' => return Ok(line),
            byte => line.push(byte),
        }
    }
    Err(std::io::Error::other("the first line is too long"))
}

async fn answer(stream: &mut UnixStream, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

async fn refuse(mut stream: UnixStream, message: String) -> std::io::Result<()> {
    answer(&mut stream, &Answer::Refused { message }).await
}

async fn tcp(stream: UnixStream, port: u16) -> std::io::Result<()> {
    match TcpStream::connect(("127.0.0.1", port)).await {
        Ok(inside) => {
            inside.set_nodelay(true)?;
            join(stream, inside).await
        }
        Err(error) => {
            refuse(stream, format!("nothing in the space answers on port {port}: {error}")).await
        }
    }
}

async fn join(mut stream: UnixStream, mut inside: TcpStream) -> std::io::Result<()> {
    answer(&mut stream, &Answer::Opened).await?;
    copy_bidirectional_with_sizes(&mut stream, &mut inside, BUFFER, BUFFER).await?;
    Ok(())
}

async fn ssh(mut stream: UnixStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    // The key comes by another connection, which may have been opened later or be read later.
    let Ok(host) = tokio::time::timeout(HOST_KEY, shared.ssh.wait()).await else {
        let message = "the space has not been given its SSH host key yet".to_owned();
        return refuse(stream, message).await;
    };
    answer(&mut stream, &Answer::Opened).await?;
    let _session = Session::new(&shared.status);
    // How a session ended is between it and its client.
    let _ = sagegate_ssh::serve(stream, Arc::clone(host)).await;
    Ok(())
}

/// Counts an SSH session while it is open; one that is open is activity.
struct Session<'a>(&'a watch::Sender<Status>);

impl<'a> Session<'a> {
    fn new(status: &'a watch::Sender<Status>) -> Self {
        status.send_modify(|it| it.ssh += 1);
        note(status, None);
        Self(status)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Up to now somebody was there.
        note(self.0, None);
        self.0.send_modify(|it| it.ssh = it.ssh.saturating_sub(1));
    }
}

/// What SSH sessions have in common.
fn space_host(plan: &Plan, key: &HostKey) -> Option<SpaceHost> {
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&key.0, &mut *seed).ok()?;
    let own = std::env::current_exe().ok()?;
    Some(SpaceHost {
        host_key: seed,
        user: User {
            name: USER.to_owned(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            groups: Vec::new(),
            home: plan.home.clone(),
            shell: "/bin/bash".into(),
        },
        env: plan.env.clone().into_iter().collect(),
        helper: vec![own.into(), COMMAND.into(), SSH_STAGE.into()],
        limits: sagegate_ssh::Limits::default(),
    })
}

/// Statuses and dials out, orders in, until the host hangs up.
async fn control(stream: UnixStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let pings = Notify::new();
    let telling = async {
        // Who gives an order and does not wait to be told anything is obeyed all the same.
        let _ = tell(&mut write, shared, &pings).await;
        std::future::pending().await
    };
    tokio::select! {
        done = obey(read, shared, &pings) => done,
        () = telling => Ok(()),
    }
}

/// Says how the space is, and what wants to be accepted, for as long as somebody listens.
async fn tell(write: &mut OwnedWriteHalf, shared: &Shared, pings: &Notify) -> std::io::Result<()> {
    let mut statuses = shared.status.subscribe();
    let (waiting, mut dials) = shared.dials.watch();
    let status = statuses.borrow_and_update().clone();
    send(write, &FromAgent::Status(status)).await?;
    for (id, relay) in waiting {
        send(write, &FromAgent::Dial { id, relay }).await?;
    }
    loop {
        let say = tokio::select! {
            changed = statuses.changed() => {
                changed.map_err(std::io::Error::other)?;
                FromAgent::Status(statuses.borrow_and_update().clone())
            }
            dial = dials.recv() => {
                let (id, relay) = dial.map_err(std::io::Error::other)?;
                FromAgent::Dial { id, relay }
            }
            () = pings.notified() => FromAgent::Pong,
        };
        send(write, &say).await?;
    }
}

/// Does what the host says until it hangs up.
async fn obey(read: OwnedReadHalf, shared: &Shared, pings: &Notify) -> std::io::Result<()> {
    let mut lines = BufReader::new(read).take(CONTROL_LINE as u64);
    loop {
        let mut line = Vec::new();
        lines.read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
        follow(serde_json::from_slice(&line)?, shared, pings);
        lines.set_limit(CONTROL_LINE as u64);
    }
}

async fn send(write: &mut OwnedWriteHalf, say: &FromAgent) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(say)?;
    line.push(b'\n');
    write.write_all(&line).await
}

fn follow(order: ToAgent, shared: &Shared, pings: &Notify) {
    match order {
        // Several that were not answered yet are answered once.
        ToAgent::Ping => pings.notify_one(),
        ToAgent::Stop { grace_ms } => {
            // A second order while the first is being followed changes nothing.
            let _ = shared.stop.try_send(Duration::from_millis(grace_ms));
        }
        ToAgent::Configure(configure) => {
            if let Some(host) = configure.ssh_host_key.and_then(|it| space_host(&shared.plan, &it))
            {
                // The key is the same for the life of the space: who was first has said all.
                let _ = shared.ssh.set(Arc::new(host));
            }
            note(&shared.status, None);
        }
    }
}
