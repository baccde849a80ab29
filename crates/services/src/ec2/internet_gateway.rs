//! Internet gateways: CreateInternetGateway, AttachInternetGateway, DetachInternetGateway,
//! DeleteInternetGateway, DescribeInternetGateways.
//!
//! Rules: Amazon VPC User Guide, "Enable internet access for a VPC using internet gateways".

use sagegate_api::Unit;
use sagegate_api::ec2::{
    AttachInternetGatewayRequest, AttachmentStatus, CreateInternetGatewayRequest,
    CreateInternetGatewayResult, DeleteInternetGatewayRequest, DescribeInternetGatewaysRequest,
    DescribeInternetGatewaysResult, DetachInternetGatewayRequest, InternetGateway as GatewayShape,
    InternetGatewayAttachment,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::fault::{bad, dry_run, in_use, invalid_value};
use super::kind::Kind;
use super::records::{self, InternetGateway, Vpc};
use super::select::{self, Filters};
use super::tags::{self, Tags};
use super::{elastic_ip, needs};

/// Internet gateways in a region: as many as VPCs (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_GATEWAYS: usize = super::vpc::MAX_VPCS;

/// The gateway of an account's default VPC.
pub(crate) fn default_gateway(scope: &Scope, vpc: &str) -> InternetGateway {
    InternetGateway {
        id: Kind::InternetGateway.derived_id(scope, "default gateway"),
        vpc: Some(vpc.to_owned()),
    }
}

/// The gateway that is attached to a VPC.
pub(crate) fn of_vpc(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
) -> Result<Option<InternetGateway>, StoreError> {
    let gateways = records::all::<InternetGateway>(state, scope)?;
    Ok(gateways.into_iter().find(|gateway| gateway.vpc.as_deref() == Some(vpc)))
}

fn shape(scope: &Scope, gateway: &InternetGateway, tags: &Tags) -> GatewayShape {
    let attachments = gateway.vpc.iter().map(|vpc| InternetGatewayAttachment {
        state: Some(AttachmentStatus::Available),
        vpc_id: Some(vpc.clone()),
    });
    GatewayShape {
        attachments: Some(attachments.collect()),
        internet_gateway_id: Some(gateway.id.clone()),
        owner_id: Some(scope.account.to_string()),
        tags: Some(tags::shape(tags)),
    }
}

/// CreateInternetGateway.
pub(crate) struct CreateInternetGateway;

impl Operation for CreateInternetGateway {
    type Input = CreateInternetGatewayRequest;
    type Output = CreateInternetGatewayResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateInternetGateway";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let kind = Kind::InternetGateway;
        let tags = tags::requested(call.input.tag_specifications.as_ref(), kind)?;
        let needs = needs::new("ec2:CreateInternetGateway", call.scope, kind, &tags).into();
        Ok(needs::with_tags(needs, call.scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        dry_run(call.input.dry_run)?;
        let kind = Kind::InternetGateway;
        let tags = tags::requested(call.input.tag_specifications.as_ref(), kind)?;
        if records::count::<InternetGateway>(tx, call.scope)? >= MAX_GATEWAYS {
            let text = "The maximum number of internet gateways has been reached.";
            return Err(bad("InternetGatewayLimitExceeded", text));
        }
        let gateway = InternetGateway { id: kind.new_id(call.env), vpc: None };
        records::put(tx, call.scope, &gateway)?;
        tags::put(tx, call.scope, &gateway.id, &tags)?;
        Ok(Self::Output { internet_gateway: Some(shape(call.scope, &gateway, &tags)) })
    }
}

/// The needs of attaching and detaching.
fn on_both(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    gateway: &str,
    vpc: &str,
) -> Result<Needs, Fault> {
    Ok(Needs::from(needs::on(action, state, scope, Kind::InternetGateway, gateway)?)
        .and(needs::on(action, state, scope, Kind::Vpc, vpc)?))
}

/// AttachInternetGateway.
pub(crate) struct AttachInternetGateway;

impl Operation for AttachInternetGateway {
    type Input = AttachInternetGatewayRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AttachInternetGateway";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (gateway, vpc) = (&call.input.internet_gateway_id, &call.input.vpc_id);
        on_both("ec2:AttachInternetGateway", state, call.scope, gateway, vpc)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut gateway = records::find::<InternetGateway>(tx, scope, &input.internet_gateway_id)?;
        let vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        if let Some(other) = &gateway.vpc {
            let text = format!("resource {} is already attached to network {other}", gateway.id);
            return Err(bad("Resource.AlreadyAssociated", text));
        }
        if of_vpc(tx, scope, &vpc.id)?.is_some() {
            let text = format!("Network {} already has an internet gateway attached", vpc.id);
            return Err(invalid_value(text));
        }
        gateway.vpc = Some(vpc.id);
        records::put(tx, scope, &gateway)?;
        Ok(Unit)
    }
}

/// DetachInternetGateway. Routes to it stay and lead nowhere.
pub(crate) struct DetachInternetGateway;

impl Operation for DetachInternetGateway {
    type Input = DetachInternetGatewayRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DetachInternetGateway";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (gateway, vpc) = (&call.input.internet_gateway_id, &call.input.vpc_id);
        on_both("ec2:DetachInternetGateway", state, call.scope, gateway, vpc)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut gateway = records::find::<InternetGateway>(tx, scope, &input.internet_gateway_id)?;
        let vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        if gateway.vpc.as_ref() != Some(&vpc.id) {
            let text = format!("resource {} is not attached to network {}", gateway.id, vpc.id);
            return Err(bad("Gateway.NotAttached", text));
        }
        if elastic_ip::any_in(tx, scope, &vpc.id)? {
            let text = format!(
                "Network {} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.",
                vpc.id
            );
            return Err(bad("DependencyViolation", text));
        }
        gateway.vpc = None;
        records::put(tx, scope, &gateway)?;
        Ok(Unit)
    }
}

