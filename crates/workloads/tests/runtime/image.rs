//! The image that tests of containers run: programs of this machine with the libraries that they load,
//! so that nothing has to be fetched.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use bollard::query_parameters::CreateImageOptions;
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_core::Stream as _;
use tokio::sync::Mutex;

/// What the tests' scripts call, in `/bin` of the image.
const PROGRAMS: [&str; 43] = [
    "bash", "cat", "chmod", "chroot", "cut", "echo", "env", "false", "grep", "head", "hostname",
    "id", "kill", "ln", "ls", "mkdir", "mknod", "mount", "mv", "pwd", "readlink", "rm", "script",
    "sed", "seq", "setsid", "sh", "sleep", "sort", "stat", "su", "tail", "tee", "test", "touch",
    "tr", "true", "tty", "umount", "uname", "unshare", "wc", "whoami",
];

static ONE: Mutex<()> = Mutex::const_new(());

/// The name of the image at this engine; made if it is not there.
pub(crate) async fn ready(engine: &str) -> String {
    let _one = ONE.lock().await;
    let files = files();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        let found = std::fs::metadata(file).unwrap();
        (file, found.len(), found.mtime()).hash(&mut hasher);
    }
    // Podman does not heed the tag of what it imports.
    let name = format!("localhost/sagegate-test-space-{:016x}", hasher.finish());
    let path = engine.strip_prefix("unix://").unwrap();
    let client = Docker::connect_with_unix(path, 120, API_DEFAULT_VERSION).unwrap();
    let client = client.negotiate_version().await.unwrap();
    if client.inspect_image(&name).await.is_ok() {
        return name;
    }
    // Links are followed: what is in the image stands for itself.
    let tar = Command::new("tar")
        .args(["-c", "-h", "-C", "/", "--mode", "u=rwX,go=rX"])
        .args(["--transform", r"s,^\(usr/\)\?s\?bin/,bin/,", "--files-from", "-"])
        .stdin(list(&files))
        .output()
        .unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(name.clone()),
        tag: Some("latest".to_owned()),
        ..CreateImageOptions::default()
    };
    let body = bollard::body_full(tar.stdout.into());
    let mut made = Box::pin(client.create_image(Some(options), Some(body), None));
    while let Some(said) = std::future::poll_fn(|context| made.as_mut().poll_next(context)).await {
        said.unwrap();
    }
    name
}

/// The names of the files, as standard input of a command.
fn list(files: &BTreeSet<PathBuf>) -> std::fs::File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    for path in files {
        writeln!(file, "{}", path.strip_prefix("/").unwrap().display()).unwrap();
    }
    file.rewind().unwrap();
    file
}

/// The programs, and what `ldd` says that they load.
fn files() -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for program in PROGRAMS {
        let places =
            ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(|it| PathBuf::from(it).join(program));
        let Some(path) = places.into_iter().find(|it| it.exists()) else { continue };
        files.extend(libraries(&path));
        files.insert(path);
    }
    files.extend(libraries(env!("CARGO_BIN_EXE_sagegate-test-space").as_ref()));
    files
}

fn libraries(program: &std::path::Path) -> Vec<PathBuf> {
    let said = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    text.split_whitespace().filter(|it| it.starts_with('/')).map(PathBuf::from).collect()
}
