//! Customer-managed prefix lists: what is stored of them, and what refers to them.
//!
//! Rules: Amazon VPC User Guide, "Consolidate and manage network CIDR blocks with managed prefix lists" and
//! "Amazon VPC quotas". What is asked for is done with the answer, which shows it as begun, as AWS's does; what
//! cannot be done, since something refers to the list, is the list's state from then on.

pub(crate) mod create;
pub(crate) mod describe;
pub(crate) mod entries;
pub(crate) mod modify;
pub(crate) mod remove;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use sagegate_api::ec2::{ManagedPrefixList, PrefixListState};
use sagegate_gate::{Fault, Scope};
use sagegate_network::security_group::Peer;
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::aws_prefix_lists::{self, AwsList};
use super::fault::{bad, invalid_value};
use super::kind::Kind;
use super::records::{self, RouteDestination, RouteTable, SecurityGroup};
use super::tags::{self, Tags};

/// Versions of a list that are kept: a new one takes the place of the oldest.
const MAX_VERSIONS: u64 = 1_000;
/// The most entries that a list may be made for.
const MAX_ENTRIES: i32 = 1_000;
/// Entries that one request adds, or takes away.
const MAX_CHANGES: usize = 100;
/// Resources that a state's message names.
const NAMED: usize = 10;

pub(crate) const PREFIX_LISTS: Table<records::Key, PrefixList> = Table::new("ec2.prefix-list");
/// The entries of a list's versions: account, region, list and version.
pub(crate) const VERSIONS: Table<(String, String, String, u64), Version> =
    Table::new("ec2.prefix-list-version");

/// A list of its owner's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PrefixList {
    /// `pl-…`.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) family: Family,
    pub(crate) max_entries: u32,
    /// The version that counts; the entries of all are in [`VERSIONS`].
    pub(crate) version: u64,
    /// The entries that count, in the order of their blocks' texts.
    pub(crate) entries: Vec<Entry>,
    pub(crate) state: State,
    /// Why it failed.
    pub(crate) message: Option<String>,
    /// The key of its row in the client tokens.
    pub(crate) token: Option<String>,
}

/// Whose blocks a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Family {
    #[serde(rename = "IPv4")]
    V4,
    #[serde(rename = "IPv6")]
    V6,
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// What became of the last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Created,
    Modified,
    ModifyFailed,
    Restored,
    DeleteFailed,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) block: IpNet,
    pub(crate) description: Option<String>,
}

/// The entries of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    entries: Vec<Entry>,
}

impl Record for Version {}

/// A list of AWS's or of the account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Any {
    Aws(AwsList),
    Own(PrefixList),
}

impl Any {
    /// The list of this id.
    ///
    /// # Errors
    /// `InvalidPrefixListId.Malformed`, `InvalidPrefixListID.NotFound`.
    pub(crate) fn find(state: &dyn Read, scope: &Scope, id: &str) -> Result<Self, Fault> {
        let of_aws = aws_prefix_lists::of(&scope.region).into_iter().find(|list| list.id == id);
        match of_aws {
            Some(list) => Ok(Self::Aws(list)),
            None => records::find(state, scope, id).map(Self::Own),
        }
    }

