//! Whose credentials, which region and which address a command uses, found as the aws CLI finds them:
//! options, environment, `~/.aws/credentials` and `~/.aws/config`.
//!
//! Source: "Configuration and credential file settings" and "Environment variables" in the AWS CLI
//! User Guide; "Service-specific endpoints" in the AWS SDKs and Tools Reference Guide.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use sagegate_gate::Env;
use sagegate_wire::sigv4::SecretKey;
use serde_json::{Value, json};

use crate::client::{Client, Credentials};

/// What the options of a command say.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Access {
    /// The profile in ~/.aws/config and ~/.aws/credentials; before AWS_PROFILE and before credentials in
    /// the environment.
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// The address of the API; before AWS_ENDPOINT_URL_SAGEMAKER, AWS_ENDPOINT_URL and the profile's.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// The region; before that of the space's ARN, AWS_REGION, AWS_DEFAULT_REGION and the profile's.
    #[arg(long)]
    pub(crate) region: Option<String>,
}

/// The names and values of a section; those of a nested block have its name and a dot before theirs.
type Section = BTreeMap<String, String>;

/// The files and the environment.
pub(crate) struct Settings {
    variables: fn(&str) -> Option<String>,
    credentials: BTreeMap<String, Section>,
    config: BTreeMap<String, Section>,
}

/// How many profiles may lead to each other by `source_profile`.
const DEPTH: usize = 5;

