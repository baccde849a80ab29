//! What every runtime does, whichever it is. Where no container engine is present, those of `docker` say
//! that they are skipped.

use std::time::Duration;

use super::common::{Control, Place, ask, every_runtime, run, serving, spec, until};
use sagegate_agent::protocol::{App, Configure, FromAgent, HostKey, Open, Relay, ToAgent};
use sagegate_workloads::runtime::{Isolation, open};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

every_runtime! {
    starting_twice_is_starting_once_and_an_app_comes_to_serve,
    what_runs_is_found_by_another_process_and_stays_as_it_was,
    a_stop_leaves_nothing_but_the_home,
    an_app_is_asked_to_end_before_it_is_ended,
    an_app_that_ends_is_told_with_its_last_words,
    an_app_that_cannot_be_started_is_told,
    a_lifecycle_script_runs_first_and_its_failure_is_told,
    a_space_knows_who_and_where_it_is,
    connections_go_in_by_port_and_out_by_relay,
    nonsense_on_the_control_socket_hurts_nobody,
    activity_is_seen_in_the_file_that_clients_write,
    names_that_are_none_are_refused,
    nothing_that_the_host_has_open_comes_along,
}

const GRACE: Duration = Duration::from_secs(5);

async fn starting_twice_is_starting_once_and_an_app_comes_to_serve(place: Place) {
    let runtime = place.runtime();
    let spec = spec("w1", "h1");
    serving(runtime, &spec).await;
    let first = run(runtime, "w1", "echo $PPID").await;
    runtime.start(&spec).await.unwrap();
    assert_eq!(run(runtime, "w1", "echo $PPID").await, first);
    assert_eq!(runtime.list().await.unwrap(), [spec]);
    place.end().await;
}

async fn what_runs_is_found_by_another_process_and_stays_as_it_was(place: Place) {
    let spec = spec("w1", "h1");
    serving(place.runtime(), &spec).await;
    let first = run(place.runtime(), "w1", "echo $PPID").await;
    let again = place.again().await;
    assert_eq!(again.list().await.unwrap(), [spec]);
    assert_eq!(run(&*again, "w1", "echo $PPID").await, first);
    place.end().await;
}

async fn a_stop_leaves_nothing_but_the_home(place: Place) {
    let runtime = place.runtime();
    let one = spec("w1", "h1");
    serving(runtime, &one).await;
    run(runtime, "w1", "echo kept > ~/note; setsid sleep 600 >/dev/null 2>&1 & disown").await;
    let ended = async { runtime.ended("w1").await };
    let (stopped, ()) = tokio::join!(runtime.stop("w1", GRACE), ended);
    stopped.unwrap();
    assert_eq!(runtime.list().await.unwrap(), []);
    assert!(runtime.connect("w1").await.is_err());
    // Once more, and of something that never was: no error.
    runtime.stop("w1", GRACE).await.unwrap();
    runtime.stop("never", GRACE).await.unwrap();
    runtime.ended("w1").await;

    let two = spec("w2", "h1");
    serving(runtime, &two).await;
    assert_eq!(run(runtime, "w2", "cat ~/note").await, "kept\n");
    assert!(runtime.forget_home("h1").await.unwrap_err().message.contains("in use by w2"));
    runtime.stop("w2", Duration::ZERO).await.unwrap();
    runtime.forget_home("h1").await.unwrap();
    let three = spec("w3", "h1");
    serving(runtime, &three).await;
    assert_eq!(run(runtime, "w3", "ls ~").await, "");
    place.end().await;
}

async fn an_app_is_asked_to_end_before_it_is_ended(place: Place) {
    let runtime = place.runtime();
    let mut spec = spec("w1", "h1");
    let serve = spec.app.command.join(" ");
    let script = format!("trap 'echo asked > ~/asked; exit 0' TERM; {serve} & wait");
    spec.app.command = vec!["/bin/bash".to_owned(), "-c".to_owned(), script];
    serving(runtime, &spec).await;
    runtime.stop("w1", Duration::from_secs(30)).await.unwrap();
    spec.id = "w2".to_owned();
    serving(runtime, &spec).await;
    assert_eq!(run(runtime, "w2", "cat ~/asked").await, "asked\n");
    place.end().await;
}

