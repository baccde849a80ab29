//! The attributes of a VPC: ModifyVpcAttribute, DescribeVpcAttribute.

use sagegate_api::Unit;
use sagegate_api::ec2::{
    AttributeBooleanValue, DescribeVpcAttributeRequest, DescribeVpcAttributeResult,
    ModifyVpcAttributeRequest, VpcAttributeName,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::fault::{bad, dry_run, invalid_value, missing};
use super::kind::Kind;
use super::needs;
use super::records::{self, Vpc};

/// The one attribute that a request sets, with its new value.
fn change(input: &ModifyVpcAttributeRequest) -> Result<(&'static str, bool), Fault> {
    let given = [
        ("EnableDnsSupport", &input.enable_dns_support),
        ("EnableDnsHostnames", &input.enable_dns_hostnames),
        ("EnableNetworkAddressUsageMetrics", &input.enable_network_address_usage_metrics),
    ];
    let mut given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let (name, value) = given.next().ok_or_else(|| missing("enableDnsSupport"))?;
    if given.next().is_some() {
        let text = "A request may change one attribute of a VPC; send one request for each.";
        return Err(bad("InvalidParameterCombination", text));
    }
    Ok((name, value.value.ok_or_else(|| missing("value"))?))
}

/// ModifyVpcAttribute.
pub(crate) struct ModifyVpcAttribute;

impl Operation for ModifyVpcAttribute {
    type Input = ModifyVpcAttributeRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ModifyVpcAttribute";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (name, value) = change(call.input)?;
        let id = &call.input.vpc_id;
        let need = needs::on("ec2:ModifyVpcAttribute", state, call.scope, Kind::Vpc, id)?;
        Ok(needs::attribute(need, name, value.to_string()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (name, value) = change(call.input)?;
        let mut vpc = records::find::<Vpc>(tx, call.scope, &call.input.vpc_id)?;
        match name {
            "EnableDnsSupport" => vpc.dns_support = value,
            "EnableDnsHostnames" => {
                // VPC User Guide, "DNS attributes for your VPC": host names need DNS support.
                if value && !vpc.dns_support {
                    let text = format!(
                        "enableDnsHostnames cannot be set to true for {}: its enableDnsSupport is false.",
                        vpc.id
                    );
                    return Err(invalid_value(text));
                }
                vpc.dns_hostnames = value;
            }
            _ => vpc.usage_metrics = value,
        }
        records::put(tx, call.scope, &vpc)?;
        Ok(Unit)
    }
}

/// DescribeVpcAttribute.
pub(crate) struct DescribeVpcAttribute;

impl Operation for DescribeVpcAttribute {
    type Input = DescribeVpcAttributeRequest;
    type Output = DescribeVpcAttributeResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeVpcAttribute";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = &call.input.vpc_id;
        Ok(needs::on("ec2:DescribeVpcAttribute", state, call.scope, Kind::Vpc, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        dry_run(call.input.dry_run)?;
        let vpc = records::find::<Vpc>(tx, call.scope, &call.input.vpc_id)?;
        let value = |value: bool| Some(AttributeBooleanValue { value: Some(value) });
        let mut answer = Self::Output { vpc_id: Some(vpc.id), ..Self::Output::default() };
        match call.input.attribute {
            VpcAttributeName::EnableDnsSupport => {
                answer.enable_dns_support = value(vpc.dns_support);
            }
            VpcAttributeName::EnableDnsHostnames => {
                answer.enable_dns_hostnames = value(vpc.dns_hostnames);
            }
            VpcAttributeName::EnableNetworkAddressUsageMetrics => {
                answer.enable_network_address_usage_metrics = value(vpc.usage_metrics);
            }
        }
        Ok(answer)
    }
}
