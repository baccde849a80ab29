//! Stands in for a space and for the way to it:
//!
//! - `serve SOCKET HOME [UID GID]`: serves SSH on a Unix socket, and says `ready` when it listens;
//! - `connect SOCKET`: a ProxyCommand that carries its input and output to that socket;
//! - `helper …`: what sessions need, see `sagegate_ssh::helper`.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use sagegate_ssh::{Limits, SpaceHost, User, helper};
use tokio::net::UnixListener;

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    match words.as_slice() {
        ["helper", ..] => match helper::run(arguments.get(1..).unwrap_or_default())? {},
        ["connect", socket] => connect(Path::new(socket)),
        ["serve", socket, home] => {
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            runtime()?.block_on(serve(Path::new(socket), home, uid.as_raw(), gid.as_raw()))
        }
        ["serve", socket, home, uid, gid] => {
            let number = |text: &str| text.parse().map_err(io::Error::other);
            runtime()?.block_on(serve(Path::new(socket), home, number(uid)?, number(gid)?))
        }
        _ => Err(io::Error::other("wanted: serve SOCKET HOME [UID GID] | connect SOCKET | helper")),
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

async fn serve(socket: &Path, home: &str, uid: u32, gid: u32) -> io::Result<()> {
    let host = Arc::new(SpaceHost {
        host_key: [7; 32].into(),
        user: User {
            name: "sagemaker-user".into(),
            uid,
            gid,
            groups: Vec::new(),
            home: home.into(),
            shell: "/bin/bash".into(),
        },
        env: vec![("SAGEMAKER_SPACE".into(), "my-space".into())],
        helper: vec![std::env::current_exe()?.into(), "helper".into()],
        limits: Limits::default(),
    });
    let listener = UnixListener::bind(socket)?;
    writeln!(io::stdout(), "ready")?;
    loop {
        let (stream, _) = listener.accept().await?;
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            let line = match sagegate_ssh::serve(stream, host).await {
                Ok(summary) => format!("{summary:?}"),
                Err(error) => format!("error: {error}"),
            };
            let _ = writeln!(io::stderr(), "{line}");
        });
    }
}

fn connect(socket: &Path) -> io::Result<()> {
    let mut reader = std::os::unix::net::UnixStream::connect(socket)?;
    let mut writer = reader.try_clone()?;
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut writer);
        let _ = writer.shutdown(std::net::Shutdown::Write);
    });
    let mut buffer = vec![0; 128 * 1024];
    let mut stdout = io::stdout().lock();
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        stdout.write_all(buffer.get(..count).unwrap_or_default())?;
        stdout.flush()?;
    }
}
