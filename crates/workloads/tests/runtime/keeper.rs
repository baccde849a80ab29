//! What the keeper makes of the state: from a record to an app that serves, and back.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sagegate_api::iam::CreateRoleRequest;
use sagegate_api::sagemaker::{AppStatus, AppType};
use sagegate_gate::audit::Journal;
use sagegate_gate::{
    AccountId, Caller, Context, Env, Gate, Parts as GateParts, Principal, Reaction, Region, Scope,
    Vault,
};
use sagegate_network::Arrival;
use sagegate_services::ec2::Endpoints;
use sagegate_services::iam::IamDirectory;
use sagegate_services::iam::credentials::{self, Maker};
use sagegate_services::iam::roles::CreateRole;
use sagegate_services::sagemaker::records::{DOMAINS, DomainRecord};
use sagegate_services::sagemaker::shapes::Word;
use sagegate_services::sagemaker::space_records::{self, AppRecord, SPACES, SpaceRecord};
use sagegate_services::sagemaker::workload;
use sagegate_store::Store;
use sagegate_workloads::apps::Catalog;
use sagegate_workloads::keeper::{ApiDoor, Keeper, Pace, Parts};
use sagegate_workloads::networks::NoNetworks;
use sagegate_workloads::runtime::{Doing, Runtime, Stream};
use sagegate_workloads::work::Work;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::common::{PATIENCE, Place, run, serving, spec};

const DOMAIN: &str = "d-abcdefghijkl";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
    "Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

/// A gate with a domain, a space and a role, and a keeper at work.
pub(super) struct House {
    pub(super) place: Place,
    pub(super) gate: Arc<Gate>,
    pub(super) scope: Scope,
    pub(super) keeper: Arc<Keeper>,
    task: JoinHandle<()>,
    present: Arc<Present>,
}

/// Tells whichever keeper is at work.
struct Present(Mutex<Arc<dyn Reaction>>);

impl Present {
    fn now(&self) -> Arc<dyn Reaction> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

impl Reaction for Present {
    fn tables(&self) -> &'static [&'static str] {
        workload::TABLES
    }

    fn react<'a>(&'a self, gate: &'a Gate) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async { self.now().react(gate).await })
    }
}

/// An API that says something back.
pub(super) struct Echo;

impl ApiDoor for Echo {
    fn connect<'a>(&'a self, workload: &'a Work) -> Doing<'a, std::io::Result<Stream>> {
        let hello = format!("hello {}\n", workload.name());
        Box::pin(async {
            let (mine, mut yours) = tokio::io::duplex(1024);
            tokio::spawn(async move {
                yours.write_all(hello.as_bytes()).await.unwrap();
                let mut rest = Vec::new();
                yours.read_to_end(&mut rest).await.unwrap();
            });
            Ok(Box::new(mine) as Stream)
        })
    }
}