async fn an_app_that_ends_is_told_with_its_last_words(place: Place) {
    let runtime = place.runtime();
    let mut spec = spec("w1", "h1");
    let script = "echo one; echo two >&2; exit 3".to_owned();
    spec.app.command = vec!["/bin/bash".to_owned(), "-c".to_owned(), script];
    runtime.start(&spec).await.unwrap();
    let status = until(runtime, "w1", |it| it.app != App::Starting).await;
    let App::Ended { reason, code, signal, mut lines } = status.app else { panic!("{status:?}") };
    assert_eq!((reason.as_str(), code, signal), ("The app ended with exit code 3", Some(3), None));
    lines.sort();
    assert_eq!(lines, ["one", "two"]);
    // It is still there to be asked, until it is stopped.
    assert_eq!(runtime.list().await.unwrap().len(), 1);
    place.end().await;
}

async fn an_app_that_cannot_be_started_is_told(place: Place) {
    let mut spec = spec("w1", "h1");
    spec.app.command = vec!["/no/such/program".to_owned()];
    place.runtime().start(&spec).await.unwrap();
    let status = until(place.runtime(), "w1", |it| it.app != App::Starting).await;
    let App::Ended { reason, .. } = status.app else { panic!("{status:?}") };
    assert!(reason.starts_with("The app could not be started: /no/such/program"), "{reason}");
    place.end().await;
}

async fn a_lifecycle_script_runs_first_and_its_failure_is_told(place: Place) {
    let runtime = place.runtime();
    let mut good = spec("w1", "h1");
    good.lifecycle_scripts = vec![b"#!/bin/bash\nset -eux\npwd > prepared\n".to_vec()];
    serving(runtime, &good).await;
    assert_eq!(
        run(runtime, "w1", "test \"$(cat ~/prepared)\" = \"$HOME\" && echo yes").await,
        "yes\n"
    );

    let mut bad = spec("w2", "h2");
    bad.lifecycle_scripts = vec![b"#!/bin/bash\necho no such package\nexit 9\n".to_vec()];
    runtime.start(&bad).await.unwrap();
    let status = until(runtime, "w2", |it| it.app != App::Starting).await;
    let App::Ended { reason, code, lines, .. } = status.app else { panic!("{status:?}") };
    assert_eq!(reason, "The lifecycle script ended with exit code 9");
    assert_eq!((code, lines), (Some(9), vec!["no such package".to_owned()]));
    place.end().await;
}

