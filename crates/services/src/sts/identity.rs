//! GetCallerIdentity and GetAccessKeyInfo.

use sagegate_api::Unit;
use sagegate_api::sts::{
    GetAccessKeyInfoRequest, GetAccessKeyInfoResponse, GetCallerIdentityResponse,
};
use sagegate_gate::session::account_of_access_key;
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::faults::{check_session, validation};

/// Tells a caller who it is.
#[derive(Debug)]
pub struct GetCallerIdentity;

impl Operation for GetCallerIdentity {
    type Input = Unit;
    type Output = GetCallerIdentityResponse;
    const SERVICE: &'static str = "sts";
    const NAME: &'static str = "GetCallerIdentity";
    const ACCESS: Access = Access::Read;

    /// "No permissions are required to perform this operation", and none can take it away (STS API
    /// Reference, GetCallerIdentity).
    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::no_permission("sts:GetCallerIdentity").into())
    }

    fn run(call: &Authorized<'_, Self>, _: &mut Tx) -> Result<Self::Output, Fault> {
        Ok(GetCallerIdentityResponse {
            user_id: Some(call.caller.user_id()),
            account: Some(call.caller.account.to_string()),
            arn: Some(call.caller.arn()),
        })
    }
}

/// Tells the account that an access key id belongs to. The id says it; whether the key exists or is
/// active plays no part (STS API Reference, GetAccessKeyInfo).
#[derive(Debug)]
pub struct GetAccessKeyInfo;

impl Operation for GetAccessKeyInfo {
    type Input = GetAccessKeyInfoRequest;
    type Output = GetAccessKeyInfoResponse;
    const SERVICE: &'static str = "sts";
    const NAME: &'static str = "GetAccessKeyInfo";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        check_session(call.caller, Self::NAME)?;
        Ok(Need::any("sts:GetAccessKeyInfo").into())
    }

    fn run(call: &Authorized<'_, Self>, _: &mut Tx) -> Result<Self::Output, Fault> {
        let id = &call.input.access_key_id;
        let known = id.starts_with("AKIA") || id.starts_with("ASIA");
        let account = account_of_access_key(id)
            .filter(|_| known)
            .ok_or_else(|| validation(format!("The access key ID {id} is not valid.")))?;
        Ok(GetAccessKeyInfoResponse { account: Some(account.to_string()) })
    }
}
