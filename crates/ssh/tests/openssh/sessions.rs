//! Commands, shells and terminals with OpenSSH's client.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::support::{Space, bytes, digest, feed, shown, until};

#[test]
fn commands_run_at_home_as_the_user() {
    let space = Space::new();
    let home = space.home().display().to_string();
    assert_eq!(
        space.output(&[], &["pwd; echo $HOME; echo $USER; echo $SAGEMAKER_SPACE"]),
        format!("{home}\n{home}\nsagemaker-user\nmy-space\n")
    );
    // Any user name will do, and a command line is the shell's.
    assert_eq!(space.output(&["-l", "whoever"], &["echo", "'a  b'", "$0"]), "a  b bash\n");
    until("the connections' summaries", || space.log().matches("Summary").count() == 2);
    assert!(space.log().contains("user: \"whoever\""), "{}", space.log());
}

#[test]
fn exit_codes_signals_and_errors_arrive() {
    let space = Space::new();
    for code in [0, 1, 42, 255] {
        let status = space.ssh(&[], &[&format!("exit {code}")]).status().unwrap();
        assert_eq!(status.code(), Some(code));
    }
    let killed = space.ssh(&["-v"], &["kill -TERM $$"]).output().unwrap();
    assert_eq!(killed.status.code(), Some(255));
    assert!(shown(&killed).contains("exit-signal"), "{}", shown(&killed));
    let both = space.ssh(&[], &["echo out; echo err >&2"]).output().unwrap();
    assert_eq!((&both.stdout[..], &both.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    let missing = space.ssh(&[], &["no-such-command"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(127));
}

#[test]
fn input_ends_where_it_ends() {
    let space = Space::new();
    assert_eq!(feed(&mut space.ssh(&[], &["cat"]), b"").stdout, b"");
    assert_eq!(feed(&mut space.ssh(&[], &["cat; echo end"]), b"abc").stdout, b"abcend\n");
    // The process ends before its input does.
    let endless = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
    let mut head = space.ssh(&[], &["head -n 1"]);
    let mut endless_in = endless;
    let output = head.stdin(endless_in.stdout.take().unwrap()).output().unwrap();
    assert_eq!(output.stdout, b"y\n");
    let _ = endless_in.kill();
    let _ = endless_in.wait();
    // The process closes its output and goes on.
    assert_eq!(space.output(&[], &["echo a; exec >&- 2>&-; exit 0"]), "a\n");
}

/// Whoever reads what a command writes has had enough: the command learns that, as from any pipe, and the
/// client comes back.
#[test]
fn output_that_nobody_reads_any_more() {
    let space = Space::new();
    let mut ssh = space.ssh(&[], &["yes; echo $? > ended"]);
    // Were the input at its end, the client would close all at once and ask nothing more.
    let mut ssh = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let _stdin = ssh.stdin.take();
    let mut line = [0; 2];
    ssh.stdout.take().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"y\n");
    assert!(ssh.wait().unwrap().success());
    // A shell's word for SIGPIPE.
    assert_eq!(std::fs::read_to_string(space.home().join("ended")).unwrap(), "141\n");
}

/// What OpenSSH's client does only where the server's identification is OpenSSH's.
#[test]
fn no_more_sessions_are_opened_after_the_only_one() {
    let space = Space::new();
    let said = shown(&space.ssh(&["-vv"], &["true"]).output().unwrap());
    assert!(said.contains("no-more-sessions@openssh.com"), "{said}");
    assert!(said.contains("remote software version OpenSSH_9.9 Sagegate_"), "{said}");
}

/// More than any buffer on the way, in both directions at once: nothing may wait for something that
/// waits for it.
#[test]
fn much_data_both_ways_at_once() {
    let space = Space::new();
    let data = bytes(64 * 1024 * 1024);
    let output = feed(&mut space.ssh(&[], &["cat"]), &data);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout.len(), data.len());
    assert!(digest(&output.stdout) == digest(&data), "the bytes differ");
}

#[test]
fn every_cipher_and_new_keys_in_the_middle() {
    let space = Space::new();
    let data = bytes(8 * 1024 * 1024);
    for cipher in
        ["aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"]
    {
        let options = ["-c", cipher, "-o", "RekeyLimit=1M"];
        let output = feed(&mut space.ssh(&options, &["cat"]), &data);
        assert!(output.status.success(), "{cipher}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(digest(&output.stdout) == digest(&data), "{cipher}: the bytes differ");
    }
    let refusal = "no cipher to the server in common: the client offers aes128-ctr, this server \
                   aes256-gcm@openssh.com,aes128-gcm@openssh.com,chacha20-poly1305@openssh.com";
    // A client that is refused ends its ProxyCommand, at times before that has handed over what the
    // client offers.
    until("the refusal", || {
        assert!(!space.ssh(&["-c", "aes128-ctr"], &["true"]).status().unwrap().success());
        space.log().contains(refusal)
    });
}

#[test]
fn single_bytes_are_not_held_back() {
    let space = Space::new();
    let mut child =
        space.ssh(&[], &["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for byte in 0..=255_u8 {
        stdin.write_all(&[byte]).unwrap();
        let mut echo = [0];
        stdout.read_exact(&mut echo).unwrap();
        assert_eq!(echo, [byte]);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn variables_that_clients_may_set() {
    let space = Space::new();
    let mut ssh = space.ssh(
        &["-o", "SendEnv=LC_TEST COLORTERM LD_PRELOAD SAGEMAKER_SPACE"],
        &["echo [$LC_TEST] [$COLORTERM] [$LD_PRELOAD] [$SAGEMAKER_SPACE]"],
    );
    ssh.env("LC_TEST", "a b").env("COLORTERM", "truecolor").env("SAGEMAKER_SPACE", "other");
    ssh.env("LD_PRELOAD", "");
    let output = ssh.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "[a b] [truecolor] [] [my-space]\n");
}

#[test]
fn a_terminal_has_job_control_and_a_size() {
    let space = Space::new();
    let script = "tty; stty size; read -r _ _ _ _ group _ _ front _ < /proc/$$/stat; \
                  [ $group = $front ] && echo front; \
                  echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all; exit 3";
    let output = space.ssh(&["-tt"], &[script]).env("TERM", "xterm-256color").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("/dev/pts/"), "{text}");
    assert_eq!(lines[2..], ["front", "xterm-256color", "all"], "{text}");
}

/// A shell at a terminal: keys arrive, interrupts interrupt, and the window's size follows.
#[test]
fn a_login_shell_by_hand() {
    let space = Space::new();
    let mut command = String::from("stty rows 11 cols 77; exec ssh -F none -tt");
    for option in space.options() {
        command.push_str(&format!(" '{option}'"));
    }
    command.push_str(" my-space");
    let mut script = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = script.stdin.take().unwrap();
    let mut stdout = script.stdout.take().unwrap();
    let mut seen = String::new();
    let mut wait = |what: &str| {
        while !seen.contains(what) {
            let mut piece = [0; 1024];
            let count = stdout.read(&mut piece).unwrap();
            assert!(count > 0, "ended before {what:?}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    };
    // What is typed is echoed; the quotes keep the echo from looking like the answer.
    stdin.write_all(b"echo sh''ell $0; shopt -q login_shell && echo log''in\n").unwrap();
    wait("shell -bash");
    wait("login");
    stdin.write_all(b"stty size\n").unwrap();
    wait("11 77");
    stdin.write_all(b"sh -c 'echo re\"\"ady; exec sleep 1000'\n").unwrap();
    wait("ready");
    stdin.write_all(b"\x03").unwrap();
    stdin.write_all(b"echo int''errupted $?\n").unwrap();
    wait("interrupted 130");
    stdin.write_all(b"exit 7\n").unwrap();
    drop(stdin);
    let mut rest = String::new();
    let _ = stdout.read_to_string(&mut rest);
    assert_eq!(script.wait().unwrap().code(), Some(7));
}

/// When the line is cut, what ran on it hears SIGHUP, and what left the session lives on.
#[test]
fn a_cut_line() {
    let space = Space::new();
    for options in [&[][..], &["-tt"]] {
        let script = "rm -f left; echo $$ > leader; trap 'echo hup > heard; exit' HUP; \
                      setsid sh -c 'echo $$ > left; exec sleep 1000' >/dev/null 2>&1 </dev/null & \
                      until test -s left; do sleep 0.01; done; \
                      echo ready; while :; do sleep 1000 & wait; done";
        let mut child = space.ssh(options, &[script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0; 5];
        child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        assert_eq!(&line, b"ready");
        child.kill().unwrap();
        child.wait().unwrap();
        let heard = space.home().join("heard");
        until("the signal", || std::fs::read(&heard).is_ok_and(|text| text == b"hup\n"));
        let left = std::fs::read_to_string(space.home().join("left")).unwrap();
        assert!(std::path::Path::new("/proc").join(left.trim()).exists());
        assert!(Command::new("kill").arg(left.trim()).status().unwrap().success());
        std::fs::remove_file(heard).unwrap();
    }
}

#[test]
fn many_sessions_on_one_connection() {
    let space = Space::new();
    let control = space.path("control");
    let control = format!("ControlPath={}", control.display());
    let master =
        space.ssh(&["-o", &control, "-o", "ControlMaster=yes", "-N", "-f"], &[]).status().unwrap();
    assert!(master.success());
    // One session reads nothing: the others must not notice.
    let mut stuck = space
        .ssh(&["-o", &control], &["sleep 1000"])
        .stdin(std::fs::File::open("/dev/zero").unwrap())
        .spawn()
        .unwrap();
    let data = bytes(300_000);
    std::thread::scope(|scope| {
        for number in 0..100 {
            let (space, control, data) = (&space, &control, &data);
            scope.spawn(move || {
                let command = format!("cat; exit {number}");
                let output = feed(&mut space.ssh(&["-o", control], &[&command]), data);
                assert_eq!(output.status.code(), Some(number), "{}", shown(&output));
                assert!(output.stdout == *data);
            });
        }
    });
    assert!(stuck.try_wait().unwrap().is_none());
    stuck.kill().unwrap();
    stuck.wait().unwrap();
    assert!(space.ssh(&["-o", &control, "-O", "exit"], &[]).status().unwrap().success());
}
