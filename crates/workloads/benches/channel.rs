//! The message gateway's figures, over loopback sockets, with the clients in the same process: what
//! they cost is in the figures too.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "figures for people to read")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sagegate_channel::Manner;
use sagegate_dial::{Gauge, Options, Target, run};
use sagegate_gate::Env;
use sagegate_network::Arrival;
use sagegate_workloads::gateway::{
    Accepted, Gateway, Ledger, Origin, PATH, STOPPING, Spaces, upgrade,
};
use sagegate_workloads::runtime::{Doing, Failure, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Everybody is let in.
struct Open;

impl Ledger for Open {
    fn accept<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a Origin,
    ) -> Doing<'a, Result<Accepted, String>> {
        let longest = Duration::from_secs(3600);
        Box::pin(async move { Ok(Accepted { workload: "w".to_owned(), longest }) })
    }

    fn ending(&self, _: &str) -> Option<String> {
        None
    }

    fn ended<'a>(&'a self, _: &'a str, _: &'a str, _: u64, _: u64, _: &'a Origin) -> Doing<'a, ()> {
        Box::pin(async {})
    }
}

/// Spaces whose ends are handed to the figure.
struct Ends(mpsc::UnboundedSender<UnixStream>);

impl Spaces for Ends {
    fn ssh<'a>(&'a self, _: &'a str) -> Doing<'a, Result<Stream, Failure>> {
        Box::pin(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            self.0.send(theirs).unwrap();
            Ok(Box::new(ours) as Stream)
        })
    }
}

async fn serve(gateway: Arc<Gateway>, mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let id = head.split([' ', '?']).nth(1).and_then(|path| path.strip_prefix(PATH)).unwrap();
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let accept = upgrade::accept_key(key.unwrap());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    let origin = Origin {
        arrival: Arrival::Public { source_ip: [127, 0, 0, 1].into() },
        user_agent: String::new(),
        request_id: String::new(),
        secure: false,
    };
    let never = async {
        std::future::pending::<()>().await;
        STOPPING
    };
    gateway.serve(Box::new(stream), Bytes::new(), id, origin, never).await;
}

struct Bench {
    spaces: mpsc::UnboundedReceiver<UnixStream>,
    place: String,
    next: u64,
}

impl Bench {
    async fn new() -> Self {
        let (send, spaces) = mpsc::unbounded_channel();
        let gateway = Arc::new(Gateway::new(Env::system(), Arc::new(Open), Arc::new(Ends(send))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Arc::clone(&gateway), stream));
            }
        });
        Self { spaces, place, next: 0 }
    }

    /// A session: its user's end and its space's end, once the user's first bytes are through.
    async fn session(&mut self, options: Options) -> (UnixStream, UnixStream) {
        let (mut user, ours) = UnixStream::pair().unwrap();
        self.next += 1;
        let session_id = format!("s-{}", self.next);
        let url = format!("ws://{}{PATH}{session_id}?x=y", self.place);
        let target = Target { url, session_id, token: "t".to_owned() };
        tokio::spawn(async move {
            let (input, output) = tokio::io::split(ours);
            let gauge = Gauge::default();
            let _ = run(&target, options, ([1; 8], 1), input, output, &gauge).await;
        });
        user.write_all(b"SSH-2.0\r\n").await.unwrap();
        let mut space = self.spaces.recv().await.unwrap();
        space.read_exact(&mut [0; 9]).await.unwrap();
        (user, space)
    }
}

/// MiB/s of so many bytes from one end to the other.
async fn flow(from: &mut UnixStream, to: &mut UnixStream, bytes: usize) -> f64 {
    let start = Instant::now();
    let block = vec![7; 256 * 1024];
    let mut sink = vec![0; 256 * 1024];
    let write = async {
        let mut left = bytes;
        while left > 0 {
            let now = left.min(block.len());
            from.write_all(block.get(..now).unwrap()).await.unwrap();
            left -= now;
        }
    };
    let read = async {
        let mut left = bytes;
        while left > 0 {
            left -= to.read(&mut sink).await.unwrap();
        }
    };
    tokio::join!(write, read);
    bytes as f64 / 1_048_576.0 / start.elapsed().as_secs_f64()
}

fn percentiles(mut all: Vec<Duration>) -> (Duration, Duration) {
    all.sort();
    let at = |part: usize| all.get(all.len() * part / 100).copied().unwrap_or_default();
    (at(50), at(99))
}

/// Kibibytes of memory of this process.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

#[tokio::main]
async fn main() {
    let mut bench = Bench::new().await;
    let quick = Options { ready_after: Duration::ZERO, ..Options::PLUGIN };

    let mut opened = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        let (mut user, mut space) = bench.session(quick).await;
        space.write_all(b"S").await.unwrap();
        user.read_exact(&mut [0; 1]).await.unwrap();
        opened.push(start.elapsed());
    }
    let (half, most) = percentiles(opened);
    println!("dial to the space's first byte       p50 {half:?}  p99 {most:?}");

    let (mut user, mut space) = bench.session(quick).await;
    let rate = flow(&mut space, &mut user, 512 << 20).await;
    println!("download, the plugin's manner        {rate:.0} MiB/s");
    let (mut user, mut space) = bench.session(Options::OWN).await;
    let rate = flow(&mut space, &mut user, 512 << 20).await;
    println!("download, connect                    {rate:.0} MiB/s");
    let rate = flow(&mut user, &mut space, 512 << 20).await;
    println!("upload, connect                      {rate:.0} MiB/s");

    // What a client that sends 1,024 bytes and then sleeps for a millisecond can send at best.
    let start = Instant::now();
    for _ in 0..2_000 {
        sleep(Duration::from_millis(1)).await;
    }
    let best = 2_000.0 / 1024.0 / start.elapsed().as_secs_f64();
    let (mut user, mut space) = bench.session(Options::PLUGIN).await;
    let rate = flow(&mut user, &mut space, 2_000 * 1024).await;
    println!(
        "upload, the plugin's manner          {rate:.2} MiB/s, {:.0} % of its pauses alone",
        rate / best * 100.0
    );

    let (mut user, mut space) =
        bench.session(Options { manner: Manner::OWN, ..Options::OWN }).await;
    let mut echoed = Vec::new();
    for _ in 0..5_000 {
        let start = Instant::now();
        user.write_all(b"k").await.unwrap();
        space.read_exact(&mut [0; 1]).await.unwrap();
        echoed.push(start.elapsed());
    }
    let (half, most) = percentiles(echoed);
    println!("one byte, one way, client included   p50 {half:?}  p99 {most:?}");

    let before = resident();
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        idle.push(bench.session(quick).await);
    }
    let each = (resident() - before) / 1_000.0;
    println!("1,000 idle sessions                  {each:.1} kB each, the client's side included");
    let mut busy = Vec::new();
    for _ in 0..100 {
        busy.push(bench.session(quick).await);
    }
    let start = Instant::now();
    let flows = busy.into_iter().map(|(mut user, mut space)| {
        tokio::spawn(async move { flow(&mut space, &mut user, 8 << 20).await })
    });
    for flow in flows.collect::<Vec<_>>() {
        flow.await.unwrap();
    }
    let rate = 800.0 / start.elapsed().as_secs_f64();
    println!("100 busy beside 1,000 idle sessions  {rate:.0} MiB/s in all");
    drop(idle);
}
