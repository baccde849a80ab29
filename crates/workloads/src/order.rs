//! From what the state wants to what a runtime is told.

use std::collections::BTreeMap;

use sagegate_gate::Secret;
use sagegate_services::sagemaker::instances;
use sagegate_services::sagemaker::workload::{Desired, DesiredNotebook};
use serde_json::json;

use crate::apps::Catalog;
use crate::networks::Plugged;
use crate::runtime::{Limits, Network, Spec};
use crate::work::Work;

/// The name under which code in a space finds its credentials' endpoint.
const CREDENTIALS: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// And the word that opens it.
pub(crate) const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// The endpoint's path.
pub(crate) const CREDENTIALS_PATH: &str = "/credentials";

/// Where notebook instances keep what is to persist ("Amazon SageMaker AI Developer Guide", "Customize a
/// notebook instance using a lifecycle configuration script").
const NOTEBOOK_HOME: &str = "/home/ec2-user/SageMaker";

/// Processes and threads that a space may have.
const PIDS: u32 = 4096;

const GIB: u64 = 1 << 30;

/// What to tell a runtime. `token` is the word that opens the credentials' endpoint, `plugged` the
/// network that it is in, if it is in one.
///
/// # Errors
///
/// Why it cannot be run: its `FailureReason`.
pub(crate) fn order(
    wanted: &Work,
    catalog: &Catalog,
    token: &Secret,
    plugged: Option<&Plugged>,
) -> Result<Spec, String> {
    let (mut app, scripts, hostname, home_too) = match wanted {
        Work::App(it) => {
            let scripts = [&it.built_in_lifecycle_script, &it.lifecycle_script];
            (catalog.program(it.app_type, it.image.as_ref())?, scripts, "default", None)
        }
        Work::Notebook(it) => {
            check_possible(it)?;
            let scripts = [&it.on_create, &it.on_start];
            (catalog.notebook()?, scripts, "notebook", Some(NOTEBOOK_HOME.to_owned()))
        }
    };
    let scripts = scripts.into_iter().flatten().cloned().collect();
    app.env.extend(environment(wanted, token));
    match plugged {
        Some(plugged) => app.env.extend(plugged.env.clone()),
        None => {
            app.env.insert("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:{api}".to_owned());
        }
    }
    let metadata = match wanted {
        Work::App(it) => metadata(it),
        // "Get notebook instance metadata", in the same guide as below.
        Work::Notebook(it) => json!({ "ResourceArn": it.arn, "ResourceName": it.name }).to_string(),
    };
    Ok(Spec {
        id: wanted.id().to_owned(),
        home: wanted.home().to_owned(),
        home_too,
        hostname: hostname.to_owned(),
        app,
        lifecycle_scripts: scripts,
        limits: limits(wanted.instance_type()),
        metadata,
        network: match plugged {
            Some(plugged) => Network::Plugged { interface: plugged.interface.clone() },
            None => Network::Isolated,
        },
        files: plugged.map(|it| it.files.clone()).unwrap_or_default(),
    })
}

/// Refuses a notebook instance that asks for what a workload cannot have, instead of running it
/// without.
fn check_possible(wanted: &DesiredNotebook) -> Result<(), String> {
    if let Some(repository) = wanted.repositories.first() {
        return Err(format!(
            "The Git repository '{repository}' cannot be cloned: notebook instances of this \
             installation reach no network but the API. Take it off with UpdateNotebookInstance \
             (DisassociateDefaultCodeRepository, DisassociateAdditionalCodeRepositories) and start \
             the notebook instance again."
        ));
    }
    if let Some(accelerator) = wanted.accelerators.first() {
        return Err(format!(
            "The accelerator {accelerator} cannot be attached: this installation has none. Take it \
             off with UpdateNotebookInstance (DisassociateAcceleratorTypes) and start the notebook \
             instance again."
        ));
    }
    Ok(())
}

/// The word with which a workload that was started earlier opens its credentials' endpoint.
pub(crate) fn token(spec: &Spec) -> Option<Secret> {
    spec.app.env.get(TOKEN).map(|it| Secret::new(it.clone()))
}

/// The variables of Studio, for apps, and those by which AWS's clients find their endpoint and
/// credentials.
fn environment(wanted: &Work, token: &Secret) -> BTreeMap<String, String> {
    let region = wanted.scope().region.to_string();
    let mut env: BTreeMap<String, String> = [
        (CREDENTIALS, format!("http://127.0.0.1:{{credentials}}{CREDENTIALS_PATH}")),
        (TOKEN, token.reveal().to_owned()),
        ("AWS_DEFAULT_REGION", region.clone()),
        ("AWS_REGION", region.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let Work::App(wanted) = wanted else { return env };
    let kind = wanted.app_type.to_string();
    let studio = [
        ("AWS_ACCOUNT_ID", wanted.scope.account.to_string()),
        ("REGION_NAME", region),
        ("SAGEMAKER_APP_TYPE_LOWERCASE", kind.to_ascii_lowercase()),
        ("SAGEMAKER_APP_TYPE", kind),
        ("SAGEMAKER_DOMAIN_ID", wanted.domain.to_string()),
    ];
    env.extend(studio.map(|(name, value)| (name.to_owned(), value)));
    if wanted.owner.is_space() {
        env.insert("SAGEMAKER_SPACE_NAME".to_owned(), wanted.owner.name().to_owned());
    }
    if let Some(profile) = &wanted.profile {
        env.insert("SAGEMAKER_USER_PROFILE_NAME".to_owned(), profile.clone());
    }
    env
}

/// `/opt/ml/metadata/resource-metadata.json`, with the members that Studio's has ("Amazon SageMaker AI
/// Developer Guide", "Get Amazon SageMaker Studio app metadata").
fn metadata(wanted: &Desired) -> String {
    let mut value = json!({
        "AppType": wanted.app_type.to_string(),
        "DomainId": wanted.domain.to_string(),
        "ExecutionRoleArn": wanted.execution_role,
        "ResourceArn": wanted.app_arn,
        "ResourceName": wanted.app_name,
    });
    if let Some(members) = value.as_object_mut() {
        if wanted.owner.is_space() {
            members.insert("SpaceName".to_owned(), wanted.owner.name().into());
        }
        if let Some(profile) = &wanted.profile {
            members.insert("UserProfileName".to_owned(), profile.clone().into());
        }
    }
    value.to_string()
}

/// How much an instance of this type has. `system` and what is not known have what the default of
/// Studio's types has.
fn limits(instance_type: &str) -> Limits {
    let capacity = instances::capacity(instance_type);
    let (vcpus, memory_gib) = capacity.map_or((2, 4), |it| (it.vcpus, it.memory_gib));
    Limits { cpu_milli: 1000 * vcpus, memory: GIB * u64::from(memory_gib), pids: PIDS }
}
