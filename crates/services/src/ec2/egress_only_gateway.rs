//! Egress-only internet gateways: CreateEgressOnlyInternetGateway, DeleteEgressOnlyInternetGateway,
//! DescribeEgressOnlyInternetGateways.

use sagegate_api::ec2::{
    AttachmentStatus, CreateEgressOnlyInternetGatewayRequest,
    CreateEgressOnlyInternetGatewayResult, DeleteEgressOnlyInternetGatewayRequest,
    DeleteEgressOnlyInternetGatewayResult, DescribeEgressOnlyInternetGatewaysRequest,
    DescribeEgressOnlyInternetGatewaysResult, EgressOnlyInternetGateway, InternetGatewayAttachment,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::fault::{bad, dry_run};
use super::kind::Kind;
use super::records::{self, EgressOnlyGateway, Vpc};
use super::select::{self, Filters};
use super::tags::{self, Tags};
use super::token::Once;
use super::{needs, token};

/// Egress-only internet gateways in a region: as many as VPCs (Amazon VPC User Guide, "Amazon VPC
/// quotas").
const MAX_GATEWAYS: usize = super::vpc::MAX_VPCS;

fn shape(gateway: &EgressOnlyGateway, tags: &Tags) -> EgressOnlyInternetGateway {
    EgressOnlyInternetGateway {
        attachments: Some(vec![InternetGatewayAttachment {
            state: Some(AttachmentStatus::Attached),
            vpc_id: Some(gateway.vpc.clone()),
        }]),
        egress_only_internet_gateway_id: Some(gateway.id.clone()),
        tags: Some(tags::shape(tags)),
    }
}

/// CreateEgressOnlyInternetGateway. It belongs to its VPC from the beginning.
pub(crate) struct CreateEgressOnlyInternetGateway;

impl Operation for CreateEgressOnlyInternetGateway {
    type Input = CreateEgressOnlyInternetGatewayRequest;
    type Output = CreateEgressOnlyInternetGatewayResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateEgressOnlyInternetGateway";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, kind) = (call.input, Kind::EgressOnlyInternetGateway);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let action = "ec2:CreateEgressOnlyInternetGateway";
        needs::new_in_vpc(action, state, call.scope, kind, &tags, &input.vpc_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, kind) = (call.input, call.scope, Kind::EgressOnlyInternetGateway);
        dry_run(input.dry_run)?;
        let once = Once::of(Self::NAME, input.client_token.as_ref(), || {
            CreateEgressOnlyInternetGatewayRequest { client_token: None, ..input.clone() }
        });
        let answer = |gateway: &EgressOnlyGateway, tags: &Tags| Self::Output {
            client_token: input.client_token.clone(),
            egress_only_internet_gateway: Some(shape(gateway, tags)),
        };
        if let Some(gateway) = once.made::<EgressOnlyGateway>(tx, scope)? {
            return Ok(answer(&gateway, &tags::of(tx, scope, &gateway.id)?));
        }
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        if records::count::<EgressOnlyGateway>(tx, scope)? >= MAX_GATEWAYS {
            let text = "The maximum number of egress-only internet gateways has been reached.";
            return Err(bad("EgressOnlyInternetGatewayLimitExceeded", text));
        }
        let gateway =
            EgressOnlyGateway { id: kind.new_id(call.env), vpc: vpc.id, token: once.row() };
        records::put(tx, scope, &gateway)?;
        tags::put(tx, scope, &gateway.id, &tags)?;
        once.keep(tx, scope, &gateway.id)?;
        Ok(answer(&gateway, &tags))
    }
}

/// DeleteEgressOnlyInternetGateway. Routes to it stay and lead nowhere.
pub(crate) struct DeleteEgressOnlyInternetGateway;

impl Operation for DeleteEgressOnlyInternetGateway {
    type Input = DeleteEgressOnlyInternetGatewayRequest;
    type Output = DeleteEgressOnlyInternetGatewayResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteEgressOnlyInternetGateway";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:DeleteEgressOnlyInternetGateway";
        let (kind, id) =
            (Kind::EgressOnlyInternetGateway, &call.input.egress_only_internet_gateway_id);
        Ok(needs::on(ACTION, state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        dry_run(call.input.dry_run)?;
        let id = &call.input.egress_only_internet_gateway_id;
        let gateway = records::find::<EgressOnlyGateway>(tx, call.scope, id)?;
        token::forget(tx, call.scope, gateway.token.as_deref());
        records::delete::<EgressOnlyGateway>(tx, call.scope, id)?;
        Ok(Self::Output { return_code: Some(true) })
    }
}

/// DescribeEgressOnlyInternetGateways.
pub(crate) struct DescribeEgressOnlyInternetGateways;

impl Operation for DescribeEgressOnlyInternetGateways {
    type Input = DescribeEgressOnlyInternetGatewaysRequest;
    type Output = DescribeEgressOnlyInternetGatewaysResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeEgressOnlyInternetGateways";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeEgressOnlyInternetGateways"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let filters = Filters::of(input.filters.as_ref(), &[], true)?;
        let ids = input.egress_only_internet_gateway_ids.as_ref();
        let mut found = Vec::new();
        for gateway in super::named_or_all::<EgressOnlyGateway>(tx, scope, ids)? {
            let tags = tags::of(tx, scope, &gateway.id)?;
            if filters.pass(&tags, |_| Vec::new()) {
                found.push(shape(&gateway, &tags));
            }
        }
        let (gateways, next_token) = select::page(
            found,
            |gateway| gateway.egress_only_internet_gateway_id.clone().unwrap_or_default(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { egress_only_internet_gateways: Some(gateways), next_token })
    }
}
