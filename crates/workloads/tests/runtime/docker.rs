//! What is asked of the runtime `docker` alone.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, RemoveContainerOptions};
use bollard::{API_DEFAULT_VERSION, Docker as Client};
use sagegate_workloads::docker::{Docker, Settings};

use super::common::{PATIENCE, Place, run, serving, spec};

/// An engine's client, and the labels of the container of a workload.
async fn client(place: &Place) -> Client {
    let path = place.engine().strip_prefix("unix://").unwrap().to_owned();
    let client = Client::connect_with_unix(&path, 120, API_DEFAULT_VERSION).unwrap();
    client.negotiate_version().await.unwrap()
}

/// The name and the labels of a workload's container.
async fn container(place: &Place, id: &str) -> (String, HashMap<String, String>) {
    let instance = std::fs::read(place.directory.path().join("workloads/instance.json")).unwrap();
    let instance: serde_json::Value = serde_json::from_slice(&instance).unwrap();
    let name = format!("sagegate-{}-{id}", instance.get("name").unwrap().as_str().unwrap());
    let found = client(place).await.inspect_container(&name, None).await.unwrap();
    (name, found.config.unwrap().labels.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_removed_and_nothing_that_is_others() {
    let Some(place) = Place::docker().await else { return };
    serving(place.runtime(), &spec("w1", "h1")).await;
    let (name, labels) = container(&place, "w1").await;
    let client = client(&place).await;
    let make = async |name: String, labels: HashMap<String, String>| {
        let body = ContainerCreateBody {
            image: place.image().map(str::to_owned),
            cmd: Some(vec!["/bin/sleep".to_owned(), "600".to_owned()]),
            labels: Some(labels),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions { name: Some(name), ..Default::default() };
        client.create_container(Some(options), body).await.unwrap();
    };
    // Of a start that was killed half-way; of a copy of the instance; of somebody else.
    let half = name.replace("w1", "half");
    let mut of_half = labels.clone();
    of_half.insert("sagegate.workload".to_owned(), "half".to_owned());
    make(half.clone(), of_half).await;
    let (copy, other) = (format!("{name}-copy"), format!("{name}-other"));
    let mut of_copy = labels.clone();
    of_copy.insert("sagegate.directory".to_owned(), "/elsewhere".to_owned());
    make(copy.clone(), of_copy).await;
    make(other.clone(), HashMap::new()).await;
    // A place of a start that never came to a container.
    std::fs::create_dir(place.directory.path().join("workloads/containers/never")).unwrap();

    let again = place.again().await;
    let ids: Vec<String> = again.list().await.unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(ids, ["w1"]);
    assert!(client.inspect_container(&half, None).await.is_err());
    assert!(!place.directory.path().join("workloads/containers/never").exists());
    // One of another's that has the name of ours is left alone as well.
    let refused = again.stop("w1-copy", std::time::Duration::ZERO).await.unwrap_err();
    assert!(refused.message.contains("was not made for this directory"), "{refused}");
    for name in [&copy, &other] {
        client.inspect_container(name, None).await.unwrap();
        let options = RemoveContainerOptions { force: true, ..Default::default() };
        client.remove_container(name, Some(options)).await.unwrap();
    }

    // One that ends without being asked is seen to end, and is no obstacle to the next.
    client.kill_container(&name, None).await.unwrap();
    tokio::time::timeout(PATIENCE, again.ended("w1")).await.unwrap();
    assert_eq!(again.list().await.unwrap(), []);
    serving(&*again, &spec("w1", "h1")).await;
    assert_eq!(run(&*again, "w1", "echo alive").await, "alive\n");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_used_is_told() {
    let Some(place) = Place::docker().await else { return };
    let mut wanted = spec("w1", "h1");
    wanted.app.image = Some("localhost/sagegate-no-such-image:1".to_owned());
    let refused = place.runtime().start(&wanted).await.unwrap_err().message;
    let begin = "The container image localhost/sagegate-no-such-image:1 is not there";
    assert!(refused.starts_with(begin), "{refused}");
    assert_eq!(place.runtime().list().await.unwrap(), []);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_engine_the_reason_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let open = async |engine: &str| {
        let settings = Settings {
            directory: directory.path().join("workloads"),
            executable: "/none".into(),
            instance: "00000001".to_owned(),
            alone: None,
            engine: Some(engine.to_owned()),
            image: String::new(),
        };
        Docker::open(settings).await.err().unwrap().message
    };
    let missing = format!("unix://{}/no.sock", directory.path().display());
    let told = open(&missing).await;
    assert!(told.contains(&missing) && told.contains("--runtime process"), "{told}");
    let told = open("tcp://192.0.2.1:2375").await;
    assert!(told.contains("not the socket of an engine on this machine"), "{told}");
    assert!(!directory.path().join("workloads").exists());
}
