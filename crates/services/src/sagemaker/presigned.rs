//! CreatePresignedDomainUrl.

use sagegate_api::sagemaker::{
    AuthMode, CreatePresignedDomainUrlRequest, CreatePresignedDomainUrlResponse, DomainStatus,
    SpaceStatus, UserProfileStatus,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::faults::{not_open, validation};
use super::ids::DomainId;
use super::records::ProfileRecord;
use super::site::{self, Site};
use super::space_records::SpaceRecord;
use super::studio::{self, NewToken};
use super::{neighbours, read_domain, read_profile, read_space};

/// Seconds for which a URL can be used, and for which its session lasts, where the request does not
/// say (SageMaker API, CreatePresignedDomainUrl; SPEC R1.21).
const URL_LIFE: i32 = 300;
const SESSION_LIFE: i32 = 43_200;

/// Apps that a landing page can be in (SageMaker API, `LandingUri`).
const LANDING_APPS: [&str; 5] =
    ["JupyterServer", "JupyterLab", "RStudioServerPro", "CodeEditor", "Canvas"];

/// Makes a URL that opens Studio as a user profile.
#[derive(Debug)]
pub struct CreatePresignedDomainUrl;

/// What a caller must be allowed who opens Studio as this profile, by the URL and on every request
/// after it (SPEC T7, R1.21).
///
/// # Errors
/// A [`Fault`] of the store.
pub fn need(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    profile: &str,
) -> Result<Need, Fault> {
    read_profile::need("sagemaker:CreatePresignedDomainUrl", scope, domain, profile, state)
}

impl Operation for CreatePresignedDomainUrl {
    type Input = CreatePresignedDomainUrlRequest;
    type Output = CreatePresignedDomainUrlResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreatePresignedDomainUrl";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let domain = DomainId::of_request(&call.input.domain_id)?;
        Ok(need(state, call.scope, &domain, &call.input.user_profile_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let id = DomainId::of_request(&input.domain_id)?;
        let domain = read_domain::require(tx, scope, &id)?;
        if domain.auth_mode.0 == AuthMode::Sso {
            return Err(validation(format!(
                "CreatePresignedDomainUrl can only be called when the authentication mode of the \
                 domain is IAM; that of Domain [{id}] is SSO."
            )));
        }
        let profile = read_profile::require(tx, scope, &id, &input.user_profile_name)?;
        let space = match &input.space_name {
            Some(name) => Some(enterable(&read_space::require(tx, scope, &id, name)?, &profile)?),
            None => None,
        };
        let landing = input.landing_uri.as_deref().map(check_landing).transpose()?;
        let open = matches!(
            domain.status.0,
            DomainStatus::InService | DomainStatus::Updating | DomainStatus::UpdateFailed
        );
        if !open {
            return Err(validation(format!(
                "Domain [{id}] is not InService; its status is {}.",
                domain.status.0
            )));
        }
        let usable = matches!(
            profile.status.0,
            UserProfileStatus::InService
                | UserProfileStatus::Updating
                | UserProfileStatus::UpdateFailed
        );
        if !usable {
            return Err(validation(format!(
                "UserProfile [{}] is not InService; its status is {}.",
                profile.name, profile.status.0
            )));
        }
        let site = Site::read(tx)?;
        let endpoint = match call.arrival.endpoint() {
            Some(endpoint) => neighbours::studio_address(tx, endpoint)?,
            None => None,
        };
        // Before the token: it must not be sent to an address that somebody else may hold.
        let address = match endpoint {
            Some(address) => address,
            None => match site::public_door(tx, &site, &domain)?.closed() {
                None => domain.door,
                Some(reason) => return Err(not_open(&domain, reason)),
            },
        };
        let token = studio::issue(
            tx,
            call.env,
            call.vault,
            &NewToken {
                caller: call.caller,
                scope,
                domain: &domain,
                profile: &profile,
                now: call.now,
                url_seconds: input.expires_in_seconds.unwrap_or(URL_LIFE).into(),
                session_seconds: input
                    .session_expiration_duration_in_seconds
                    .unwrap_or(SESSION_LIFE)
                    .into(),
                landing,
                space,
            },
        )?;
        let origin = site.studio_origin(scope, &id, address);
        Ok(CreatePresignedDomainUrlResponse {
            authorized_url: Some(format!("{origin}/auth?token={}", token.reveal())),
        })
    }
}

/// The name of a space that this user profile may enter: one that is shared, or its own.
///
/// # Errors
/// `ValidationException`.
fn enterable(space: &SpaceRecord, profile: &ProfileRecord) -> Result<String, Fault> {
    if space.status.0 == SpaceStatus::Deleting {
        return Err(validation(format!("Space [{}] is being deleted.", space.name)));
    }
    match space.private_to() {
        Some(owner) if owner != profile.name => Err(validation(format!(
            "Space [{}] is private to another user profile than [{}].",
            space.name, profile.name
        ))),
        _ => Ok(space.name.clone()),
    }
}

/// The landing page, if it has one of the documented forms: `studio::path` or `app:KIND:path`.
fn check_landing(uri: &str) -> Result<String, Fault> {
    let path = match uri.strip_prefix("studio::") {
        Some(path) => Some(path),
        None => uri
            .strip_prefix("app:")
            .and_then(|rest| rest.split_once(':'))
            .filter(|(app, _)| LANDING_APPS.contains(app))
            .map(|(_, path)| path),
    };
    let relative = |path: &str| {
        // A path that a browser would take for another host, or that leaves Studio, is no path.
        let plain = path.chars().all(|it| !it.is_control() && it != '\\');
        plain && !path.starts_with("//") && !path.split('/').any(|part| part == "..")
    };
    match path {
        Some(path) if relative(path) => Ok(uri.to_owned()),
        _ => Err(validation(format!(
            "Invalid LandingUri '{uri}': it must be studio::relative/path or app:TYPE:relative/path \
             with TYPE one of {}.",
            LANDING_APPS.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landing_pages_have_the_documented_forms() {
        for right in ["studio::", "studio::spaces/x", "app:JupyterLab:lab/tree", "app:Canvas:"] {
            assert_eq!(check_landing(right).unwrap(), right);
        }
        for wrong in [
            "",
            "studio:x",
            "app:KernelGateway:x",
            "app:JupyterLab",
            "https://example.com",
            "studio:://example.com",
            "studio::../x",
            "studio::a\\b",
            "studio::a\nb",
        ] {
            assert!(check_landing(wrong).is_err(), "{wrong:?}");
        }
    }
}
