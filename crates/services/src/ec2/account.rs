//! What every account has from the start, and DescribeAccountAttributes.

use sagegate_api::ec2::{
    AccountAttribute, AccountAttributeName, AccountAttributeValue,
    DescribeAccountAttributesRequest, DescribeAccountAttributesResult,
};
use sagegate_gate::{Access, AccountId, Authorized, Call, Fault, Needs, Operation, Region, Scope};
use sagegate_store::{Read, Tx};

use super::dhcp_options::DhcpChoice;
use super::fault::dry_run;
use super::kind::{self, Kind};
use super::records::{self, ACCOUNTS, Account, Subnet, VPCS, Vpc};
use super::{
    dhcp_options, internet_gateway, needs, network_acl, route_table, security_group, zones,
};

/// The block of default VPCs and those of their subnets, one for each zone (Amazon VPC User Guide,
/// "Default VPC components").
const DEFAULT_VPC: &str = "172.31.0.0/16";
const DEFAULT_SUBNETS: [&str; 3] = ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"];

/// Gives an account its default VPC in a region: a /16 with a /20 subnet in each zone, the default
/// security group, and an internet gateway to which the main route table leads. Does nothing where
/// the account has had it before, even if it was deleted since. The ids follow from account and
/// region.
///
/// VPCs of data directories that are older than route tables, network ACLs or DHCP option sets get
/// their main table, their default ACL and the default set here, as they would have got them when they
/// were made.
///
/// # Errors
/// An internal [`Fault`] if the store cannot be read or written.
pub fn bootstrap(tx: &mut Tx, scope: &Scope) -> Result<(), Fault> {
    let place = (scope.account.as_str(), scope.region.as_str());
    if ACCOUNTS.contains(tx, &place)? {
        return complete(tx);
    }
    let net = |text: &str| {
        text.parse().map_err(|error| Fault::internal(format!("{text} is no block: {error}")))
    };
    let vpc_id = Kind::Vpc.derived_id(scope, "default");
    let id = |kind: Kind, purpose: &str| kind.derived_id(scope, &format!("default {purpose}"));
    let group = security_group::default_group(&vpc_id, id);
    let vpc = Vpc {
        id: vpc_id,
        cidr: net(DEFAULT_VPC)?,
        association_id: Kind::Vpc.derived_id(scope, "default cidr").replacen(
            "vpc-",
            "vpc-cidr-assoc-",
            1,
        ),
        is_default: true,
        default_group: group.id.clone(),
        tenancy: "default".to_owned(),
        dns_support: true,
        dns_hostnames: true,
        usage_metrics: false,
        added: Vec::new(),
        dhcp_options: DhcpChoice::Set(dhcp_options::default_set(tx, scope)?),
    };
    records::put(tx, scope, &vpc)?;
    for (zone, block) in zones::zones(&scope.region).into_iter().zip(DEFAULT_SUBNETS) {
        let subnet = Subnet {
            id: Kind::Subnet.derived_id(scope, &format!("default {zone}")),
            vpc: vpc.id.clone(),
            cidr: net(block)?,
            zone,
            default_for_az: true,
            map_public_ip: true,
            hostname_type: "ip-name".to_owned(),
            resource_name_a_record: false,
            client_address: None,
            ipv6: None,
            assign_ipv6: false,
            resource_name_aaaa_record: false,
        };
        records::put(tx, scope, &subnet)?;
    }
    records::put(tx, scope, &group)?;
    ACCOUNTS.put(tx, &place, &Account { default_vpc: vpc.id })?;
    complete(tx)
}

/// Gives each VPC that has no main route table its own, and a default VPC the internet gateway too;
/// each that has no default network ACL its own, with all its subnets; and each that has chosen no DHCP
/// options the default ones.
fn complete(tx: &mut Tx) -> Result<(), Fault> {
    for ((account, region, _), vpc) in VPCS.scan(tx, &(), None, usize::MAX)? {
        let (Ok(account), Ok(region)) = (AccountId::parse(&account), Region::parse(&region)) else {
            // Keys are written from these types only.
            continue;
        };
        let scope = Scope { account, region };
        if vpc.dhcp_options == DhcpChoice::Unset {
            let dhcp_options = DhcpChoice::Set(dhcp_options::default_set(tx, &scope)?);
            records::put(tx, &scope, &Vpc { dhcp_options, ..vpc.clone() })?;
        }
        if network_acl::default_of(tx, &scope, &vpc.id)?.is_none() {
            complete_acl(tx, &scope, &vpc)?;
        }
        if route_table::main_of(tx, &scope, &vpc.id)?.is_some() {
            continue;
        }
        let id = |prefix: &str| kind::derived(prefix, &scope, &format!("{} main table", vpc.id));
        let mut table = route_table::main_table(&vpc.id, id);
        if vpc.is_default {
            let gateway = internet_gateway::default_gateway(&scope, &vpc.id);
            table.routes.push(route_table::default_route(&gateway.id));
            records::put(tx, &scope, &gateway)?;
        }
        records::put(tx, &scope, &table)?;
    }
    Ok(())
}

fn complete_acl(tx: &mut Tx, scope: &Scope, vpc: &Vpc) -> Result<(), Fault> {
    let id = |prefix: &str, purpose: &str| {
        kind::derived(prefix, scope, &format!("{purpose} default network ACL"))
    };
    let acl = network_acl::default_acl(&vpc.id, |prefix| id(prefix, &vpc.id));
    records::put(tx, scope, &acl)?;
    for subnet in records::all::<Subnet>(tx, scope)? {
        if subnet.vpc == vpc.id {
            let own = |prefix: &str| id(prefix, &subnet.id);
            network_acl::welcome_subnet(tx, scope, &vpc.id, &subnet.id, own)?;
        }
    }
    Ok(())
}

/// DescribeAccountAttributes.
pub(crate) struct DescribeAccountAttributes;

impl Operation for DescribeAccountAttributes {
    type Input = DescribeAccountAttributesRequest;
    type Output = DescribeAccountAttributesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeAccountAttributes";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeAccountAttributes"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        dry_run(call.input.dry_run)?;
        let default_vpc =
            records::default_vpc(tx, call.scope)?.map_or("none".to_owned(), |vpc| vpc.id);
        let groups = security_group::MAX_GROUPS_PER_INTERFACE.to_string();
        let attributes = [
            (
                Some(AccountAttributeName::SupportedPlatforms),
                "supported-platforms",
                "VPC".to_owned(),
            ),
            (Some(AccountAttributeName::DefaultVpc), "default-vpc", default_vpc),
            (None, "vpc-max-security-groups-per-interface", groups),
        ];
        let wanted = call.input.attribute_names.as_deref().unwrap_or_default();
        let attributes = attributes
            .into_iter()
            .filter(|(name, ..)| {
                wanted.is_empty() || name.is_some_and(|name| wanted.contains(&name))
            })
            .map(|(_, name, value)| AccountAttribute {
                attribute_name: Some(name.to_owned()),
                attribute_values: Some(vec![AccountAttributeValue {
                    attribute_value: Some(value),
                }]),
            });
        Ok(Self::Output { account_attributes: Some(attributes.collect()) })
    }
}
