//! What is stored of each resource, and how it is reached.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sagegate_gate::env::Time;
use sagegate_gate::{Fault, Scope};
use sagegate_network::security_group::{Protocol, Rule};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use crate::binding::Binding;
use crate::iam::bound::Bound;

use super::dhcp_options::DhcpChoice;
use super::kind::Kind;
use super::managed_prefix_list::{PREFIX_LISTS, PrefixList};
use super::peering::{Across, Peering};
use super::tags;

/// Account, region, id.
pub(crate) type Key = (String, String, String);

pub(crate) const VPCS: Table<Key, Vpc> = Table::new("ec2.vpc");
pub(crate) const SUBNETS: Table<Key, Subnet> = Table::new("ec2.subnet");
pub(crate) const GROUPS: Table<Key, SecurityGroup> = Table::new("ec2.security-group");
pub(crate) const INTERFACES: Table<Key, Interface> = Table::new("ec2.network-interface");
pub(crate) const ENDPOINTS: Table<Key, Endpoint> = Table::new("ec2.vpc-endpoint");
pub(crate) const ROUTE_TABLES: Table<Key, RouteTable> = Table::new("ec2.route-table");
pub(crate) const INTERNET_GATEWAYS: Table<Key, InternetGateway> =
    Table::new("ec2.internet-gateway");
pub(crate) const EGRESS_ONLY_GATEWAYS: Table<Key, EgressOnlyGateway> =
    Table::new("ec2.egress-only-gateway");
pub(crate) const ELASTIC_IPS: Table<Key, ElasticIp> = Table::new("ec2.elastic-ip");
/// The public addresses that are given out, to the allocation that has each.
pub(crate) const PUBLIC_ADDRESSES: Table<[u8; 4], String> = Table::new("ec2.public-address");
pub(crate) const NAT_GATEWAYS: Table<Key, NatGateway> = Table::new("ec2.nat-gateway");
pub(crate) const PEERINGS: Table<Key, Peering> = Table::new("ec2.vpc-peering-connection");
pub(crate) const NETWORK_ACLS: Table<Key, NetworkAcl> = Table::new("ec2.network-acl");
/// Account, region, subnet and address, to who holds it: an interface's id, or [`CLIENT`].
pub(crate) const ADDRESSES: Table<(String, String, String, [u8; 4]), String> =
    Table::new("ec2.address");
/// The IPv6 blocks that are given out, by their first seven bytes, to the VPC that has each.
pub(crate) const IPV6_BLOCKS: Table<[u8; 7], String> = Table::new("ec2.ipv6-block");
/// The loopback addresses that stand for an endpoint in a subnet.
pub(crate) const LOOPBACKS: Table<[u8; 4], Loopback> = Table::new("ec2.loopback");
/// The loopback address that was given out last, under the one key `last`.
pub(crate) const LAST_LOOPBACK: Table<String, Loopback> = Table::new("ec2.loopback-last");
/// Account, region, and operation with token, to what the token has made.
pub(crate) const TOKENS: Table<Key, Token> = Table::new("ec2.client-token");
/// Account and region that have got their defaults.
pub(crate) const ACCOUNTS: Table<(String, String), Account> = Table::new("ec2.account");

/// The holder of the address that stands for a subnet's clients.
pub(crate) const CLIENT: &str = "client";

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vpc {
    pub(crate) id: String,
    pub(crate) cidr: Ipv4Net,
    /// `vpc-cidr-assoc-…`.
    pub(crate) association_id: String,
    pub(crate) is_default: bool,
    /// The id of the group called `default` that every VPC has.
    pub(crate) default_group: String,
    /// `default` or `dedicated`.
    pub(crate) tenancy: String,
    pub(crate) dns_support: bool,
    pub(crate) dns_hostnames: bool,
    pub(crate) usage_metrics: bool,
    /// The blocks that were added, of IPv4 and IPv6, in the order in which they were.
    #[serde(default)]
    pub(crate) added: Vec<AddedBlock>,
    #[serde(default)]
    pub(crate) dhcp_options: DhcpChoice,
}

/// A block that was added to a VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AddedBlock {
    /// `vpc-cidr-assoc-…`.
    pub(crate) id: String,
    pub(crate) block: IpNet,
}

impl Vpc {
    /// Its IPv4 blocks with the ids of their associations, the primary one first.
    pub(crate) fn v4_blocks(&self) -> impl Iterator<Item = (&str, Ipv4Net)> {
        let added = self.added.iter().filter_map(|it| match it.block {
            IpNet::V4(block) => Some((it.id.as_str(), block)),
            IpNet::V6(_) => None,
        });
        std::iter::once((self.association_id.as_str(), self.cidr)).chain(added)
    }

