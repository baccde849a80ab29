//! Single attributes of a network interface: DescribeNetworkInterfaceAttribute,
//! ResetNetworkInterfaceAttribute.

use sagegate_api::Unit;
use sagegate_api::ec2::{
    AttributeBooleanValue, AttributeValue, DescribeNetworkInterfaceAttributeRequest,
    DescribeNetworkInterfaceAttributeResult, NetworkInterfaceAttribute,
    ResetNetworkInterfaceAttributeRequest,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::fault::{dry_run, invalid_value, missing};
use super::interface_shape::described;
use super::kind::Kind;
use super::needs;
use super::network_interface::check_own;
use super::records::{self, Interface};

/// DescribeNetworkInterfaceAttribute.
pub(crate) struct DescribeNetworkInterfaceAttribute;

impl Operation for DescribeNetworkInterfaceAttribute {
    type Input = DescribeNetworkInterfaceAttributeRequest;
    type Output = DescribeNetworkInterfaceAttributeResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeNetworkInterfaceAttribute";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let action = "ec2:DescribeNetworkInterfaceAttribute";
        let id = &call.input.network_interface_id;
        Ok(needs::on(action, state, call.scope, Kind::NetworkInterface, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let interface = records::find::<Interface>(tx, scope, &input.network_interface_id)?;
        let attribute = input.attribute.as_ref().ok_or_else(|| missing("attribute"))?;
        let mut answer = Self::Output {
            network_interface_id: Some(interface.id.clone()),
            ..Self::Output::default()
        };
        let shape = described(tx, scope, &interface)?;
        match attribute {
            NetworkInterfaceAttribute::Description => {
                answer.description = Some(AttributeValue { value: shape.description });
            }
            NetworkInterfaceAttribute::GroupSet => answer.groups = shape.groups,
            NetworkInterfaceAttribute::SourceDestCheck => {
                let value = shape.source_dest_check;
                answer.source_dest_check = Some(AttributeBooleanValue { value });
            }
            NetworkInterfaceAttribute::Attachment => answer.attachment = shape.attachment,
            NetworkInterfaceAttribute::AssociatePublicIpAddress => {
                answer.associate_public_ip_address = Some(shape.association.is_some());
            }
        }
        Ok(answer)
    }
}

/// ResetNetworkInterfaceAttribute.
pub(crate) struct ResetNetworkInterfaceAttribute;

impl Operation for ResetNetworkInterfaceAttribute {
    type Input = ResetNetworkInterfaceAttributeRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ResetNetworkInterfaceAttribute";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let action = "ec2:ResetNetworkInterfaceAttribute";
        let id = &call.input.network_interface_id;
        Ok(needs::on(action, state, call.scope, Kind::NetworkInterface, id)?.into())
    }

    /// The one attribute that can be reset is whether source and destination are checked; they are
    /// (EC2 API Reference, ResetNetworkInterfaceAttribute).
    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut interface = records::find::<Interface>(tx, scope, &input.network_interface_id)?;
        let value = input.source_dest_check.as_deref().ok_or_else(|| missing("sourceDestCheck"))?;
        if value != "true" {
            // The text is ours.
            let text =
                format!("Invalid value '{value}' for sourceDestCheck. Resetting makes it 'true'.");
            return Err(invalid_value(text));
        }
        check_own(&interface)?;
        interface.source_dest_check = true;
        records::put(tx, scope, &interface)?;
        Ok(Unit)
    }
}
