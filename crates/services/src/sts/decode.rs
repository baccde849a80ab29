//! DecodeAuthorizationMessage.

use sagegate_api::sts::{DecodeAuthorizationMessageRequest, DecodeAuthorizationMessageResponse};
use sagegate_gate::denial::PURPOSE;
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_store::{Read, Tx};
use serde_json::Value;

use super::faults::check_session;

/// Opens the encoded message of an authorization failure.
#[derive(Debug)]
pub struct DecodeAuthorizationMessage;

impl Operation for DecodeAuthorizationMessage {
    type Input = DecodeAuthorizationMessageRequest;
    type Output = DecodeAuthorizationMessageResponse;
    const SERVICE: &'static str = "sts";
    const NAME: &'static str = "DecodeAuthorizationMessage";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        check_session(call.caller, Self::NAME)?;
        Ok(Need::any("sts:DecodeAuthorizationMessage").into())
    }

    fn run(call: &Authorized<'_, Self>, _: &mut Tx) -> Result<Self::Output, Fault> {
        let opened = call
            .vault
            .unseal_text(PURPOSE, call.input.encoded_message.trim())
            .ok()
            .and_then(|plain| String::from_utf8(plain.to_vec()).ok())
            // A message tells of policies and keys of the account that was refused; it is not for
            // another account's eyes.
            .filter(|text| account_of(text).as_deref() == Some(call.caller.account.as_str()))
            .ok_or_else(|| {
                Fault::client(
                    "InvalidAuthorizationMessageException",
                    400,
                    "Message is not valid: it was not encoded here for this account.",
                )
            })?;
        Ok(DecodeAuthorizationMessageResponse { decoded_message: Some(opened) })
    }
}

/// The account of the principal that a message tells of.
fn account_of(message: &str) -> Option<String> {
    let message: Value = serde_json::from_str(message).ok()?;
    let arn = message.pointer("/context/principal/arn")?.as_str()?;
    arn.split(':').nth(4).map(str::to_owned)
}