    /// Its IPv6 blocks with the ids of their associations.
    pub(crate) fn v6_blocks(&self) -> impl Iterator<Item = (&str, Ipv6Net)> {
        self.added.iter().filter_map(|it| match it.block {
            IpNet::V4(_) => None,
            IpNet::V6(block) => Some((it.id.as_str(), block)),
        })
    }

    pub(crate) fn has_ipv6(&self) -> bool {
        self.v6_blocks().next().is_some()
    }
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) cidr: Ipv4Net,
    /// The Availability Zone's name.
    pub(crate) zone: String,
    pub(crate) default_for_az: bool,
    pub(crate) map_public_ip: bool,
    /// `ip-name` or `resource-name`.
    pub(crate) hostname_type: String,
    pub(crate) resource_name_a_record: bool,
    /// The address of the client that dials a modelled endpoint in this subnet. Taken when the
    /// first endpoint is placed here and kept as long as the subnet lives, so that
    /// `aws:VpcSourceIp` does not change under anybody's policy.
    pub(crate) client_address: Option<Ipv4Addr>,
    #[serde(default)]
    pub(crate) ipv6: Option<SubnetBlock>,
    /// Whether new interfaces get an IPv6 address.
    #[serde(default)]
    pub(crate) assign_ipv6: bool,
    #[serde(default)]
    pub(crate) resource_name_aaaa_record: bool,
}

/// The IPv6 block of a subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubnetBlock {
    /// `subnet-cidr-assoc-…`.
    pub(crate) id: String,
    pub(crate) block: Ipv6Net,
}

impl Subnet {
    /// Its blocks: one of IPv4, and of IPv6 if it has one.
    pub(crate) fn blocks(&self) -> Vec<IpNet> {
        let v6 = self.ipv6.as_ref().map(|own| IpNet::V6(own.block));
        std::iter::once(IpNet::V4(self.cidr)).chain(v6).collect()
    }
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vpc: String,
    pub(crate) rules: Vec<GroupRule>,
}

/// A rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRule {
    /// `sgr-…`.
    pub(crate) id: String,
    pub(crate) egress: bool,
    pub(crate) rule: Rule,
    pub(crate) description: Option<String>,
    /// By which way it names a group of another VPC.
    #[serde(default)]
    pub(crate) across: Option<Across>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    pub(crate) zone: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: String,
    pub(crate) description: String,
    pub(crate) groups: Vec<String>,
    pub(crate) source_dest_check: bool,
    /// Its private addresses besides the primary one.
    #[serde(default)]
    pub(crate) secondary: Vec<Ipv4Addr>,
    #[serde(default)]
    pub(crate) ipv6: Vec<Ipv6Addr>,
    /// What holds it, if AWS made it: then only its holder changes or removes it.
    #[serde(default, alias = "endpoint")]
    pub(crate) attachment: Option<Attachment>,
}

impl Interface {
    /// Its private addresses, the primary one first.
    pub(crate) fn private(&self) -> impl Iterator<Item = Ipv4Addr> {
        std::iter::once(self.address).chain(self.secondary.iter().copied())
    }
}

/// What an interface that AWS manages is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Holder {
    #[default]
    VpcEndpoint,
    /// A mount target of a file system of Amazon EFS.
    MountTarget,
    /// A notebook instance of SageMaker.
    NotebookInstance,
    /// An app of SageMaker Studio.
    App,
    /// A command that the operator runs in a subnet.
    Command,
    NatGateway,
}

/// How what AWS made an interface for holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    #[serde(default)]
    pub(crate) kind: Holder,
    /// The holder's id.
    #[serde(alias = "endpoint")]
    pub(crate) holder: String,
    /// `ela-attach-…`.
    pub(crate) id: String,
    pub(crate) time: Time,
}

/// Where an endpoint stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EndpointState {
    /// Made or changed; its addresses are not bound yet.
    Pending,
    /// All its addresses are bound.
    Available,
    /// An address could not be bound.
    Failed,
}

/// Of which type an endpoint is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EndpointType {
    #[default]
    Interface,
    Gateway {
        /// `pl-…`.
        prefix_list: String,
        /// The route tables that have a route to it.
        tables: Vec<String>,
    },
}

/// A VPC endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) service: String,
    /// The policy as it was given; none for the default, which allows everything.
    pub(crate) policy: Option<String>,
    /// The users and roles that the policy names, and whom they meant.
    #[serde(default)]
    pub(crate) policy_principals: Bound,
    pub(crate) groups: Vec<String>,
    pub(crate) places: Vec<Place>,
    pub(crate) private_dns: bool,
    pub(crate) state: EndpointState,
    /// Code and text.
    pub(crate) last_error: Option<(String, String)>,
    pub(crate) created: Time,
    /// The part of its DNS names behind the id.
    pub(crate) hash: String,
    /// The key of its row in [`TOKENS`].
    pub(crate) token: Option<String>,
    #[serde(default)]
    pub(crate) kind: EndpointType,
}