/// A directory with what looks like an environment with JupyterLab, and is the test's app.
pub(super) fn apps(directory: &Path) -> std::path::PathBuf {
    let environment = directory.join("apps/jupyterlab");
    std::fs::create_dir_all(environment.join("bin")).unwrap();
    std::fs::create_dir_all(environment.join("lib/python3/site-packages/jupyterlab")).unwrap();
    std::fs::write(environment.join("pyvenv.cfg"), "home = /usr/bin\n").unwrap();
    let python = environment.join("bin/python");
    let script = "#!/bin/bash\nfor word in \"$@\"; do case $word in \
                  --ServerApp.port=*) exec /opt/sagegate/space-agent serve ${word#*=};; esac; done\n";
    std::fs::write(&python, script).unwrap();
    std::fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for name in ["", "/jupyterlab", "/jupyterlab/bin"] {
        let path = directory.join(format!("apps{name}"));
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    directory.join("apps")
}

/// A gate with a domain, a space and a role.
pub(super) async fn ground(env: Env) -> (Arc<Gate>, Scope) {
    let vault = Vault::ephemeral(&env);
    let region = Region::parse("us-west-2").unwrap();
    let gate = Arc::new(Gate::new(GateParts {
        store: Store::memory(),
        registry: sagegate_services::registry(),
        directory: Arc::new(IamDirectory::new(vault.clone(), region.clone())),
        endpoints: Arc::new(Endpoints::default()),
        env,
        vault,
        journal: Journal::memory().unwrap(),
        region,
    }));
    let account = AccountId::parse("123456789012").unwrap();
    let scope = gate.scope(&account);
    gate.transact(|tx| {
        let maker = Maker { env: gate.env(), vault: gate.vault(), now: gate.env().now() };
        credentials::bootstrap(tx, maker, &account, None)
    })
    .await
    .unwrap();
    let now = gate.env().now();
    let domain: DomainRecord = serde_json::from_value(json!({
        "id": DOMAIN, "incarnation": "one", "name": "domain", "created": now, "modified": now,
        "status": "InService", "auth_mode": "IAM", "default_user_settings": {},
        "app_network_access_type": "VpcOnly", "home_efs_creation": "Enabled",
        "tag_propagation": "DISABLED", "door": "127.66.0.1",
    }))
    .unwrap();
    let space: SpaceRecord = serde_json::from_value(json!({
        "domain": DOMAIN, "name": "my-space", "incarnation": "one", "created": now,
        "modified": now, "status": "InService",
    }))
    .unwrap();
    let key = (account.as_str(), scope.region.as_str(), DOMAIN);
    gate.transact(|tx| {
        DOMAINS.put(tx, &key, &domain)?;
        SPACES.put(tx, &(key.0, key.1, DOMAIN, "my-space"), &space)?;
        Ok(())
    })
    .await
    .unwrap();
    let context = Context {
        caller: Caller {
            account: account.clone(),
            principal: Principal::Root,
            access_key_id: String::new(),
            session: None,
            partition: "aws".to_owned(),
            called_via: Vec::new(),
        },
        arrival: Arrival::Public { source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST) },
        now,
        request_id: gate.env().uuid(),
        user_agent: String::new(),
        secure: false,
    };
    let role = CreateRoleRequest {
        role_name: "exec".to_owned(),
        assume_role_policy_document: TRUST.to_owned(),
        ..CreateRoleRequest::default()
    };
    gate.call::<CreateRole>(&context, &role).await.unwrap();
    (gate, scope)
}

/// Writes an app that is to run; `more` are members that others have not.
pub(super) async fn put_app(
    (gate, scope): (&Gate, &Scope),
    (id, app_type, role): (&str, AppType, &str),
    more: serde_json::Value,
) {
    let mut record = json!({
        "id": id, "domain": DOMAIN,
        "owner": {"kind": "space", "name": "my-space", "incarnation": "one"},
        "app_type": app_type.to_string(), "name": "default", "created": gate.env().now(),
        "status": "Pending", "spec": {}, "instance_type": "ml.t3.medium",
        "execution_role": format!("arn:aws:iam::123456789012:role/{role}"), "profile": "alice",
    });
    if let (Some(record), serde_json::Value::Object(more)) = (record.as_object_mut(), more) {
        record.extend(more);
    }
    let record: AppRecord = serde_json::from_value(record).unwrap();
    gate.transact(|tx| Ok(space_records::put_app(tx, scope, &record)?)).await.unwrap();
}

pub(super) fn app_of(gate: &Gate, id: &str) -> AppRecord {
    let state = gate.store().snapshot().unwrap();
    space_records::app_with_id(&state, id).unwrap().unwrap().1
}

