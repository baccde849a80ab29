//! `sagegate connect`: the way into a space, as a ProxyCommand of ssh.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use sagegate_dial::{DialError, Gauge, Options, Reading, Target, run as hold};
use sagegate_gate::Env;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::unix::pipe;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Refused;
use crate::profile::{Access, Settings};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The space's ARN: arn:aws:sagemaker:REGION:ACCOUNT:space/DOMAIN/SPACE.
    #[arg(required_unless_present = "status")]
    space: Option<String>,
    /// Print round-trip time and throughput of the connections that run, of the space if one is named.
    #[arg(long)]
    status: bool,
    #[command(flatten)]
    access: Access,
}

/// What a connection says of itself.
#[derive(serde::Serialize, serde::Deserialize)]
struct Told {
    space: String,
    #[serde(flatten)]
    reading: Reading,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if arguments.status {
        return status(arguments.space.as_deref()).await;
    }
    let space = arguments.space.context("name the space's ARN")?;
    let region = region_of(&space)?;
    let settings = Settings::read()?;
    let region = settings.region(&arguments.access, Some(region))?;
    let client = settings.client(&arguments.access, "sagemaker", &region).await?;
    let input = json!({ "ResourceIdentifier": space });
    let answer = client.call("sagemaker.StartSession", &input).await.map_err(explained)?;
    let text = |name: &str| {
        let value = answer.get(name).and_then(Value::as_str).map(str::to_owned);
        value.with_context(|| format!("StartSession gave no {name}"))
    };
    let target = Target {
        url: text("StreamUrl")?,
        session_id: text("SessionId")?,
        token: text("TokenValue")?,
    };
    let gauge = Arc::<Gauge>::default();
    // Without a place for the socket there is no status, and that is all.
    let told = tell(space, Arc::clone(&gauge)).ok();
    let env = Env::system();
    let clock = (env.bytes(), u64::try_from(env.now().millis()).unwrap_or(0));
    let gone = Gone::watch()?;
    let input = UntilGone { input: input_end(), gone: Box::pin(gone.clone().wait()) };
    let ended = tokio::select! {
        ended = hold(&target, Options::OWN, clock, input, output_end(), &gauge) => ended,
        () = gone.for_good() => Ok(String::new()),
    };
    if let Some(path) = told {
        // What is left of it is found to be stale.
        let _ = fs::remove_file(path);
    }
    match ended {
        Ok(output) => {
            if !output.is_empty() {
                eprintln!("sagegate: {output}");
            }
            exit(ExitCode::SUCCESS)
        }
        // ssh has gone away.
        Err(DialError::Stdio(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            exit(ExitCode::SUCCESS)
        }
        Err(error) => Err(error.into()),
    }
}

/// How long the end of a session may take after ssh has gone.
const FAREWELL: Duration = Duration::from_secs(5);

/// Whether ssh has gone: it ends its ProxyCommand with SIGHUP, and closes neither side before. A session
/// that ends without a word is held for a client that comes back, and counts as a connection meanwhile.
#[derive(Clone)]
struct Gone(watch::Receiver<bool>);

impl Gone {
    fn watch() -> io::Result<Self> {
        let (tell, gone) = watch::channel(false);
        for kind in [SignalKind::hangup(), SignalKind::terminate(), SignalKind::interrupt()] {
            let (mut signal, tell) = (signal(kind)?, tell.clone());
            tokio::spawn(async move {
                if signal.recv().await.is_some() {
                    tell.send_replace(true);
                }
            });
        }
        Ok(Self(gone))
    }

    async fn wait(mut self) {
        if self.0.wait_for(|gone| *gone).await.is_err() {
            std::future::pending().await
        }
    }

    /// A while after it has gone.
    async fn for_good(self) {
        self.wait().await;
        sleep(FAREWELL).await;
    }
}

/// Standard input, which ends when ssh has gone.
struct UntilGone {
    input: Box<dyn AsyncRead + Unpin>,
    gone: Pin<Box<dyn Future<Output = ()>>>,
}

impl AsyncRead for UntilGone {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.gone.as_mut().poll(cx).is_ready() {
            // The session is left at the end of the input, and this is not read again.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.input).poll_read(cx, into)
    }
}

/// A read of standard input that is no pipe goes on in a thread of its own, for which the runtime
/// would wait.
fn exit(code: ExitCode) -> anyhow::Result<ExitCode> {
    if fs::metadata("/dev/stdin").is_ok_and(|it| !it.file_type().is_fifo()) {
        std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 1 });
    }
    Ok(code)
}

/// What a pipe from or to ssh may hold, where the system allows it: each of two processes that take
/// turns does more in its own.
const PIPE: usize = 512 * 1024;

/// A descriptor of our own for a standard stream.
fn own(stream: impl std::os::fd::AsFd) -> io::Result<OwnedFd> {
    let fd = rustix::io::dup(stream)?;
    // A limit per user may forbid it, and it may be no pipe.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&fd, PIPE);
    Ok(fd)
}

/// ssh gives pipes, which need no thread.
fn input_end() -> Box<dyn AsyncRead + Unpin> {
    match own(io::stdin()).and_then(pipe::Receiver::from_owned_fd) {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(tokio::io::stdin()),
    }
}

fn output_end() -> Box<dyn AsyncWrite + Unpin> {
    match own(io::stdout()).and_then(pipe::Sender::from_owned_fd) {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(tokio::io::stdout()),
    }
}

