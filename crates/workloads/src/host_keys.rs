//! SSH host keys of spaces: one for each home, for as long as there is that home, since clients pin it
//! under the space's ARN.

use sagegate_agent::protocol::HostKey;
use sagegate_gate::{Fault, Gate};
use sagegate_store::{Record, Table};
use serde::{Deserialize, Serialize};

/// The seed of a home's key, sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sealed(String);

impl Record for Sealed {}

const HOST_KEYS: Table<String, Sealed> = Table::new("workloads.host-key");

/// What the seeds are sealed for.
const PURPOSE: &str = "ssh host key";

/// The key of a home; made when it is asked for first.
///
/// # Errors
/// A [`Fault`] of the store, or of a key that was sealed elsewhere.
pub(crate) async fn host_key(gate: &Gate, home: &str) -> Result<HostKey, Fault> {
    let seed: [u8; 32] = gate.env().bytes();
    let fresh = Sealed(gate.vault().seal_text(gate.env(), PURPOSE, &seed));
    let sealed = gate
        .transact(|tx| {
            if let Some(sealed) = HOST_KEYS.get(tx, home)? {
                return Ok(sealed);
            }
            HOST_KEYS.put(tx, home, &fresh)?;
            Ok::<_, Fault>(fresh.clone())
        })
        .await?;
    let seed = gate
        .vault()
        .unseal_text(PURPOSE, &sealed.0)
        .map_err(|error| Fault::internal(format!("the host key of {home}: {error}")))?;
    Ok(HostKey(hex::encode(&*seed)))
}

/// Forgets the key of a home that is gone.
///
/// # Errors
/// A [`Fault`] of the store.
pub(crate) async fn forget(gate: &Gate, home: &str) -> Result<(), Fault> {
    gate.transact(|tx| {
        HOST_KEYS.delete(tx, home);
        Ok(())
    })
    .await
}
