//! Service-linked roles: made, defined and used by a service, and not to be changed by anybody
//! else.

use super::entities::{arn_of, find, new_id};
use super::faults::{invalid_input, no_such};
use super::prelude::*;
use super::records::{DELETION_TASKS, DeletionTaskRecord, RoleRecord, ServiceLinked, TrustPolicy};
use super::roles::{self, RoleView};
use super::service_linked_table::{self as table, Template};
use super::tags::Tags;
use super::{attachments, aws_managed, managed};
use sagegate_gate::Actor;

/// The longest session of a service-linked role, in seconds.
const SESSION: u32 = 3_600;

fn path(service: &str) -> String {
    format!("/aws-service-role/{service}/")
}

fn role_name(template: &Template, suffix: Option<&str>) -> String {
    match suffix {
        None => template.role_name.to_owned(),
        Some(suffix) => format!("{}_{suffix}", template.role_name),
    }
}

/// Makes the role of a service; also for services that make theirs themselves.
///
/// # Errors
/// `InvalidInput` for an unknown service, a suffix that it does not allow, or a name that is taken.
pub fn create(
    tx: &mut Tx,
    scope: &Scope,
    env: &sagegate_gate::Env,
    now: sagegate_gate::env::Time,
    input: &api::CreateServiceLinkedRoleRequest,
) -> Result<RoleRecord, Fault> {
    let (service, suffix) = (&input.aws_service_name, input.custom_suffix.as_deref());
    let template = table::of(service).ok_or_else(|| {
        invalid_input(format!("{service} is not a service that has a service-linked role here."))
    })?;
    if suffix.is_some() && !template.suffix {
        return Err(invalid_input(format!("Custom suffix is not allowed for {service}")));
    }
    let name = role_name(&template, suffix);
    if find::<RoleRecord>(tx, &scope.account, &name)?.is_some() {
        return Err(invalid_input(format!(
            "Service role name {name} has been taken in this account, please try a different \
             suffix."
        )));
    }
    let policy = aws_managed::by_name(template.policy)
        .ok_or_else(|| Fault::internal(format!("no managed policy {}", template.policy)))?;
    let role = RoleRecord {
        id: new_id(env, EntityKind::Role),
        name,
        path: path(service),
        created: now,
        trust: TrustPolicy {
            document: format!(
                "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":\
                 {{\"Service\":\"{service}\"}},\"Action\":\"sts:AssumeRole\"}}]}}"
            ),
            ..TrustPolicy::default()
        },
        description: input.description.clone(),
        max_session_duration: SESSION,
        boundary: None,
        tags: Tags::default(),
        service_linked: Some(ServiceLinked {
            service: service.clone(),
            suffix: suffix.map(str::to_owned),
        }),
    };
    entities::insert(tx, &scope.account, &role)?;
    let arn = policy.arn(scope.region.partition());
    let policy = managed::require_attachable(tx, scope, &arn)?;
    attachments::put(tx, &scope.account, EntityKind::Role, &role.id, &policy, now)?;
    Ok(role)
}

/// The ARN of a service's role, whether it is there or not.
///
/// # Errors
/// An internal [`Fault`] for a service that has none.
pub fn arn(scope: &Scope, service: &str) -> Result<String, Fault> {
    let template = table::of(service)
        .ok_or_else(|| Fault::internal(format!("{service} has no service-linked role")))?;
    Ok(arn_of(scope, EntityKind::Role, &path(service), template.role_name))
}

/// Has a service that is used for the first time make its role, in the name of the one who uses it
/// and who must be allowed it: a forward access session, so that policies see
/// `aws:CalledVia` (IAM User Guide, "Using service-linked roles"; Service Authorization Reference,
/// dependent actions).
///
/// # Errors
/// The denial, in the spelling of the operation's own service; a [`Fault`] of the store.
pub fn ensure<O: Operation>(
    call: &Authorized<'_, O>,
    tx: &mut Tx,
    service: &'static str,
) -> Result<(), Fault> {
    let Some(template) = table::of(service) else { return Ok(()) };
    if find::<RoleRecord>(tx, &call.scope.account, template.role_name)?.is_some() {
        return Ok(());
    }
    let input = api::CreateServiceLinkedRoleRequest {
        aws_service_name: service.to_owned(),
        ..Default::default()
    };
    let actor = Actor::forward(call.caller, service);
    let made = call.within.call::<CreateServiceLinkedRole>(tx, &actor, &input);
    made.map_err(|refusal| refusal.into_fault(O::SERVICE, call.vault, call.env))?;
    Ok(())
}

/// iam:CreateServiceLinkedRole.
#[derive(Debug)]
pub struct CreateServiceLinkedRole;

impl Operation for CreateServiceLinkedRole {
    type Input = api::CreateServiceLinkedRoleRequest;
    type Output = api::CreateServiceLinkedRoleResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "CreateServiceLinkedRole";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let (input, service) = (call.input, &call.input.aws_service_name);
        let suffix = input.custom_suffix.as_deref();
        // The name of an unknown service's role is nobody's; only a wildcard can match it.
        let name = table::of(service)
            .map_or_else(|| "AWSServiceRoleFor*".to_owned(), |known| role_name(&known, suffix));
        let arn = arn_of(call.scope, EntityKind::Role, &path(service), &name);
        let need = Need::on("iam:CreateServiceLinkedRole", arn);
        Ok(need.key("iam:AWSServiceName", service.as_str()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let role = create(tx, call.scope, call.env, call.now, call.input)?;
        let role = roles::answer(tx, call.scope, &role, RoleView::Created)?;
        Ok(api::CreateServiceLinkedRoleResponse { role: Some(role) })
    }
}

/// iam:DeleteServiceLinkedRole. IAM asks the service first and answers with a task, which fails while
/// the service still has resources that need the role (IAM User Guide, "Delete a service-linked
/// role"). Nothing here takes its time, so that the task is done when it is answered.
#[derive(Debug)]
pub struct DeleteServiceLinkedRole;

impl Operation for DeleteServiceLinkedRole {
    type Input = api::DeleteServiceLinkedRoleRequest;
    type Output = api::DeleteServiceLinkedRoleResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteServiceLinkedRole";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.role_name;
        Ok(roles::need("iam:DeleteServiceLinkedRole", call.scope, state, name)?.0.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let account = &call.scope.account;
        let role = entities::require::<RoleRecord>(tx, account, &call.input.role_name)?;
        let Some(linked) = &role.service_linked else {
            return Err(no_such(format!(
                "The role with name {} is not a service-linked role.",
                role.name
            )));
        };
        let usage = match linked.service.as_str() {
            crate::sagemaker::SERVICE => crate::sagemaker::of_service_linked_role(tx, call.scope)?,
            _ => Vec::new(),
        };
        if usage.is_empty() {
            for (arn, _) in attachments::all(tx, account, &role.id)? {
                attachments::detach(tx, account, &role.id, &arn)?;
            }
            roles::erase(tx, call.scope, &role)?;
        }
        let task = format!("task{}{}/{}", role.path, role.name, call.env.uuid());
        let (status, reason) = if usage.is_empty() {
            (api::DeletionTaskStatusType::Succeeded, None)
        } else {
            let reason = "The service still has resources that use the role. Delete them first.";
            (api::DeletionTaskStatusType::Failed, Some(reason.to_owned()))
        };
        let record = DeletionTaskRecord {
            role_name: role.name,
            role_id: role.id,
            created: call.now,
            status: status.as_str().to_owned(),
            reason,
            usage,
        };
        DELETION_TASKS.put(tx, &(account.as_str(), task.as_str()), &record)?;
        Ok(api::DeleteServiceLinkedRoleResponse { deletion_task_id: Some(task) })
    }
}

/// iam:GetServiceLinkedRoleDeletionStatus.
#[derive(Debug)]
pub struct GetServiceLinkedRoleDeletionStatus;

impl Operation for GetServiceLinkedRoleDeletionStatus {
    type Input = api::GetServiceLinkedRoleDeletionStatusRequest;
    type Output = api::GetServiceLinkedRoleDeletionStatusResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetServiceLinkedRoleDeletionStatus";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        // task/aws-service-role/<service>/<role name>/<task>
        let role = call
            .input
            .deletion_task_id
            .strip_prefix("task")
            .and_then(|rest| rest.rsplit_once('/'))
            .map_or("/", |(role, _)| role);
        let arn = arn_of(call.scope, EntityKind::Role, role, "");
        Ok(Need::on("iam:GetServiceLinkedRoleDeletionStatus", arn).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let id = &call.input.deletion_task_id;
        let key = (call.scope.account.as_str(), id.as_str());
        let task = DELETION_TASKS
            .get(tx, &key)?
            .ok_or_else(|| no_such(format!("The deletion task with id {id} cannot be found.")))?;
        Ok(api::GetServiceLinkedRoleDeletionStatusResponse {
            status: task.status.parse().ok(),
            reason: task.reason.map(|reason| api::DeletionTaskFailureReasonType {
                reason: Some(reason),
                role_usage_list: Some(vec![api::RoleUsageType {
                    region: Some(call.scope.region.to_string()),
                    resources: Some(task.usage),
                }]),
            }),
        })
    }
}
