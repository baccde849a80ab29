//! SimulatePrincipalPolicy and SimulateCustomPolicy: what would be decided, by the evaluator that
//! decides real requests.
//!
//! Only the condition keys that a request gives exist; nothing is derived from the caller or the
//! time, as in AWS. What is asked for in vain is told in `MissingContextValues`.

mod context;
mod evaluate;
mod exclusions;
mod positions;
mod scenarios;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use sagegate_policy::{PolicyType, Principal};

use self::evaluate::{Outcome, Policies, Simulation};
use self::exclusions::Exclusions;
use self::sources::Source;
use super::faults::invalid_input;
use super::page::Slice;
use super::prelude::*;
use super::records::RoleRecord;

/// How many actions times resources one answer may have. More actions come with the next page (IAM
/// API Reference: "IAM might return fewer results").
const EVALUATIONS: usize = 2_000;

/// iam:SimulateCustomPolicy.
#[derive(Debug)]
pub struct SimulateCustomPolicy;

impl Operation for SimulateCustomPolicy {
    type Input = api::SimulateCustomPolicyRequest;
    type Output = api::SimulatePolicyResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "SimulateCustomPolicy";
    const ACCESS: Access = Access::Read;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("iam:SimulateCustomPolicy").shown_as("*").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let question = Question {
            actions: &input.action_names,
            resources: input.resource_arns.as_deref(),
            resource_owner: input.resource_owner.as_deref(),
            caller: input.caller_arn.as_deref(),
            context: input.context_entries.as_deref(),
            option: input.resource_handling_option.as_deref(),
            marker: input.marker.as_deref(),
            max_items: input.max_items,
        };
        let boundary = one_boundary(input.permissions_boundary_policy_input_list.as_deref())?;
        let levels = input.ordered_organization_policy_input_list.as_deref().unwrap_or_default();
        let scps = levels.iter().enumerate().map(|(index, level)| {
            let list = format!("OrderedOrganizationPolicyInputList.{}", index + 1);
            sources::given(
                level.service_control_policy_input_list.as_deref(),
                &list,
                PolicyType::Scp,
            )
        });
        let identity = PolicyType::Identity;
        let policies = Policies {
            identity: sources::given(Some(&input.policy_input_list), "PolicyInputList", identity)?,
            boundary,
            scps: scps.collect::<Result<_, _>>()?,
            resource: resource_policy(input.resource_policy.as_deref())?,
        };
        question.answer(tx, call.scope, policies)
    }
}

/// iam:SimulatePrincipalPolicy.
#[derive(Debug)]
pub struct SimulatePrincipalPolicy;

impl Operation for SimulatePrincipalPolicy {
    type Input = api::SimulatePrincipalPolicyRequest;
    type Output = api::SimulatePolicyResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "SimulatePrincipalPolicy";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let arn = call.input.policy_source_arn.as_str();
        let need = Need::on("iam:SimulatePrincipalPolicy", arn);
        let Ok(entity) = sources::entity(state, call.scope, arn) else { return Ok(need.into()) };
        let account = &call.scope.account;
        Ok(match entity.kind {
            EntityKind::User => {
                let user = entities::by_id::<UserRecord>(state, account, &entity.id)?;
                let tags = user.map(|user| user.tags).unwrap_or_default();
                need.resource_tags("iam", tags.iter()).into()
            }
            EntityKind::Role => {
                let role = entities::by_id::<RoleRecord>(state, account, &entity.id)?;
                let tags = role.map(|role| role.tags).unwrap_or_default();
                need.resource_tags("iam", tags.iter()).into()
            }
            _ => need.into(),
        })
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let entity = sources::entity(tx, scope, &input.policy_source_arn)?;
        let question = Question {
            actions: &input.action_names,
            resources: input.resource_arns.as_deref(),
            resource_owner: input.resource_owner.as_deref(),
            caller: Some(input.caller_arn.as_deref().unwrap_or(&input.policy_source_arn)),
            context: input.context_entries.as_deref(),
            option: input.resource_handling_option.as_deref(),
            marker: input.marker.as_deref(),
            max_items: input.max_items,
        };
        let exclusions = Exclusions::of(input.policy_exclusion_list.as_deref())?;
        let mut identity = entity.policies(tx, scope, &exclusions)?;
        let further = input.policy_input_list.as_deref();
        identity.extend(sources::given(further, "PolicyInputList", PolicyType::Identity)?);
        let boundary = match one_boundary(input.permissions_boundary_policy_input_list.as_deref())?
        {
            Some(given) => Some(given),
            None => entity.boundary(tx, scope, &exclusions)?,
        };
        let resource = resource_policy(input.resource_policy.as_deref())?;
        let policies = Policies { identity, boundary, scps: Vec::new(), resource };
        question.answer(tx, scope, policies)
    }
}

