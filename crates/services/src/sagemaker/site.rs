//! Where this Sagegate is reached, as far as answers name it: addresses that are handed out open.

use std::net::{Ipv4Addr, SocketAddr};

use sagegate_gate::{Fault, Region, Scope};
use sagegate_network::arrival::text_of;
use sagegate_network::{Places, allot};
use sagegate_store::{Read, Record, Table, Tx};
use serde::{Deserialize, Serialize};

use super::faults;
use super::ids::DomainId;
use super::named;
use super::notebook_records::NotebookRecord;
use super::records::{self, DOORS, DomainRecord, DoorOf, DoorRecord, LAST_DOOR};
use super::resource_work::{self, Kind};
use crate::binding::Binding;

/// The one record, under `""`. Written at every start, before the first request, and after a reset.
pub const SITE: Table<String, Site> = Table::new("site.config");

/// How the listeners are reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// `http` or `https`.
    pub scheme: String,
    /// Host and port of the public listener, as its URL has them.
    #[serde(default)]
    pub public_host: String,
    /// The port of the public listener, on which doors and endpoint addresses listen too.
    pub public_port: u16,
    /// Whether every loopback address is this machine's ([`Places::range`]).
    pub loopback_range: bool,
    /// Whether Studio and notebook instances are opened by their documented host names, because DNS
    /// points them here.
    pub studio_names: bool,
}

impl Record for Site {}

impl Site {
    /// The site as it was written at start.
    ///
    /// # Errors
    /// An internal [`Fault`] if it was not, or cannot be read.
    pub fn read(state: &dyn Read) -> Result<Self, Fault> {
        SITE.get_kept(state, "")?.ok_or_else(|| Fault::internal("site.config has not been written"))
    }

    /// Writes it.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub fn write(&self, tx: &mut Tx) -> Result<(), Fault> {
        Ok(SITE.put(tx, "", self)?)
    }

    /// The origin of an endpoint's or a door's address: `http://127.66.0.1:4566`.
    #[must_use]
    pub fn origin(&self, address: Ipv4Addr) -> String {
        let socket = self.socket(address);
        let (host, port) = (text_of(socket.ip()), socket.port().to_string());
        [&self.scheme, "://", &host, ":", &port].concat()
    }

    /// The socket that stands for an endpoint's or a door's address.
    #[must_use]
    pub fn socket(&self, address: Ipv4Addr) -> SocketAddr {
        Places { port: self.public_port, range: self.loopback_range }.socket(address)
    }

    /// The origin by which Studio is opened for a domain: its documented name (SPEC R1.5, R1.17)
    /// where DNS points here, else the address.
    #[must_use]
    pub fn studio_origin(&self, scope: &Scope, domain: &DomainId, address: Ipv4Addr) -> String {
        if !self.studio_names {
            return self.origin(address);
        }
        let port = self.port_of_names();
        format!("{}://{domain}.studio.{}.sagemaker.aws{port}", self.scheme, scope.region)
    }

    /// The origin by which a notebook instance is opened: its host name
    /// `LABEL.notebook.REGION.sagemaker.aws` where DNS points here, else the address.
    #[must_use]
    pub fn notebook_origin(&self, scope: &Scope, label: &str, address: Ipv4Addr) -> String {
        if !self.studio_names {
            return self.origin(address);
        }
        let port = self.port_of_names();
        format!("{}://{label}.notebook.{}.sagemaker.aws{port}", self.scheme, scope.region)
    }

    fn port_of_names(&self) -> String {
        match (&*self.scheme, self.public_port) {
            ("http", 80) | ("https", 443) => String::new(),
            (_, port) => format!(":{port}"),
        }
    }
}

/// Whether a domain can be opened by its own address. Where Studio has its documented names, they
/// lead to the public listener and the address is not needed.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) fn public_door(
    state: &dyn Read,
    site: &Site,
    record: &DomainRecord,
) -> Result<Binding, Fault> {
    door_binding(state, site, record.door)
}

/// Whether something can be opened by its own address; as [`public_door`].
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) fn door_binding(
    state: &dyn Read,
    site: &Site,
    address: Ipv4Addr,
) -> Result<Binding, Fault> {
    if site.studio_names {
        return Ok(Binding::Bound);
    }
    let door = DOORS.get_shared(state, text_of(address.into()).as_str())?;
    Ok(door.map_or(Binding::Waiting, |door| door.binding.clone()))
}

/// The URL of a domain, as answers name it: nothing while its address is not listened on by us.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) fn url(
    state: &dyn Read,
    site: &Site,
    scope: &Scope,
    record: &DomainRecord,
) -> Result<Option<String>, Fault> {
    let bound = public_door(state, site, record)? == Binding::Bound;
    Ok(bound.then(|| site.studio_origin(scope, &record.id, record.door)))
}

/// Writes what became of a door's address and has the life-cycle of what it leads to look at it. Where nothing
/// has changed, or the door is gone, nothing is written.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn settle(tx: &mut Tx, address: Ipv4Addr, binding: &Binding) -> Result<(), Fault> {
    let address = address.to_string();
    let Some(mut door) = DOORS.get(tx, address.as_str())? else { return Ok(()) };
    if door.binding == *binding {
        return Ok(());
    }
    door.binding = binding.clone();
    DOORS.put(tx, address.as_str(), &door)?;
    let scope = Scope { account: door.account, region: door.region };
    match &door.of {
        DoorOf::Domain(domain) => records::put_work(tx, &scope, domain, "")?,
        DoorOf::Notebook(name) => resource_work::note(tx, &scope, Kind::Notebook, name)?,
    }
    Ok(())
}