impl Settings {
    /// Reads the files that there are.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let variables = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let file = |variable: &str, name: &str| -> anyhow::Result<BTreeMap<String, Section>> {
            let path = match variables(variable) {
                Some(path) => PathBuf::from(path),
                None => match variables("HOME") {
                    Some(home) => PathBuf::from(home).join(".aws").join(name),
                    None => return Ok(BTreeMap::new()),
                },
            };
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(sections(&text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
                Err(error) => Err(error).with_context(|| path.display().to_string()),
            }
        };
        Ok(Self {
            variables,
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials")?,
            config: file("AWS_CONFIG_FILE", "config")?,
        })
    }

    fn profile<'a>(&self, access: &'a Access) -> std::borrow::Cow<'a, str> {
        match &access.profile {
            Some(profile) => profile.into(),
            None => (self.variables)("AWS_PROFILE")
                .or_else(|| (self.variables)("AWS_DEFAULT_PROFILE"))
                .unwrap_or_else(|| "default".to_owned())
                .into(),
        }
    }

    /// A setting of a profile; the credentials file comes first, as with the CLI.
    fn setting(&self, profile: &str, name: &str) -> Option<&str> {
        let in_config = match profile {
            "default" => self.config.get("default").or_else(|| self.config.get("profile default")),
            other => self.config.get(&format!("profile {other}")),
        };
        let in_credentials = self.credentials.get(profile);
        let all = [in_credentials, in_config].into_iter().flatten();
        all.filter_map(|section| section.get(name)).map(String::as_str).next()
    }

    fn has_profile(&self, profile: &str) -> bool {
        self.credentials.contains_key(profile)
            || self.config.contains_key(&format!("profile {profile}"))
            || (profile == "default" && self.config.contains_key("default"))
    }

    pub(crate) fn region(
        &self,
        access: &Access,
        of_resource: Option<&str>,
    ) -> anyhow::Result<String> {
        let known = access
            .region
            .clone()
            .or_else(|| of_resource.map(str::to_owned))
            .or_else(|| (self.variables)("AWS_REGION"))
            .or_else(|| (self.variables)("AWS_DEFAULT_REGION"))
            .or_else(|| self.setting(&self.profile(access), "region").map(str::to_owned));
        known.context("no region: name one with --region or AWS_REGION")
    }

    /// The address of a service's API.
    fn endpoint(&self, access: &Access, profile: &str, service: &str) -> anyhow::Result<String> {
        if let Some(url) = &access.endpoint_url {
            return Ok(url.clone());
        }
        let ignored = (self.variables)("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if !ignored {
            let own = format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase());
            let in_services = || {
                let services = self.setting(profile, "services")?;
                let section = self.config.get(&format!("services {services}"))?;
                section.get(&format!("{service}.endpoint_url")).cloned()
            };
            let known = (self.variables)(&own)
                .or_else(in_services)
                .or_else(|| (self.variables)("AWS_ENDPOINT_URL"))
                .or_else(|| self.setting(profile, "endpoint_url").map(str::to_owned));
            if let Some(url) = known {
                return Ok(url);
            }
        }
        bail!(
            "no address of {service}: name it with --endpoint-url, AWS_ENDPOINT_URL or endpoint_url in \
             the profile"
        )
    }

    /// A client of SageMaker, or of another service at its own address.
    pub(crate) async fn client(
        &self,
        access: &Access,
        service: &str,
        region: &str,
    ) -> anyhow::Result<Client> {
        let profile = self.profile(access).into_owned();
        let credentials = self.credentials(access, &profile, region).await?;
        self.client_with(access, &profile, service, region, credentials).await
    }

    async fn client_with(
        &self,
        access: &Access,
        profile: &str,
        service: &str,
        region: &str,
        credentials: Credentials,
    ) -> anyhow::Result<Client> {
        let url = self.endpoint(access, profile, service)?;
        let uri: http::Uri = url.parse().with_context(|| format!("the address {url:?}"))?;
        anyhow::ensure!(
            uri.scheme_str() == Some("http"),
            "{url}: only http:// is spoken here; TLS is for a tunnel on this machine"
        );
        let host = uri.host().with_context(|| format!("the address {url:?} has no host"))?;
        let place = (host.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(80));
        let found = tokio::net::lookup_host(place).await;
        let server = found.ok().and_then(|mut found| found.next());
        let server = server.with_context(|| format!("{host} cannot be looked up"))?;
        Ok(Client { server, region: region.to_owned(), credentials, env: Env::system() })
    }

    async fn credentials(
        &self,
        access: &Access,
        profile: &str,
        region: &str,
    ) -> anyhow::Result<Credentials> {
        // A profile that was named on the command line is meant, whatever the environment has.
        if access.profile.is_none()
            && let Some(id) = (self.variables)("AWS_ACCESS_KEY_ID")
        {
            let secret = (self.variables)("AWS_SECRET_ACCESS_KEY")
                .context("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not")?;
            let token = (self.variables)("AWS_SESSION_TOKEN");
            return Ok(Credentials { access_key_id: id, secret: SecretKey::new(secret), token });
        }
        self.of_profile(access, profile, region, 0).await
    }

    async fn of_profile(
        &self,
        access: &Access,
        profile: &str,
        region: &str,
        depth: usize,
    ) -> anyhow::Result<Credentials> {
        anyhow::ensure!(depth < DEPTH, "profile {profile}: source_profile leads on too often");
        anyhow::ensure!(
            self.has_profile(profile),
            "no credentials: there is no profile {profile:?}, and none in the environment"
        );
        let setting = |name| self.setting(profile, name);
        if let Some(role) = setting("role_arn") {
            let source = setting("source_profile")
                .with_context(|| format!("profile {profile}: role_arn without source_profile"))?;
            let credentials = if source == profile {
                self.stored(profile)
                    .with_context(|| format!("profile {profile} has no keys of its own"))?
            } else {
                Box::pin(self.of_profile(access, source, region, depth + 1)).await?
            };
            let client = self.client_with(access, profile, "sts", region, credentials).await?;
            let session = setting("role_session_name").unwrap_or("sagegate");
            let mut input = json!({ "RoleArn": role, "RoleSessionName": session });
            if let (Some(id), Some(input)) = (setting("external_id"), input.as_object_mut()) {
                input.insert("ExternalId".to_owned(), id.into());
            }
            let answer = client.call("sts.AssumeRole", &input).await?;
            let given = answer.get("Credentials").context("sts:AssumeRole gave no credentials")?;
            return credentials_of(given, "SessionToken");
        }
        if let Some(stored) = self.stored(profile) {
            return Ok(stored);
        }
        if let Some(command) = setting("credential_process") {
            let output = tokio::process::Command::new("sh")
                .args(["-c", command])
                .stdin(std::process::Stdio::null())
                .stderr(std::process::Stdio::inherit())
                .output()
                .await
                .with_context(|| format!("credential_process of profile {profile}"))?;
            anyhow::ensure!(
                output.status.success(),
                "credential_process of profile {profile}: {}",
                output.status
            );
            // What it printed is secret, and no part of an error.
            let given: Value = serde_json::from_slice(&output.stdout)
                .map_err(|_| anyhow::anyhow!("credential_process of profile {profile}: no JSON"))?;
            return credentials_of(&given, "SessionToken");
        }
        bail!(
            "profile {profile} has neither keys nor role_arn nor credential_process; for other kinds of \
             profile set credential_process = aws configure export-credentials --profile {profile}"
        )
    }

    fn stored(&self, profile: &str) -> Option<Credentials> {
        let id = self.setting(profile, "aws_access_key_id")?.to_owned();
        let secret = self.setting(profile, "aws_secret_access_key")?.to_owned();
        let token = self.setting(profile, "aws_session_token").map(str::to_owned);
        Some(Credentials { access_key_id: id, secret: SecretKey::new(secret), token })
    }
}

