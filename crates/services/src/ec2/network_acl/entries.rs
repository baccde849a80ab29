//! CreateNetworkAclEntry, ReplaceNetworkAclEntry, DeleteNetworkAclEntry.
//!
//! Rules: Amazon EC2 API Reference, "CreateNetworkAclEntry".

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sagegate_api::Unit;
use sagegate_api::ec2::{
    CreateNetworkAclEntryRequest, DeleteNetworkAclEntryRequest, IcmpTypeCode, PortRange,
    ReplaceNetworkAclEntryRequest, RuleAction,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_network::security_group::{ICMP, ICMPV6, Protocol};
use sagegate_store::{Read, Tx};

use super::super::fault::{bad, dry_run, invalid_value, missing};
use super::super::kind::Kind;
use super::super::needs;
use super::super::records::{self, AclEntry, NetworkAcl};

/// Entries of an ACL in one direction and one family of addresses, the one that denies everything
/// else counted (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_ENTRIES: usize = 20;

/// The highest number that an entry can have.
const LAST_NUMBER: i32 = 32_766;

/// An entry as a request describes it.
struct Wanted<'a> {
    egress: bool,
    number: i32,
    protocol: &'a str,
    action: RuleAction,
    v4: Option<&'a String>,
    v6: Option<&'a String>,
    icmp: Option<&'a IcmpTypeCode>,
    ports: Option<&'a PortRange>,
}

impl Wanted<'_> {
    /// Reads the entry. Ports, types and codes that mean nothing for its protocol are dropped, as
    /// the API Reference says.
    ///
    /// # Errors
    /// `InvalidParameterValue`, `InvalidParameterCombination`, `MissingParameter`.
    fn entry(&self) -> Result<AclEntry, Fault> {
        let number = number(self.number)?;
        // Names of protocols are the CLI's own: it sends their numbers.
        let protocol = match self.protocol {
            "-1" => Some(Protocol::All),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => Protocol::parse(digits),
            _ => None,
        };
        let protocol = protocol.ok_or_else(|| {
            let text = self.protocol;
            invalid_value(format!("Invalid value '{text}' for IP protocol. Unknown protocol."))
        })?;
        let block = self.block()?;
        let (from, to) = match (protocol, block) {
            // All types of ICMPv6, whatever else is said: there are none of it over IPv4.
            (Protocol::Number(ICMPV6), IpNet::V4(_)) => (-1, -1),
            (Protocol::Number(ICMP | ICMPV6), _) => self.types()?,
            _ if protocol.has_ports() => self.ports()?,
            _ => (-1, -1),
        };
        let allow = self.action == RuleAction::Allow;
        Ok(AclEntry { egress: self.egress, number, protocol, from, to, block, allow })
    }

    /// The block in its canonical form.
    fn block(&self) -> Result<IpNet, Fault> {
        let malformed = |text: &str, name: &str| {
            invalid_value(format!(
                "Value ({text}) for parameter {name} is invalid. This is not a valid CIDR block."
            ))
        };
        match (self.v4, self.v6) {
            (Some(text), None) => {
                let net: Ipv4Net = text.parse().map_err(|_| malformed(text, "cidrBlock"))?;
                Ok(IpNet::V4(net.trunc()))
            }
            (None, Some(text)) => {
                let net: Ipv6Net = text.parse().map_err(|_| malformed(text, "ipv6CidrBlock"))?;
                Ok(IpNet::V6(net.trunc()))
            }
            (None, None) => Err(missing("cidrBlock")),
            (Some(_), Some(_)) => Err(bad(
                "InvalidParameterCombination",
                "The parameter cidrBlock cannot be used with the parameter ipv6CidrBlock",
            )),
        }
    }

    fn types(&self) -> Result<(i32, i32), Fault> {
        let kind = self.icmp.and_then(|icmp| icmp.r#type);
        let kind = kind.ok_or_else(|| missing("icmpTypeCode.type"))?;
        let code = self.icmp.and_then(|icmp| icmp.code);
        let code = code.ok_or_else(|| missing("icmpTypeCode.code"))?;
        let legal = (-1..=255).contains(&kind) && (-1..=255).contains(&code);
        if !legal || kind == -1 && code != -1 {
            let text = format!("ICMP type ({kind}) and code ({code}) do not go together");
            return Err(invalid_value(text));
        }
        Ok((kind, code))
    }

    fn ports(&self) -> Result<(i32, i32), Fault> {
        let from = self.ports.and_then(|ports| ports.from);
        let to = self.ports.and_then(|ports| ports.to);
        let (Some(from), Some(to)) = (from, to) else {
            let text =
                "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.";
            return Err(invalid_value(text));
        };
        let legal = 0..=65_535;
        if !legal.contains(&from) || !legal.contains(&to) || from > to {
            let text = format!("Invalid TCP/UDP port range (from {from} to {to})");
            return Err(invalid_value(text));
        }
        Ok((from, to))
    }
}

