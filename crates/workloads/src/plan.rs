//! What the agent of a workload is told to do, whichever runtime starts it.

use std::collections::BTreeMap;
use std::path::Path;

use sagegate_agent::plan::{HOME, Plan, USER};
use sagegate_agent::protocol::Relay;

use crate::runtime::{Network, Spec};

/// The app's port in a network namespace of its own.
pub(crate) const PORT: u16 = 8888;
/// The relays' ports there.
const RELAYS: [(Relay, u16); 2] = [(Relay::Credentials, 9169), (Relay::Api, 9170)];

/// Which files and ports a workload sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// Its own.
    Own,
    /// Those of the host, where nothing keeps it apart.
    Host {
        /// Its home directory.
        home: &'a Path,
        /// Its directory for temporary files.
        tmp: &'a Path,
    },
}

/// What the agent is told.
pub(crate) fn plan(spec: &Spec, seen: Seen<'_>, alone: Option<u64>) -> Plan {
    let open = seen != Seen::Own;
    let (home, tmp) = match seen {
        Seen::Host { home, tmp } => (home, tmp),
        Seen::Own => (Path::new(HOME), Path::new("/tmp")),
    };
    let mut env: BTreeMap<String, String> = [
        ("HOME", home.display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
        ("LOGNAME", USER.to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("SHELL", "/bin/bash".to_owned()),
        ("TMPDIR", tmp.display().to_string()),
        ("USER", USER.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    env.extend(spec.app.env.clone());
    Plan {
        home: home.to_owned(),
        tmp: tmp.to_owned(),
        command: spec.app.command.clone(),
        env,
        port: if open { 0 } else { PORT },
        probe: spec.app.probe.clone(),
        activity: spec.app.activity.clone(),
        lifecycle_scripts: spec.lifecycle_scripts.clone(),
        relays: RELAYS
            .iter()
            // In a network the API is reached by the network, or not at all.
            .filter(|(it, _)| spec.network == Network::Isolated || *it != Relay::Api)
            .map(|(it, port)| (*it, if open { 0 } else { *port }))
            .collect(),
        alone,
        sweep: open,
    }
}
