//! DHCP option sets: CreateDhcpOptions, AssociateDhcpOptions, DeleteDhcpOptions,
//! DescribeDhcpOptions; and what a VPC's hosts are told about names.
//!
//! Rules: Amazon VPC User Guide, "DHCP option sets in Amazon VPC".

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use sagegate_api::Unit;
use sagegate_api::ec2::{
    AssociateDhcpOptionsRequest, AttributeValue, CreateDhcpOptionsRequest, CreateDhcpOptionsResult,
    DeleteDhcpOptionsRequest, DescribeDhcpOptionsRequest, DescribeDhcpOptionsResult,
    DhcpConfiguration, DhcpOptions as DhcpOptionsShape, NewDhcpConfiguration,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::fault::{bad, dry_run, in_use, invalid_value, missing};
use super::kind::Kind;
use super::records::{self, Interface, Key, Resource, Vpc};
use super::select::{self, Filters};
use super::tags::{self, Tags};
use super::{named_or_all, needs};

/// DHCP option sets in a region (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_SETS: usize = 100;
/// Servers of one kind and one family of addresses.
const MAX_SERVERS: usize = 4;

/// The name of the VPC's own resolver among name servers.
const AMAZON_DNS: &str = "AmazonProvidedDNS";
/// What a request calls no options at all.
const NONE: &str = "default";

const DOMAIN_NAME: &str = "domain-name";
const NAME_SERVERS: &str = "domain-name-servers";

pub(crate) const DHCP_OPTIONS: Table<Key, DhcpOptions> = Table::new("ec2.dhcp-options");

/// A DHCP option set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DhcpOptions {
    pub(crate) id: String,
    /// Values by the options' names.
    pub(crate) options: BTreeMap<String, Vec<String>>,
}

/// Which DHCP options the hosts of a VPC get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DhcpChoice {
    /// In data directories that are older than option sets; the next start makes it the account's
    /// default set.
    #[default]
    Unset,
    None,
    /// `dopt-…`.
    Set(String),
}

impl Record for DhcpOptions {}

impl Resource for DhcpOptions {
    const KIND: Kind = Kind::DhcpOptions;
    const TABLE: Table<Key, Self> = DHCP_OPTIONS;
    fn id(&self) -> &str {
        &self.id
    }
}

/// The domain of private host names (Amazon VPC User Guide, "DNS attributes for your VPC").
fn internal_domain(scope: &Scope) -> String {
    match scope.region.as_str() {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    }
}

/// The set that new VPCs of an account get, made if it is not there.
pub(crate) fn default_set(tx: &mut Tx, scope: &Scope) -> Result<String, StoreError> {
    let id = Kind::DhcpOptions.derived_id(scope, "default dhcp options");
    if records::get::<DhcpOptions>(tx, scope, &id)?.is_none() {
        let options = BTreeMap::from([
            (DOMAIN_NAME.to_owned(), vec![internal_domain(scope)]),
            (NAME_SERVERS.to_owned(), vec![AMAZON_DNS.to_owned()]),
        ]);
        records::put(tx, scope, &DhcpOptions { id: id.clone(), options })?;
    }
    Ok(id)
}

/// The id by which answers show what a VPC has chosen.
pub(crate) fn shown(choice: &DhcpChoice) -> String {
    match choice {
        DhcpChoice::Set(id) => id.clone(),
        DhcpChoice::None | DhcpChoice::Unset => NONE.to_owned(),
    }
}

/// What the hosts of a VPC are told about names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameService {
    /// The name servers in their order; `None` is the VPC's own resolver.
    pub servers: Vec<Option<IpAddr>>,
    /// The domains in which short names are looked for.
    pub search: Vec<String>,
}

impl NameService {
    /// What the default set says.
    #[must_use]
    pub fn usual(scope: &Scope) -> Self {
        Self { servers: vec![None], search: vec![internal_domain(scope)] }
    }
}

/// What the host behind a network interface is told about names: nothing where its VPC has no option
/// set, or where there is no such interface.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn name_service(
    state: &dyn Read,
    scope: &Scope,
    interface: &str,
) -> Result<NameService, StoreError> {
    match records::get::<Interface>(state, scope, interface)? {
        Some(interface) => name_service_of_vpc(state, scope, &interface.vpc),
        None => Ok(NameService::default()),
    }
}

