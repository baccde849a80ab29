//! Which table counts for which subnet: AssociateRouteTable, DisassociateRouteTable,
//! ReplaceRouteTableAssociation.

use sagegate_api::Unit;
use sagegate_api::ec2::{
    AssociateRouteTableRequest, AssociateRouteTableResult, DisassociateRouteTableRequest,
    ReplaceRouteTableAssociationRequest, ReplaceRouteTableAssociationResult,
};
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::super::fault::{bad, dry_run, invalid_value, missing, refuse};
use super::super::kind::Kind;
use super::super::needs;
use super::super::records::{self, RouteAssociation, RouteTable, Subnet};
use super::super::tags::Tags;
use super::tables::association_state;
use super::{ASSOCIATION, associated, find_association, of_vpc};

fn new_id(env: &Env) -> String {
    format!("{ASSOCIATION}0{}", env.hex(16))
}

/// AssociateRouteTable.
pub(crate) struct AssociateRouteTable;

impl Operation for AssociateRouteTable {
    type Input = AssociateRouteTableRequest;
    type Output = AssociateRouteTableResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AssociateRouteTable";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:AssociateRouteTable";
        let (input, scope) = (call.input, call.scope);
        let table = needs::on(ACTION, state, scope, Kind::RouteTable, &input.route_table_id)?;
        let mut needs = Needs::from(table);
        if let Some(id) = &input.subnet_id {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::Subnet, id)?);
        }
        Ok(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        refuse(&[
            ("GatewayId", input.gateway_id.is_some()),
            ("PublicIpv4Pool", input.public_ipv4_pool.is_some()),
        ])?;
        let mut table = records::find::<RouteTable>(tx, scope, &input.route_table_id)?;
        let subnet = input.subnet_id.as_deref().ok_or_else(|| missing("subnetId"))?;
        let subnet = records::find::<Subnet>(tx, scope, subnet)?;
        if subnet.vpc != table.vpc {
            let text = format!(
                "Route table {} and subnet {} belong to different networks",
                table.id, subnet.id
            );
            return Err(invalid_value(text));
        }
        for other in of_vpc(tx, scope, &table.vpc)? {
            let own = other.associations.iter().find(|it| it.subnet.as_ref() == Some(&subnet.id));
            match own {
                // It is what was asked for already.
                Some(own) if other.id == table.id => return Ok(answer(own.id.clone())),
                Some(_) => {
                    let text = format!(
                        "the specified association for route table {} conflicts with an existing association",
                        table.id
                    );
                    return Err(bad("Resource.AlreadyAssociated", text));
                }
                None => {}
            }
        }
        let id = new_id(call.env);
        table.associations.push(RouteAssociation { id: id.clone(), subnet: Some(subnet.id) });
        records::put(tx, scope, &table)?;
        Ok(answer(id))
    }
}

fn answer(id: String) -> AssociateRouteTableResult {
    AssociateRouteTableResult {
        association_id: Some(id),
        association_state: Some(association_state()),
    }
}

/// The needs on what an association joins: the table, and the subnet if there is one. Of an
/// association that is not there, on any table.
fn on_association(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    id: &str,
) -> Result<Needs, Fault> {
    let Some((table, association)) = find_association(state, scope, id)? else {
        return Ok(needs::new(action, scope, Kind::RouteTable, &Tags::new()).into());
    };
    let mut needs = Needs::from(needs::on(action, state, scope, Kind::RouteTable, &table.id)?);
    if let Some(subnet) = &association.subnet {
        needs = needs.and(needs::on(action, state, scope, Kind::Subnet, subnet)?);
    }
    Ok(needs)
}

/// DisassociateRouteTable. The VPC's main table counts for the subnet again.
pub(crate) struct DisassociateRouteTable;

impl Operation for DisassociateRouteTable {
    type Input = DisassociateRouteTableRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DisassociateRouteTable";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = &call.input.association_id;
        on_association("ec2:DisassociateRouteTable", state, call.scope, id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        dry_run(call.input.dry_run)?;
        let (mut table, association) = associated(tx, call.scope, &call.input.association_id)?;
        if association.subnet.is_none() {
            let text =
                format!("cannot disassociate the main route table association {}", association.id);
            return Err(invalid_value(text));
        }
        table.associations.retain(|known| known.id != association.id);
        records::put(tx, call.scope, &table)?;
        Ok(Unit)
    }
}

/// ReplaceRouteTableAssociation: another table counts for the subnet, or as the VPC's main table.
///
/// Both tables are asked for: the Service Authorization Reference lists the resource type once and
/// does not say which of them it means, and whoever may not change one of them must not.
pub(crate) struct ReplaceRouteTableAssociation;

impl Operation for ReplaceRouteTableAssociation {
    type Input = ReplaceRouteTableAssociationRequest;
    type Output = ReplaceRouteTableAssociationResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ReplaceRouteTableAssociation";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:ReplaceRouteTableAssociation";
        let (input, scope) = (call.input, call.scope);
        let table = needs::on(ACTION, state, scope, Kind::RouteTable, &input.route_table_id)?;
        Ok(on_association(ACTION, state, scope, &input.association_id)?.and(table))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let (mut old, association) = associated(tx, scope, &input.association_id)?;
        let mut new = records::find::<RouteTable>(tx, scope, &input.route_table_id)?;
        if new.vpc != old.vpc {
            let text = format!(
                "Route table {} and route table association {} belong to different networks",
                new.id, association.id
            );
            return Err(invalid_value(text));
        }
        let id = if new.id == old.id {
            association.id
        } else {
            old.associations.retain(|known| known.id != association.id);
            let id = new_id(call.env);
            new.associations.push(RouteAssociation { id: id.clone(), ..association });
            records::put(tx, scope, &old)?;
            records::put(tx, scope, &new)?;
            id
        };
        Ok(Self::Output {
            new_association_id: Some(id),
            association_state: Some(association_state()),
        })
    }
}
