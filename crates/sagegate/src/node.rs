//! One installation: its directory, its state and its gate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, bail};
use sagegate_gate::audit::{self, Journal};
use sagegate_gate::{AccountId, Env, Fault, Gate, Parts, Region, Scope, Vault};
use sagegate_server::has_loopback_range;
use sagegate_services::ec2;
use sagegate_services::iam::IamDirectory;
use sagegate_services::iam::credentials::{self, Credential, Maker, RootKeys};
use sagegate_services::sagemaker::site::Site;
use sagegate_store::{Read, Record, Store, Table};
use sagegate_workloads::gateway::Gateway;
use serde::{Deserialize, Serialize};

/// The account of an installation that names none.
pub(crate) const DEFAULT_ACCOUNT: &str = "123456789012";
/// The region of an installation that names none.
pub(crate) const DEFAULT_REGION: &str = "us-west-2";

/// The argument with which this program is the keeper of the networks in the kernel.
#[cfg(target_os = "linux")]
pub(crate) const KEEPER: &str = "fabric-keeper";

/// How an installation is opened.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The data directory; nothing is kept without one.
    pub(crate) data: Option<PathBuf>,
    /// The account, if it is named; it must be the directory's.
    pub(crate) account: Option<AccountId>,
    /// The region, if it is named; it must be the directory's.
    pub(crate) region: Option<Region>,
    /// Whether to make an installation where there is none.
    pub(crate) make: bool,
}

/// What an installation is, fixed when its directory is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Identity {
    account: AccountId,
    region: Region,
}

impl Record for Identity {}

const IDENTITY: Table<String, Identity> = Table::new("site.identity");

/// The root user's keys, while a reset is under way: one that is cut short is ended by the next
/// start.
const KEPT: Table<String, RootKeys> = Table::new("site.kept-root-keys");

/// The record of a reset that is under way. It outlives the records that the reset removes.
const RESET: Table<String, audit::Record> = Table::new("site.reset-record");

/// How clients reach the public listener, as of the last start.
const PUBLIC_URL: Table<String, String> = Table::new("site.public-url");

/// The URL of the public listener, such as `http://127.0.0.1:4566`.
pub(crate) fn public_url(state: &dyn Read) -> Result<String, Fault> {
    PUBLIC_URL.get(state, "")?.ok_or_else(|| {
        Fault::client("NotServedYet", 400, "no server has run over this data directory yet")
    })
}

/// An open installation.
pub(crate) struct Node {
    pub(crate) gate: Arc<Gate>,
    pub(crate) scope: Scope,
    /// The directory, or the private one of an installation that keeps nothing.
    pub(crate) directory: PathBuf,
    /// The root user's key, if it has an active one.
    pub(crate) root: Option<Credential>,
    /// The message gateway, in the process that serves.
    pub(crate) channels: OnceLock<Arc<Gateway>>,
}

impl Node {
    /// Opens an installation; makes it on the first start.
    pub(crate) async fn open(options: Options, env: Env) -> anyhow::Result<Self> {
        let (store, vault, journal, directory) = match &options.data {
            Some(directory) => {
                anyhow::ensure!(
                    options.make || directory.join("secret.key").is_file(),
                    "{} is no data directory; `sagegate serve` makes one, and --data names another",
                    directory.display()
                );
                let store = Store::open(directory)?;
                // A start that was cut short between the two makes the key again: nothing was sealed.
                let fresh = IDENTITY.get(&store.snapshot()?, "")?.is_none();
                let vault = Vault::open(&directory.join("secret.key"), fresh, &env)?;
                let journal = Journal::open(&directory.join("audit"))?;
                (store, vault, journal, directory.clone())
            }
            None => {
                let directory = private_directory(&env)?;
                (Store::memory(), Vault::ephemeral(&env), Journal::memory()?, directory)
            }
        };
        let identity = identity(&store, &options).await?;
        let region = identity.region.clone();
        let gate = Gate::new(Parts {
            store,
            registry: sagegate_services::registry(),
            directory: Arc::new(IamDirectory::new(vault.clone(), region.clone())),
            endpoints: Arc::new(ec2::Endpoints::default()),
            env,
            vault,
            journal,
            region,
        });
        let scope = Scope { account: identity.account, region: identity.region };
        let mut node =
            Self { gate: Arc::new(gate), scope, directory, root: None, channels: OnceLock::new() };
        node.root = node.bootstrap().await?;
        Ok(node)
    }