    /// All lists, in the order of their ids.
    pub(crate) fn all(state: &dyn Read, scope: &Scope) -> Result<Vec<Self>, StoreError> {
        let of_aws = aws_prefix_lists::of(&scope.region).into_iter().map(Self::Aws);
        let own = records::all::<PrefixList>(state, scope)?.into_iter().map(Self::Own);
        let mut lists: Vec<Self> = of_aws.chain(own).collect();
        lists.sort_by(|one, other| one.id().cmp(other.id()));
        Ok(lists)
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Aws(list) => list.id,
            Self::Own(list) => &list.id,
        }
    }

    pub(crate) fn name(&self, scope: &Scope) -> String {
        match self {
            Self::Aws(list) => list.name(&scope.region),
            Self::Own(list) => list.name.clone(),
        }
    }

    pub(crate) fn blocks(&self) -> Vec<IpNet> {
        match self {
            Self::Aws(list) => list.nets(),
            Self::Own(list) => list.entries.iter().map(|entry| entry.block).collect(),
        }
    }

    /// AWS's lists here are of IPv4.
    pub(crate) fn family(&self) -> Family {
        match self {
            Self::Aws(_) => Family::V4,
            Self::Own(list) => list.family,
        }
    }

    /// How many rules or routes it counts for. Those of S3 and DynamoDB count as one (Amazon VPC User
    /// Guide, "AWS-managed prefix list weight").
    pub(crate) fn weight(&self) -> u32 {
        match self {
            Self::Aws(_) => 1,
            Self::Own(list) => list.max_entries,
        }
    }

    /// The account, or AWS.
    fn owner(&self, scope: &Scope) -> String {
        match self {
            Self::Aws(_) => "AWS".to_owned(),
            Self::Own(_) => scope.account.to_string(),
        }
    }

    fn shape(&self, scope: &Scope, tags: &Tags) -> ManagedPrefixList {
        let mut shape = ManagedPrefixList {
            prefix_list_id: Some(self.id().to_owned()),
            address_family: Some(self.family().name().to_owned()),
            state: Some(PrefixListState::CreateComplete),
            prefix_list_arn: Some(arn(scope, self.id())),
            prefix_list_name: Some(self.name(scope)),
            tags: Some(tags::shape(tags)),
            owner_id: Some(self.owner(scope)),
            ..ManagedPrefixList::default()
        };
        if let Self::Own(list) = self {
            shape.state = Some(state_of(list));
            shape.state_message.clone_from(&list.message);
            shape.max_entries = i32::try_from(list.max_entries).ok();
            shape.version = i64::try_from(list.version).ok();
        }
        shape
    }
}

fn state_of(list: &PrefixList) -> PrefixListState {
    match list.state {
        State::Created => PrefixListState::CreateComplete,
        State::Modified => PrefixListState::ModifyComplete,
        State::ModifyFailed => PrefixListState::ModifyFailed,
        State::Restored => PrefixListState::RestoreComplete,
        State::DeleteFailed => PrefixListState::DeleteFailed,
    }
}

/// A list of the account's as the answer to what was asked of it shows it.
fn begun(
    state: &dyn Read,
    scope: &Scope,
    list: PrefixList,
    doing: PrefixListState,
) -> Result<ManagedPrefixList, Fault> {
    let tags = tags::of(state, scope, &list.id)?;
    let shape = Any::Own(list).shape(scope, &tags);
    Ok(ManagedPrefixList { state: Some(doing), state_message: None, ..shape })
}

/// The ARN of a list: AWS's lists are of the account `aws`.
pub(crate) fn arn(scope: &Scope, id: &str) -> String {
    let of_aws = aws_prefix_lists::of(&scope.region).iter().any(|list| list.id == id);
    if !of_aws {
        return Kind::PrefixList.arn(scope, id);
    }
    format!("arn:{}:ec2:{}:aws:prefix-list/{id}", scope.region.partition(), scope.region)
}

/// A list that the account may change.
///
/// # Errors
/// Those of [`Any::find`]; `OperationNotPermitted` for a list of AWS's, in our words.
fn own(state: &dyn Read, scope: &Scope, id: &str) -> Result<PrefixList, Fault> {
    match Any::find(state, scope, id)? {
        Any::Own(list) => Ok(list),
        Any::Aws(_) => {
            let text = format!("The prefix list {id} is managed by AWS and cannot be changed.");
            Err(bad("OperationNotPermitted", text))
        }
    }
}

/// Makes these the entries that count, as a new version.
fn add_version(tx: &mut Tx, scope: &Scope, list: &mut PrefixList) -> Result<(), StoreError> {
    let place = (scope.account.as_str(), scope.region.as_str());
    list.version += 1;
    let own = |version: u64| (place.0, place.1, list.id.as_str(), version);
    VERSIONS.put(tx, &own(list.version), &Version { entries: list.entries.clone() })?;
    if let Some(oldest) = list.version.checked_sub(MAX_VERSIONS) {
        VERSIONS.delete(tx, &own(oldest));
    }
    Ok(())
}

