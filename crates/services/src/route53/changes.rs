//! GetChange, and how changes are made.

use sagegate_api::route53::{ChangeInfo, ChangeStatus, GetChangeRequest, GetChangeResponse};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_model::route53 as tables;
use sagegate_store::{Read, Tx};

use super::fault::modelled;
use super::records::{self, CHANGES, Change};

/// A change's ARN: neither a region nor an account (Service Authorization Reference, "Resource types
/// defined by Amazon Route 53").
fn arn(scope: &Scope, id: &str) -> String {
    format!("arn:{}:route53:::change/{id}", scope.region.partition())
}

/// Writes down that something was changed. Its answer says `PENDING`, as AWS's do.
pub(super) fn note<I>(
    call: &Call<'_, I>,
    tx: &mut Tx,
    comment: Option<String>,
) -> Result<ChangeInfo, Fault> {
    let change = Change {
        id: format!("C{}", call.env.base32_upper(20)),
        account: call.scope.account.to_string(),
        submitted: call.now,
        comment,
    };
    CHANGES.put(tx, change.id.as_str(), &change)?;
    Ok(shape(&change, ChangeStatus::Pending))
}

fn shape(change: &Change, status: ChangeStatus) -> ChangeInfo {
    ChangeInfo {
        id: Some(format!("/change/{}", change.id)),
        status: Some(status),
        submitted_at: Some(change.submitted.into()),
        comment: change.comment.clone(),
    }
}

/// GetChange. A change that can be found is in force: its resolvers have followed it.
pub(super) struct GetChange;

impl Operation for GetChange {
    type Input = GetChangeRequest;
    type Output = GetChangeResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "GetChange";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let id = records::bare(&call.input.id, "/change/");
        Ok(Need::on("route53:GetChange", arn(call.scope, id)).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let id = records::bare(&call.input.id, "/change/");
        let change = CHANGES.get(tx, id)?.filter(|it| it.account == call.scope.account.as_str());
        let change = change.ok_or_else(|| {
            let text = format!("Could not find resource with ID: {id}");
            modelled(&tables::ERROR_NO_SUCH_CHANGE, text)
        })?;
        Ok(GetChangeResponse { change_info: Some(shape(&change, ChangeStatus::Insync)) })
    }
}