/// The same of any host in a VPC.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn name_service_of_vpc(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
) -> Result<NameService, StoreError> {
    let vpc = records::get::<Vpc>(state, scope, vpc)?;
    let Some(DhcpChoice::Set(id)) = vpc.map(|vpc| vpc.dhcp_options) else {
        return Ok(NameService::default());
    };
    let set = records::get::<DhcpOptions>(state, scope, &id)?;
    let options = set.map(|set| set.options).unwrap_or_default();
    let values = |name: &str| options.get(name).into_iter().flatten();
    Ok(NameService {
        servers: values(NAME_SERVERS)
            .filter_map(|value| match value.as_str() {
                AMAZON_DNS => Some(None),
                address => address.parse().ok().map(Some),
            })
            .collect(),
        // Several domains stand in one value, with spaces between them.
        search: values(DOMAIN_NAME)
            .flat_map(|value| value.split_whitespace())
            .map(str::to_owned)
            .collect(),
    })
}

/// The error for a value that an option cannot have. How AWS words it is not known for each option.
fn wrong(value: &str) -> Fault {
    invalid_value(format!(
        "Value ({value}) for parameter value is invalid. Invalid DHCP option value."
    ))
}

/// Reads addresses of servers: up to four of each family.
fn servers(values: &[String], legal: impl Fn(&str) -> bool) -> Result<(), Fault> {
    let (mut v4, mut others) = (0, 0);
    for value in values {
        if !legal(value) {
            return Err(wrong(value));
        }
        *(if value.parse::<Ipv4Addr>().is_ok() { &mut v4 } else { &mut others }) += 1;
    }
    if v4 > MAX_SERVERS || others > MAX_SERVERS {
        return Err(wrong(&values.join(", ")));
    }
    Ok(())
}

fn is_address(value: &str) -> bool {
    value.parse::<IpAddr>().is_ok()
}

/// The only value of an option.
fn only(values: &[String]) -> Result<&str, Fault> {
    match values {
        [value] => Ok(value),
        several => Err(wrong(&several.join(", "))),
    }
}

fn is_domain(value: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = |name: &str| {
        name.len() <= 253 && name.strip_suffix('.').unwrap_or(name).split('.').all(label)
    };
    // Several stand with spaces between them, and with nothing else.
    let mut names = value.split(' ').filter(|it| !it.is_empty()).peekable();
    names.peek().is_some() && names.all(name)
}

/// Checks one option.
fn check(name: &str, values: &[String]) -> Result<(), Fault> {
    match name {
        NAME_SERVERS => servers(values, |value| value == AMAZON_DNS || is_address(value)),
        "ntp-servers" => servers(values, is_address),
        "netbios-name-servers" => servers(values, |value| value.parse::<Ipv4Addr>().is_ok()),
        DOMAIN_NAME => {
            let value = only(values)?;
            if is_domain(value) { Ok(()) } else { Err(wrong(value)) }
        }
        "netbios-node-type" => {
            let value = only(values)?;
            if ["1", "2", "4", "8"].contains(&value) { Ok(()) } else { Err(wrong(value)) }
        }
        // Seconds; 140 where nothing is said.
        "ipv6-address-preferred-lease-time" => {
            let value = only(values)?;
            let legal = value.parse().is_ok_and(|time: i64| (140..=2_147_483_647).contains(&time));
            if legal { Ok(()) } else { Err(wrong(value)) }
        }
        _ => Err(invalid_value(format!(
            "Value ({name}) for parameter key is invalid. Unknown DHCP option."
        ))),
    }
}

/// The options that a request names. Servers may stand in one value, with commas between them.
fn requested(
    configurations: &[NewDhcpConfiguration],
) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let mut options = BTreeMap::new();
    for configuration in configurations {
        let name = configuration.key.as_deref().ok_or_else(|| missing("key"))?;
        let given = configuration.values.iter().flatten();
        let values: Vec<String> = given
            .flat_map(|value| value.split(','))
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .collect();
        if values.is_empty() {
            return Err(missing("value"));
        }
        check(name, &values)?;
        if options.insert(name.to_owned(), values).is_some() {
            return Err(invalid_value(format!("The DHCP option {name} is there twice.")));
        }
    }
    if options.is_empty() { Err(missing("dhcpConfigurationSet")) } else { Ok(options) }
}

fn shape(scope: &Scope, set: &DhcpOptions, tags: &Tags) -> DhcpOptionsShape {
    let one = |(name, values): (&String, &Vec<String>)| DhcpConfiguration {
        key: Some(name.clone()),
        values: Some(
            values.iter().map(|value| AttributeValue { value: Some(value.clone()) }).collect(),
        ),
    };
    DhcpOptionsShape {
        owner_id: Some(scope.account.to_string()),
        tags: Some(tags::shape(tags)),
        dhcp_options_id: Some(set.id.clone()),
        dhcp_configurations: Some(set.options.iter().map(one).collect()),
    }
}