/// DeleteInternetGateway.
pub(crate) struct DeleteInternetGateway;

impl Operation for DeleteInternetGateway {
    type Input = DeleteInternetGatewayRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteInternetGateway";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::InternetGateway, &call.input.internet_gateway_id);
        Ok(needs::on("ec2:DeleteInternetGateway", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        dry_run(call.input.dry_run)?;
        let id = &call.input.internet_gateway_id;
        let gateway = records::find::<InternetGateway>(tx, call.scope, id)?;
        if gateway.vpc.is_some() {
            return Err(in_use("internetGateway", id));
        }
        records::delete::<InternetGateway>(tx, call.scope, id)?;
        Ok(Unit)
    }
}

/// DescribeInternetGateways.
pub(crate) struct DescribeInternetGateways;

impl Operation for DescribeInternetGateways {
    type Input = DescribeInternetGatewaysRequest;
    type Output = DescribeInternetGatewaysResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeInternetGateways";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeInternetGateways"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = ["attachment.state", "attachment.vpc-id", "internet-gateway-id", "owner-id"];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let ids = input.internet_gateway_ids.as_ref();
        let mut found = Vec::new();
        for gateway in super::named_or_all::<InternetGateway>(tx, scope, ids)? {
            let tags = tags::of(tx, scope, &gateway.id)?;
            let pass = filters.pass(&tags, |name| match name {
                "attachment.state" => gateway.vpc.iter().map(|_| "available".to_owned()).collect(),
                "attachment.vpc-id" => gateway.vpc.iter().cloned().collect(),
                "internet-gateway-id" => vec![gateway.id.clone()],
                "owner-id" => vec![scope.account.to_string()],
                _ => Vec::new(),
            });
            if pass {
                found.push(shape(scope, &gateway, &tags));
            }
        }
        let (gateways, next_token) = select::page(
            found,
            |gateway| gateway.internet_gateway_id.clone().unwrap_or_default(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { internet_gateways: Some(gateways), next_token })
    }
}
