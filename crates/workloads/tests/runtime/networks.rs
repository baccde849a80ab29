//! Workloads in networks: the runtime that puts them there, and the keeper that keeps them there.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sagegate_agent::protocol::Relay;
use sagegate_api::sagemaker::AppStatus;
use sagegate_workloads::networks::{Networks, Plugged, Unplugged};
use sagegate_workloads::runtime::{Doing, Failure, Network, Runtime, Seat, Spec};
use sagegate_workloads::work::Work;
use serde_json::json;
use tokio::sync::Notify;

use super::common::{Place, run, spec, until};
use super::scripted::{Agents, Kept, Scripted, soon};

/// An empty network namespace as the fabric makes them: its loopback device is up. Nothing for a user who
/// may make none without a user namespace, which a process of several threads cannot enter.
fn seat() -> Option<Seat> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: network namespaces of a test are root's");
        return None;
    }
    let made = std::thread::spawn(|| {
        #[expect(deprecated, reason = "the successor is unsafe for CLONE_FILES alone")]
        rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).unwrap();
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(up.success());
        OwnedFd::from(File::open("/proc/thread-self/ns/net").unwrap())
    });
    Some(Seat { net: made.join().unwrap(), user: None })
}

fn inode(of: impl AsFd) -> u64 {
    rustix::fs::fstat(of).unwrap().st_ino
}

fn plugged(id: &str) -> Spec {
    let mut spec = spec(id, "h1");
    spec.network = Network::Plugged { interface: "eni-1".to_owned() };
    spec.files = BTreeMap::from([
        ("/etc/resolv.conf".to_owned(), "nameserver 10.0.0.2\n".to_owned()),
        ("/opt/sagegate/authority.pem".to_owned(), "trust me\n".to_owned()),
    ]);
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_is_in_the_network_that_it_was_given_and_has_no_way_around_it() {
    let Some(seat) = seat() else { return };
    let place = Place::process();
    let runtime = place.runtime();
    let (spec, inside) = (plugged("w1"), inode(&seat.net));
    runtime.start_in(&spec, seat).await.unwrap();
    until(runtime, "w1", |it| it.app == sagegate_agent::protocol::App::Serving).await;
    let own = run(runtime, "w1", "readlink /proc/self/ns/net").await;
    assert_eq!(own, format!("net:[{inside}]\n"));
    let files = "cat /etc/resolv.conf /opt/sagegate/authority.pem";
    assert_eq!(run(runtime, "w1", files).await, "nameserver 10.0.0.2\ntrust me\n");
    // The relay of credentials stands, that of the API does not.
    let dial = "for port in 9169 9170; do (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null \
                && echo yes || echo no; done";
    assert_eq!(run(runtime, "w1", dial).await, "yes\nno\n");
    let change = "ip link set lo down 2>/dev/null || echo refused";
    assert_eq!(run(runtime, "w1", change).await, "refused\n");
    // Another process finds it where it is.
    let again = place.again().await;
    assert_eq!(again.list().await.unwrap(), [spec]);
    assert_eq!(inode(again.seat("w1").await.unwrap()), inside);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_given_to_those_that_want_one_and_to_no_others() {
    let Some(seat) = seat() else { return };
    let place = Place::process();
    let runtime = place.runtime();
    runtime.start(&plugged("w1")).await.unwrap_err();
    runtime.start_in(&spec("w1", "h1"), seat).await.unwrap_err();
    runtime.seat("w1").await.unwrap_err();
    assert_eq!(runtime.list().await.unwrap(), []);
    place.end().await;
}

/// Networks that do as a test says.
#[derive(Default)]
struct Told {
    /// Who was plugged in, and whether with a namespace of its own.
    plugs: Mutex<Vec<(String, bool)>>,
    /// Whether a namespace that is brought is refused.
    foreign: AtomicBool,
    lost: Notify,
    unplugs: Mutex<Vec<String>>,
}

fn nothing() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

impl Networks for Told {
    fn plug<'a>(
        &'a self,
        work: &'a Work,
        own: Option<OwnedFd>,
    ) -> Doing<'a, Result<Option<Plugged>, Unplugged>> {
        let interface = work.link().unwrap().name().to_owned();
        self.plugs.lock().unwrap().push((interface.clone(), own.is_some()));
        let foreign = own.is_some() && self.foreign.load(Ordering::SeqCst);
        Box::pin(async move {
            if foreign {
                return Err(Unplugged::Foreign(Failure::new("it is another's")));
            }
            let seat = Seat { net: nothing(), user: None };
            let env = BTreeMap::from([("TRUST".to_owned(), "me".to_owned())]);
            Ok(Some(Plugged { interface, seat, files: BTreeMap::new(), env }))
        })
    }

    fn unplug<'a>(&'a self, interface: &'a str) -> Doing<'a, ()> {
        self.unplugs.lock().unwrap().push(interface.to_owned());
        Box::pin(async {})
    }

    fn lost<'a>(&'a self, _: &'a str) -> Doing<'a, ()> {
        Box::pin(self.lost.notified())
    }
}