/// CreateDhcpOptions.
pub(crate) struct CreateDhcpOptions;

impl Operation for CreateDhcpOptions {
    type Input = CreateDhcpOptionsRequest;
    type Output = CreateDhcpOptionsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateDhcpOptions";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let kind = Kind::DhcpOptions;
        let tags = tags::requested(call.input.tag_specifications.as_ref(), kind)?;
        let needs = needs::new("ec2:CreateDhcpOptions", call.scope, kind, &tags).into();
        Ok(needs::with_tags(needs, call.scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, kind) = (call.input, call.scope, Kind::DhcpOptions);
        dry_run(input.dry_run)?;
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let options = requested(&input.dhcp_configurations)?;
        if records::count::<DhcpOptions>(tx, scope)? >= MAX_SETS {
            let text = "The maximum number of DHCP options sets has been reached.";
            return Err(bad("DhcpOptionsLimitExceeded", text));
        }
        let set = DhcpOptions { id: kind.new_id(call.env), options };
        records::put(tx, scope, &set)?;
        tags::put(tx, scope, &set.id, &tags)?;
        Ok(Self::Output { dhcp_options: Some(shape(scope, &set, &tags)) })
    }
}

/// AssociateDhcpOptions. Hosts that start from then on are told of them.
pub(crate) struct AssociateDhcpOptions;

impl Operation for AssociateDhcpOptions {
    type Input = AssociateDhcpOptionsRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AssociateDhcpOptions";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:AssociateDhcpOptions";
        let (input, scope) = (call.input, call.scope);
        let needs = Needs::from(needs::on(ACTION, state, scope, Kind::Vpc, &input.vpc_id)?);
        if input.dhcp_options_id == NONE {
            return Ok(needs);
        }
        let id = &input.dhcp_options_id;
        Ok(needs.and(needs::on(ACTION, state, scope, Kind::DhcpOptions, id)?))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let choice = if input.dhcp_options_id == NONE {
            DhcpChoice::None
        } else {
            let set = records::find::<DhcpOptions>(tx, scope, &input.dhcp_options_id)?;
            DhcpChoice::Set(set.id)
        };
        let mut vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        vpc.dhcp_options = choice;
        records::put(tx, scope, &vpc)?;
        Ok(Unit)
    }
}

/// DeleteDhcpOptions. A set that a VPC has stays.
pub(crate) struct DeleteDhcpOptions;

impl Operation for DeleteDhcpOptions {
    type Input = DeleteDhcpOptionsRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteDhcpOptions";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (id, kind) = (&call.input.dhcp_options_id, Kind::DhcpOptions);
        Ok(needs::on("ec2:DeleteDhcpOptions", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let scope = call.scope;
        dry_run(call.input.dry_run)?;
        let set = records::find::<DhcpOptions>(tx, scope, &call.input.dhcp_options_id)?;
        let chosen = DhcpChoice::Set(set.id.clone());
        if records::all::<Vpc>(tx, scope)?.iter().any(|vpc| vpc.dhcp_options == chosen) {
            return Err(in_use("dhcpOptions", &set.id));
        }
        records::delete::<DhcpOptions>(tx, scope, &set.id)?;
        Ok(Unit)
    }
}

/// DescribeDhcpOptions.
pub(crate) struct DescribeDhcpOptions;

impl Operation for DescribeDhcpOptions {
    type Input = DescribeDhcpOptionsRequest;
    type Output = DescribeDhcpOptionsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeDhcpOptions";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeDhcpOptions"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = ["dhcp-options-id", "key", "owner-id", "value"];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let ids = input.dhcp_options_ids.as_ref();
        let mut found = Vec::new();
        for set in named_or_all::<DhcpOptions>(tx, scope, ids)? {
            let tags = tags::of(tx, scope, &set.id)?;
            let pass = filters.pass(&tags, |name| match name {
                "dhcp-options-id" => vec![set.id.clone()],
                "key" => set.options.keys().cloned().collect(),
                "owner-id" => vec![scope.account.to_string()],
                "value" => set.options.values().flatten().cloned().collect(),
                _ => Vec::new(),
            });
            if pass {
                found.push(shape(scope, &set, &tags));
            }
        }
        let (found, next_token) = select::page(
            found,
            |set| set.dhcp_options_id.clone().unwrap_or_default(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { next_token, dhcp_options: Some(found) })
    }
}
