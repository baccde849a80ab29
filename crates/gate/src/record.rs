//! The records of calls: what a gate writes down of one, done or not.

use sagegate_model::Struct;
use serde_json::{Value, json};

use crate::audit::{Circumstances, Record, members};
use crate::decide::Granted;
use crate::denial::Denial;
use crate::gate::{Context, Refusal};
use crate::ids::Region;
use crate::operation::{Access, Call, Operation};

/// What a record tells of a call. Calls act in their caller's account and in the gate's region.
pub(crate) fn about<'a, O: Operation>(
    context: &'a Context,
    region: &'a Region,
) -> Circumstances<'a> {
    Circumstances {
        service: O::SERVICE,
        operation: O::NAME,
        region: region.as_str(),
        account: context.caller.account.as_str(),
        arrival: &context.arrival,
        user_agent: &context.user_agent,
        request_id: &context.request_id,
        now: context.now,
        read_only: O::ACCESS == Access::Read,
    }
}

/// The record of a call before anything is known of its outcome.
pub(crate) fn of<O: Operation>(context: &Context, call: &Call<'_, O::Input>) -> Record {
    let about = about::<O>(context, &call.scope.region);
    let mut record = Record::of(about, call.env.uuid(), Some(&context.caller));
    record.request_parameters = members(call.input as &dyn Struct);
    record
}

impl Record {
    /// Completes the record of a call of this service that was not done.
    pub(crate) fn refused(&mut self, service: &str, refusal: &Refusal) {
        match refusal {
            Refusal::Unread(error) => {
                self.error_code = Some(error.code.clone());
                self.error_message = Some(error.message.clone());
            }
            Refusal::Denied(denial) => {
                self.error_code = Some(Denial::code(service).0.to_owned());
                self.error_message = Some(denial.text());
                self.sagegate = json!({ "decision": "denied", "trace": denial.trace });
            }
            Refusal::Fault(fault) => {
                self.error_code = Some(fault.code.clone().into_owned());
                self.error_message = Some(fault.message.clone());
                let decision = if fault.denied {
                    "denied: in a call that the operation made"
                } else {
                    "not denied: the operation itself failed"
                };
                self.sagegate = json!({ "decision": decision });
            }
        }
    }
}

pub(crate) fn allowed(granted: &Granted) -> Value {
    json!({ "decision": "allowed", "by": granted.to_json() })
}
