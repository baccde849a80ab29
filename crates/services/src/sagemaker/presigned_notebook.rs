//! CreatePresignedNotebookInstanceUrl.

use sagegate_api::sagemaker::{
    CreatePresignedNotebookInstanceUrlInput, CreatePresignedNotebookInstanceUrlOutput,
    NotebookInstanceStatus,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::faults::{door_closed, validation};
use super::notebook_records::{self, require};
use super::notebook_token;
use super::site::{self, Site};

/// Seconds for which a session lasts where the request does not say (SageMaker API,
/// `SessionExpirationDurationInSeconds`).
const SESSION_LIFE: i32 = 43_200;

/// Makes a URL that opens a notebook instance.
#[derive(Debug)]
pub struct CreatePresignedNotebookInstanceUrl;

/// What a caller must be allowed who opens this notebook instance, by the URL and on every request
/// after it (SageMaker API, CreatePresignedNotebookInstanceUrl).
///
/// # Errors
/// A [`Fault`] of the store.
pub fn need(state: &dyn Read, scope: &Scope, name: &str) -> Result<Need, Fault> {
    let action = "sagemaker:CreatePresignedNotebookInstanceUrl";
    notebook_records::need(action, state, scope, name)
}

impl Operation for CreatePresignedNotebookInstanceUrl {
    type Input = CreatePresignedNotebookInstanceUrlInput;
    type Output = CreatePresignedNotebookInstanceUrlOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreatePresignedNotebookInstanceUrl";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need(state, call.scope, &call.input.notebook_instance_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let record = require(tx, scope, &input.notebook_instance_name)?;
        if record.status.0 != NotebookInstanceStatus::InService {
            return Err(validation(format!(
                "Cannot create a presigned URL: Notebook Instance ({}) is not InService; its status \
                 is {}.",
                record.arn(scope),
                record.status.0
            )));
        }
        let site = Site::read(tx)?;
        // Before the token: it must not be sent to an address that somebody else may hold.
        if let Some(reason) = site::door_binding(tx, &site, record.door)?.closed() {
            let what = format!("Notebook Instance [{}]", record.name);
            return Err(door_closed(&what, record.door, reason));
        }
        let life = input.session_expiration_duration_in_seconds.unwrap_or(SESSION_LIFE);
        let token = notebook_token::issue(
            tx,
            (call.env, call.vault),
            call.caller,
            scope,
            &record,
            call.now,
            life.into(),
        )?;
        let origin = site.notebook_origin(scope, &record.label, record.door);
        Ok(CreatePresignedNotebookInstanceUrlOutput {
            authorized_url: Some(format!("{origin}?authToken={}", token.reveal())),
        })
    }
}