fn credentials_of(given: &Value, token: &str) -> anyhow::Result<Credentials> {
    let text = |name: &str| given.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Credentials {
        access_key_id: text("AccessKeyId").context("credentials without AccessKeyId")?,
        secret: SecretKey::new(text("SecretAccessKey").context("credentials without a secret")?),
        token: text(token),
    })
}

/// The sections of a file.
fn sections(text: &str) -> BTreeMap<String, Section> {
    let mut all = BTreeMap::<String, Section>::new();
    let mut name = String::new();
    let mut block = String::new();
    for line in text.lines() {
        let nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default();
            name = header.split_whitespace().collect::<Vec<_>>().join(" ").replace(['"', '\''], "");
            all.entry(name.clone()).or_default();
            block.clear();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        let value = value.split(" #").next().unwrap_or_default().trim_end();
        let section = all.entry(name.clone()).or_default();
        if nested && !block.is_empty() {
            section.insert(format!("{block}.{key}"), value.to_owned());
        } else if value.is_empty() {
            block = key;
        } else {
            block.clear();
            section.insert(key, value.to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: fn(&str) -> Option<String>) -> Settings {
        let config = "[default]\nregion = us-east-1\n[profile work]\n# a comment\nregion=eu-west-1\n\
                      services = here\nendpoint_url = http://other\nrole_arn = arn:x\n\
                      source_profile = keys\n[services here]\nsagemaker =\n  \
                      endpoint_url = http://127.0.0.1:1\nsts =\n  endpoint_url = http://127.0.0.1:2\n";
        let credentials = "[keys]\naws_access_key_id = AKIA1\naws_secret_access_key = s/e=c\n\
                           aws_session_token=t\n";
        Settings { variables, config: sections(config), credentials: sections(credentials) }
    }

    fn named(profile: &str) -> Access {
        Access { profile: Some(profile.to_owned()), ..Access::default() }
    }

    #[test]
    fn what_is_said_nearest_holds() {
        let none = settings(|_| None);
        let work = named("work");
        assert_eq!(none.endpoint(&work, "work", "sagemaker").unwrap(), "http://127.0.0.1:1");
        assert_eq!(none.endpoint(&work, "work", "ec2").unwrap(), "http://other");
        assert!(none.endpoint(&work, "default", "ec2").is_err());
        assert_eq!(none.region(&work, None).unwrap(), "eu-west-1");
        assert_eq!(none.region(&work, Some("us-west-2")).unwrap(), "us-west-2");
        assert_eq!(none.region(&Access::default(), None).unwrap(), "us-east-1");
        let set = settings(|name| match name {
            "AWS_ENDPOINT_URL_SAGEMAKER" => Some("http://own".to_owned()),
            "AWS_ENDPOINT_URL" => Some("http://all".to_owned()),
            "AWS_REGION" => Some("ap-south-1".to_owned()),
            _ => None,
        });
        assert_eq!(set.endpoint(&work, "work", "sagemaker").unwrap(), "http://own");
        assert_eq!(set.endpoint(&work, "work", "ec2").unwrap(), "http://all");
        assert_eq!(set.region(&work, None).unwrap(), "ap-south-1");
    }

    #[test]
    fn keys_come_from_the_profile_with_their_token() {
        let stored = settings(|_| None).stored("keys").unwrap();
        assert_eq!((&*stored.access_key_id, stored.token.as_deref()), ("AKIA1", Some("t")));
        assert!(settings(|_| None).stored("work").is_none());
    }
}