fn number(given: i32) -> Result<u16, Fault> {
    let legal = u16::try_from(given).ok().filter(|_| (1..=LAST_NUMBER).contains(&given));
    legal.ok_or_else(|| {
        invalid_value(format!(
            "Value ({given}) for parameter ruleNumber is invalid. Expecting a value between 1 and {LAST_NUMBER}."
        ))
    })
}

fn absent(acl: &NetworkAcl, egress: bool, number: u16) -> Fault {
    let side = if egress { "egress" } else { "ingress" };
    let text = format!("no {side} entry with number {number} in network ACL {}", acl.id);
    bad("InvalidNetworkAclEntry.NotFound", text)
}

/// Puts an entry in its place. An ACL's entries lie in their order.
fn insert(acl: &mut NetworkAcl, entry: AclEntry) -> Result<(), Fault> {
    let four = entry.block.addr().is_ipv4();
    let same =
        |known: &&AclEntry| known.egress == entry.egress && known.block.addr().is_ipv4() == four;
    if acl.entries.iter().filter(same).count() + 1 >= MAX_ENTRIES {
        let text = "The maximum number of network acl entries has been reached.";
        return Err(bad("NetworkAclEntryLimitExceeded", text));
    }
    acl.entries.push(entry);
    acl.entries.sort_by_key(|known| (known.egress, known.number));
    Ok(())
}

fn remove(acl: &mut NetworkAcl, egress: bool, number: u16) -> Result<(), Fault> {
    let at = acl.entries.iter().position(|it| it.egress == egress && it.number == number);
    let at = at.ok_or_else(|| absent(acl, egress, number))?;
    acl.entries.remove(at);
    Ok(())
}

/// CreateNetworkAclEntry.
pub(crate) struct CreateNetworkAclEntry;

impl Operation for CreateNetworkAclEntry {
    type Input = CreateNetworkAclEntryRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateNetworkAclEntry";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (id, kind) = (&call.input.network_acl_id, Kind::NetworkAcl);
        Ok(needs::on("ec2:CreateNetworkAclEntry", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut acl = records::find::<NetworkAcl>(tx, scope, &input.network_acl_id)?;
        let entry = Wanted {
            egress: input.egress,
            number: input.rule_number,
            protocol: &input.protocol,
            action: input.rule_action,
            v4: input.cidr_block.as_ref(),
            v6: input.ipv6_cidr_block.as_ref(),
            icmp: input.icmp_type_code.as_ref(),
            ports: input.port_range.as_ref(),
        }
        .entry()?;
        let taken =
            acl.entries.iter().any(|it| it.egress == entry.egress && it.number == entry.number);
        if taken {
            let number = entry.number;
            let text = format!("The network acl entry identified by {number} already exists.");
            return Err(bad("NetworkAclEntryAlreadyExists", text));
        }
        insert(&mut acl, entry)?;
        records::put(tx, scope, &acl)?;
        Ok(Unit)
    }
}

/// ReplaceNetworkAclEntry.
pub(crate) struct ReplaceNetworkAclEntry;

impl Operation for ReplaceNetworkAclEntry {
    type Input = ReplaceNetworkAclEntryRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ReplaceNetworkAclEntry";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (id, kind) = (&call.input.network_acl_id, Kind::NetworkAcl);
        Ok(needs::on("ec2:ReplaceNetworkAclEntry", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut acl = records::find::<NetworkAcl>(tx, scope, &input.network_acl_id)?;
        let entry = Wanted {
            egress: input.egress,
            number: input.rule_number,
            protocol: &input.protocol,
            action: input.rule_action,
            v4: input.cidr_block.as_ref(),
            v6: input.ipv6_cidr_block.as_ref(),
            icmp: input.icmp_type_code.as_ref(),
            ports: input.port_range.as_ref(),
        }
        .entry()?;
        remove(&mut acl, entry.egress, entry.number)?;
        // The new one may be of the other family, which has its own quota.
        insert(&mut acl, entry)?;
        records::put(tx, scope, &acl)?;
        Ok(Unit)
    }
}

/// DeleteNetworkAclEntry.
pub(crate) struct DeleteNetworkAclEntry;

impl Operation for DeleteNetworkAclEntry {
    type Input = DeleteNetworkAclEntryRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteNetworkAclEntry";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (id, kind) = (&call.input.network_acl_id, Kind::NetworkAcl);
        Ok(needs::on("ec2:DeleteNetworkAclEntry", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut acl = records::find::<NetworkAcl>(tx, scope, &input.network_acl_id)?;
        remove(&mut acl, input.egress, number(input.rule_number)?)?;
        records::put(tx, scope, &acl)?;
        Ok(Unit)
    }
}