/// An endpoint in one subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) subnet: String,
    pub(crate) zone: String,
    pub(crate) interface: String,
    /// The interface's private address.
    pub(crate) address: Ipv4Addr,
    /// The address of this machine that stands for it.
    pub(crate) loopback: Ipv4Addr,
    /// Whether that is listened on.
    #[serde(default)]
    pub(crate) binding: Binding,
}

/// A route table. The routes to the VPC itself are not stored: they follow from its blocks, unless
/// a stored route to the same block has taken their place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteTable {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) routes: Vec<Route>,
    pub(crate) associations: Vec<RouteAssociation>,
    /// The key of its row in [`TOKENS`].
    pub(crate) token: Option<String>,
}

/// A route that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) destination: RouteDestination,
    pub(crate) target: RouteTarget,
}

/// Where a route leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RouteDestination {
    Block(IpNet),
    /// `pl-…`.
    PrefixList(String),
}

/// By which way a route leads there, with the way's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RouteTarget {
    InternetGateway(String),
    EgressOnlyGateway(String),
    NatGateway(String),
    Interface(String),
    Peering(String),
}

/// What a route table counts for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteAssociation {
    /// `rtbassoc-…`.
    pub(crate) id: String,
    /// The subnet, or none for the VPC's main table: it counts for all subnets without one.
    pub(crate) subnet: Option<String>,
}

/// An internet gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InternetGateway {
    pub(crate) id: String,
    /// The VPC that it is attached to.
    pub(crate) vpc: Option<String>,
}

/// An egress-only internet gateway: the way out of a VPC for IPv6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EgressOnlyGateway {
    pub(crate) id: String,
    pub(crate) vpc: String,
    /// The key of its row in [`TOKENS`].
    pub(crate) token: Option<String>,
}

/// An Elastic IP address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ElasticIp {
    /// `eipalloc-…`.
    pub(crate) id: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) association: Option<ElasticIpAssociation>,
}

/// What an Elastic IP address stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ElasticIpAssociation {
    /// `eipassoc-…`.
    pub(crate) id: String,
    pub(crate) interface: String,
    /// The interface's private address.
    pub(crate) private: Ipv4Addr,
}

/// A NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NatGateway {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    /// The Elastic IP address that a public one was made with; a private one has none.
    pub(crate) allocation: Option<String>,
    /// The private address that was asked for.
    pub(crate) wanted: Option<String>,
    pub(crate) state: NatState,
    /// Its addresses, once it has them; what is shown of them stays after they were given back.
    pub(crate) place: Option<NatPlace>,
    /// Code and text.
    pub(crate) failure: Option<(String, String)>,
    pub(crate) created: Time,
    pub(crate) deleted: Option<Time>,
    /// The key of its row in [`TOKENS`].
    pub(crate) token: Option<String>,
}

/// Where a NAT gateway stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NatState {
    /// Made; it has no interface yet.
    Pending,
    Available,
    Failed,
    /// Gone; it is shown for a while.
    Deleted,
}

/// What a NAT gateway has in its subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NatPlace {
    pub(crate) interface: String,
    pub(crate) private: Ipv4Addr,
    /// The public address, with the id of its association.
    pub(crate) public: Option<(Ipv4Addr, String)>,
}

/// A network ACL. The entries that deny what no other matches are not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkAcl {
    pub(crate) id: String,
    pub(crate) vpc: String,
    /// Whether its VPC was made with it: then it stays as long as the VPC.
    pub(crate) is_default: bool,
    /// Those for what enters before those for what leaves, each in the order of their numbers.
    pub(crate) entries: Vec<AclEntry>,
    pub(crate) associations: Vec<AclAssociation>,
    /// The key of its row in [`TOKENS`].
    pub(crate) token: Option<String>,
}

/// An entry of a network ACL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AclEntry {
    pub(crate) egress: bool,
    /// 1 to 32766; one of each in a direction.
    pub(crate) number: u16,
    pub(crate) protocol: Protocol,
    /// The first port, or the type of ICMP; -1 for all, and where the protocol has neither.
    pub(crate) from: i32,
    /// The last port, or the code of ICMP, likewise.
    pub(crate) to: i32,
    /// The other side's block.
    pub(crate) block: IpNet,
    pub(crate) allow: bool,
}

/// A subnet that a network ACL counts for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AclAssociation {
    /// `aclassoc-…`.
    pub(crate) id: String,
    pub(crate) subnet: String,
}