fn one_boundary(texts: Option<&[String]>) -> Result<Option<Source>, Fault> {
    if texts.is_some_and(|texts| texts.len() > 1) {
        return Err(invalid_input("Only one permissions boundary policy can be given."));
    }
    let list = "PermissionsBoundaryPolicyInputList";
    Ok(sources::given(texts, list, PolicyType::Boundary)?.pop())
}

fn resource_policy(text: Option<&str>) -> Result<Option<Source>, Fault> {
    let of = |text| sources::one("ResourcePolicy".to_owned(), text, PolicyType::Resource);
    text.map(of).transpose()
}

/// What both operations have in common.
struct Question<'a> {
    actions: &'a [String],
    resources: Option<&'a [String]>,
    resource_owner: Option<&'a str>,
    caller: Option<&'a str>,
    context: Option<&'a [api::ContextEntry]>,
    option: Option<&'a str>,
    marker: Option<&'a str>,
    max_items: Option<i32>,
}

impl Question<'_> {
    fn answer(
        &self,
        state: &dyn Read,
        scope: &Scope,
        policies: Policies,
    ) -> Result<api::SimulatePolicyResponse, Fault> {
        let wildcard = ["*".to_owned()];
        let resources = match self.resources {
            None | Some([]) => wildcard.as_slice(),
            Some(resources) => resources,
        };
        for action in self.actions {
            let named = action.split_once(':').is_some_and(|(service, name)| {
                let clean = |it: &str| !it.is_empty() && !it.contains([':', '*', '?']);
                clean(service) && clean(name)
            });
            if !named {
                return Err(invalid_input(format!("Invalid Action name: {action}")));
            }
        }
        if resources.len() > EVALUATIONS {
            return Err(invalid_input(format!(
                "A simulation can have at most {EVALUATIONS} resources."
            )));
        }
        scenarios::check(self.option, resources)?;
        if policies.resource.is_some() && self.caller.is_none() {
            return Err(invalid_input(
                "CallerArn is required when a ResourcePolicy is given: its Principal element has \
                 to be compared with a caller.",
            ));
        }
        let principal = principal(state, scope, self.caller)?;
        let owner = self.resource_owner.map(owner).transpose()?;
        let simulation = Simulation::new(principal, policies, owner, context::of(self.context)?);

        let mut page = Page::<u64>::of(self.marker, self.max_items)?;
        page.limit = page.limit.min((EVALUATIONS / resources.len()).max(1));
        let actions = (1_u64..).zip(self.actions).collect();
        let Slice { items, marker } = page.take(actions);
        let specific = self.resources.is_some_and(|given| given.iter().any(|arn| arn != "*"));
        let results = items.iter().map(|action| result(&simulation, action, resources, specific));
        Ok(api::SimulatePolicyResponse {
            evaluation_results: Some(results.collect()),
            is_truncated: Some(marker.is_some()),
            marker,
        })
    }
}

/// The simulated caller: a user, group or role, which need not exist.
fn principal(state: &dyn Read, scope: &Scope, arn: Option<&str>) -> Result<Principal, Fault> {
    // Without a caller no policy asks who it is.
    let Some(arn) = arn else {
        let arn = scope.global_arn("iam", "user/simulated");
        let account = scope.account.as_str().into();
        return Ok(Principal::User { arn: arn.into(), account, unique_id: None });
    };
    let id = sources::entity(state, scope, arn).ok().map(|entity| entity.id.into());
    let as_user = arn.replacen(":group/", ":user/", 1);
    match Principal::parse(&as_user) {
        Some(Principal::User { account, .. }) => {
            Ok(Principal::User { arn: arn.into(), account, unique_id: id })
        }
        Some(Principal::Role { arn, session: None, account, .. }) => {
            Ok(Principal::Role { arn, session: None, account, unique_id: id })
        }
        _ => Err(invalid_input(format!(
            "Invalid CallerArn: {arn}. It must be the ARN of an IAM user, group, or role."
        ))),
    }
}