    /// Empties all state but the account, the region and the root user's keys, and makes again what
    /// every account has. `record`, of the request that asked for it, is the first of the new audit.
    pub(crate) async fn reset(&self, record: audit::Record) -> anyhow::Result<()> {
        let gate = &self.gate;
        gate.commit(|tx| {
            if KEPT.get(tx, "")?.is_none() {
                let keys = credentials::root_keys(tx, &self.scope.account)?;
                KEPT.put(tx, "", &keys)?;
            }
            Ok(RESET.put(tx, "", &record)?)
        })
        .await
        .map_err(fault)?;
        gate.clear(&[IDENTITY.name(), KEPT.name(), RESET.name()]).await.map_err(fault)?;
        self.bootstrap().await?;
        Ok(())
    }

    /// Makes what every account has from its beginning, with the root user's keys that a reset has
    /// kept.
    async fn bootstrap(&self) -> anyhow::Result<Option<Credential>> {
        let gate = &self.gate;
        let identity =
            Identity { account: self.scope.account.clone(), region: self.scope.region.clone() };
        let root = gate
            .transact_recorded(|tx, records| {
                // One that was cut short before it had emptied anything has not happened: this is
                // written by every start and gone with the rest.
                let emptied = PUBLIC_URL.get(tx, "")?.is_none();
                records.extend(RESET.get(tx, "")?.filter(|_| emptied));
                RESET.delete(tx, "");
                IDENTITY.put(tx, "", &identity)?;
                let maker = Maker { env: gate.env(), vault: gate.vault(), now: gate.env().now() };
                let kept = KEPT.get(tx, "")?;
                let root = credentials::bootstrap(tx, maker, &self.scope.account, kept.as_ref())?;
                KEPT.delete(tx, "");
                ec2::bootstrap(tx, &self.scope)?;
                Ok::<_, Fault>(root)
            })
            .await
            .map_err(fault)?;
        Ok(root)
    }
}

impl Node {
    /// Notes where this start listens.
    pub(crate) async fn note_address(
        &self,
        address: SocketAddr,
        studio_names: bool,
    ) -> anyhow::Result<()> {
        let site = Site {
            scheme: "http".to_owned(),
            public_host: reachable(address).to_string(),
            public_port: address.port(),
            loopback_range: has_loopback_range(),
            studio_names,
        };
        let url = format!("{}://{}", site.scheme, site.public_host);
        self.gate
            .transact(|tx| {
                site.write(tx)?;
                PUBLIC_URL.put(tx, "", &url)?;
                Ok(())
            })
            .await
            .map_err(fault)
    }
}

/// An address at which this machine reaches a listener: a wildcard by loopback.
pub(crate) fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// A fault with the detail that is not for clients but for the operator.
pub(crate) fn fault(fault: Fault) -> anyhow::Error {
    match &fault.detail {
        Some(detail) => anyhow::anyhow!("{detail}"),
        None => anyhow::anyhow!("{fault}"),
    }
}

async fn identity(store: &Store, options: &Options) -> anyhow::Result<Identity> {
    let known = IDENTITY.get(&store.snapshot()?, "")?;
    if let Some(known) = known {
        if let Some(account) = &options.account
            && *account != known.account
        {
            bail!("this data directory is of account {}, not {account}", known.account);
        }
        if let Some(region) = &options.region
            && *region != known.region
        {
            bail!("this data directory is of region {}, not {region}", known.region);
        }
        return Ok(known);
    }
    let identity = Identity {
        account: match &options.account {
            Some(account) => account.clone(),
            None => AccountId::parse(DEFAULT_ACCOUNT)?,
        },
        region: match &options.region {
            Some(region) => region.clone(),
            None => Region::parse(DEFAULT_REGION)?,
        },
    };
    Ok(identity)
}

/// Where the socket and the root credentials of an installation without a data directory are.
fn private_directory(env: &Env) -> anyhow::Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("sagegate-{}", env.hex(12)));
    make_private(&directory).with_context(|| directory.display().to_string())?;
    Ok(directory)
}

/// Makes a directory that only its owner can enter.
pub(crate) fn make_private(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh).with_context(|| fresh.display().to_string())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_reached_by_loopback() {
        for (listener, reached) in [
            ("0.0.0.0:4566", "127.0.0.1:4566"),
            ("[::]:4566", "[::1]:4566"),
            ("127.0.0.2:80", "127.0.0.2:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listener.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
