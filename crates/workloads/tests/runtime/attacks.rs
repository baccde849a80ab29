//! What code in a space tries against its neighbours and the host. As root, where every wall must
//! stand; without root these tests have nothing to say and say so. A container has the machine's /sys,
//! unwritable, and homes of one user: what goes by that is asked of processes alone.

use std::time::Duration;

use super::common::{PATIENCE, Place, every_runtime, run, serving, spec};
use sagegate_agent::protocol::{App, Open};
use sagegate_workloads::runtime::{Isolation, open};
use tokio::io::AsyncWriteExt;

every_runtime! {
    ways_out_of_the_root_are_closed,
    links_in_a_home_lead_nowhere,
    processes_of_others_are_neither_seen_nor_ended,
    rights_cannot_be_had_again,
    the_network_is_its_own,
    processes_and_memory_are_bounded,
    an_app_that_uses_up_its_memory_is_told_and_the_neighbour_lives,
}

/// Two spaces beside each other, or nothing where not every wall stands.
async fn neighbours(place: Place) -> Option<Place> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return None;
    }
    let best = if place.is_docker() { Isolation::OneUser } else { Isolation::Full };
    assert_eq!(place.runtime().capability().isolation, Some(best));
    serving(place.runtime(), &spec("mine", "mine")).await;
    serving(place.runtime(), &spec("theirs", "theirs")).await;
    let said = run(place.runtime(), "theirs", "echo s3cret > ~/secret; chmod 777 ~ ~/secret").await;
    assert_eq!(said, "");
    Some(place)
}

