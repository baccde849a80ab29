//! ListEntitiesForPolicy: who has a managed policy, attached or as a boundary.

use super::entities::{Named, by_id};
use super::faults::no_such_policy;
use super::managed;
use super::policies::need;
use super::prelude::*;
use super::records::{ATTACHED_TO, BOUNDARY_OF, RoleRecord};

/// One entity of the answer.
enum Holder {
    User(api::PolicyUser),
    Group(api::PolicyGroup),
    Role(api::PolicyRole),
}

/// iam:ListEntitiesForPolicy.
#[derive(Debug)]
pub struct ListEntitiesForPolicy;

impl Operation for ListEntitiesForPolicy {
    type Input = api::ListEntitiesForPolicyRequest;
    type Output = api::ListEntitiesForPolicyResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListEntitiesForPolicy";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:ListEntitiesForPolicy", call.scope, state, &call.input.policy_arn)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, arn) = (call.input, call.input.policy_arn.as_str());
        let page = Page::<(String, String)>::of(input.marker.as_deref(), input.max_items)?;
        if managed::find(tx, call.scope, arn)?.is_none() {
            return Err(no_such_policy(arn));
        }
        let of = (call.scope.account.as_str(), arn);
        let usage = input.policy_usage_filter;
        let mut holders = Vec::new();
        if usage != Some(api::PolicyUsageType::PermissionsBoundary) {
            holders.extend(ATTACHED_TO.scan(tx, &of, None, usize::MAX)?);
        }
        if usage != Some(api::PolicyUsageType::PermissionsPolicy) {
            holders.extend(BOUNDARY_OF.scan(tx, &of, None, usize::MAX)?);
        }
        // An entity may have it both ways.
        holders.sort_unstable();
        holders.dedup();
        let mut found = Vec::new();
        for ((_, _, id), kind) in holders {
            let holder = match kind {
                EntityKind::User => user(call, tx, &id)?,
                EntityKind::Group => group(call, tx, &id)?,
                EntityKind::Role => role(call, tx, &id)?,
                EntityKind::Policy | EntityKind::InstanceProfile => None,
            };
            if let Some((name, holder)) = holder {
                found.push(((kind.arn_type().to_owned(), name), holder));
            }
        }
        let found = page.take(found);
        let is_truncated = found.truncated();
        let (mut groups, mut users, mut roles) = (Vec::new(), Vec::new(), Vec::new());
        for holder in found.items {
            match holder {
                Holder::User(user) => users.push(user),
                Holder::Group(group) => groups.push(group),
                Holder::Role(role) => roles.push(role),
            }
        }
        Ok(api::ListEntitiesForPolicyResponse {
            policy_groups: Some(groups),
            policy_users: Some(users),
            policy_roles: Some(roles),
            is_truncated,
            marker: found.marker,
        })
    }
}

type Asked<'a, 'b> = &'b Call<'a, api::ListEntitiesForPolicyRequest>;

/// The entity of this id, if the request asks for such.
fn wanted<E: Named>(
    call: Asked<'_, '_>,
    state: &dyn Read,
    kind: api::EntityType,
    id: &str,
) -> Result<Option<E>, Fault> {
    if call.input.entity_filter.is_some_and(|filter| filter != kind) {
        return Ok(None);
    }
    let prefix = call.input.path_prefix.as_deref().unwrap_or("/");
    let found = by_id::<E>(state, &call.scope.account, id)?;
    Ok(found.filter(|record| record.path().starts_with(prefix)))
}

fn user(
    call: Asked<'_, '_>,
    state: &dyn Read,
    id: &str,
) -> Result<Option<(String, Holder)>, Fault> {
    let found = wanted::<UserRecord>(call, state, api::EntityType::User, id)?;
    Ok(found.map(|it| {
        let user =
            api::PolicyUser { user_name: Some(it.name.clone()), user_id: Some(it.id.clone()) };
        (it.name, Holder::User(user))
    }))
}

fn group(
    call: Asked<'_, '_>,
    state: &dyn Read,
    id: &str,
) -> Result<Option<(String, Holder)>, Fault> {
    let found = wanted::<GroupRecord>(call, state, api::EntityType::Group, id)?;
    Ok(found.map(|it| {
        let group =
            api::PolicyGroup { group_name: Some(it.name.clone()), group_id: Some(it.id.clone()) };
        (it.name, Holder::Group(group))
    }))
}

fn role(
    call: Asked<'_, '_>,
    state: &dyn Read,
    id: &str,
) -> Result<Option<(String, Holder)>, Fault> {
    let found = wanted::<RoleRecord>(call, state, api::EntityType::Role, id)?;
    Ok(found.map(|it| {
        let role =
            api::PolicyRole { role_name: Some(it.name.clone()), role_id: Some(it.id.clone()) };
        (it.name, Holder::Role(role))
    }))
}