async fn a_space_knows_who_and_where_it_is(place: Place) {
    let runtime = place.runtime();
    serving(runtime, &spec("w1", "h1")).await;
    let env = ask(runtime, "w1", "GET /env HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(env.contains("USER=sagemaker-user\n"), "{env}");
    let greeting = env.lines().find_map(|it| it.strip_prefix("GREETING=hello ")).unwrap();
    assert!(greeting.parse::<u16>().unwrap() > 0, "{env}");
    if runtime.capability().isolation != Some(Isolation::None) {
        assert_eq!(
            run(runtime, "w1", "whoami; id -u; id -gn; cd; pwd; hostname; echo ~sagemaker-user")
                .await,
            "sagemaker-user\n1000\nusers\n/home/sagemaker-user\nspace\n/home/sagemaker-user\n"
        );
        assert_eq!(
            run(runtime, "w1", "cat /opt/ml/metadata/resource-metadata.json").await,
            r#"{"SpaceName":"my-space"}"#
        );
        assert_eq!(run(runtime, "w1", "touch ~/x && echo ok").await, "ok\n");
        // A terminal can be made.
        assert_eq!(run(runtime, "w1", "script -qec tty /dev/null").await.trim(), "/dev/pts/0");
    }
    place.end().await;
}

async fn connections_go_in_by_port_and_out_by_relay(place: Place) {
    let runtime = place.runtime();
    serving(runtime, &spec("w1", "h1")).await;
    let mut control = Control::open(runtime, "w1").await;
    let FromAgent::Status(_) = control.next().await else { panic!("no status first") };

    let port = run(runtime, "w1", "echo ${GREETING#hello }").await;
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; echo ping >&3; cat <&3", port.trim());
    let asking = run(runtime, "w1", &script);
    let answering = async {
        let FromAgent::Dial { id, relay } = control.next().await else { panic!("no dial") };
        assert_eq!(relay, Relay::Api);
        let mut stream = open(runtime, "w1", &Open::Accept { id }).await.unwrap();
        let mut ping = [0; 5];
        stream.read_exact(&mut ping).await.unwrap();
        assert_eq!(&ping, b"ping\n");
        stream.write_all(b"pong\n").await.unwrap();
        drop(stream);
        let twice = open(runtime, "w1", &Open::Accept { id }).await;
        assert!(twice.err().unwrap().message.contains("nothing waits"));
    };
    let (said, ()) = tokio::join!(asking, answering);
    assert_eq!(said, "pong\n");

    let closed = open(runtime, "w1", &Open::Tcp { port: 1 }).await;
    assert!(closed.err().unwrap().message.contains("port 1"));
    let no_key = open(runtime, "w1", &Open::Ssh).await;
    assert!(no_key.err().unwrap().message.contains("host key"));
    // One that comes before the key waits for it.
    let key = ToAgent::Configure(Configure { ssh_host_key: Some(HostKey("07".repeat(32))) });
    let (early, ()) = tokio::join!(open(runtime, "w1", &Open::Ssh), control.say(&key));
    let mut greeting = [0; 8];
    early.unwrap().read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"SSH-2.0-");
    place.end().await;
}

async fn nonsense_on_the_control_socket_hurts_nobody(place: Place) {
    let runtime = place.runtime();
    serving(runtime, &spec("w1", "h1")).await;
    for nonsense in [&b"\n"[..], b"{\"open\":\"all\"}\n", b"\xff\xff\n", &[b'x'; 9000]] {
        let mut stream = runtime.connect("w1").await.unwrap();
        let _ = stream.write_all(nonsense).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains(r#""answer":"opened""#));
    }
    let mut control = Control::open(runtime, "w1").await;
    control.next().await;
    control.say(&ToAgent::Configure(Default::default())).await;
    assert_eq!(run(runtime, "w1", "echo alive").await, "alive\n");
    place.end().await;
}

async fn activity_is_seen_in_the_file_that_clients_write(place: Place) {
    let runtime = place.runtime();
    let mut spec = spec("w1", "h1");
    spec.lifecycle_scripts = vec![
        b"echo 2026-01-02T03:04:05.000Z > $TMPDIR/.sagemaker-last-active-timestamp\n".to_vec(),
    ];
    runtime.start(&spec).await.unwrap();
    let status = until(runtime, "w1", |it| it.last_active.is_some()).await;
    assert_eq!(status.last_active, Some(1_767_323_045));
    place.end().await;
}

async fn names_that_are_none_are_refused(place: Place) {
    for (id, home) in [("../w", "h"), ("w", ".."), ("", "h"), ("w", "h/x"), ("W", "h")] {
        let refused = place.runtime().start(&spec(id, home)).await.unwrap_err();
        assert!(refused.message.contains("is not made of"), "{refused}");
    }
    assert!(place.runtime().connect("../../x").await.is_err());
    place.end().await;
}

/// As a shell's `exec 9<DIRECTORY` before the server is started.
async fn nothing_that_the_host_has_open_comes_along(place: Place) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inheritable");
    std::fs::create_dir(&path).unwrap();
    let open = std::fs::File::open(&path).unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let runtime = place.runtime();
    serving(runtime, &spec("w1", "h1")).await;
    let seen = run(runtime, "w1", "ls -l /proc/[0-9]*/fd /proc/self/fd").await;
    drop(open);
    assert!(seen.contains("socket:"), "{seen}");
    assert!(!seen.contains("inheritable"), "{seen}");
    place.end().await;
}
