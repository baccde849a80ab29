//! `sagegate demo`: the example examples/studio-vpc, running.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use sagegate_gate::{Context, Env, Refusal};
use sagegate_network::Arrival;
use sagegate_services::ec2;
use sagegate_services::sagemaker::ids::DomainId;
use sagegate_services::sagemaker::presigned;
use sagegate_services::sagemaker::site::Site;
use sagegate_wire::sigv4::SecretKey;

use super::{quoted, serve};
use crate::client::{Client, Credentials};
use crate::node::{fault, make_private};
use crate::reach;
use crate::spaces::RuntimeName;
use crate::steps::SetUp;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// A directory to make and to keep, instead of one that is removed at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the programs of apps are installed: jupyterlab (a Python environment), code-server
    /// [default: apps in the directory].
    #[arg(long, value_name = "DIR")]
    apps: Option<PathBuf>,
}

const STEPS: &str = include_str!("../../../../examples/studio-vpc/steps.toml");

macro_rules! policies {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../examples/studio-vpc/policies/", $name, ".json")))),*]
    };
}

const POLICIES: &[(&str, &str)] = policies![
    "by-source-ip",
    "by-source-vpc",
    "by-source-vpce",
    "by-vpc-source-ip",
    "endpoint-presigned-url",
    "sagemaker-trust",
];

/// The user of the commands to try: allowed through the VPC, and only there.
const TRIED: &str = "by-vpc";

const USERS: [&str; 4] = ["by-vpc", "by-endpoint", "by-address", "by-private-address"];

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    serve::log()?;
    let (data, kept) = match arguments.data {
        Some(data) => {
            ensure!(
                !data.exists(),
                "{} is there already; the demo begins in a fresh directory",
                data.display()
            );
            (data, true)
        }
        None => {
            let name = format!("sagegate-demo-{}", Env::system().hex(8));
            (std::env::temp_dir().join(name), false)
        }
    };
    make_private(&data).with_context(|| data.display().to_string())?;
    let served = demo(arguments.listen, data.clone(), arguments.apps, kept).await;
    if !kept && let Err(error) = std::fs::remove_dir_all(&data) {
        tracing::warn!(%error, "{} could not be removed", data.display());
    }
    served
}

async fn demo(
    listen: SocketAddr,
    data: PathBuf,
    apps: Option<PathBuf>,
    kept: bool,
) -> anyhow::Result<ExitCode> {
    let running = serve::Running::start(serve::Arguments {
        listen,
        data: data.clone(),
        memory: false,
        account: None,
        region: None,
        studio_names: false,
        test_reset: false,
        runtime: RuntimeName::default(),
        apps,
        engine: None,
        images: None,
        fleeting: !kept,
    })
    .await?;
    running.banner()?;
    let saved = set_up(&running).await.context("examples/studio-vpc")?;
    print(&running, &saved, &data).await?;
    running.until_stopped().await
}

/// Makes the calls of the example as the root user, over HTTP.
async fn set_up(running: &serve::Running) -> anyhow::Result<BTreeMap<String, String>> {
    let node = &running.node;
    let root = node.root.as_ref().context("the root user has no active access key")?;
    let client = Client {
        server: running.address,
        region: node.scope.region.to_string(),
        credentials: Credentials {
            access_key_id: root.access_key_id.clone(),
            secret: SecretKey::new(root.secret.reveal().to_owned()),
            token: None,
        },
        env: node.gate.env().clone(),
    };
    let known = BTreeMap::from([
        ("account".to_owned(), node.scope.account.to_string()),
        ("region".to_owned(), node.scope.region.to_string()),
    ]);
    SetUp::parse(STEPS, POLICIES)?.apply(&client, known).await
}

/// A way by which somebody may come.
struct Way {
    name: String,
    url: String,
    arrival: Arrival,
}