/// The record of an app once it has this status.
pub(super) async fn until_status(gate: &Gate, id: &str, status: AppStatus) -> AppRecord {
    let reached = async {
        while app_of(gate, id).status.0 != status {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, reached).await;
    assert!(done.is_ok(), "{:?}", app_of(gate, id));
    app_of(gate, id)
}

impl House {
    /// Nothing where not every wall stands: the fake environment is made for that.
    pub(super) async fn new() -> Option<Self> {
        let place = Place::process();
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: not root");
            return None;
        }
        let (gate, scope) = ground(Env::system()).await;
        let catalog = Catalog::new(apps(place.directory.path()), "/none");
        let (keeper, task) = keep(&gate, place.again().await, catalog);
        let present = Arc::new(Present(Mutex::new(keeper.reaction())));
        gate.follow(vec![Arc::clone(&present) as Arc<dyn Reaction>]);
        Some(Self { place, gate, scope, keeper, task, present })
    }

    /// As after `kill -9` and a start: another keeper over another runtime.
    pub(super) async fn restart(&mut self) {
        self.task.abort();
        self.keeper.leave().await;
        let catalog = Catalog::new(self.place.directory.path().join("apps"), "/none");
        (self.keeper, self.task) = keep(&self.gate, self.place.again().await, catalog);
        *self.present.0.lock().unwrap() = self.keeper.reaction();
    }

    async fn put(&self, id: &str, app_type: AppType, role: &str) {
        put_app((&self.gate, &self.scope), (id, app_type, role), json!({})).await;
    }

    fn app(&self, id: &str) -> AppRecord {
        app_of(&self.gate, id)
    }

    async fn until(&self, id: &str, status: AppStatus) -> AppRecord {
        until_status(&self.gate, id, status).await
    }

    async fn delete(&self, id: &str) {
        let mut app = self.app(id);
        app.status = Word(AppStatus::Deleting);
        self.gate.transact(|tx| Ok(space_records::put_app(tx, &self.scope, &app)?)).await.unwrap();
    }

    pub(super) async fn end(self) {
        self.keeper.end_all().await.unwrap();
        self.task.abort();
        self.place.end().await;
    }
}

fn keep(
    gate: &Arc<Gate>,
    runtime: Arc<dyn Runtime>,
    catalog: Catalog,
) -> (Arc<Keeper>, JoinHandle<()>) {
    let keeper = Keeper::new(Parts {
        gate: Arc::clone(gate),
        runtime,
        catalog,
        door: Arc::new(Echo),
        networks: Arc::new(NoNetworks),
        pace: Pace::default(),
    });
    let task = keeper.run();
    (keeper, task)
}

