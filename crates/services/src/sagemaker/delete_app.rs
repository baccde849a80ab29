//! DeleteApp.

use sagegate_api::Unit;
use sagegate_api::sagemaker::{AppStatus, DeleteAppRequest};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::faults::{busy, validation};
use super::read_app::{Named, Subject};
use super::space_records;
use super::workload;

/// Stops an app and deletes it. It is Deleting until it has stopped, and Deleted apps are told about
/// for a while.
#[derive(Debug)]
pub struct DeleteApp;

fn named(input: &DeleteAppRequest) -> Named<'_> {
    Named {
        domain_id: &input.domain_id,
        profile: input.user_profile_name.as_deref(),
        space: input.space_name.as_deref(),
        app_type: input.app_type,
        name: &input.app_name,
    }
}

impl Operation for DeleteApp {
    type Input = DeleteAppRequest;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteApp";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let subject = Subject::find(state, call.scope, named(call.input), call.now)?;
        let need = subject.need("sagemaker:DeleteApp", call.scope);
        Ok(subject.tagged(need, state, call.scope)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (scope, named) = (call.scope, named(call.input));
        let app = Subject::find(tx, scope, named, call.now)?.require(tx, scope, named)?;
        let arn = app.arn(scope);
        match app.status.0 {
            AppStatus::Pending | AppStatus::InService => {
                workload::stop(tx, scope, app, call.now, "The app was deleted.")?;
            }
            // Nothing of it runs that would have to stop.
            AppStatus::Failed => space_records::bury_app(tx, scope, app, call.now)?,
            AppStatus::Deleting => return Err(busy("delete", "App", &arn, "Deleting")),
            // Clients look for this text (SPEC 2.6).
            AppStatus::Deleted => {
                return Err(validation(format!("App [{arn}] has already been deleted.")));
            }
        }
        Ok(Unit)
    }
}