impl Told {
    async fn plugs_are(&self, owns: &[bool]) {
        let now = || self.plugs.lock().unwrap().iter().map(|it| it.1).collect::<Vec<_>>();
        soon(|| now().len() >= owns.len()).await;
        assert_eq!(now(), owns);
    }
}

#[tokio::test]
async fn a_workload_that_has_lost_its_network_gets_it_back_or_starts_anew() {
    let networks = Arc::new(Told::default());
    let told = Arc::clone(&networks) as Arc<dyn Networks>;
    let kept = Kept::in_networks(Scripted::default(), told, json!({ "interface": "eni-1" })).await;
    kept.until(AppStatus::InService).await;
    networks.plugs_are(&[false]).await;
    let started = kept.runtime.specs();
    assert_eq!(started[0].network.interface(), Some("eni-1"));
    assert_eq!(started[0].app.env["TRUST"], "me");
    assert!(!started[0].app.env.contains_key("AWS_ENDPOINT_URL"));
    networks.lost.notify_one();
    networks.plugs_are(&[false, true]).await;
    assert_eq!(kept.runtime.specs(), started);
    networks.foreign.store(true, Ordering::SeqCst);
    networks.lost.notify_one();
    networks.plugs_are(&[false, true, true, false]).await;
    kept.until(AppStatus::InService).await;
    assert_eq!(kept.runtime.specs().len(), 1);
    assert_eq!(networks.unplugs.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn an_agent_in_a_network_is_not_led_to_the_api() {
    for (relay, fetched) in [(Relay::Api, 0), (Relay::Credentials, 1)] {
        let agents = Arc::new(Agents { dial: Some(relay), ..Agents::default() });
        let runtime = Scripted { agents: Arc::clone(&agents), ..Scripted::default() };
        let told = Arc::new(Told::default()) as Arc<dyn Networks>;
        let kept = Kept::in_networks(runtime, told, json!({ "interface": "eni-1" })).await;
        kept.until(AppStatus::InService).await;
        // What was announced has been heard before what came after it.
        let pings = || agents.pings.load(Ordering::SeqCst);
        let first = pings();
        soon(|| pings() >= first + 2).await;
        let accepts = || agents.accepts.load(Ordering::SeqCst);
        soon(|| accepts() >= fetched).await;
        assert_eq!(accepts(), fetched, "{relay:?}");
    }
}

#[tokio::test]
async fn what_was_in_a_network_before_this_process_is_plugged_in_again() {
    let networks = Arc::new(Told::default());
    let told = Arc::clone(&networks) as Arc<dyn Networks>;
    let runtime = Scripted::default();
    let spec = Spec { id: "app-1".to_owned(), ..plugged("app-1") };
    runtime.start(&spec).await.unwrap();
    let kept = Kept::in_networks(runtime, told, json!({ "interface": "eni-1" })).await;
    kept.until(AppStatus::InService).await;
    networks.plugs_are(&[true]).await;
    tokio::time::timeout(Duration::from_secs(60), kept.runtime.seat("app-1"))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn what_belongs_in_a_subnet_does_not_run_where_nobody_is_put_into_one() {
    let networks = Arc::new(Told::default());
    let told = Arc::clone(&networks) as Arc<dyn Networks>;
    let runtime = Scripted { apart: true, ..Scripted::default() };
    let kept = Kept::in_networks(runtime, told, json!({ "interface": "eni-1" })).await;
    let failed = kept.until(AppStatus::Failed).await;
    let reason = failed.failure_reason.unwrap();
    assert_eq!(
        reason,
        "The space belongs in a subnet (eni-1), and the runtime \"scripted\" of this installation puts \
         nothing into subnets. Start Sagegate with --runtime process, or have it in no subnet: a domain \
         with AppNetworkAccessType PublicInternetOnly, a notebook instance without SubnetId."
    );
    assert_eq!(kept.runtime.specs(), []);
    networks.plugs_are(&[]).await;
}

#[tokio::test]
async fn what_belongs_in_no_subnet_runs_there_all_the_same() {
    let told = Arc::new(Told::default()) as Arc<dyn Networks>;
    let runtime = Scripted { apart: true, ..Scripted::default() };
    let kept = Kept::in_networks(runtime, told, json!({})).await;
    kept.until(AppStatus::InService).await;
    assert_eq!(kept.runtime.specs()[0].network, Network::Isolated);
}