/// A loopback address in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loopback {
    pub(crate) address: Ipv4Addr,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) endpoint: String,
    pub(crate) subnet: String,
}

/// What a client token has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    /// Digest of the request without its token.
    pub(crate) request: String,
    pub(crate) id: String,
}

/// An account in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The id that the default VPC got; the VPC itself may be gone.
    pub(crate) default_vpc: String,
}

impl Record for Loopback {}
impl Record for Token {}
impl Record for Account {}

/// A resource with an id and tags.
pub(crate) trait Resource: Record + 'static {
    const KIND: Kind;
    const TABLE: Table<Key, Self>;
    fn id(&self) -> &str;
}

macro_rules! resource {
    ($($name:ident $kind:ident $table:ident),* $(,)?) => {$(
        impl Record for $name {}
        impl Resource for $name {
            const KIND: Kind = Kind::$kind;
            const TABLE: Table<Key, Self> = $table;
            fn id(&self) -> &str {
                &self.id
            }
        }
    )*};
}

resource! {
    Vpc Vpc VPCS,
    Subnet Subnet SUBNETS,
    SecurityGroup SecurityGroup GROUPS,
    Interface NetworkInterface INTERFACES,
    Endpoint VpcEndpoint ENDPOINTS,
    RouteTable RouteTable ROUTE_TABLES,
    InternetGateway InternetGateway INTERNET_GATEWAYS,
    EgressOnlyGateway EgressOnlyInternetGateway EGRESS_ONLY_GATEWAYS,
    ElasticIp ElasticIp ELASTIC_IPS,
    NatGateway NatGateway NAT_GATEWAYS,
    NetworkAcl NetworkAcl NETWORK_ACLS,
    Peering VpcPeeringConnection PEERINGS,
    PrefixList PrefixList PREFIX_LISTS,
}

fn key<'a>(scope: &'a Scope, id: &'a str) -> (&'a str, &'a str, &'a str) {
    (scope.account.as_str(), scope.region.as_str(), id)
}

/// The resource of this id, if there is one.
pub(crate) fn get<R: Resource>(
    state: &dyn Read,
    scope: &Scope,
    id: &str,
) -> Result<Option<R>, StoreError> {
    R::TABLE.get(state, &key(scope, id))
}

/// The resource of this id.
///
/// # Errors
/// The kind's `….Malformed` and `….NotFound`.
pub(crate) fn find<R: Resource>(state: &dyn Read, scope: &Scope, id: &str) -> Result<R, Fault> {
    R::KIND.check(id)?;
    get(state, scope, id)?.ok_or_else(|| R::KIND.not_found(id))
}

/// All resources of a kind in this account and region, in the order of their ids.
pub(crate) fn all<R: Resource>(state: &dyn Read, scope: &Scope) -> Result<Vec<R>, StoreError> {
    let place = (scope.account.as_str(), scope.region.as_str());
    let found = R::TABLE.scan(state, &place, None, usize::MAX)?;
    Ok(found.into_iter().map(|(_, record)| record).collect())
}

pub(crate) fn put<R: Resource>(tx: &mut Tx, scope: &Scope, record: &R) -> Result<(), StoreError> {
    R::TABLE.put(tx, &key(scope, record.id()), record)
}

/// How many resources of a kind there are in this account and region.
pub(crate) fn count<R: Resource>(state: &dyn Read, scope: &Scope) -> Result<usize, StoreError> {
    R::TABLE.count(state, &(scope.account.as_str(), scope.region.as_str()))
}

/// Removes a resource with its tags.
pub(crate) fn delete<R: Resource>(tx: &mut Tx, scope: &Scope, id: &str) -> Result<(), StoreError> {
    R::TABLE.delete(tx, &key(scope, id));
    tags::delete_all(tx, scope, id)
}

/// The default VPC of the account in this region, unless it was deleted.
pub(crate) fn default_vpc(state: &dyn Read, scope: &Scope) -> Result<Option<Vpc>, StoreError> {
    let place = (scope.account.as_str(), scope.region.as_str());
    match ACCOUNTS.get(state, &place)? {
        Some(account) => get(state, scope, &account.default_vpc),
        None => Ok(None),
    }
}

/// The group called `default` that every VPC has.
///
/// # Errors
/// An internal fault where it is missing: it is made with the VPC and cannot be deleted.
pub(crate) fn default_group(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
) -> Result<SecurityGroup, Fault> {
    let group = match get::<Vpc>(state, scope, vpc)? {
        Some(vpc) => get::<SecurityGroup>(state, scope, &vpc.default_group)?,
        None => None,
    };
    group.ok_or_else(|| Fault::internal(format!("{vpc} has no default security group")))
}
