//! JupyterLab itself, where it is installed: `SAGEGATE_TEST_APPS` names the directory of apps.
//!
//! Prints how long the start takes in a space and by hand (`-- --nocapture`).

use std::process::Stdio;
use std::time::Duration;

use sagegate_api::sagemaker::AppType;
use sagegate_workloads::apps::Catalog;
use sagegate_workloads::runtime::Limits;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::common::{PATIENCE, Place, ask, serving, spec};

/// Until something answers at a port of this machine.
async fn answers(port: u16) {
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jupyterlab_serves_below_its_path() {
    let Some(apps) = std::env::var_os("SAGEGATE_TEST_APPS") else {
        eprintln!("skipped: SAGEGATE_TEST_APPS is not set");
        return;
    };
    let catalog = Catalog::new(apps.into(), "");
    let mut wanted = spec("lab", "lab");
    wanted.app = catalog.program(AppType::JupyterLab, None).unwrap();
    wanted.limits = Limits { cpu_milli: 2000, memory: 4 << 30, pids: 4096 };
    let place = Place::process();
    for round in 0..3 {
        let started = Instant::now();
        place.runtime().start(&wanted).await.unwrap();
        let agent = started.elapsed();
        serving(place.runtime(), &wanted).await;
        let served = started.elapsed();

        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let home = tempfile::tempdir().unwrap();
        let words = wanted.app.command.iter().map(|it| it.replace("{port}", &port.to_string()));
        let words: Vec<String> = words.collect();
        let started = Instant::now();
        let mut by_hand = tokio::process::Command::new(&words[0])
            .args(&words[1..])
            .arg("--allow-root")
            .env("HOME", home.path())
            .current_dir(home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        tokio::time::timeout(PATIENCE, answers(port)).await.unwrap();
        println!(
            "round {round}: agent ready {agent:?}, serving {served:?}, by hand {:?}",
            started.elapsed()
        );
        by_hand.kill().await.unwrap();

        let request =
            "GET /jupyterlab/default/lab HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let page = ask(place.runtime(), "lab", request).await.unwrap();
        assert!(page.contains("JupyterLab"), "{page}");
        place.runtime().stop("lab", Duration::from_secs(5)).await.unwrap();
    }
    place.end().await;
}
