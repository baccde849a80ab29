//! Forwarded ports and sockets, and the agent, with OpenSSH's client.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Space, bytes, digest, feed, shown, until};

/// A connection with these forwardings, ready for use; it ends with the value.
struct Forwarding {
    child: Child,
    /// Port that the server chose for `-R 0:…`.
    port: Option<u16>,
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forwarding(space: &Space, options: &[&str]) -> Forwarding {
    let mut child = space
        .ssh(options, &["echo ready; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let mut port = None;
    if options.iter().any(|option| option.starts_with("0:")) {
        let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
        port = lines.find_map(|line| {
            let line = line.unwrap();
            line.strip_prefix("Allocated port ")?.split(' ').next()?.parse().ok()
        });
        assert!(port.is_some());
    }
    Forwarding { child, port }
}

/// A port that nobody listens on at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Answers every connection with what it sends, and ends each direction by itself.
fn echo_tcp() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut back = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    port
}

fn echo_unix(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut back = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Write);
            });
        }
    });
}

/// Everything comes back, and the end as well.
fn check_tcp(port: u16) {
    let data = bytes(3_000_000);
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let back = std::thread::scope(|scope| {
        let data = &data;
        scope.spawn(move || {
            sender.write_all(data).unwrap();
            sender.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        (&stream).read_to_end(&mut back).unwrap();
        back
    });
    assert!(digest(&back) == digest(&data));
}

fn check_unix(path: &Path) {
    let data = bytes(3_000_000);
    let stream = UnixStream::connect(path).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let back = std::thread::scope(|scope| {
        let data = &data;
        scope.spawn(move || {
            sender.write_all(data).unwrap();
            sender.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        (&stream).read_to_end(&mut back).unwrap();
        back
    });
    assert!(digest(&back) == digest(&data));
}

#[test]
fn a_port_of_the_space() {
    let space = Space::new();
    let local = space.path("local");
    let forward = format!("{}:localhost:{}", local.display(), echo_tcp());
    let _line = forwarding(&space, &["-L", &forward]);
    check_unix(&local);
    check_unix(&local);
}

#[test]
fn a_port_that_nobody_listens_on() {
    let space = Space::new();
    let target = format!("127.0.0.1:{}", free_port());
    let output = space.ssh(&["-W", &target], &[]).output().unwrap();
    assert!(!output.status.success());
    assert!(shown(&output).contains("Connection refused"), "{}", shown(&output));
    let unknown = space.ssh(&["-W", "no-such-host.invalid:1"], &[]).output().unwrap();
    assert!(!unknown.status.success());
}

#[test]
fn input_and_output_through_a_port() {
    let space = Space::new();
    let target = format!("127.0.0.1:{}", echo_tcp());
    let data = bytes(3_000_000);
    let output = feed(&mut space.ssh(&["-W", &target], &[]), &data);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(digest(&output.stdout) == digest(&data));
}

/// SOCKS 5 (RFC 1928) by hand: VS Code reaches its server this way.
#[test]
fn a_socks_proxy() {
    let space = Space::new();
    let (local, inside) = (free_port(), echo_tcp());
    let _line = forwarding(&space, &["-D", &local.to_string()]);
    let mut stream = TcpStream::connect(("127.0.0.1", local)).unwrap();
    stream.write_all(&[5, 1, 0]).unwrap();
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [5, 0]);
    let mut request = vec![5, 1, 0, 3, 9];
    request.extend_from_slice(b"localhost");
    request.extend_from_slice(&inside.to_be_bytes());
    stream.write_all(&request).unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..2], [5, 0]);
    stream.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
}

#[test]
fn a_port_in_the_space_leads_out() {
    let space = Space::new();
    let target = format!("0:127.0.0.1:{}", echo_tcp());
    let line = forwarding(&space, &["-R", &target]);
    let port = line.port.unwrap();
    check_tcp(port);
    // The port is taken for others ...
    let again = format!("{port}:127.0.0.1:1");
    let second = space.ssh(&["-R", &again], &["true"]).output().unwrap();
    assert!(!second.status.success(), "{}", shown(&second));
    drop(line);
    // ... and free when the connection has ended.
    until("the port is closed", || TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_forwarding_can_be_cancelled() {
    let space = Space::new();
    let remote = space.path("remote");
    let forward = format!("{}:127.0.0.1:{}", remote.display(), echo_tcp());
    let control = format!("ControlPath={}", space.path("control").display());
    let master = ["-o", &control, "-o", "ControlMaster=yes", "-N", "-f"];
    assert!(space.ssh(&master, &[]).status().unwrap().success());
    let ask = |what: &str| {
        let options = ["-o", &control, "-O", what, "-R", &forward];
        space.ssh(&options, &[]).status().unwrap().success()
    };
    assert!(ask("forward"));
    check_unix(&remote);
    assert!(ask("cancel"));
    until("the socket is removed", || !remote.exists());
    assert!(space.ssh(&["-o", &control, "-O", "exit"], &[]).status().unwrap().success());
}

#[test]
fn sockets_both_ways() {
    let space = Space::new();
    let path = |name: &str| space.path(name).display().to_string();
    echo_unix(&space.path("inside"));
    let local = format!("{}:{}", path("local"), path("inside"));
    let remote = format!("{}:{}", path("remote"), path("inside"));
    let line = forwarding(&space, &["-L", &local, "-R", &remote]);
    check_unix(&space.path("local"));
    check_unix(&space.path("remote"));
    let mode = std::fs::metadata(space.path("remote")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    drop(line);
    until("the socket is removed", || !space.path("remote").exists());
}

#[test]
fn the_clients_agent() {
    let space = Space::new();
    let (key, socket) = (space.path("key"), space.path("agent"));
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "of the client", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let mut agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the agent listens", || UnixStream::connect(&socket).is_ok());
    let added =
        Command::new("ssh-add").arg("-q").arg(&key).env("SSH_AUTH_SOCK", &socket).status().unwrap();
    assert!(added.success());
    let identity = format!("IdentityAgent={}", socket.display());
    // The first value of an option wins, so that this one has to stand before the others.
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-A", "-o", &identity]).args(space.options());
    ssh.args(["my-space", "ssh-add -l; stat -c %a $(dirname $SSH_AUTH_SOCK); echo $SSH_AUTH_SOCK"]);
    let output = ssh.stdin(Stdio::null()).output().unwrap();
    let text = shown(&output);
    assert!(text.contains("of the client (ED25519)"), "{text}");
    assert!(text.contains("\n700\n"), "{text}");
    let path = text.lines().find(|line| line.starts_with("/tmp/ssh-")).unwrap().to_owned();
    until("the socket is removed", || !Path::new(&path).parent().unwrap().exists());
    let without = space.output(&["-a"], &["echo [$SSH_AUTH_SOCK]"]);
    assert_eq!(without, "[]\n");
    agent.kill().unwrap();
    agent.wait().unwrap();
}
