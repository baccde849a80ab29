//! DeleteDomain.

use sagegate_api::Unit;
use sagegate_api::sagemaker::{DeleteDomainRequest, DomainStatus, RetentionType};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::faults::{associated, busy};
use super::ids::DomainId;
use super::read_domain::{need, require};
use super::records::{self, PROFILES};
use super::shapes::Word;
use super::space_records::SPACES;

/// Deletes a domain that has no user profiles and no spaces.
#[derive(Debug)]
pub struct DeleteDomain;

impl Operation for DeleteDomain {
    type Input = DeleteDomainRequest;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteDomain";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = DomainId::of_request(&call.input.domain_id)?;
        Ok(need("sagemaker:DeleteDomain", call.scope, &id, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let scope = call.scope;
        let id = DomainId::of_request(&call.input.domain_id)?;
        let arn = id.arn(scope);
        let mut record = require(tx, scope, &id)?;
        let status = record.status.0;
        if matches!(status, DomainStatus::Pending | DomainStatus::Updating | DomainStatus::Deleting)
        {
            return Err(busy("delete", "Domain", &arn, status.as_str()));
        }
        let inside = (scope.account.as_str(), scope.region.as_str(), id.as_str());
        if !PROFILES.scan(tx, &inside, None, 1)?.is_empty() {
            return Err(associated("Domain", &arn, "UserProfile"));
        }
        if !SPACES.scan(tx, &inside, None, 1)?.is_empty() {
            return Err(associated("Domain", &arn, "Space"));
        }
        let retention = call.input.retention_policy.as_ref().and_then(|it| it.home_efs_file_system);
        record.retention = Some(Word(retention.unwrap_or(RetentionType::Retain)));
        record.status = Word(DomainStatus::Deleting);
        record.modified = call.now;
        record.cause = Some(call.request_id.to_owned());
        records::put_domain(tx, scope, &record)?;
        records::put_work(tx, scope, &id, "")?;
        Ok(Unit)
    }
}