/// A request to the credentials' endpoint, from inside.
pub(super) fn ask_for_credentials(token: &str) -> String {
    format!(
        "uri=${{AWS_CONTAINER_CREDENTIALS_FULL_URI#http://}}; at=${{uri%%/*}}; \
         exec 3<>/dev/tcp/${{at%:*}}/${{at#*:}}; \
         printf 'GET /%s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nAuthorization: %s\\r\\n\\r\\n' \
         \"${{uri#*/}}\" \"{token}\" >&3; cat <&3"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_comes_to_serve_survives_a_restart_and_goes() {
    let Some(mut house) = House::new().await else { return };
    house.put("app-1", AppType::JupyterLab, "exec").await;
    house.until("app-1", AppStatus::InService).await;
    let runtime = Arc::clone(house.keeper.runtime());
    let first = run(&*runtime, "app-1", "echo $PPID; echo kept > ~/note").await;

    // Code inside has the role's credentials, and only who knows the word.
    let said =
        run(&*runtime, "app-1", &ask_for_credentials("$AWS_CONTAINER_AUTHORIZATION_TOKEN")).await;
    let body = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said:?}")).1;
    let given: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(given["RoleArn"], "arn:aws:iam::123456789012:role/exec");
    assert!(given["AccessKeyId"].as_str().unwrap().starts_with("ASIA"), "{said}");
    for token in ["", "wrong"] {
        let said = run(&*runtime, "app-1", &ask_for_credentials(token)).await;
        assert!(said.starts_with("HTTP/1.1 401"), "{said}");
    }
    // And the API.
    let script = "at=${AWS_ENDPOINT_URL#http://}; exec 3<>/dev/tcp/${at%:*}/${at#*:}; head -1 <&3";
    assert_eq!(run(&*runtime, "app-1", script).await, "hello default\n");
    let metadata = run(&*runtime, "app-1", "cat /opt/ml/metadata/resource-metadata.json").await;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["SpaceName"], "my-space");
    assert_eq!(metadata["DomainId"], DOMAIN);

    house.restart().await;
    let runtime = Arc::clone(house.keeper.runtime());
    // It is found and not started anew; its word still opens the endpoint.
    let said =
        run(&*runtime, "app-1", &ask_for_credentials("$AWS_CONTAINER_AUTHORIZATION_TOKEN")).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(
        run(&*runtime, "app-1", "echo $PPID").await,
        first.lines().next().unwrap().to_owned() + "\n"
    );
    assert_eq!(house.app("app-1").status.0, AppStatus::InService);

    // A new app of the same name while the old one ends: it waits, and has the home.
    house.delete("app-1").await;
    house.put("app-2", AppType::JupyterLab, "exec").await;
    house.until("app-2", AppStatus::InService).await;
    let state = house.gate.store().snapshot().unwrap();
    let old = space_records::app_with_id(&state, "app-1").unwrap();
    assert!(old.is_none_or(|(_, it)| it.status.0 == AppStatus::Deleted));
    assert_eq!(run(&*runtime, "app-2", "cat ~/note").await, "kept\n");
    assert_eq!(runtime.list().await.unwrap().len(), 1);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_fails_with_what_to_do() {
    let Some(house) = House::new().await else { return };
    house.put("app-1", AppType::JupyterLab, "nobody").await;
    let failed = house.until("app-1", AppStatus::Failed).await;
    assert_eq!(
        failed.failure_reason.unwrap(),
        "Could not assume role arn:aws:iam::123456789012:role/nobody. Please ensure that the role \
         exists and allows principal 'sagemaker.amazonaws.com' to assume the role."
    );
    house.put("app-2", AppType::CodeEditor, "exec").await;
    let failed = house.until("app-2", AppStatus::Failed).await;
    assert!(failed.failure_reason.unwrap().starts_with("code-server is not installed"));
    house.put("app-3", AppType::Canvas, "exec").await;
    let failed = house.until("app-3", AppStatus::Failed).await;
    assert!(failed.failure_reason.unwrap().starts_with("Apps of type Canvas are recorded"));
    assert_eq!(house.keeper.runtime().list().await.unwrap(), []);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_ends_by_itself_or_is_killed_is_failed() {
    let Some(house) = House::new().await else { return };
    let runtime = Arc::clone(house.keeper.runtime());
    house.put("app-1", AppType::JupyterLab, "exec").await;
    house.until("app-1", AppStatus::InService).await;
    let mut stream =
        sagegate_workloads::runtime::open(&*runtime, "app-1", &sagegate_agent::protocol::Open::App)
            .await
            .unwrap();
    let kill = b"POST /run HTTP/1.1\r\nContent-Length: 11\r\n\r\nkill $PPID\n";
    stream.write_all(kill).await.unwrap();
    let failed = house.until("app-1", AppStatus::Failed).await;
    let reason = failed.failure_reason.unwrap();
    assert_eq!(reason, "The app was ended by signal 15. It wrote: the test's app serves");
    house.put("app-2", AppType::JupyterLab, "exec").await;
    house.until("app-2", AppStatus::InService).await;
    let mut stream =
        sagegate_workloads::runtime::open(&*runtime, "app-2", &sagegate_agent::protocol::Open::App)
            .await
            .unwrap();
    stream.write_all(b"POST /run HTTP/1.1\r\nContent-Length: 10\r\n\r\nkill -9 -1").await.unwrap();
    let failed = house.until("app-2", AppStatus::Failed).await;
    assert!(failed.failure_reason.unwrap().starts_with("The space has ended"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wants_is_ended_and_homes_of_nobody_go() {
    let Some(mut house) = House::new().await else { return };
    house.task.abort();
    serving(house.place.runtime(), &spec("orphan", "nobodys")).await;
    house.restart().await;
    let ended = house.place.runtime().ended("orphan");
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    let gone = async {
        while !house.place.runtime().homes().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_ends_when_its_home_is_removed_under_it() {
    let place = Place::process();
    serving(place.runtime(), &spec("w1", "h1")).await;
    let directory = place.directory.path().join("workloads");
    // Not what is mounted elsewhere: the name, and all that is below it.
    std::fs::remove_dir_all(directory.join("homes")).unwrap();
    tokio::time::timeout(PATIENCE, place.runtime().ended("w1")).await.unwrap();
    place.end().await;
}