/// Runs a script as the attacker.
async fn attack(place: &Place, script: &str) -> String {
    run(place.runtime(), "mine", script).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_host_and_of_neighbours_are_not_there() {
    let Some(place) = neighbours(Place::process()).await else { return };
    let outside = place.directory.path().display().to_string();
    for path in [outside.as_str(), "/root", "/etc/shadow", "/sys", "/boot", "/mnt", "/home/ubuntu"]
    {
        let said = attack(&place, &format!("ls -a {path}")).await;
        assert!(said.contains("No such file"), "{path}: {said}");
    }
    // The executable's directory is needed, and nothing else of the path to it is shown.
    let said = attack(&place, "ls /; ls /home; cat /proc/self/mountinfo").await;
    assert!(!said.contains("theirs"), "{said}");
    let found =
        attack(&place, "grep -rs s3cret / --exclude-dir=proc --exclude-dir=usr; true").await;
    assert!(!found.contains("secret:"), "{found}");
    // Users of the host are not told.
    assert_eq!(attack(&place, "wc -l < /etc/passwd").await, "3\n");
    place.end().await;
}

async fn ways_out_of_the_root_are_closed(place: Place) {
    let Some(place) = neighbours(place).await else { return };
    for path in ["/../../../root", "/proc/1/root/root", "/proc/self/root/root"] {
        let said = attack(&place, &format!("ls -A {path}; cat {path}/.bashrc")).await;
        assert!(!said.contains(".cargo") && !said.contains("alias"), "{path}: {said}");
    }
    // What the first process and the agent have open is theirs.
    let agent = "$(sed -n 's/^PPid:\\t//p' /proc/$PPID/status)";
    for pid in ["1", agent] {
        let said = attack(
            &place,
            &format!("ls /proc/{pid}/fd; readlink /proc/{pid}/exe; cat /proc/{pid}/environ"),
        )
        .await;
        assert_eq!(said.matches("Permission denied").count(), 2, "{pid}: {said}");
    }
    place.end().await;
}

async fn links_in_a_home_lead_nowhere(place: Place) {
    let Some(place) = neighbours(place).await else { return };
    let runtime = place.runtime();
    let host = place.directory.path().join("workloads/homes/theirs");
    let script = format!(
        "ln -s {} ~/a; ln -s / ~/b; ln -s /etc/shadow ~/c; ls -a ~/a/; cat ~/c; \
         rm -rf ~/.local; ln -s /usr ~/.local",
        host.display()
    );
    let said = attack(&place, &script).await;
    assert_eq!(said.matches("No such file").count(), 2, "{said}");
    // A home that is a trap is a home still, and its removal removes nothing else.
    runtime.stop("mine", Duration::ZERO).await.unwrap();
    serving(runtime, &spec("mine", "mine")).await;
    runtime.stop("mine", Duration::ZERO).await.unwrap();
    runtime.forget_home("mine").await.unwrap();
    assert!(host.join("secret").exists());
    assert!(std::path::Path::new("/etc/shadow").exists());
    place.end().await;
}

async fn processes_of_others_are_neither_seen_nor_ended(place: Place) {
    let Some(place) = neighbours(place).await else { return };
    let runtime = place.runtime();
    let seen = attack(&place, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await;
    assert_eq!(seen.matches(" serve ").count(), 1, "{seen}");
    let me = std::process::id();
    let said = attack(&place, &format!("kill -9 {me}; kill -9 1; kill -STOP 1; echo still")).await;
    assert!(said.contains("No such process") && said.ends_with("still\n"), "{said}");
    let host = attack(&place, &format!("ls /proc/{me}")).await;
    assert!(host.contains("No such file"), "{host}");
    // All that it may end is its own.
    let mut stream = open(runtime, "mine", &Open::App).await.unwrap();
    let request = b"POST /run HTTP/1.1\r\nContent-Length: 10\r\n\r\nkill -9 -1";
    stream.write_all(request).await.unwrap();
    tokio::time::timeout(PATIENCE, runtime.ended("mine")).await.unwrap();
    assert_eq!(run(runtime, "theirs", "echo alive").await, "alive\n");
    let listed = runtime.list().await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["theirs"]);
    serving(runtime, &spec("mine", "mine")).await;
    place.end().await;
}

async fn rights_cannot_be_had_again(place: Place) {
    let Some(place) = neighbours(place).await else { return };
    let status = attack(&place, "grep -E '^(Cap|NoNewPrivs|Groups)' /proc/self/status").await;
    for line in status.lines().filter(|it| it.starts_with("Cap")) {
        assert!(line.ends_with("\t0000000000000000"), "{status}");
    }
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    for script in [
        "mount -t tmpfs none /mnt || mount -t tmpfs none ~",
        "unshare -Ur true",
        "unshare -m true",
        "mknod ~/disk b 8 0",
        "chroot / true",
        "hostname mine",
        "echo 1 > /proc/sys/user/max_user_namespaces",
        "echo c > /proc/sysrq-trigger",
        "echo x > /usr/bin/x",
        "echo x > /x",
        "echo x > /run/sagegate/plan.json",
        "echo x > /opt/sagegate/space-agent",
        "umount /proc",
        "su -c true",
        "cat /proc/kcore | head -c 1 | grep -q .",
    ] {
        let said =
            attack(&place, &format!("({script}) >/dev/null 2>&1 && echo DONE || echo refused"))
                .await;
        assert_eq!(said, "refused\n", "{script}");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyrings_are_nobodys() {
    let Some(place) = neighbours(Place::process()).await else { return };
    // keyctl(KEYCTL_GET_KEYRING_ID, session), add_key, request_key.
    let script = r#"python3 - <<'END'
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for call in ((250, 0, -3, 1), (248, b"user", b"k", b"v", 1, -3), (249, b"user", b"k", None, 0)):
    if libc.syscall(*call) != -1 or ctypes.get_errno() != 1:
        print("reached", call[0])
print("tried")
END"#;
    if cfg!(target_arch = "x86_64") {
        assert_eq!(attack(&place, script).await.trim(), "tried");
    }
    place.end().await;
}

async fn the_network_is_its_own(place: Place) {
    let Some(place) = neighbours(place).await else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = attack(&place, &format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo REACHED")).await;
    assert!(said.contains("Connection refused"), "{said}");
    assert_eq!(attack(&place, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").await, "lo\n");
    let said = attack(&place, "exec 3<>/dev/tcp/192.0.2.1/80 && echo REACHED").await;
    assert!(said.contains("unreachable"), "{said}");
    // Both have the same port, and each its own app behind it.
    run(place.runtime(), "theirs", "(echo theirs; sleep 60) > /tmp/x 2>&1 &").await;
    assert!(attack(&place, "cat /tmp/x").await.contains("No such file"));
    // Names of sockets without a file belong to the network too.
    assert_eq!(attack(&place, "tail -n +2 /proc/net/unix | grep -c workloads").await, "0\n");
    place.end().await;
}

async fn processes_and_memory_are_bounded(place: Place) {
    let Some(place) = neighbours(place).await else { return };
    let runtime = place.runtime();
    let bomb = "i=0; while (( i < 500 )); do sleep 30 & (( i++ )); done 2>/tmp/errors; \
                ls -d /proc/[0-9]* | wc -l; grep -c 'Resource temporarily' /tmp/errors";
    let said = tokio::time::timeout(PATIENCE, attack(&place, bomb)).await;
    // Bash may give up before it counts: then there is nothing to count.
    if let Ok(said) = said {
        let counted: Vec<u32> = said.lines().filter_map(|it| it.parse().ok()).collect();
        assert!(counted.first().is_none_or(|it| *it <= 100), "{said}");
    }
    assert_eq!(run(runtime, "theirs", "echo alive").await, "alive\n");
    runtime.stop("mine", Duration::ZERO).await.unwrap();

    serving(runtime, &spec("mine", "mine")).await;
    if runtime.capability().limits.contains(&"memory") {
        // Half a gigabyte in a space of a quarter.
        let said = attack(&place, "(head -c 512M /dev/zero | tail -c 512M | wc -c) 2>&1").await;
        assert!(!said.contains("536870912"), "{said}");
    }
    let said = attack(&place, "head -c 512M /dev/zero > /tmp/big; stat -c %s /tmp/big").await;
    assert!(said.contains("No space left") || !said.contains("536870912"), "{said}");
    assert_eq!(run(runtime, "theirs", "echo alive").await, "alive\n");
    place.end().await;
}

async fn an_app_that_uses_up_its_memory_is_told_and_the_neighbour_lives(place: Place) {
    let Some(place) = neighbours(place).await else { return };
    let runtime = place.runtime();
    if !runtime.capability().limits.contains(&"memory") {
        return;
    }
    let mut greedy = spec("greedy", "greedy");
    let script = "a=x; while :; do a=$a$a; done";
    greedy.app.command = vec!["/bin/bash".to_owned(), "-c".to_owned(), script.to_owned()];
    runtime.start(&greedy).await.unwrap();
    let status = super::common::until(runtime, "greedy", |it| it.app != App::Starting).await;
    let App::Ended { .. } = status.app else { panic!("{status:?}") };
    assert_eq!(run(runtime, "theirs", "echo alive").await, "alive\n");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_home_has_a_user_that_nothing_else_has() {
    use std::os::unix::fs::MetadataExt;
    let Some(place) = neighbours(Place::process()).await else { return };
    let homes = place.directory.path().join("workloads/homes");
    let owner = |name: &str| std::fs::metadata(homes.join(name)).unwrap().uid();
    let (mine, theirs) = (owner("mine"), owner("theirs"));
    assert!(mine != theirs && mine >= 1_000_000_000 && theirs >= 1_000_000_000);
    attack(&place, "touch ~/x").await;
    assert_eq!(owner("mine/x"), mine);
    place.runtime().stop("mine", Duration::ZERO).await.unwrap();
    serving(&*place.again().await, &spec("later", "mine")).await;
    assert_eq!(owner("mine"), mine);
    place.end().await;
}