async fn print(
    running: &serve::Running,
    saved: &BTreeMap<String, String>,
    data: &std::path::Path,
) -> anyhow::Result<()> {
    let value = |name: &str| saved.get(name).map(String::as_str).unwrap_or_default();
    let ways = ways(running, saved)?;
    say!("\nWho may create a presigned Studio URL for alice, and from where:\n");
    let width = USERS.iter().map(|user| user.len()).max().unwrap_or(0);
    say_part!("  {:width$}", "");
    for way in &ways {
        say_part!("  {}", way.name);
    }
    say!();
    let mut inside = None;
    for user in USERS {
        say_part!("  {user:width$}");
        for way in &ways {
            let allowed = allowed(running, user, way, value("domain"))?;
            if allowed && user == TRIED && way.arrival.endpoint().is_some() && inside.is_none() {
                inside = Some(way.url.as_str());
            }
            let shown = if allowed { "yes" } else { "-" };
            say_part!("  {shown:<width$}", width = way.name.len());
        }
        say!();
    }
    say!();
    for way in &ways {
        say!("  {:22} {}", way.name, way.url);
    }
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| path.to_str().map(quoted))
        .unwrap_or_else(|| "sagegate".to_owned());
    let data = quoted(&data.display().to_string());
    let domain = value("domain");
    let call = format!(
        "aws sagemaker create-presigned-domain-url --domain-id {domain} --user-profile-name alice"
    );
    let inside = inside.context("the example lets nobody in through the VPC")?;
    say!("\nTry it in another terminal:\n");
    say!("  export SAGEGATE_DATA={data}");
    say!("  eval \"$({program} env --as user/{TRIED})\"");
    say!("  {call} --endpoint-url {inside}    # open the URL in a browser");
    say!("  {call}    # refused: not through the VPC");
    say!("  {program} explain --last");
    say!("\nCtrl-C stops the server.");
    Ok(())
}

fn ways(running: &serve::Running, saved: &BTreeMap<String, String>) -> anyhow::Result<Vec<Way>> {
    let node = &running.node;
    let mut ways = vec![Way {
        name: "public".to_owned(),
        url: running.url(),
        arrival: Arrival::Public { source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST) },
    }];
    let state = node.gate.store().snapshot()?;
    let site = Site::read(&state).map_err(fault)?;
    let called = |wanted: &str| {
        saved.iter().find(|(_, value)| *value == wanted).map(|(name, _)| name.replace('_', "-"))
    };
    for listener in ec2::listeners(&state)? {
        let endpoint = listener.arrival();
        if !endpoint.service_name.ends_with(".sagemaker.api") {
            continue;
        }
        let name = called(&endpoint.vpc_endpoint_id).unwrap_or_default();
        let subnet = called(&endpoint.subnet_id).unwrap_or_default();
        ways.push(Way {
            name: format!("{name}/{subnet}"),
            url: site.origin(listener.addr),
            arrival: Arrival::Endpoint(endpoint),
        });
    }
    Ok(ways)
}

/// Whether the engine would let a user make the URL by this way. Nothing is called.
fn allowed(running: &serve::Running, user: &str, way: &Way, domain: &str) -> anyhow::Result<bool> {
    let node = &running.node;
    let gate = &node.gate;
    let state = gate.store().snapshot()?;
    let context = Context {
        caller: reach::caller(&state, &node.scope, &format!("user/{user}"))?,
        arrival: way.arrival.clone(),
        request_id: gate.env().uuid(),
        user_agent: "sagegate demo".to_owned(),
        now: gate.env().now(),
        secure: false,
    };
    let domain = DomainId::parse(domain).context("the example has no domain")?;
    let need = presigned::need(&state, &node.scope, &domain, "alice").map_err(fault)?;
    match gate.check(&context, need.into()) {
        Ok(_) => Ok(true),
        Err(Refusal::Denied(_)) => Ok(false),
        Err(Refusal::Fault(failure)) => Err(fault(failure)),
        Err(Refusal::Unread(error)) => Err(error.into()),
    }
}
