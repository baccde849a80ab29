//! StartSession: the way into a running space from outside (SPEC R0.6, REMOTE-ACCESS 1 and 2).
//!
//! Everything that can be refused is refused here, with a text: what a client connects with afterwards
//! shows none (REMOTE-ACCESS 3.1).

use std::net::Ipv4Addr;

use sagegate_api::sagemaker::{AppStatus, SpaceStatus, StartSessionRequest, StartSessionResponse};
use sagegate_gate::{
    Access, Authorized, Call, Context, Fault, Gate, Need, Needs, Operation, Refusal, Scope,
};
use sagegate_store::{Read, Tx};

use super::faults::validation;
use super::ids::{DomainId, ResourceArn, Taggable};
use super::sessions::{self, Asked, New, PER_SPACE, Session};
use super::site::Site;
use super::space_records::{self, AppRecord, SpaceRecord};
use super::space_rules::ENTERED;
use super::{neighbours, read_space};

/// Opens a session into a running space.
#[derive(Debug)]
pub struct StartSession;

/// The space that an ARN names.
fn parse(arn: &str) -> Result<(Scope, DomainId, String), Fault> {
    match ResourceArn::parse(arn) {
        Some(ResourceArn { scope, resource: Taggable::Space(domain, name) }) => {
            Ok((scope, domain, name))
        }
        _ => Err(validation(format!(
            "Invalid ResourceIdentifier: '{arn}' is not the ARN of a space, which has the form \
             arn:PARTITION:sagemaker:REGION:ACCOUNT:space/DOMAIN-ID/SPACE-NAME."
        ))),
    }
}

impl Operation for StartSession {
    type Input = StartSessionRequest;
    type Output = StartSessionResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "StartSession";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let arn = &call.input.resource_identifier;
        let (scope, domain, name) = parse(arn)?;
        if scope != *call.scope {
            let need = Need::on("sagemaker:StartSession", arn.clone());
            return Ok(need.in_account(scope.account).into());
        }
        Ok(read_space::need("sagemaker:StartSession", &scope, &domain, &name, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let arn = &call.input.resource_identifier;
        let (scope, domain, name) = parse(arn)?;
        if scope != *call.scope {
            return Err(validation(format!(
                "Invalid ResourceIdentifier: '{arn}' is not in account {} and region {}. Use the \
                 credentials and the region of the space.",
                call.scope.account, call.scope.region
            )));
        }
        let space = read_space::require(tx, &scope, &domain, &name)?;
        let app = entered(tx, &scope, &space)?;
        let asked = Asked {
            arrival: call.arrival.clone(),
            user_agent: call.user_agent.to_owned(),
            secure: call.secure,
        };
        let new = New {
            caller: call.caller,
            asked: &asked,
            scope: &scope,
            space: &space,
            app: &app,
            now: call.now,
        };
        let Some((id, token)) = sessions::issue(tx, call.env, call.vault, &new)? else {
            return Err(Fault::client(
                "ResourceLimitExceeded",
                400,
                format!(
                    "Space [{}] has {PER_SPACE} remote connections, which is as many as a space can \
                     have. Close one of them and try again.",
                    space.name
                ),
            ));
        };
        let stream_url = stream_url(tx, call, &id)?;
        Ok(StartSessionResponse {
            session_id: Some(id),
            stream_url: Some(stream_url),
            token_value: Some(token.reveal().to_owned()),
        })
    }
}

/// Decides again whether the caller of a session may ask for it, by the policies, the caller and the
/// space as they are now, and by the network and the client of the request for it: a token that waits
/// for minutes is worth nothing once `sagemaker:StartSession` is taken from whom it was given to
/// (SPEC T7). That the caller's credentials have ended meanwhile does not matter: the token stands for
/// them for its own short life.
///
/// # Errors
/// The denial; `InvalidClientTokenId` if the caller's user or role is gone; or a fault of ours.
pub fn judge(
    gate: &Gate,
    state: &dyn Read,
    session: &Session,
    request_id: &str,
) -> Result<(), Refusal> {
    let caller = gate.caller_as_of_now(session.caller.clone())?.ok_or_else(Fault::unknown_key)?;
    let asked = session.asked.clone().ok_or_else(|| {
        Fault::internal(format!("how session {} was asked for is not known", session.id))
    })?;
    let context = Context {
        caller,
        arrival: asked.arrival,
        request_id: request_id.to_owned(),
        user_agent: asked.user_agent,
        now: gate.env().now(),
        secure: asked.secure,
    };
    let Session { scope, domain, space_name, .. } = session;
    let need = read_space::need("sagemaker:StartSession", scope, domain, space_name, state)?;
    gate.check(&context, need.into()).map(|_| ())
}

/// The app that a session into this space leads to.
///
/// # Errors
/// `ValidationException` saying what has to be done before there is one (SPEC R0.8).
fn entered(state: &dyn Read, scope: &Scope, space: &SpaceRecord) -> Result<AppRecord, Fault> {
    let name = &space.name;
    if space.status.0 == SpaceStatus::Deleting {
        return Err(validation(format!("Space [{name}] is being deleted.")));
    }
    if !space.remote_access() {
        return Err(validation(format!(
            "Remote access is not enabled for Space [{name}]. Set RemoteAccess to ENABLED in its \
             SpaceSettings with UpdateSpace, then start its app anew with DeleteApp and CreateApp."
        )));
    }
    let apps = space_records::apps_of(state, scope, &space.domain, &space.as_owner())?;
    let mut others = Vec::new();
    for app in apps.into_iter().rev().filter(|it| ENTERED.contains(&it.app_type.0)) {
        if app.status.0 == AppStatus::InService && app.remote_access {
            return Ok(app);
        }
        others.push(app);
    }
    let of = |status: AppStatus| others.iter().find(|it| it.status.0 == status);
    let why = if of(AppStatus::InService).is_some() {
        "The app was started before remote access was enabled. Start it anew with DeleteApp and \
         CreateApp."
            .to_owned()
    } else if of(AppStatus::Pending).is_some() {
        "Its app is starting (Pending). Try again once DescribeApp says that it is InService."
            .to_owned()
    } else if of(AppStatus::Deleting).is_some() {
        "Its app is stopping (Deleting). Start one with CreateApp.".to_owned()
    } else if let Some(failed) = of(AppStatus::Failed) {
        let reason = failed.failure_reason.as_deref().unwrap_or("no reason is known");
        format!("Its app has failed: {reason} Start one with CreateApp.")
    } else {
        "Start its JupyterLab or CodeEditor app with CreateApp.".to_owned()
    };
    Err(validation(format!("Space [{name}] has no running app that can be connected to. {why}")))
}

/// Where the data channel of a session is opened: at the messages endpoint of the VPC that the request
/// came from, if it has one, and at the public listener else. Clients append to the query, so there is
/// one (REMOTE-ACCESS 2.4).
fn stream_url(
    state: &dyn Read,
    call: &Authorized<'_, StartSession>,
    id: &str,
) -> Result<String, Fault> {
    let site = Site::read(state)?;
    let inside: Option<Ipv4Addr> = match call.arrival.endpoint() {
        Some(endpoint) => neighbours::messages_address(state, endpoint)?,
        None => None,
    };
    let host = match inside {
        Some(address) => site.socket(address).to_string(),
        None => site.public_host.clone(),
    };
    let scheme = if site.scheme == "https" { "wss" } else { "ws" };
    Ok(format!("{scheme}://{host}/v1/data-channel/{id}?role=publish_subscribe"))
}