/// The account in `ResourceOwner`: a number or the ARN of an account.
fn owner(text: &str) -> Result<String, Fault> {
    let account = text.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3)).unwrap_or(text);
    sagegate_gate::AccountId::parse(account)
        .map(|account| account.to_string())
        .map_err(|_| invalid_input(format!("Invalid ResourceOwner: {text}")))
}

fn result(
    simulation: &Simulation,
    action: &str,
    resources: &[String],
    specific: bool,
) -> api::EvaluationResult {
    let outcomes: Vec<(&String, Outcome)> = resources
        .iter()
        .map(|resource| (resource, simulation.evaluate(action, resource)))
        .collect();
    let all = || outcomes.iter().map(|(_, outcome)| outcome);
    let decision = strictest(all().map(|outcome| outcome.decision));
    // Several resources have no one name; AWS tells the ARN format of their type.
    let name = match resources {
        [only] => only.clone(),
        _ => "*".to_owned(),
    };
    let mut matched: Vec<api::Statement> = Vec::new();
    for statement in all().filter(|it| it.decision == decision).flat_map(|it| &it.matched) {
        if !matched.contains(statement) {
            matched.push(statement.clone());
        }
    }
    let missing: BTreeSet<String> = all().flat_map(|it| it.missing.iter().cloned()).collect();
    let boundary = all().map(|it| it.boundary).reduce(both).flatten();
    let organizations = all().map(|it| it.organizations).reduce(both).flatten();
    let mut sides: BTreeMap<String, api::PolicyEvaluationDecisionType> = BTreeMap::new();
    for (side, decided) in all().flat_map(|it| &it.sides) {
        let strictest = strictest(sides.get(side).copied().into_iter().chain([*decided]));
        sides.insert(side.clone(), strictest);
    }
    api::EvaluationResult {
        eval_action_name: Some(action.to_owned()),
        eval_resource_name: Some(name),
        eval_decision: Some(decision),
        matched_statements: Some(matched),
        missing_context_values: Some(missing.into_iter().collect()),
        organizations_decision_detail: organizations.map(|allowed| {
            api::OrganizationsDecisionDetail { allowed_by_organizations: Some(allowed) }
        }),
        permissions_boundary_decision_detail: boundary.map(boundary_detail),
        eval_decision_details: specific.then_some(sides),
        resource_specific_results: specific
            .then(|| outcomes.into_iter().map(|(arn, outcome)| one(arn, outcome)).collect()),
    }
}

fn one(resource: &str, outcome: Outcome) -> api::ResourceSpecificResult {
    api::ResourceSpecificResult {
        eval_resource_name: Some(resource.to_owned()),
        eval_resource_decision: Some(outcome.decision),
        matched_statements: Some(outcome.matched),
        missing_context_values: Some(outcome.missing.into_iter().collect()),
        eval_decision_details: (!outcome.sides.is_empty()).then_some(outcome.sides),
        permissions_boundary_decision_detail: outcome.boundary.map(boundary_detail),
    }
}

fn boundary_detail(allowed: bool) -> api::PermissionsBoundaryDecisionDetail {
    api::PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary: Some(allowed) }
}

fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    one.zip(other).map(|(one, other)| one && other)
}

/// The most restrictive decision of several.
fn strictest(
    decisions: impl Iterator<Item = api::PolicyEvaluationDecisionType>,
) -> api::PolicyEvaluationDecisionType {
    use api::PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};
    decisions.fold(Allowed, |strictest, decision| match (strictest, decision) {
        (ExplicitDeny, _) | (_, ExplicitDeny) => ExplicitDeny,
        (ImplicitDeny, _) | (_, ImplicitDeny) => ImplicitDeny,
        _ => Allowed,
    })
}