/// The next address of a loopback network that is free in a table of doors by address; nothing where
/// all are taken. An address is given again only when all have been given once, so that a browser's
/// cookies of what is gone rarely meet something else. The last one is noted under `""`.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) fn next_free<T: Record>(
    tx: &mut Tx,
    network: (Ipv4Addr, u8),
    last: Table<String, String>,
    doors: Table<String, T>,
) -> Result<Option<Ipv4Addr>, Fault> {
    let given = last.get(tx, "")?.and_then(|it| it.parse().ok());
    let mut failed = None;
    let free = allot::next_loopback_of(network, given, |candidate| {
        doors.contains(tx, candidate.to_string().as_str()).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            true
        })
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    if let Some(free) = free {
        last.put(tx, "", &free.to_string())?;
    }
    Ok(free)
}

/// Gives a domain or notebook instance the loopback address of its public door.
///
/// # Errors
/// `ResourceLimitExceeded` if none is free, or a [`Fault`] of the store.
pub(super) fn allot_door(tx: &mut Tx, scope: &Scope, of: DoorOf) -> Result<Ipv4Addr, Fault> {
    let free = next_free(tx, allot::DOORS, LAST_DOOR, DOORS)?.ok_or_else(|| {
        let all = allot::LOOPBACK_ADDRESSES;
        faults::over_limit("Doors of this installation", "Doors", all, all)
    })?;
    let record = DoorRecord {
        account: scope.account.clone(),
        region: scope.region.clone(),
        of,
        binding: Binding::Waiting,
    };
    DOORS.put(tx, free.to_string().as_str(), &record)?;
    Ok(free)
}

/// All doors, for the server to listen on: address and whose it is.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn doors(state: &dyn Read) -> Result<Vec<(Ipv4Addr, DoorRecord)>, Fault> {
    let found = DOORS.scan(state, &(), None, usize::MAX)?;
    Ok(found
        .into_iter()
        .filter_map(|(address, door)| Some((address.parse().ok()?, door)))
        .collect())
}

/// The door that a client dialled, by the address at which it was accepted.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn door_at(state: &dyn Read, local: SocketAddr) -> Result<Option<DoorRecord>, Fault> {
    let site = Site::read(state)?;
    let at = |(address, door): &(Ipv4Addr, DoorRecord)| {
        door.binding == Binding::Bound && site.socket(*address) == local
    };
    Ok(doors(state)?.into_iter().find(at).map(|(_, door)| door))
}

/// The door of the domain that a host name is the documented one of.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn door_named(state: &dyn Read, host: &str) -> Result<Option<DoorRecord>, Fault> {
    let Some((domain, region)) = studio_name(host) else { return Ok(None) };
    let named = |door: &DoorRecord| door.of.domain() == Some(&domain) && door.region == region;
    Ok(doors(state)?.into_iter().map(|(_, door)| door).find(named))
}

/// The notebook instance's door that a host name `LABEL.notebook.REGION.sagemaker.aws` leads to, with
/// or without a port, in either case.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn notebook_door_named(state: &dyn Read, host: &str) -> Result<Option<DoorRecord>, Fault> {
    let host = host.to_ascii_lowercase();
    let name = host.split_once(':').map_or(&*host, |(name, _)| name).trim_end_matches('.');
    let parts = name.strip_suffix(".sagemaker.aws").and_then(|it| it.split_once(".notebook."));
    let Some((label, region)) = parts else { return Ok(None) };
    for (_, door) in doors(state)? {
        let DoorOf::Notebook(name) = &door.of else { continue };
        if door.region.as_str() != region {
            continue;
        }
        let scope = Scope { account: door.account.clone(), region: door.region.clone() };
        let found = named::find::<NotebookRecord>(state, &scope, name)?;
        if found.is_some_and(|it| it.label == label) {
            return Ok(Some(door));
        }
    }
    Ok(None)
}

/// What is in `d-….studio.REGION.sagemaker.aws` (SPEC R1.5), with or without a port, in either case.
#[must_use]
pub fn studio_name(host: &str) -> Option<(DomainId, Region)> {
    let host = host.to_ascii_lowercase();
    let name = host.split_once(':').map_or(&*host, |(name, _)| name).trim_end_matches('.');
    let (domain, region) = name.strip_suffix(".sagemaker.aws")?.split_once(".studio.")?;
    Some((DomainId::parse(domain)?, Region::parse(region).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_names_scheme_address_and_port() {
        let site = Site {
            scheme: "http".into(),
            public_host: "127.0.0.1:4566".into(),
            public_port: 4566,
            loopback_range: true,
            studio_names: false,
        };
        let address = Ipv4Addr::new(127, 66, 0, 1);
        assert_eq!(site.origin(address), "http://127.66.0.1:4566");
        let scope = Scope {
            account: "123456789012".parse().unwrap(),
            region: "us-west-2".parse().unwrap(),
        };
        let domain = DomainId::parse("d-abc").unwrap();
        assert_eq!(site.studio_origin(&scope, &domain, address), "http://127.66.0.1:4566");
        let named = Site { studio_names: true, ..site };
        assert_eq!(
            named.studio_origin(&scope, &domain, address),
            "http://d-abc.studio.us-west-2.sagemaker.aws:4566"
        );
        for host in
            ["d-abc.studio.us-west-2.sagemaker.aws", "D-ABC.Studio.us-west-2.sagemaker.aws.:80"]
        {
            assert_eq!(studio_name(host), Some((domain.clone(), scope.region.clone())), "{host}");
        }
        for host in [
            "",
            "127.66.0.1:4566",
            "d-abc.studio.us-west-2.sagemaker.aws.example",
            "x.d-abc.studio.us-west-2.sagemaker.aws",
            "abc.studio.us-west-2.sagemaker.aws",
            "d-abc.studio..sagemaker.aws",
        ] {
            assert_eq!(studio_name(host), None, "{host}");
        }
    }
}