/// The entries of a version.
///
/// # Errors
/// `InvalidParameterValue` if there is no such version.
fn version(
    state: &dyn Read,
    scope: &Scope,
    list: &PrefixList,
    version: i64,
) -> Result<Vec<Entry>, Fault> {
    let found = match u64::try_from(version) {
        Ok(version) => {
            let place = (scope.account.as_str(), scope.region.as_str(), list.id.as_str(), version);
            VERSIONS.get(state, &place)?
        }
        Err(_) => None,
    };
    found.map(|version| version.entries).ok_or_else(|| {
        let text = format!("The specified value for version is not valid: {version}");
        invalid_value(text)
    })
}

/// What refers to lists.
pub(crate) struct References {
    tables: Vec<RouteTable>,
    groups: Vec<SecurityGroup>,
    lists: BTreeMap<String, (Family, u32)>,
}

impl References {
    pub(crate) fn of(state: &dyn Read, scope: &Scope) -> Result<Self, StoreError> {
        let lists = Any::all(state, scope)?.into_iter();
        Ok(Self {
            tables: records::all(state, scope)?,
            groups: records::all(state, scope)?,
            lists: lists.map(|it| (it.id().to_owned(), (it.family(), it.weight()))).collect(),
        })
    }

    /// The route tables and security groups that name a list.
    fn to(&self, list: &str) -> BTreeSet<&str> {
        let named = RouteDestination::PrefixList(list.to_owned());
        let by_route = |table: &&RouteTable| table.routes.iter().any(|it| it.destination == named);
        let tables = self.tables.iter().filter(by_route).map(|table| table.id.as_str());
        let named = Peer::PrefixList(list.to_owned());
        let by_rule = |group: &&SecurityGroup| group.rules.iter().any(|it| it.rule.peer == named);
        let groups = self.groups.iter().filter(by_rule).map(|group| group.id.as_str());
        tables.chain(groups).collect()
    }

    /// The resources that would have too many routes or rules if a list were for so many entries.
    fn too_small_for(&mut self, list: &PrefixList, max_entries: u32) -> Vec<&str> {
        self.lists.insert(list.id.clone(), (list.family, max_entries));
        let naming = self.to(&list.id);
        let is_full = |id: &&str| {
            let table = self.tables.iter().find(|table| table.id == **id);
            let group = self.groups.iter().find(|group| group.id == **id);
            table.is_some_and(|table| self.routes(table) > super::route_table::routes::MAX_ROUTES)
                || group.is_some_and(|group| {
                    [false, true].into_iter().any(|egress| {
                        self.rules(group, egress) > super::security_group_rules::MAX_RULES
                    })
                })
        };
        naming.into_iter().filter(is_full).collect()
    }

    /// How many routes a table's own ones count for.
    pub(crate) fn routes(&self, table: &RouteTable) -> usize {
        let weight = |destination: &RouteDestination| match destination {
            RouteDestination::Block(_) => 1,
            RouteDestination::PrefixList(id) => self.weight(id),
        };
        table.routes.iter().map(|route| weight(&route.destination)).sum()
    }

    /// How many rules of one direction a group's count for: those of IPv4 or of IPv6, whichever are
    /// more. A rule that names a group counts for both.
    pub(crate) fn rules(&self, group: &SecurityGroup, egress: bool) -> usize {
        let of = |family: Family| -> usize {
            let rules = group.rules.iter().filter(|rule| rule.egress == egress);
            let weight = |peer: &Peer| match peer {
                Peer::V4(_) => usize::from(family == Family::V4),
                Peer::V6(_) => usize::from(family == Family::V6),
                Peer::Group(_) => 1,
                Peer::PrefixList(id) => match self.lists.get(id) {
                    Some((own, _)) if *own != family => 0,
                    _ => self.weight(id),
                },
            };
            rules.map(|rule| weight(&rule.rule.peer)).sum()
        };
        of(Family::V4).max(of(Family::V6))
    }

    fn weight(&self, list: &str) -> usize {
        let weight = self.lists.get(list).map_or(1, |(_, weight)| *weight);
        usize::try_from(weight).unwrap_or(usize::MAX)
    }
}

/// The first resources by name, as a state's message has them. The words are ours.
fn message(what: &str, resources: &[&str]) -> String {
    let named: Vec<&str> = resources.iter().take(NAMED).copied().collect();
    format!("{what}: {}", named.join(", "))
}