/// The region in a space's ARN.
fn region_of(arn: &str) -> anyhow::Result<&str> {
    let mut parts = arn.splitn(6, ':');
    let (head, partition) = (parts.next(), parts.next().unwrap_or_default());
    let (service, region) = (parts.next(), parts.next().unwrap_or_default());
    let (_account, resource) = (parts.next(), parts.next().unwrap_or_default());
    let space = resource.split('/').collect::<Vec<_>>();
    anyhow::ensure!(
        head == Some("arn")
            && partition.starts_with("aws")
            && service == Some("sagemaker")
            && !region.is_empty()
            && matches!(space.as_slice(), ["space", domain, name] if !domain.is_empty() && !name.is_empty()),
        "{arn:?} is not the ARN of a space: arn:aws:sagemaker:REGION:ACCOUNT:space/DOMAIN/SPACE"
    );
    Ok(region)
}

/// What to do about the errors that have a remedy.
fn explained(error: anyhow::Error) -> anyhow::Error {
    let remedy = match error.downcast_ref::<Refused>().map(|refused| &*refused.code) {
        Some("ResourceLimitExceeded") => "end one of the space's connections",
        Some("ResourceNotFound") => {
            "check the ARN, region and account; `sagegate ssh-config` lists spaces"
        }
        Some("ExpiredTokenException" | "ExpiredToken") => "get new credentials",
        _ => return error,
    };
    error.context(format!("the session could not be started: {remedy}"))
}

/// A socket's path has 107 bytes at most (unix(7)), of which a process number takes its part.
const LONGEST: usize = 90;

/// Where connections are asked how they are.
fn directory() -> anyhow::Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let named = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let shared = |place: PathBuf| place.join(format!("sagegate-connect-{user}"));
    let places =
        [named("XDG_RUNTIME_DIR").map(|it| it.join("sagegate")), named("TMPDIR").map(shared)];
    let fits = |place: &PathBuf| place.as_os_str().len() <= LONGEST;
    let directory =
        places.into_iter().flatten().find(fits).unwrap_or_else(|| shared("/tmp".into()));
    if let Err(error) = crate::node::make_private(&directory) {
        anyhow::ensure!(error.kind() == io::ErrorKind::AlreadyExists, error);
        // Somebody else may have made it, in a directory that all may write to.
        use std::os::unix::fs::MetadataExt;
        let found = fs::symlink_metadata(&directory)?;
        let mine = found.is_dir()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.permissions().mode() & 0o077 == 0;
        anyhow::ensure!(mine, "{} is somebody else's", directory.display());
    }
    Ok(directory)
}

/// Answers whoever asks, until the process ends.
fn tell(space: String, gauge: Arc<Gauge>) -> anyhow::Result<PathBuf> {
    let path = directory()?.join(format!("{}.sock", std::process::id()));
    // Of a process that had the number before.
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let told = Told { space: space.clone(), reading: gauge.read() };
            let text = serde_json::to_vec(&told).unwrap_or_default();
            // Who does not read is not told.
            let _ = timeout(ASK, stream.write_all(&text)).await;
        }
    });
    Ok(path)
}

/// How long a connection has to answer.
const ASK: Duration = Duration::from_secs(2);
/// For how long throughput is measured.
const MEASURE: Duration = Duration::from_secs(1);

async fn ask(path: &Path) -> Option<Told> {
    let asking = async {
        let mut stream = UnixStream::connect(path).await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await?;
        Ok::<_, io::Error>(text)
    };
    match timeout(ASK, asking).await {
        Ok(Ok(text)) => serde_json::from_slice(&text).ok(),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // Its process was killed.
            let _ = fs::remove_file(path);
            None
        }
        _ => None,
    }
}

async fn status(space: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut before = Vec::new();
    for entry in fs::read_dir(directory()?)? {
        let path = entry?.path();
        if let Some(told) = ask(&path).await.filter(|it| space.is_none_or(|one| it.space == one)) {
            before.push((path, told));
        }
    }
    if before.is_empty() {
        say!("No connection of `sagegate connect` runs here.");
        return Ok(ExitCode::FAILURE);
    }
    let start = Instant::now();
    sleep(MEASURE).await;
    for (path, first) in before {
        let Some(then) = ask(&path).await else { continue };
        let seconds = start.elapsed().as_secs_f64();
        let process = path.file_stem().map(|it| it.to_string_lossy().into_owned());
        say!("{}", line(&process.unwrap_or_default(), &first, &then, seconds));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(process: &str, first: &Told, then: &Told, seconds: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let rate =
        |before: u64, after: u64| after.saturating_sub(before) as f64 / seconds / 1_048_576.0;
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let millis = then.reading.round_trip_micros as f64 / 1000.0;
    let (one, two) = (&first.reading, &then.reading);
    let mut text = format!(
        "{}  process {process}  round trip {millis:.1} ms  up {:.1} MiB/s  down {:.1} MiB/s  in all {} up, {} \
         down",
        then.space,
        rate(one.up, two.up),
        rate(one.down, two.down),
        two.up,
        two.down
    );
    if two.resumed > 0 {
        text.push_str(&format!("  resumed {} times", two.resumed));
    }
    if !two.connected {
        text.push_str("  CONNECTING AGAIN");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spaces_are_connected_to() {
        let region = |arn| region_of(arn).ok();
        assert_eq!(region("arn:aws:sagemaker:us-west-2:1:space/d-1/mine"), Some("us-west-2"));
        assert_eq!(region("arn:aws-cn:sagemaker:cn-north-1:1:space/d-1/mine"), Some("cn-north-1"));
        for other in [
            "mine",
            "arn:aws:sagemaker:us-west-2:1:app/d-1/mine",
            "arn:aws:sagemaker:us-west-2:1:space/d-1/mine/more",
            "arn:aws:sagemaker::1:space/d-1/mine",
            "arn:aws:s3:us-west-2:1:space/d-1/mine",
        ] {
            assert_eq!(region(other), None, "{other}");
        }
    }
}
